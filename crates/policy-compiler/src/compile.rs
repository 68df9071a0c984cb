//! From a Service with its settings, roles and partners to the bundle that its gateways decide by.
//!
//! Invariant: the same source gives the same bundle, byte for byte, in whatever order its lists come.

use policy::bundle::{Bundle, FORMAT, Issuer, MAX_OPERATIONS, Parts, Revocation, Service, Subscription};
use policy::role::Role;
use policy::settings::{ServiceKind, Settings};

use crate::facts;
use crate::finding::{Finding, Findings, quote, says};
use crate::imported::Imported;
use crate::openapi::base_url_fault;

/// The longest name of a claim, in bytes.
const MAX_CLAIM: usize = 64;
/// The most paths that need no token.
const MAX_EXCLUDED: usize = 100;
/// How short and how long a gateway may go on without a fresh head, in seconds: a minute, because heads are renewed
/// every half minute; a week, because past that nothing is known of revocations.
const STALENESS_SECONDS: std::ops::RangeInclusive<u32> = 60..=7 * 24 * 3_600;

/// All that a bundle is made of.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    /// Which Service.
    pub service: Service,
    /// What changes its decisions.
    pub settings: Settings,
    /// Its document.
    pub imported: &'a Imported,
    /// The custom roles, their operations as indexes into the document's.
    pub roles: Vec<Role>,
    /// Whose tokens count.
    pub issuers: Vec<Issuer>,
    /// The active partners with their ceilings.
    pub subscriptions: Vec<Subscription>,
    /// What was revoked.
    pub revocations: Vec<Revocation>,
}

/// Makes the bundle; or says all that is wrong, with pointers into the Service (`/settings/patient_claim`).
pub fn compile(source: Source<'_>) -> Result<Bundle, Vec<Finding>> {
    let mut findings = Findings::default();
    check_settings(&source.settings, &mut findings);
    if let Some(fault) = base_url_fault(&source.service.base_url) {
        let message = format!("the base URL {} {fault}", quote(&source.service.base_url));
        findings.error(
            || "/base_url".to_owned(),
            says("bad_base_url", message, "set it to the API's own address, such as `https://fhir.example.org/r4`"),
        );
    }
    check_roles(&source.roles, &mut findings);
    let (types, common) = match source.service.kind {
        ServiceKind::Plain => (Vec::new(), Vec::new()),
        ServiceKind::Fhirv4 => (facts::types(source.imported), facts::common()),
    };
    if findings.refuse() {
        return Err(findings.into_list());
    }
    let parts = sorted(Parts {
        format: FORMAT,
        operations: source.imported.operations.clone(),
        service: source.service,
        settings: source.settings,
        types,
        common,
        roles: source.roles,
        issuers: source.issuers,
        subscriptions: source.subscriptions,
        revocations: source.revocations,
        extension_scopes: Vec::new(),
        tag_keys: Vec::new(),
        tagged: Vec::new(),
        access_tags: Vec::new(),
        basic_keys: Vec::new(),
        security_resources: Vec::new(),
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
    for role in &mut parts.roles {
        role.operations.sort_unstable();
        role.operations.dedup();
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
    parts
}

fn check_roles(roles: &[Role], findings: &mut Findings) {
    for (index, role) in roles.iter().enumerate() {
        if role.operations.len() > MAX_OPERATIONS {
            let message = format!("the role {} has more than {MAX_OPERATIONS} operations", quote(&role.name));
            findings.error(|| format!("/roles/{index}"), says("bad_role", message, "name fewer"));
        }
    }
}

fn check_settings(settings: &Settings, findings: &mut Findings) {
    let claim = &settings.patient_claim;
    if claim.is_empty()
        || claim.len() > MAX_CLAIM
        || claim.chars().any(|char| char.is_control() || char.is_whitespace())
    {
        let message = format!("the claim's name has 1 to {MAX_CLAIM} bytes, without blanks");
        findings.error(
            || "/settings/patient_claim".to_owned(),
            says("bad_setting", message, "write the claim that names the patient, such as `patient`"),
        );
    }
    if !STALENESS_SECONDS.contains(&settings.max_staleness_seconds) {
        let message = format!("{} seconds is not between 1 minute and 7 days", settings.max_staleness_seconds);
        findings
            .error(|| "/settings/max_staleness_seconds".to_owned(), says("bad_setting", message, "write 60 to 604800"));
    }
    if settings.excluded_paths.len() > MAX_EXCLUDED {
        let message = format!("there are more than {MAX_EXCLUDED} excluded paths");
        findings
            .error(|| "/settings/excluded_paths".to_owned(), says("bad_setting", message, "name the paths above them"));
    }
    for (index, path) in settings.excluded_paths.iter().enumerate() {
        if !is_plain_path(path) {
            let message = format!("{} is not a path such as `/health`", quote(path));
            let fix =
                "begin it with `/`, name at least one segment, and leave out queries, parameters and dot segments";
            findings.error(|| format!("/settings/excluded_paths/{index}"), says("bad_setting", message, fix));
        }
    }
}

/// A path of whole, literal segments; not the root, which would open everything.
fn is_plain_path(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|rest| {
        rest.split('/').all(|segment| {
            !matches!(segment, "" | "." | "..")
                && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(&byte))
        })
    })
}
