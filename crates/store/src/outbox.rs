//! Mail that waits to be sent: written in the transaction that causes it, sent by a worker at least once.
//!
//! The worker finds what is due in the directory, whose lookup for a mail is its due time and id, and then opens
//! the account that it belongs to.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::{EmailAddress, OutboxMail, Sealed};
use policy::id::{AccountId, MailId};

use crate::directory::{enter_row, leave_row};
use crate::error::StoreError;
use crate::schema::{directory, outbox};
use crate::tx::Tx;
use crate::types::{At, Id, big, checked, count};

const WHAT: &str = "mail";
/// The most mails that a worker takes in one round.
pub const MAX_DUE: usize = 100;

#[derive(Queryable, Selectable)]
#[diesel(table_name = outbox)]
struct Row {
    id: Id,
    recipient: String,
    content: Vec<u8>,
    attempts: i64,
    created_at: At,
    due_at: At,
}

impl TryFrom<Row> for OutboxMail {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id.into(),
            to: checked(EmailAddress::try_from(row.recipient), WHAT)?,
            content: Sealed::new(row.content),
            attempts: count(row.attempts, WHAT)?,
            created_at: row.created_at.into(),
            due_at: row.due_at.into(),
        })
    }
}

/// Where a mail stands in the directory: big-endian microseconds, so that the earliest is the smallest, then its id.
fn lookup(due_at: At, id: Id) -> Vec<u8> {
    let micros = u64::try_from(DateTime::<Utc>::from(due_at).timestamp_micros()).unwrap_or(0);
    [&micros.to_be_bytes()[..], id.0.as_bytes()].concat()
}

/// Puts a mail into this account's outbox.
pub fn put(tx: &mut Tx<'_>, mail: &OutboxMail) -> Result<(), StoreError> {
    let own = tx.own();
    let (id, due_at) = (Id::from(mail.id), At::from(mail.due_at));
    tx.run(WHAT, |connection| {
        diesel::insert_into(outbox::table)
            .values((
                outbox::account_id.eq(own),
                outbox::id.eq(id),
                outbox::recipient.eq(mail.to.as_str()),
                outbox::content.eq(mail.content.as_bytes()),
                outbox::attempts.eq(i64::from(mail.attempts)),
                outbox::created_at.eq(At::from(mail.created_at)),
                outbox::due_at.eq(due_at),
            ))
            .execute(connection)
    })?;
    enter_row(tx, "mail", lookup(due_at, id), id, WHAT)
}

/// Which mails are due, of every account, the longest due first; at most [`MAX_DUE`]. Names only: take each in its account.
pub fn due(tx: &mut Tx<'_>, now: DateTime<Utc>) -> Result<Vec<(AccountId, MailId)>, StoreError> {
    let until = lookup(At::from(now), Id(uuid::Uuid::max()));
    let found: Vec<(Id, Id)> = tx.run(WHAT, |connection| {
        directory::table
            .filter(directory::kind.eq("mail"))
            .filter(directory::lookup.le(until))
            .order(directory::lookup.asc())
            .limit(big(MAX_DUE as u64))
            .select((directory::account_id, directory::target_id))
            .load(connection)
    })?;
    Ok(found.into_iter().map(|(account_id, id)| (account_id.into(), id.into())).collect())
}

/// Takes a mail that is due, for one attempt: nobody else has it until `lease_until`, when it is due again unless it
/// was [`done`]. None when another worker has it. The attempt is counted now, so that one that kills the worker counts.
pub fn take(
    tx: &mut Tx<'_>,
    id: MailId,
    now: DateTime<Utc>,
    lease_until: DateTime<Utc>,
) -> Result<Option<OutboxMail>, StoreError> {
    let own = tx.own();
    let found: Option<Row> = tx.run(WHAT, |connection| {
        outbox::table
            .find((own, Id::from(id)))
            .filter(outbox::due_at.le(At::from(now)))
            .select(Row::as_select())
            .first(connection)
            .optional()
    })?;
    let Some(row) = found else { return Ok(None) };
    let taken = tx.run(WHAT, |connection| {
        diesel::update(outbox::table.find((own, Id::from(id))).filter(outbox::due_at.eq(row.due_at)))
            .set((outbox::due_at.eq(At::from(lease_until)), outbox::attempts.eq(outbox::attempts + 1)))
            .execute(connection)
    })?;
    if taken == 0 {
        return Ok(None);
    }
    move_due(tx, id, row.due_at, lease_until)?;
    OutboxMail::try_from(row)
        .map(|mail| OutboxMail { due_at: lease_until, attempts: mail.attempts.saturating_add(1), ..mail })
        .map(Some)
}

/// Sending failed: it is due again then.
pub fn failed(tx: &mut Tx<'_>, mail: &OutboxMail, again_at: DateTime<Utc>) -> Result<(), StoreError> {
    let own = tx.own();
    let due_at = At::from(mail.due_at);
    tx.change_one(WHAT, |connection| {
        diesel::update(outbox::table.find((own, Id::from(mail.id))).filter(outbox::due_at.eq(due_at)))
            .set(outbox::due_at.eq(At::from(again_at)))
            .execute(connection)
    })?;
    move_due(tx, mail.id, due_at, again_at)
}

/// It was sent, or nobody will ever take it: forgets it.
pub fn done(tx: &mut Tx<'_>, mail: &OutboxMail) -> Result<(), StoreError> {
    let own = tx.own();
    tx.change_one(WHAT, |connection| diesel::delete(outbox::table.find((own, Id::from(mail.id)))).execute(connection))?;
    leave_row(tx, "mail", lookup(At::from(mail.due_at), Id::from(mail.id)))
}

fn move_due(tx: &mut Tx<'_>, id: MailId, from: At, to: DateTime<Utc>) -> Result<(), StoreError> {
    let id = Id::from(id);
    leave_row(tx, "mail", lookup(from, id))?;
    enter_row(tx, "mail", lookup(At::from(to), id), id, WHAT)
}
