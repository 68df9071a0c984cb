//! From a Service with its settings, roles and partners to the bundle that its gateways decide by.
//!
//! Invariant: the same source gives the same bundle, byte for byte, in whatever order its lists come.

use policy::bundle::{Bundle, FORMAT, Parts};
use policy::settings::ServiceKind;

use crate::finding::{Finding, Findings, quote, says};
use crate::openapi::base_url_fault;
use crate::source::Source;
use crate::{check, facts};

/// Makes the bundle; or says all that is wrong, with pointers into the Service (`/settings/patient_claim`).
pub fn compile(source: Source<'_>) -> Result<Bundle, Vec<Finding>> {
    let mut findings = Findings::default();
    check::settings(&source.settings, source.service.kind, source.imported, &mut findings);
    if let Some(fault) = base_url_fault(&source.service.base_url) {
        let message = format!("the base URL {} {fault}", quote(&source.service.base_url));
        findings.error(
            || "/base_url".to_owned(),
            says("bad_base_url", message, "set it to the API's own address, such as `https://fhir.example.org/r4`"),
        );
    }
    check::tags(&source, &mut findings);
    check::credentials(&source.basic_keys, &source.security_resources, &source.settings, &mut findings);
    let roles = check::roles(source.roles, source.imported, &source.tag_keys, &mut findings);
    let extension_scopes = check::scopes(source.extension_scopes, source.imported, &mut findings);
    if findings.refuse() {
        return Err(findings.into_list());
    }
    let (types, common) = match source.service.kind {
        ServiceKind::Plain => (Vec::new(), Vec::new()),
        ServiceKind::Fhirv4 => {
            (facts::types(source.imported, source.settings.shared_types.as_deref()), facts::common())
        }
    };
    let parts = sorted(Parts {
        format: FORMAT,
        operations: source.imported.operations.clone(),
        service: source.service,
        types,
        common,
        roles,
        issuers: source.issuers,
        subscriptions: source.subscriptions,
        revocations: source.revocations,
        extension_scopes,
        tag_keys: source.tag_keys,
        tagged: source.tagged,
        access_tags: source.access_tags,
        basic_keys: if source.settings.basic.is_some() { source.basic_keys } else { Vec::new() },
        security_resources: source.security_resources,
        settings: source.settings,
    });
    Bundle::new(parts).map_err(|fault| {
        let says =
            says("invalid_bundle", format!("the bundle {fault}"), "mend what it names, or take the last change back");
        vec![Finding::error("", says)]
    })
}

/// As the fields of [`Parts`] say.
fn sorted(mut parts: Parts) -> Parts {
    if parts.service.kind == ServiceKind::Plain {
        for operation in &mut parts.operations {
            operation.fhir = None;
        }
    }
    if let Some(shared) = &mut parts.settings.shared_types {
        shared.sort();
        shared.dedup();
    }
    parts.roles.sort_by_key(|role| role.id);
    parts.issuers.sort_by(|one, other| one.issuer.cmp(&other.issuer));
    for subscription in &mut parts.subscriptions {
        subscription.scopes.sort();
        subscription.scopes.dedup();
        subscription.roles.sort_unstable();
        subscription.roles.dedup();
    }
    parts.subscriptions.sort_by_key(|subscription| subscription.account_id);
    parts.revocations.sort();
    parts.revocations.dedup();
    parts.extension_scopes.sort_by(|one, other| one.name.cmp(&other.name));
    sort_tags(&mut parts);
    for key in &mut parts.basic_keys {
        key.privileges.sort_by(|one, other| one.resource.cmp(&other.resource));
    }
    parts.basic_keys.sort_by_key(|key| key.id);
    parts.security_resources.sort();
    parts
}

fn sort_tags(parts: &mut Parts) {
    parts.tag_keys.sort_by(|one, other| one.key.cmp(&other.key));
    for tagged in &mut parts.tagged {
        for tag in &mut tagged.tags {
            tag.values.sort();
            tag.values.dedup();
        }
        tagged.tags.sort_by(|one, other| one.key.cmp(&other.key));
    }
    parts.tagged.sort_by(|one, other| (&one.resource_type, &one.id).cmp(&(&other.resource_type, &other.id)));
    for tag in &mut parts.access_tags {
        if let Some(accounts) = &mut tag.accounts {
            accounts.sort_unstable();
            accounts.dedup();
        }
    }
    parts.access_tags.sort();
    parts.access_tags.dedup();
}
