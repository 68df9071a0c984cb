//! The tags of the fixture: the keys `dept`, `function` and `team`, what the registry says, and access tags.

use policy::operation::Method;
use policy::settings::ServiceKind;
use policy::tag::{AccessTag, Tag, TagKey, TaggedResource};

use super::{ISSUER, account};

const KEYS: [&str; 3] = ["dept", "function", "team"];

/// One line of the registry: type, id, tags, and the Account that made it.
type Line = (&'static str, &'static str, &'static [(&'static str, &'static [&'static str])], Option<&'static str>);

const FHIR: &[Line] = &[
    ("Patient", "PAT-TEAM", &[("team", &["red"])], None),
    ("Observation", "OBS-REG", &[("dept", &["cardio", "icu"])], None),
    ("Observation", "OBS-REG-TWO", &[("dept", &["cardio"]), ("function", &["doctor"])], None),
    ("Observation", "OBS-PARTNER", &[], Some("partner")),
    ("Observation", "OBS-OUT", &[("dept", &["onc"])], None),
    ("Observation", "OBS-OUT-ALL", &[("dept", &["onc"])], None),
];

const PLAIN: &[Line] = &[
    ("accounts", "cardio", &[("dept", &["cardio"])], None),
    ("accounts", "partners", &[], Some("partner")),
    ("accounts", "out", &[("dept", &["onc"])], None),
];

/// The `meta.tag.system` that carries a key.
#[must_use]
pub fn system(key: &str) -> String {
    format!("{ISSUER}/tags/{key}")
}

pub(super) fn keys() -> Vec<TagKey> {
    KEYS.iter().map(|key| TagKey { key: (*key).into(), system: system(key).into() }).collect()
}

pub(super) fn registry(kind: ServiceKind) -> Vec<TaggedResource> {
    let lines = match kind {
        ServiceKind::Fhirv4 => FHIR,
        ServiceKind::Plain => PLAIN,
    };
    let tag = |(key, values): &(&str, &[&str])| Tag {
        key: (*key).into(),
        values: values.iter().map(|value| (*value).into()).collect(),
    };
    let line = |(resource_type, id, tags, created_by): &Line| TaggedResource {
        resource_type: (*resource_type).into(),
        id: (*id).into(),
        tags: tags.iter().map(tag).collect(),
        created_by: created_by.map(account),
    };
    lines.iter().map(line).collect()
}

/// KD06: `GET` of one resource for `partner`, everything on another one for `partner`, and `GET` of every Organization
/// for everybody.
pub(super) fn access(kind: ServiceKind) -> Vec<AccessTag> {
    let one = |method, resource_type: &str, id: Option<&str>, name: Option<&str>| AccessTag {
        method,
        resource_type: Some(resource_type.into()),
        id: id.map(Into::into),
        accounts: name.map(|name| vec![account(name)]),
    };
    match kind {
        ServiceKind::Fhirv4 => vec![
            one(Some(Method::Get), "Observation", Some("OBS-OUT"), Some("partner")),
            one(None, "Observation", Some("OBS-OUT-ALL"), Some("partner")),
            one(Some(Method::Get), "Organization", None, None),
        ],
        ServiceKind::Plain => vec![one(Some(Method::Get), "accounts", Some("out"), Some("partner"))],
    }
}
