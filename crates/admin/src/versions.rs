//! The documents of a Service: each upload is a version, and the newest one is active at once.
//!
//! Invariant: a version that would take an operation away from a role is refused, so no role loses anything in silence.

use std::collections::BTreeSet;

use domain::{AdminEvent, Call, Service, SpecVersionSummary};
use policy::id::{ServiceId, SpecVersionId};
use policy_compiler::Imported;
use serde_json::json;
use store::{Listed, Page, Tx};

use crate::bundles;
use crate::services::{Upload, shown};
use crate::{Error, Fault, Platform};

/// The documents of a Service, oldest first, with the Service, whose `version` says which one is active.
pub fn list(
    tx: &mut Tx<'_>,
    service_id: ServiceId,
    page: Page<SpecVersionId>,
) -> Result<(Service, Listed<SpecVersionSummary>), Error> {
    let service = store::services::find(tx, service_id)?;
    Ok((service, store::spec_versions::list(tx, service_id, page)?))
}

/// Makes a document the active one of its Service, and publishes. Its name and slug stay; so does a base that it has.
pub fn create(
    tx: &mut Tx<'_>,
    call: &Call,
    platform: Platform<'_>,
    service_id: ServiceId,
    upload: Upload,
) -> Result<(Service, Imported), Error> {
    let before = store::services::find(tx, service_id)?;
    let imported = upload.imported();
    if imported.kind != before.kind {
        let detail = "the document would change the kind of the service, and with it what every role means: \
                      keep its `x-Katanemo-open-api-service-type`, or make a new service";
        return Err(Error::conflict("kind_changed", detail));
    }
    refuse_losses(tx, service_id, imported)?;
    let mut after = Service {
        version: before.version.checked_add(1).ok_or(Error::Internal("a Service has too many versions"))?,
        openapi: imported.openapi.clone(),
        paths: u32::try_from(imported.paths).unwrap_or(u32::MAX),
        base_url: before.base_url.clone().or_else(|| imported.base_url.clone()),
        updated_at: call.now,
        ..before.clone()
    };
    let (version, imported) = upload.into_version(call, service_id, after.version);
    store::spec_versions::insert(tx, &version)?;
    after.revision = store::services::update(tx, &after, before.revision)?;
    let event = AdminEvent::new(call, "service.version", &service_id);
    let changes = (Some(shown(&before)), Some(json!({ "service": shown(&after), "version_id": version.id })));
    store::admin_events::append(tx, &event.changing(changes.0, changes.1))?;
    bundles::publish(tx, call, platform, service_id)?;
    Ok((after, imported))
}

/// Refuses a document that lacks an operation which a role names; every such line is listed.
fn refuse_losses(tx: &mut Tx<'_>, service_id: ServiceId, imported: &Imported) -> Result<(), Error> {
    let mut lost = Vec::new();
    for role in store::roles::all(tx, service_id)? {
        let Err(findings) = policy_compiler::custom_role(imported, &role.operations) else { continue };
        let lines: BTreeSet<_> = findings.into_iter().map(|finding| finding.pointer).collect();
        for line in lines {
            let index = line.strip_prefix("/operations/").and_then(|index| index.parse::<usize>().ok());
            let operation = index.and_then(|index| role.operations.get(index)).map_or("an operation", String::as_str);
            let message = format!("role `{}` names `{operation}`, which the document does not have", role.name);
            let mut fault = Fault::new(format!("/roles/{}{line}", role.id), "operation_removed", message);
            fault.fix = "keep the operation in the document, or take it out of the role first".into();
            lost.push(fault);
        }
    }
    if lost.is_empty() {
        return Ok(());
    }
    let detail = format!("{} lines of roles name operations that the document does not have", lost.len());
    Err(Error::Conflict { code: "operations_removed", detail, faults: lost })
}
