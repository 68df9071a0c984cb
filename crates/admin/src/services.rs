//! Services: an API of an Account, made from its OpenAPI document.
//!
//! Invariant: a document that does not import, and a policy that does not compile, leave nothing behind.

use domain::{AdminEvent, Call, Name, Revision, Service, Slug, SpecVersion};
use policy::id::{ServiceId, SpecVersionId};
use policy::settings::Settings;
use policy_compiler::{Imported, Limits};
use serde_json::json;
use store::directory::{self, Lookup};
use store::{Listed, Page, Tx};

use crate::bundles::{self, faults};
use crate::{Error, Platform, signing_keys};

/// Numbers that are tried behind a slug that is taken, before it gets a random one.
const SLUG_NUMBERS: std::ops::RangeInclusive<u32> = 2..=9;
/// Random endings that are tried; each is free but once in two billion.
const SLUG_DRAWS: usize = 4;

/// A document that was read and understood; made outside of any transaction, because it takes long.
#[derive(Clone, Debug)]
pub struct Upload {
    document: Vec<u8>,
    imported: Imported,
    encoded: Vec<u8>,
    findings: serde_json::Value,
}

impl Upload {
    /// Reads a document; the error lists all that is wrong with it, each with its place.
    pub fn read(document: Vec<u8>) -> Result<Self, Error> {
        let imported = policy_compiler::import(&document, &Limits::default())
            .map_err(|findings| Error::Invalid(faults(findings)))?;
        let encoded = imported.encode().map_err(|_| Error::Internal("an imported document cannot be encoded"))?;
        let findings = serde_json::to_value(&imported.findings)
            .map_err(|_| Error::Internal("the findings of a document cannot be written"))?;
        Ok(Self { document, imported, encoded, findings })
    }

    /// What it came to.
    #[must_use]
    pub const fn imported(&self) -> &Imported {
        &self.imported
    }

    /// The document as it is kept.
    pub(crate) fn into_version(self, call: &Call, service_id: ServiceId, number: u32) -> (SpecVersion, Imported) {
        let version = SpecVersion {
            id: SpecVersionId::new(call.uuid()),
            service_id,
            number,
            document: self.document,
            imported: self.encoded,
            findings: self.findings,
            created_at: call.now,
        };
        (version, self.imported)
    }
}

/// Makes a Service of a document, with its signing keys and, if the document names its base, its first bundle; it
/// permits nothing yet.
pub fn create(
    tx: &mut Tx<'_>,
    call: &Call,
    platform: Platform<'_>,
    upload: Upload,
) -> Result<(Service, Imported), Error> {
    let imported = upload.imported();
    let service = Service {
        id: ServiceId::new(call.uuid()),
        name: name(&imported.title)?,
        slug: free_slug(tx, call, &imported.title)?,
        kind: imported.kind,
        base_url: imported.base_url.clone(),
        settings: Settings::for_kind(imported.kind),
        version: 1,
        openapi: imported.openapi.clone(),
        paths: u32::try_from(imported.paths).unwrap_or(u32::MAX),
        created_at: call.now,
        updated_at: call.now,
        revision: Revision::FIRST,
    };
    store::services::insert(tx, &service)?;
    let (version, imported) = upload.into_version(call, service.id, 1);
    store::spec_versions::insert(tx, &version)?;
    signing_keys::create(tx, call, platform, service.id)?;
    let event = AdminEvent::new(call, "service.create", &service.id);
    store::admin_events::append(tx, &event.changing(None, Some(shown(&service))))?;
    bundles::publish(tx, call, platform, service.id)?;
    Ok((service, imported))
}

/// This Account's Services, oldest first.
pub fn list(tx: &mut Tx<'_>, page: Page<ServiceId>) -> Result<Listed<Service>, Error> {
    Ok(store::services::list(tx, page)?)
}

/// A Service of this Account, with what its active document came to.
pub fn find(tx: &mut Tx<'_>, id: ServiceId) -> Result<(Service, Imported), Error> {
    let service = store::services::find(tx, id)?;
    let imported = bundles::imported(tx, &service)?;
    Ok((service, imported))
}

/// What an owner changes of a Service; what is none stays.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Its name.
    pub name: Option<Name>,
    /// Its own base: the audience of its tokens.
    pub base_url: Option<String>,
    /// All of its settings.
    pub settings: Option<Settings>,
}

/// Changes a Service that is still as the writer read it, and publishes.
pub fn update(
    tx: &mut Tx<'_>,
    call: &Call,
    platform: Platform<'_>,
    (id, expected): (ServiceId, Revision),
    change: Change,
) -> Result<(Service, Imported), Error> {
    let before = store::services::find(tx, id)?;
    let mut after = before.clone();
    after.name = change.name.unwrap_or(after.name);
    after.base_url = change.base_url.or(after.base_url);
    after.settings = change.settings.unwrap_or(after.settings);
    after.updated_at = call.now;
    after.revision = store::services::update(tx, &after, expected)?;
    let event = AdminEvent::new(call, "service.update", &id);
    store::admin_events::append(tx, &event.changing(Some(shown(&before)), Some(shown(&after))))?;
    bundles::publish(tx, call, platform, id)?;
    let imported = bundles::imported(tx, &after)?;
    Ok((after, imported))
}

/// The title as a name: its first 64 characters that a name may have.
fn name(title: &str) -> Result<Name, Error> {
    let allowed = |char: &char| Name::try_from(format!("x{char}x")).is_ok();
    let text: String = title.trim().chars().filter(allowed).take(domain::text::MAX_NAME_CHARACTERS).collect();
    let name = Name::try_from(text).or_else(|_| Name::try_from("Service"));
    name.map_err(|_| Error::Internal("a name was refused"))
}

/// A slug like the title that no Service of the platform has.
fn free_slug(tx: &mut Tx<'_>, call: &Call, title: &str) -> Result<Slug, Error> {
    let plain = Slug::from_name(title);
    let numbered = SLUG_NUMBERS.map(|number| plain.with_ending(number));
    let drawn = (0..SLUG_DRAWS).map(|_| plain.with_ending(u32::from_be_bytes(call.random.bytes()) | 1 << 31));
    for slug in std::iter::once(plain.clone()).chain(numbered).chain(drawn) {
        if directory::find(tx, Lookup::Slug(&slug))?.is_none() {
            return Ok(slug);
        }
    }
    Err(Error::conflict("taken", "no free slug was found; try again"))
}

/// A Service as its events show it.
pub(crate) fn shown(service: &Service) -> serde_json::Value {
    json!({
        "name": service.name,
        "slug": service.slug,
        "kind": service.kind,
        "base_url": service.base_url,
        "version": service.version,
        "settings": service.settings,
    })
}
