//! Enrolled gateways.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::{Gateway, GatewayReport, GatewayState, Name, SecretHash};
use policy::id::{GatewayId, ServiceId};

use crate::directory::{self, Lookup};
use crate::error::StoreError;
use crate::page::{Listed, Page};
use crate::schema::gateways;
use crate::tx::Tx;
use crate::types::{At, Id, big, checked, count, digest, storable};

const WHAT: &str = "gateway";

#[derive(Queryable, Selectable)]
#[diesel(table_name = gateways)]
struct Row {
    id: Id,
    service_id: Id,
    name: String,
    key_hash: Vec<u8>,
    created_at: At,
    last_seen_at: Option<At>,
    bundle_version: Option<i64>,
    state: Option<String>,
    error: Option<String>,
    arc_version: Option<String>,
}

impl TryFrom<Row> for Gateway {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let state = row.state.as_deref().map(|state| GatewayState::parse(state).ok_or(StoreError::Corrupt(WHAT)));
        let bundle_version = row.bundle_version.map(|version| count(version, WHAT)).transpose()?;
        let report = state.transpose()?.map(|state| GatewayReport {
            bundle_version,
            state,
            error: row.error,
            arc_version: row.arc_version.unwrap_or_default(),
        });
        Ok(Self {
            id: row.id.into(),
            service_id: row.service_id.into(),
            name: checked(Name::try_from(row.name), WHAT)?,
            key_hash: SecretHash::new(digest(&row.key_hash, WHAT)?),
            created_at: row.created_at.into(),
            last_seen_at: row.last_seen_at.map(Into::into),
            report,
        })
    }
}

/// Enrols a gateway, which has reported nothing yet.
pub fn insert(tx: &mut Tx<'_>, gateway: &Gateway) -> Result<(), StoreError> {
    let own = tx.own();
    tx.run(WHAT, |connection| {
        diesel::insert_into(gateways::table)
            .values((
                gateways::account_id.eq(own),
                gateways::id.eq(Id::from(gateway.id)),
                gateways::service_id.eq(Id::from(gateway.service_id)),
                gateways::name.eq(gateway.name.as_str()),
                gateways::key_hash.eq(&gateway.key_hash.as_bytes()[..]),
                gateways::created_at.eq(At::from(gateway.created_at)),
            ))
            .execute(connection)
    })?;
    directory::enter(tx, Lookup::Gateway(gateway.id), gateway.id, WHAT)
}

/// This account's gateway with that id; find the account with [`Lookup::Gateway`].
pub fn find(tx: &mut Tx<'_>, id: GatewayId) -> Result<Gateway, StoreError> {
    let own = tx.own();
    tx.run(WHAT, |connection| {
        gateways::table
            .filter(gateways::account_id.eq(own))
            .filter(gateways::id.eq(Id::from(id)))
            .select(Row::as_select())
            .first(connection)
    })?
    .try_into()
}

/// The gateways of a Service, oldest first.
pub fn list(tx: &mut Tx<'_>, service_id: ServiceId, page: Page<GatewayId>) -> Result<Listed<Gateway>, StoreError> {
    let own = tx.own();
    let rows = tx.run(WHAT, |connection| {
        gateways::table
            .filter(gateways::account_id.eq(own))
            .filter(gateways::service_id.eq(Id::from(service_id)))
            .filter(gateways::id.gt(page.above()))
            .order(gateways::id.asc())
            .limit(page.sql_limit())
            .select(Row::as_select())
            .load(connection)
    })?;
    page.cut(rows).try_map(Gateway::try_from)
}

/// Notes that a gateway asked for something.
pub fn seen(tx: &mut Tx<'_>, id: GatewayId, now: DateTime<Utc>) -> Result<(), StoreError> {
    let own = tx.own();
    tx.change_one(WHAT, |connection| {
        diesel::update(gateways::table.filter(gateways::account_id.eq(own)).filter(gateways::id.eq(Id::from(id))))
            .set(gateways::last_seen_at.eq(At::from(now)))
            .execute(connection)
    })
}

/// Keeps what a gateway reports, in place of what it reported before.
pub fn report(tx: &mut Tx<'_>, id: GatewayId, report: &GatewayReport, now: DateTime<Utc>) -> Result<(), StoreError> {
    let own = tx.own();
    tx.change_one(WHAT, |connection| {
        diesel::update(gateways::table.filter(gateways::account_id.eq(own)).filter(gateways::id.eq(Id::from(id))))
            .set((
                gateways::last_seen_at.eq(At::from(now)),
                gateways::bundle_version.eq(report.bundle_version.map(big)),
                gateways::state.eq(report.state.as_str()),
                gateways::error.eq(report.error.as_deref().map(storable)),
                gateways::arc_version.eq(storable(&report.arc_version)),
            ))
            .execute(connection)
    })
}

/// Takes a gateway off the list; its key opens nothing any more. What it audited stays.
pub fn delete(tx: &mut Tx<'_>, id: GatewayId) -> Result<(), StoreError> {
    let own = tx.own();
    tx.change_one(WHAT, |connection| {
        diesel::delete(gateways::table.filter(gateways::account_id.eq(own)).filter(gateways::id.eq(Id::from(id))))
            .execute(connection)
    })?;
    directory::leave(tx, Lookup::Gateway(id))
}
