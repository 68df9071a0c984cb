//! Members: people in an account.
//!
//! Invariant: an account that has an owner keeps one.

use diesel::prelude::*;
use domain::{Member, MemberRole, Revision};
use policy::id::{MemberId, PersonId};

use crate::error::StoreError;
use crate::page::{Listed, Page};
use crate::schema::members;
use crate::tx::Tx;
use crate::types::{At, Id, big, count};
use crate::{accounts, directory, sessions};

#[derive(Queryable, Selectable)]
#[diesel(table_name = members)]
struct Row {
    id: Id,
    person_id: Id,
    role: String,
    created_at: At,
    revision: i64,
}

impl TryFrom<Row> for Member {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id.into(),
            person_id: row.person_id.into(),
            role: MemberRole::parse(&row.role).ok_or(StoreError::Corrupt("member"))?,
            created_at: row.created_at.into(),
            revision: Revision(count(row.revision, "member")?),
        })
    }
}

/// Puts a person into this account; [`StoreError::Conflict`] when they are in it.
pub fn insert(tx: &mut Tx<'_>, member: &Member) -> Result<(), StoreError> {
    let own = tx.own();
    tx.run("member", |connection| {
        diesel::insert_into(members::table)
            .values((
                members::account_id.eq(own),
                members::id.eq(Id::from(member.id)),
                members::person_id.eq(Id::from(member.person_id)),
                members::role.eq(member.role.as_str()),
                members::created_at.eq(At::from(member.created_at)),
                members::revision.eq(big(member.revision.0)),
            ))
            .execute(connection)
    })?;
    directory::enter_member(tx, member.person_id, member.id)
}

/// This account's member with that id.
pub fn find(tx: &mut Tx<'_>, id: MemberId) -> Result<Member, StoreError> {
    let own = tx.own();
    tx.run("member", |connection| {
        members::table
            .filter(members::account_id.eq(own))
            .filter(members::id.eq(Id::from(id)))
            .select(Row::as_select())
            .first(connection)
    })?
    .try_into()
}

/// The member that this person is here; none when they are not in this account.
pub fn find_by_person(tx: &mut Tx<'_>, person_id: PersonId) -> Result<Option<Member>, StoreError> {
    let own = tx.own();
    tx.run("member", |connection| {
        members::table
            .filter(members::account_id.eq(own))
            .filter(members::person_id.eq(Id::from(person_id)))
            .select(Row::as_select())
            .first(connection)
            .optional()
    })?
    .map(Member::try_from)
    .transpose()
}

/// This account's members, oldest first.
pub fn list(tx: &mut Tx<'_>, page: Page<MemberId>) -> Result<Listed<Member>, StoreError> {
    let own = tx.own();
    let rows = tx.run("member", |connection| {
        members::table
            .filter(members::account_id.eq(own))
            .filter(members::id.gt(page.above()))
            .order(members::id.asc())
            .limit(page.sql_limit())
            .select(Row::as_select())
            .load(connection)
    })?;
    page.cut(rows).try_map(Member::try_from)
}

/// Gives a member another role; `Conflict("last owner")` when the account would have none left.
pub fn set_role(tx: &mut Tx<'_>, id: MemberId, role: MemberRole, expected: Revision) -> Result<Member, StoreError> {
    accounts::lock(tx)?;
    let member = find(tx, id)?;
    if member.revision != expected {
        return Err(StoreError::Changed);
    }
    if role != MemberRole::Owner {
        keep_an_owner(tx, &member)?;
    }
    let own = tx.own();
    tx.change_one("member", |connection| {
        diesel::update(members::table.filter(members::account_id.eq(own)).filter(members::id.eq(Id::from(id))))
            .set((members::role.eq(role.as_str()), members::revision.eq(big(expected.next().0))))
            .execute(connection)
    })?;
    Ok(Member { role, revision: expected.next(), ..member })
}

/// Takes a member out of the account, and ends their sessions here; `Conflict("last owner")` as above.
pub fn delete(tx: &mut Tx<'_>, id: MemberId) -> Result<Member, StoreError> {
    accounts::lock(tx)?;
    let member = find(tx, id)?;
    keep_an_owner(tx, &member)?;
    sessions::delete_of_member(tx, id)?;
    directory::leave_member(tx, member.person_id)?;
    let own = tx.own();
    tx.change_one("member", |connection| {
        diesel::delete(members::table.filter(members::account_id.eq(own)).filter(members::id.eq(Id::from(id))))
            .execute(connection)
    })?;
    Ok(member)
}

/// Under [`accounts::lock`]: refuses to take the last owner away.
fn keep_an_owner(tx: &mut Tx<'_>, leaving: &Member) -> Result<(), StoreError> {
    if leaving.role != MemberRole::Owner {
        return Ok(());
    }
    let own = tx.own();
    let others: i64 = tx.run("member", |connection| {
        members::table
            .filter(members::account_id.eq(own))
            .filter(members::role.eq(MemberRole::Owner.as_str()))
            .filter(members::id.ne(Id::from(leaving.id)))
            .count()
            .get_result(connection)
    })?;
    if others == 0 { Err(StoreError::Conflict("last owner")) } else { Ok(()) }
}
