//! The fixture Services: an EHR with every resource type of R4, and a plain API of accounts.
//!
//! Invariant: each is a [`Service`] as its owner would write it, with a document that is generated here; a bundle is
//! made of it by the policy compiler alone, so the compiler is part of whatever is tested on a bundle.
//!
//! A fixture has more for each feature word: `tags` (keys, and roles with `where`), `registry` and `access` (both
//! with `tags`), `scopes` (extension scopes), `basic` (Keys as Basic credentials), `clinic` (more paths of the plain API).

mod basic;
mod document;
mod roles;
mod tags;

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use policy::Bundle;
use policy::bundle::Issuer;
use policy::id::{AccountId, ServiceId};
use policy::settings::{Basic, ServiceKind, Settings};
use policy_compiler::{Limits, RoleSource, ScopeSource, Source};
use reference::{Service, Subscription};
use serde_json::json;
use uuid::Uuid;

pub use basic::{basic_key, basic_secret, key};
pub use roles::role;
pub use tags::system;

/// The base URL of both fixtures.
pub const BASE: &str = "https://gw.example/fhir";
/// Its authority.
pub const HOST: &str = "gw.example";
/// Its path.
pub const BASE_PATH: &str = "/fhir";
/// The upstream's base URL.
pub const UPSTREAM: &str = "http://upstream.internal:8080/r4";
/// The issuer of its tokens.
pub const ISSUER: &str = "https://as.example/s/ehr";

/// The partners, with the scopes and roles of their ceilings; `stranger` has no Subscription.
const PARTNERS: &[(&str, &[&str], &[&str])] = &[
    (
        "partner",
        &["system/Observation.rs", "system/Patient.r"],
        &["observation-reader", "account-reader", "organization-reader"],
    ),
    ("lab", &["system/Observation.rs?category=laboratory"], &[]),
    ("writer", &["system/*.cruds"], &[]),
    ("searcher", &[], &["observation-searcher"]),
];

/// An Account of the fixture: `owner`, a partner, or `stranger`.
///
/// # Panics
/// When there is no such Account.
#[must_use]
pub fn account(name: &str) -> AccountId {
    let partner = PARTNERS.iter().position(|(known, ..)| *known == name);
    let number = match (name, partner) {
        ("owner", _) => 1,
        ("stranger", _) => 2,
        (_, Some(index)) => 10 + index as u128,
        _ => panic!("there is no account {name}"),
    };
    AccountId::new(Uuid::from_u128(number))
}

/// The issuer that the fixture trusts, also for roles.
#[must_use]
pub fn issuer() -> Issuer {
    Issuer { issuer: ISSUER.into(), trusted_for_roles: true, scp_is_scope: false, keys: Vec::new() }
}

/// The settings of a fixture of this kind, changed by `name=value` words (`compartment=subject_only`). Lists are
/// written with `;`; `basic=open` requires no security resource, `basic=ehr-api` that one.
///
/// # Panics
/// When a word is not a setting.
#[must_use]
pub fn settings(kind: ServiceKind, words: &str) -> Settings {
    let mut json = serde_json::to_value(Settings::for_kind(kind)).expect("settings are JSON");
    for word in words.split([' ', ',']).filter(|word| !word.is_empty()) {
        let (name, value) = word.split_once('=').expect("a setting is name=value");
        json[name] = match (name, value) {
            ("excluded_paths" | "shared_types", list) => {
                list.split(';').filter(|one| !one.is_empty()).collect::<Vec<_>>().into()
            }
            ("basic", "open") => json!({}),
            ("basic", resource) => json!({ "required_resource": resource }),
            (_, "true" | "false") => (value == "true").into(),
            (_, text) => text.parse::<i64>().map_or_else(|_| text.into(), Into::into),
        };
    }
    serde_json::from_value(json).unwrap_or_else(|fault| panic!("`{words}` are no settings: {fault}"))
}

/// The EHR.
#[must_use]
pub fn fhir(settings: Settings) -> Bundle {
    compile(&service(settings, ""))
}

/// The plain API.
#[must_use]
pub fn plain(settings: Settings) -> Bundle {
    compile(&plain_service(settings, ""))
}

/// The EHR, as its owner writes it.
#[must_use]
pub fn service(settings: Settings, features: &str) -> Service {
    written(ServiceKind::Fhirv4, settings, &Features::parse(features))
}

/// The plain API, as its owner writes it.
#[must_use]
pub fn plain_service(settings: Settings, features: &str) -> Service {
    written(ServiceKind::Plain, settings, &Features::parse(features))
}

/// What the compiler makes of a Service; of one that was compiled before in this process, the same again.
///
/// # Panics
/// When it has something to refuse.
#[must_use]
pub fn compile(service: &Service) -> Bundle {
    static KNOWN: LazyLock<Mutex<BTreeMap<String, Bundle>>> = LazyLock::new(Mutex::default);
    let key = format!("{service:?}");
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(bundle) = known().get(&key) {
        return bundle.clone();
    }
    let bundle = compiled(service);
    known().insert(key, bundle.clone());
    bundle
}

fn compiled(service: &Service) -> Bundle {
    let document = service.document.to_string();
    let imported = policy_compiler::import(document.as_bytes(), &Limits::default())
        .unwrap_or_else(|findings| panic!("the document is refused: {findings:#?}"));
    assert_eq!(imported.kind, service.kind, "the document says what kind it is");
    let protected = policy::bundle::Service {
        id: service.id,
        account_id: service.account_id,
        kind: service.kind,
        base_url: service.base_url.as_str().into(),
    };
    let roles = service.roles.iter().map(|role| RoleSource {
        id: role.id,
        name: role.name.as_str().into(),
        operations: role.operations.clone(),
        condition: role.condition.clone(),
    });
    let scopes = service
        .extension_scopes
        .iter()
        .map(|(name, operations)| ScopeSource { name: name.as_str().into(), operations: operations.clone() });
    let subscriptions = service.subscriptions.iter().map(|partner| policy::bundle::Subscription {
        account_id: partner.account_id,
        scopes: partner.scopes.iter().map(|scope| scope.parse().expect("a scope")).collect(),
        roles: partner.roles.clone(),
    });
    let source = Source {
        roles: roles.collect(),
        extension_scopes: scopes.collect(),
        issuers: service.issuers.clone(),
        subscriptions: subscriptions.collect(),
        tag_keys: service.tag_keys.clone(),
        tagged: service.tagged.clone(),
        access_tags: service.access_tags.clone(),
        basic_keys: service.basic_keys.clone(),
        security_resources: service.security_resources.clone(),
        ..Source::new(protected, service.settings.clone(), &imported)
    };
    policy_compiler::compile(source).unwrap_or_else(|findings| panic!("the Service is refused: {findings:#?}"))
}

/// What a fixture has beside operations, roles and partners.
#[expect(clippy::struct_excessive_bools, reason = "each is a word of its own")]
#[derive(Default)]
struct Features {
    tags: bool,
    registry: bool,
    access: bool,
    scopes: bool,
    basic: bool,
    clinic: bool,
}

impl Features {
    fn parse(words: &str) -> Self {
        let mut features = Self::default();
        for word in words.split_whitespace() {
            match word {
                "tags" => features.tags = true,
                "registry" => features.registry = true,
                "access" => features.access = true,
                "scopes" => features.scopes = true,
                "basic" => features.basic = true,
                "clinic" => features.clinic = true,
                other => panic!("there is no feature {other}"),
            }
        }
        features.tags |= features.registry || features.access;
        features
    }
}

fn written(kind: ServiceKind, mut settings: Settings, features: &Features) -> Service {
    let paths = document::paths(kind, features);
    if features.basic && settings.basic.is_none() {
        settings.basic = Some(Basic { required_resource: Some(basic::RESOURCE.into()) });
    }
    let subscriptions = PARTNERS.iter().map(|(name, scopes, roles)| Subscription {
        account_id: account(name),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        roles: roles.iter().map(|name| role(name)).collect(),
    });
    Service {
        id: ServiceId::new(Uuid::from_u128(3)),
        account_id: account("owner"),
        kind,
        base_url: BASE.to_owned(),
        document: document::document(kind, &paths),
        settings,
        roles: roles::roles(&paths, features),
        extension_scopes: if features.scopes { roles::scopes(&paths) } else { Vec::new() },
        issuers: vec![issuer()],
        subscriptions: subscriptions.collect(),
        tag_keys: if features.tags { tags::keys() } else { Vec::new() },
        tagged: if features.registry { tags::registry(kind) } else { Vec::new() },
        access_tags: if features.access { tags::access(kind) } else { Vec::new() },
        basic_keys: if features.basic { basic::keys() } else { Vec::new() },
        security_resources: if features.basic { basic::resources() } else { Vec::new() },
    }
}

#[cfg(test)]
mod tests {
    use policy::facts::{ParameterKind, Standing};
    use policy::operation::Interaction;

    use super::*;

    const ALL: &str = "tags registry access scopes basic clinic";

    fn interactions(bundle: &Bundle, found: Interaction) -> Vec<String> {
        let operations = bundle.parts().operations.iter();
        let of_it = operations.filter(|one| one.fhir.as_ref().is_some_and(|fhir| fhir.interaction == found));
        of_it.map(policy::operation::Operation::key).collect()
    }

    #[test]
    fn the_ehr_serves_every_interaction_of_every_type() {
        let bundle = fhir(settings(ServiceKind::Fhirv4, ""));
        for interaction in Interaction::ALL {
            assert!(!interactions(&bundle, interaction).is_empty(), "{interaction}");
        }
        assert_eq!(
            interactions(&bundle, Interaction::Read),
            ["GET:/Observation/{id}", "GET:/Organization/{id}", "GET:/Vehicle/{id}", "GET:/{type}/{id}"]
        );
        let vehicle = bundle.parts().types.iter().find(|facts| facts.name.as_str() == "Vehicle").unwrap();
        let [plate] = vehicle.parameters.as_slice() else { panic!("{vehicle:?}") };
        assert_eq!(
            (&*plate.name, plate.kind, vehicle.standing),
            ("plate", ParameterKind::Special, Standing::Undecidable)
        );
    }

    #[test]
    fn a_fixture_has_what_its_feature_words_say_and_nothing_else() {
        for (few, many) in [
            (service(settings(ServiceKind::Fhirv4, ""), ""), service(settings(ServiceKind::Fhirv4, ""), ALL)),
            (plain_service(settings(ServiceKind::Plain, ""), ""), plain_service(settings(ServiceKind::Plain, ""), ALL)),
        ] {
            let (few, many) = (compile(&few).into_parts(), compile(&many).into_parts());
            assert!(few.tag_keys.is_empty() && few.tagged.is_empty() && few.access_tags.is_empty());
            assert!(few.extension_scopes.is_empty() && few.basic_keys.is_empty() && few.settings.basic.is_none());
            assert_eq!((many.tag_keys.len(), many.basic_keys.len(), many.security_resources.len()), (3, 4, 2));
            assert!(!many.tagged.is_empty() && !many.access_tags.is_empty() && !many.extension_scopes.is_empty());
            let conditions = |parts: &policy::bundle::Parts| {
                parts.roles.iter().filter(|role| role.condition.is_some()).map(|role| role.id).collect::<Vec<_>>()
            };
            assert!(!conditions(&few).contains(&role("doctor")));
            assert!(conditions(&many).contains(&role("doctor")));
            assert!(many.roles.iter().any(|role| !role.fields.is_empty()));
        }
    }

    #[test]
    fn settings_are_words() {
        let kind = ServiceKind::Fhirv4;
        let read = settings(kind, "basic=ehr-api unauthenticated_until=9 shared_types=Location;Vehicle labels=enforce");
        assert_eq!(read.basic.unwrap().required_resource.as_deref(), Some("ehr-api"));
        assert_eq!((read.unauthenticated_until, read.shared_types.unwrap().len()), (Some(9), 2));
        assert_eq!(settings(kind, "basic=open").basic.unwrap().required_resource, None);
    }
}
