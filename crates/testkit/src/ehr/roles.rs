//! The custom roles and extension scopes of the fixtures.
//!
//! A line counts where the document has its operation; a role of which no line counts is not there.

use policy::id::RoleId;
use reference::Role;
use uuid::Uuid;

use super::Features;
use super::document::Path;

/// Name, `where`, lines.
type Written = (&'static str, Option<&'static str>, &'static [&'static str]);

/// The first of these are as old as the fixture: a role's id is its place.
const ROLES: &[Written] = &[
    ("observation-reader", None, &["GET:/Observation", "POST:/Observation/_search", "GET:/Observation/{id}"]),
    ("observation-searcher", None, &["GET:/Observation"]),
    ("observation-writer", None, &["POST:/Observation"]),
    ("organization-reader", None, &["GET:/Organization", "GET:/Organization/{id}"]),
    ("admin", None, &["GET:/admin/{name}", "POST:/$process-message", "GET:/Observation/{id}"]),
    ("account-reader", None, &["GET:/accounts/{id}", "GET:/accounts"]),
    ("account-writer", None, &["POST:/accounts"]),
    // KD16
    (
        "doctor",
        Some("$principalTags:function = doctor"),
        &[
            "GET:/Observation",
            "GET:/Observation/{id}",
            "PUT:/Observation/{id}",
            "POST:/Observation",
            "GET:/patient",
            "GET:/patient/{id}",
            "PUT:/patient/{id}",
            "GET:/diagnostic",
            "GET:/diagnostic/{id}",
            "POST:/diagnostic",
        ],
    ),
    (
        "clinic-admin",
        None,
        &[
            "GET:/patient",
            "POST:/patient",
            "GET:/patient/{id}",
            "PUT:/patient/{id}",
            "GET:/diagnostic",
            "POST:/diagnostic",
            "GET:/diagnostic/{id}",
        ],
    ),
    // KD03
    (
        "team",
        Some("$resourceTags:team IN (red, blue) AND NOT $resourceTags:dept = onc OR $principalTags:function = chief"),
        &[
            "GET:/Observation",
            "GET:/Observation/{id}",
            "PUT:/Observation/{id}",
            "POST:/Observation",
            "GET:/Observation/{id}/_history",
            "GET:/accounts/{id}",
        ],
    ),
    (
        "final-only",
        Some("$request:status = final"),
        &[
            "GET:/Observation",
            "POST:/Observation/_search",
            "POST:/Observation",
            "PUT:/Observation/{id}",
            "POST:/diagnostic",
        ],
    ),
    (
        "not-drafts",
        Some("$request:code.text != draft AND ($request:status IN ('final', amended) OR $principalTags:dept = cardio)"),
        &["POST:/Observation", "PUT:/Observation/{id}"],
    ),
    // KD04
    (
        "observation-editor",
        None,
        &[
            "GET:/Observation:[code,status,_count]",
            "POST:/Observation/_search:[code]",
            "GET:/Observation/{id}",
            "POST:/Observation:[status,code.text]",
            "PUT:/Observation/{id}:[status,code,valueQuantity.value,subject,note*]",
            "PATCH:/Observation/{id}:[status,valueQuantity.value]",
        ],
    ),
    (
        "cluster-editor",
        None,
        &["PUT:/cluster/{id}:[metadata,nodeGroups.maxSize,label*]", "GET:/patient:[identifier,email]"],
    ),
    // writes
    (
        "observation-updater",
        None,
        &[
            "GET:/Observation/{id}",
            "POST:/Observation",
            "PUT:/Observation/{id}",
            "PATCH:/Observation/{id}",
            "DELETE:/Observation/{id}",
        ],
    ),
    ("observation-blind", None, &["PUT:/Observation/{id}", "PATCH:/Observation/{id}", "DELETE:/Observation/{id}"]),
    (
        "observation-conditional",
        None,
        &["GET:/Observation", "POST:/Observation", "PUT:/Observation", "PATCH:/Observation", "DELETE:/Observation"],
    ),
    (
        "observation-historian",
        None,
        &[
            "GET:/Observation/{id}",
            "GET:/Observation/_history",
            "GET:/Observation/{id}/_history",
            "GET:/Observation/{id}/_history/{version}",
        ],
    ),
    ("any-reader", None, &["GET:/{type}", "GET:/{type}/{id}"]),
    ("any-writer", None, &["POST:/{type}", "PUT:/{type}/{id}", "PATCH:/{type}/{id}", "DELETE:/{type}/{id}"]),
    ("system-searcher", None, &["GET:/", "POST:/_search"]),
    // operations
    ("lastn", None, &["GET:/Observation/$lastn"]),
    ("validator", None, &["POST:/Patient/$validate"]),
    ("exporter", None, &["GET:/$export", "GET:/Patient/$export", "GET:/Group/{id}/$export"]),
    ("matcher", None, &["POST:/Patient/$match", "POST:/Patient/$member-match"]),
    (
        "everything",
        None,
        &["GET:/Patient/{id}/$everything", "GET:/Encounter/{id}/$everything", "GET:/Patient/$everything"],
    ),
    (
        "operator",
        None,
        &[
            "GET:/ValueSet/$expand",
            "GET:/Measure/{id}/$evaluate-measure",
            "POST:/Composition/{id}/$document",
            "POST:/$process-message",
            "POST:/$graphql",
        ],
    ),
    ("account-deleter", None, &["DELETE:/accounts/{id}"]),
    ("vehicle-keeper", None, &["GET:/Vehicle", "GET:/Vehicle/{id}", "POST:/Vehicle", "PUT:/Vehicle/{id}"]),
    ("chart-searcher", None, &["GET:/Patient/{id}/*"]),
];

/// S14.
const SCOPES: &[(&str, &[&str])] = &[
    ("__billing.read", &["GET:/admin/{name}", "GET:/accounts", "GET:/accounts/{id}"]),
    ("__lastn", &["GET:/Observation/$lastn"]),
];

/// A role of the fixture; `unknown` is one that no bundle has.
///
/// # Panics
/// When there is no such role.
#[must_use]
pub fn role(name: &str) -> RoleId {
    let index = ROLES.iter().position(|(known, ..)| *known == name);
    match (name, index) {
        ("unknown", _) => RoleId::new(Uuid::from_u128(999)),
        (_, Some(index)) => RoleId::new(Uuid::from_u128(100 + index as u128)),
        _ => panic!("there is no role {name}"),
    }
}

/// The roles of a fixture with these paths; those whose `where` names a tag only where the fixture has tags.
pub(super) fn roles(paths: &[Path], features: &Features) -> Vec<Role> {
    let names_tags = |condition: Option<&str>| condition.is_some_and(|text| text.contains("Tags:"));
    let written = ROLES.iter().filter(|(_, condition, _)| features.tags || !names_tags(*condition));
    let roles = written.map(|(name, condition, lines)| Role {
        id: role(name),
        name: (*name).to_owned(),
        operations: served(lines, paths),
        condition: condition.map(str::to_owned),
    });
    roles.filter(|role| !role.operations.is_empty()).collect()
}

/// The extension scopes of a fixture with these paths.
pub(super) fn scopes(paths: &[Path]) -> Vec<(String, Vec<String>)> {
    let scopes = SCOPES.iter().map(|(name, lines)| ((*name).to_owned(), served(lines, paths)));
    scopes.filter(|(_, lines)| !lines.is_empty()).collect()
}

fn served(lines: &[&str], paths: &[Path]) -> Vec<String> {
    let has = |line: &&&str| {
        let key = line.split_once(":[").map_or(**line, |(key, _)| key);
        paths.iter().any(|path| format!("{}:{}", path.method, path.template) == key)
    };
    lines.iter().filter(has).map(|line| (*line).to_owned()).collect()
}
