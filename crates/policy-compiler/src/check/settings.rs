//! The settings of a Service: within their bounds, and at odds with nothing.

use policy::settings::{ServiceKind, Settings};

use crate::facts;
use crate::finding::{Findings, quote, says};
use crate::imported::Imported;

/// The longest name of a claim, in bytes.
const MAX_CLAIM: usize = 64;
/// The most paths that need no token.
const MAX_EXCLUDED: usize = 100;
/// How short and how long a gateway may go on without a fresh head, in seconds: a minute, because heads are renewed
/// every half minute; a week, because past that nothing is known of revocations.
const STALENESS_SECONDS: std::ops::RangeInclusive<u32> = 60..=7 * 24 * 3_600;

/// What is wrong with them, below `/settings`.
pub(crate) fn check(settings: &Settings, kind: ServiceKind, imported: &Imported, findings: &mut Findings) {
    check_bounds(settings, findings);
    if settings.production && settings.unauthenticated_until.is_some() {
        let message = "a production Service is never open to requests without credentials";
        let fix = "take the instant out, or the mark `production`";
        findings.error(|| "/settings/unauthenticated_until".to_owned(), says("bad_setting", message, fix));
    }
    for (index, name) in settings.shared_types.iter().flatten().enumerate() {
        if kind == ServiceKind::Plain || !facts::can_be_shared(imported, name) {
            let message = format!(
                "{} is no type of the Service, or one whose resources belong to patients or are decided by a rule of their own",
                quote(name)
            );
            let fix = "name types that are the same for all patients, such as `Location`";
            findings.error(|| format!("/settings/shared_types/{index}"), says("bad_setting", message, fix));
        }
    }
}

fn check_bounds(settings: &Settings, findings: &mut Findings) {
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
