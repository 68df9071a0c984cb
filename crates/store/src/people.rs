//! People: platform rows, of no account.

use diesel::prelude::*;
use domain::{EmailAddress, PasswordHash, Person};
use policy::id::PersonId;

use crate::error::StoreError;
use crate::schema::people;
use crate::tx::Tx;
use crate::types::{At, Id, checked};

#[derive(Queryable, Selectable)]
#[diesel(table_name = people)]
struct Row {
    id: Id,
    email: String,
    password_hash: String,
    created_at: At,
}

impl TryFrom<Row> for Person {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id.into(),
            email: checked(EmailAddress::try_from(row.email), "person")?,
            password_hash: PasswordHash::new(row.password_hash),
            created_at: row.created_at.into(),
        })
    }
}

/// Makes a person whose address is confirmed; [`StoreError::Conflict`] when somebody has that address.
pub fn insert(tx: &mut Tx<'_>, person: &Person) -> Result<(), StoreError> {
    tx.run("mail address", |connection| {
        diesel::insert_into(people::table)
            .values((
                people::id.eq(Id::from(person.id)),
                people::email.eq(person.email.as_str()),
                people::password_hash.eq(person.password_hash.as_str()),
                people::created_at.eq(At::from(person.created_at)),
            ))
            .execute(connection)
    })
    .map(drop)
}

/// The person with that id.
pub fn find(tx: &mut Tx<'_>, id: PersonId) -> Result<Person, StoreError> {
    tx.run("person", |connection| {
        people::table.filter(people::id.eq(Id::from(id))).select(Row::as_select()).first(connection)
    })?
    .try_into()
}

/// The person with that address; none when it is unknown.
pub fn find_by_email(tx: &mut Tx<'_>, email: &EmailAddress) -> Result<Option<Person>, StoreError> {
    tx.run("person", |connection| {
        people::table.filter(people::email.eq(email.as_str())).select(Row::as_select()).first(connection).optional()
    })?
    .map(Person::try_from)
    .transpose()
}

/// Gives a person another password.
pub fn set_password(tx: &mut Tx<'_>, id: PersonId, hash: &PasswordHash) -> Result<(), StoreError> {
    tx.change_one("person", |connection| {
        diesel::update(people::table.filter(people::id.eq(Id::from(id))))
            .set(people::password_hash.eq(hash.as_str()))
            .execute(connection)
    })
}
