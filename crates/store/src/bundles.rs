//! Bundles: every version that was published, written once.
//!
//! Invariant: the versions of a Service are 1, 2, 3 and so on, without a gap.

use diesel::prelude::*;
use domain::StoredBundle;
use policy::id::ServiceId;

use crate::error::StoreError;
use crate::schema::{bundles, services};
use crate::tx::Tx;
use crate::types::{At, Id, big, count, digest};

const WHAT: &str = "bundle";

/// A bundle's name, without its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BundleHead {
    /// Its version.
    pub version: u64,
    /// SHA-256 of its content.
    pub digest: [u8; 32],
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = bundles)]
struct Row {
    service_id: Id,
    version: i64,
    digest: Vec<u8>,
    manifest: String,
    content: Vec<u8>,
    created_at: At,
}

impl TryFrom<Row> for StoredBundle {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            service_id: row.service_id.into(),
            version: count(row.version, WHAT)?,
            digest: digest(&row.digest, WHAT)?,
            manifest: row.manifest,
            content: row.content,
            created_at: row.created_at.into(),
        })
    }
}

/// Draws the version of the next bundle, and lets one transaction at a time publish for a Service.
///
/// Call it before the policy is read: then whatever is read is what the bundle is made of, and no publication
/// overtakes another. The version comes back when the transaction does not commit.
pub fn reserve(tx: &mut Tx<'_>, service_id: ServiceId) -> Result<u64, StoreError> {
    let own = tx.own();
    let version: i64 = tx.run("service", |connection| {
        diesel::update(
            services::table.filter(services::account_id.eq(own)).filter(services::id.eq(Id::from(service_id))),
        )
        .set(services::bundle_version.eq(services::bundle_version + 1))
        .returning(services::bundle_version)
        .get_result(connection)
    })?;
    count(version, WHAT)
}

/// Keeps a bundle of the version that [`reserve`] gave; `Conflict("bundle")` for any other.
pub fn insert(tx: &mut Tx<'_>, bundle: &StoredBundle) -> Result<(), StoreError> {
    let own = tx.own();
    let reserved: i64 = tx.run("service", |connection| {
        services::table
            .filter(services::account_id.eq(own))
            .filter(services::id.eq(Id::from(bundle.service_id)))
            .select(services::bundle_version)
            .first(connection)
    })?;
    if reserved != big(bundle.version) {
        return Err(StoreError::Conflict(WHAT));
    }
    tx.run(WHAT, |connection| {
        diesel::insert_into(bundles::table)
            .values((
                bundles::account_id.eq(own),
                bundles::service_id.eq(Id::from(bundle.service_id)),
                bundles::version.eq(reserved),
                bundles::digest.eq(&bundle.digest[..]),
                bundles::manifest.eq(&bundle.manifest),
                bundles::content.eq(&bundle.content),
                bundles::created_at.eq(At::from(bundle.created_at)),
            ))
            .execute(connection)
    })
    .map(drop)
}

/// Version and digest of a Service's latest bundle, without reading its content; none before the first.
pub fn head(tx: &mut Tx<'_>, service_id: ServiceId) -> Result<Option<BundleHead>, StoreError> {
    let own = tx.own();
    let found: Option<(i64, Vec<u8>)> = tx.run(WHAT, |connection| {
        bundles::table
            .filter(bundles::account_id.eq(own))
            .filter(bundles::service_id.eq(Id::from(service_id)))
            .order(bundles::version.desc())
            .select((bundles::version, bundles::digest))
            .first(connection)
            .optional()
    })?;
    found
        .map(|(version, bytes)| Ok(BundleHead { version: count(version, WHAT)?, digest: digest(&bytes, WHAT)? }))
        .transpose()
}

/// A Service's latest bundle; none before the first.
pub fn latest(tx: &mut Tx<'_>, service_id: ServiceId) -> Result<Option<StoredBundle>, StoreError> {
    let own = tx.own();
    tx.run(WHAT, |connection| {
        bundles::table
            .filter(bundles::account_id.eq(own))
            .filter(bundles::service_id.eq(Id::from(service_id)))
            .order(bundles::version.desc())
            .select(Row::as_select())
            .first(connection)
            .optional()
    })?
    .map(StoredBundle::try_from)
    .transpose()
}

/// A Service's bundle of that version.
pub fn find(tx: &mut Tx<'_>, service_id: ServiceId, version: u64) -> Result<StoredBundle, StoreError> {
    let own = tx.own();
    tx.run(WHAT, |connection| {
        bundles::table
            .filter(bundles::account_id.eq(own))
            .filter(bundles::service_id.eq(Id::from(service_id)))
            .filter(bundles::version.eq(big(version)))
            .select(Row::as_select())
            .first(connection)
    })?
    .try_into()
}
