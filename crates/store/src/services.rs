//! Services.

use diesel::prelude::*;
use domain::{Name, Revision, Service, Slug};
use policy::id::ServiceId;

use crate::directory::{self, Lookup};
use crate::error::StoreError;
use crate::page::{Listed, Page};
use crate::schema::services;
use crate::tx::Tx;
use crate::types::{At, Id, Json, big, checked, count, storable};

#[derive(Queryable, Selectable)]
#[diesel(table_name = services)]
struct Row {
    id: Id,
    name: String,
    slug: String,
    kind: String,
    base_url: Option<String>,
    settings: Json,
    version: i64,
    openapi: String,
    paths: i64,
    created_at: At,
    updated_at: At,
    revision: i64,
}

const WHAT: &str = "service";

impl TryFrom<Row> for Service {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id.into(),
            name: checked(Name::try_from(row.name), WHAT)?,
            slug: checked(Slug::try_from(row.slug), WHAT)?,
            kind: Json(row.kind.into()).read(WHAT)?,
            base_url: row.base_url,
            settings: row.settings.read(WHAT)?,
            version: count(row.version, WHAT)?,
            openapi: row.openapi,
            paths: count(row.paths, WHAT)?,
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
            revision: Revision(count(row.revision, WHAT)?),
        })
    }
}

/// The word of a Service's kind.
fn kind(service: &Service) -> Result<String, StoreError> {
    Json::of(&service.kind, WHAT)?.read(WHAT)
}

/// Makes a Service; `Conflict("slug")` when any account has that slug.
pub fn insert(tx: &mut Tx<'_>, service: &Service) -> Result<(), StoreError> {
    directory::enter(tx, Lookup::Slug(&service.slug), service.id, "slug")?;
    directory::enter(tx, Lookup::Service(service.id), service.id, WHAT)?;
    let own = tx.own();
    let (kind, settings) = (kind(service)?, Json::of(&service.settings, WHAT)?);
    tx.run(WHAT, |connection| {
        diesel::insert_into(services::table)
            .values((
                services::account_id.eq(own),
                services::id.eq(Id::from(service.id)),
                services::name.eq(service.name.as_str()),
                services::slug.eq(service.slug.as_str()),
                services::kind.eq(kind),
                services::base_url.eq(service.base_url.as_deref().map(storable)),
                services::settings.eq(settings),
                services::version.eq(i64::from(service.version)),
                services::openapi.eq(storable(&service.openapi)),
                services::paths.eq(i64::from(service.paths)),
                services::bundle_version.eq(0),
                services::created_at.eq(At::from(service.created_at)),
                services::updated_at.eq(At::from(service.updated_at)),
                services::revision.eq(big(service.revision.0)),
            ))
            .execute(connection)
    })
    .map(drop)
}

/// This account's Service with that id.
pub fn find(tx: &mut Tx<'_>, id: ServiceId) -> Result<Service, StoreError> {
    let own = tx.own();
    tx.run(WHAT, |connection| {
        services::table
            .filter(services::account_id.eq(own))
            .filter(services::id.eq(Id::from(id)))
            .select(Row::as_select())
            .first(connection)
    })?
    .try_into()
}

/// This account's Services, oldest first.
pub fn list(tx: &mut Tx<'_>, page: Page<ServiceId>) -> Result<Listed<Service>, StoreError> {
    let own = tx.own();
    let rows = tx.run(WHAT, |connection| {
        services::table
            .filter(services::account_id.eq(own))
            .filter(services::id.gt(page.above()))
            .order(services::id.asc())
            .limit(page.sql_limit())
            .select(Row::as_select())
            .load(connection)
    })?;
    page.cut(rows).try_map(Service::try_from)
}

/// Writes what may change of a Service: all but id, slug and the time of its making. Returns its new revision.
pub fn update(tx: &mut Tx<'_>, service: &Service, expected: Revision) -> Result<Revision, StoreError> {
    let own = tx.own();
    let (kind, settings) = (kind(service)?, Json::of(&service.settings, WHAT)?);
    let changed = tx.run(WHAT, |connection| {
        diesel::update(
            services::table
                .filter(services::account_id.eq(own))
                .filter(services::id.eq(Id::from(service.id)))
                .filter(services::revision.eq(big(expected.0))),
        )
        .set((
            services::name.eq(service.name.as_str()),
            services::kind.eq(kind),
            services::base_url.eq(service.base_url.as_deref().map(storable)),
            services::settings.eq(settings),
            services::version.eq(i64::from(service.version)),
            services::openapi.eq(storable(&service.openapi)),
            services::paths.eq(i64::from(service.paths)),
            services::updated_at.eq(At::from(service.updated_at)),
            services::revision.eq(big(expected.next().0)),
        ))
        .execute(connection)
    })?;
    if changed == 0 {
        find(tx, service.id)?;
        return Err(StoreError::Changed);
    }
    Ok(expected.next())
}
