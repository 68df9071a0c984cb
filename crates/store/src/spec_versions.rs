//! The uploaded documents of a Service; written once.

use diesel::prelude::*;
use domain::{SpecVersion, SpecVersionSummary};
use policy::id::{ServiceId, SpecVersionId};

use crate::error::StoreError;
use crate::page::{Listed, Page};
use crate::schema::spec_versions;
use crate::tx::Tx;
use crate::types::{At, Id, Json, count};

const WHAT: &str = "document";

#[derive(Queryable, Selectable)]
#[diesel(table_name = spec_versions)]
struct Summary {
    id: Id,
    service_id: Id,
    number: i64,
    findings: Json,
    created_at: At,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = spec_versions)]
struct Row {
    #[diesel(embed)]
    summary: Summary,
    document: Vec<u8>,
    imported: Vec<u8>,
}

impl TryFrom<Summary> for SpecVersionSummary {
    type Error = StoreError;

    fn try_from(row: Summary) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id.into(),
            service_id: row.service_id.into(),
            number: count(row.number, WHAT)?,
            findings: row.findings.0,
            created_at: row.created_at.into(),
        })
    }
}

impl TryFrom<Row> for SpecVersion {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let summary = SpecVersionSummary::try_from(row.summary)?;
        Ok(Self {
            id: summary.id,
            service_id: summary.service_id,
            number: summary.number,
            document: row.document,
            imported: row.imported,
            findings: summary.findings,
            created_at: summary.created_at,
        })
    }
}

/// Keeps a document; `Conflict("document")` when its number is taken.
pub fn insert(tx: &mut Tx<'_>, version: &SpecVersion) -> Result<(), StoreError> {
    let own = tx.own();
    tx.run(WHAT, |connection| {
        diesel::insert_into(spec_versions::table)
            .values((
                spec_versions::account_id.eq(own),
                spec_versions::id.eq(Id::from(version.id)),
                spec_versions::service_id.eq(Id::from(version.service_id)),
                spec_versions::number.eq(i64::from(version.number)),
                spec_versions::document.eq(&version.document),
                spec_versions::imported.eq(&version.imported),
                spec_versions::findings.eq(Json(version.findings.clone())),
                spec_versions::created_at.eq(At::from(version.created_at)),
            ))
            .execute(connection)
    })
    .map(drop)
}

/// This account's document with that id.
pub fn find(tx: &mut Tx<'_>, id: SpecVersionId) -> Result<SpecVersion, StoreError> {
    let own = tx.own();
    tx.run(WHAT, |connection| {
        spec_versions::table
            .filter(spec_versions::account_id.eq(own))
            .filter(spec_versions::id.eq(Id::from(id)))
            .select(Row::as_select())
            .first(connection)
    })?
    .try_into()
}

/// The document of a Service with that number; the active one's stands in the Service.
pub fn find_by_number(tx: &mut Tx<'_>, service_id: ServiceId, number: u32) -> Result<SpecVersion, StoreError> {
    let own = tx.own();
    tx.run(WHAT, |connection| {
        spec_versions::table
            .filter(spec_versions::account_id.eq(own))
            .filter(spec_versions::service_id.eq(Id::from(service_id)))
            .filter(spec_versions::number.eq(i64::from(number)))
            .select(Row::as_select())
            .first(connection)
    })?
    .try_into()
}

/// The documents of a Service, oldest first, without their contents.
pub fn list(
    tx: &mut Tx<'_>,
    service_id: ServiceId,
    page: Page<SpecVersionId>,
) -> Result<Listed<SpecVersionSummary>, StoreError> {
    let own = tx.own();
    let rows = tx.run(WHAT, |connection| {
        spec_versions::table
            .filter(spec_versions::account_id.eq(own))
            .filter(spec_versions::service_id.eq(Id::from(service_id)))
            .filter(spec_versions::id.gt(page.above()))
            .order(spec_versions::id.asc())
            .limit(page.sql_limit())
            .select(Summary::as_select())
            .load(connection)
    })?;
    page.cut(rows).try_map(SpecVersionSummary::try_from)
}
