//! Keys that count as Basic credentials, and the security resources that they hold (I01 to I13).

use policy::basic::{BasicKey, SecurityResource};
use policy::bundle::{MAX_BASIC_KEYS, MAX_SECURITY_RESOURCES};
use policy::settings::Settings;

use super::{is_short, refuse_long, refuse_twice};
use crate::finding::{Findings, quote, says};

/// The longest name of a security resource, in bytes.
const MAX_NAME: usize = 127;

/// What holds between keys, security resources and settings.
pub(crate) fn check(keys: &[BasicKey], resources: &[SecurityResource], settings: &Settings, findings: &mut Findings) {
    const UNKNOWN: &str = "name a security resource that the Service has, or create it first";
    let is_known = |name: &str| resources.iter().any(|resource| &*resource.name == name);
    refuse_long(keys.len(), MAX_BASIC_KEYS, "/basic_keys", findings);
    refuse_long(resources.len(), MAX_SECURITY_RESOURCES, "/security_resources", findings);
    refuse_twice(keys.iter().map(|key| (key.id, key.id.to_string())), "/basic_keys", findings);
    let names = resources.iter().map(|resource| (&resource.name, resource.name.to_string()));
    refuse_twice(names, "/security_resources", findings);
    for (index, resource) in resources.iter().enumerate().filter(|(_, resource)| !is_short(&resource.name, MAX_NAME)) {
        let message = format!("{} is no name of 1 to {MAX_NAME} bytes", quote(&resource.name));
        let fix = "name it shortly, without control characters";
        findings.error(|| format!("/security_resources/{index}"), says("bad_security_resource", message, fix));
    }
    if let Some(name) = settings.basic.as_ref().and_then(|basic| basic.required_resource.as_deref())
        && !is_known(name)
    {
        let message = format!("the Service has no security resource {}, so nobody could hold it", quote(name));
        findings.error(
            || "/settings/basic/required_resource".to_owned(),
            says("unknown_security_resource", message, UNKNOWN),
        );
    }
    for (index, key) in keys.iter().enumerate() {
        let place = || format!("/basic_keys/{index}/privileges");
        if let Some(unknown) = key.privileges.iter().find(|one| !is_known(&one.resource)) {
            let message = format!("the Service has no security resource {}", quote(&unknown.resource));
            findings.error(place, says("unknown_security_resource", message, UNKNOWN));
        }
        let privileges = key.privileges.iter().map(|one| (&one.resource, one.resource.to_string()));
        refuse_twice(privileges, &place(), findings);
    }
}
