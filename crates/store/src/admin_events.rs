//! Administrative events: what was changed, by whom; written in the transaction of the change, and never again.

use diesel::prelude::*;
use domain::AdminEvent;
use policy::id::EventId;

use crate::error::StoreError;
use crate::page::{Listed, Page};
use crate::schema::admin_events;
use crate::tx::Tx;
use crate::types::{At, Id, Json, checked, storable};

const WHAT: &str = "event";

#[derive(Queryable, Selectable)]
#[diesel(table_name = admin_events)]
struct Row {
    id: Id,
    at: At,
    actor: String,
    action: String,
    target: String,
    was: Option<Json>,
    became: Option<Json>,
    request_id: Id,
}

impl TryFrom<Row> for AdminEvent {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id.into(),
            at: row.at.into(),
            actor: checked(row.actor.parse(), WHAT)?,
            action: row.action,
            target: row.target,
            before: row.was.map(|value| value.0),
            after: row.became.map(|value| value.0),
            request_id: row.request_id.into(),
        })
    }
}

/// Writes an event into this account, and names the transaction after it.
pub fn append(tx: &mut Tx<'_>, event: &AdminEvent) -> Result<(), StoreError> {
    let own = tx.own();
    tx.name(&event.action);
    tx.run(WHAT, |connection| {
        diesel::insert_into(admin_events::table)
            .values((
                admin_events::account_id.eq(own),
                admin_events::id.eq(Id::from(event.id)),
                admin_events::at.eq(At::from(event.at)),
                admin_events::actor.eq(event.actor.to_string()),
                admin_events::action.eq(storable(&event.action)),
                admin_events::target.eq(storable(&event.target)),
                admin_events::was.eq(event.before.clone().map(Json)),
                admin_events::became.eq(event.after.clone().map(Json)),
                admin_events::request_id.eq(Id::from(event.request_id)),
            ))
            .execute(connection)
    })
    .map(drop)
}

/// This account's events, the newest first.
pub fn list(tx: &mut Tx<'_>, page: Page<EventId>) -> Result<Listed<AdminEvent>, StoreError> {
    let own = tx.own();
    let rows = tx.run(WHAT, |connection| {
        admin_events::table
            .filter(admin_events::account_id.eq(own))
            .filter(admin_events::id.lt(page.below()))
            .order(admin_events::id.desc())
            .limit(page.sql_limit())
            .select(Row::as_select())
            .load(connection)
    })?;
    page.cut(rows).try_map(AdminEvent::try_from)
}
