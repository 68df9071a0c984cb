//! The Service that is measured: every type of R4 with twelve operations each, and as many custom roles as are asked for.
//!
//! Invariant: the same number of roles gives the same bundle, byte for byte.

use policy::bundle::{self, Algorithm, Bundle, Issuer, IssuerKey};
use policy::id::{AccountId, RoleId, ServiceId};
use policy::settings::{DefaultUserRole, ServiceKind, Settings};
use policy_compiler::{Imported, Limits, RoleSource, Source, compile, import};
use uuid::Uuid;

use crate::draws::Draws;

pub const BASE: &str = "https://ehr.example/fhir";
/// The base's path, which every request target begins with.
pub const BASE_PATH: &str = "/fhir";
pub const ISSUER: &str = "https://auth.example/s/ehr";
/// A role has at least and at most so many operations.
const OPERATIONS_OF_A_ROLE: (usize, usize) = (5, 40);

/// The bundle of that Service, with `roles` roles.
pub fn bundle(kind: ServiceKind, roles: u32) -> Bundle {
    let imported = import(document().as_bytes(), &Limits::default()).expect("the document imports");
    let settings = Settings { default_user_role: DefaultUserRole::Nothing, ..Settings::for_kind(kind) };
    let service =
        bundle::Service { id: ServiceId::new(Uuid::from_u128(1)), account_id: owner(), kind, base_url: BASE.into() };
    let mut source = Source::new(service, settings, &imported);
    source.roles = custom_roles(&imported, roles);
    source.issuers = vec![Issuer {
        issuer: ISSUER.into(),
        trusted_for_roles: true,
        scp_is_scope: false,
        keys: vec![IssuerKey { kid: "k".into(), algorithm: Algorithm::Es256, jwk: "{}".into() }],
    }];
    compile(source).expect("the bundle compiles")
}

/// Roles as people write them: a few types, and of each about half of what can be done with it.
fn custom_roles(imported: &Imported, roles: u32) -> Vec<RoleSource> {
    let operations = &imported.operations;
    let mut by_type = std::collections::BTreeMap::<String, Vec<u32>>::new();
    for (index, operation) in (0..).zip(operations) {
        let path = operation.template.to_string();
        let name = path.split('/').nth(1).unwrap_or_default().to_owned();
        by_type.entry(name).or_default().push(index);
    }
    let by_type: Vec<Vec<u32>> = by_type.into_values().collect();
    let mut draws = Draws::new(1);
    let (least, most) = OPERATIONS_OF_A_ROLE;
    (0..roles)
        .map(|number| {
            let wanted = least + draws.below(most - least + 1);
            let mut chosen = Vec::new();
            while chosen.len() < wanted {
                for index in draws.one(&by_type) {
                    if chosen.len() < wanted && draws.below(2) == 0 && !chosen.contains(index) {
                        chosen.push(*index);
                    }
                }
            }
            chosen.sort_unstable();
            RoleSource {
                id: role_id(number),
                name: format!("role {number}").into(),
                operations: chosen.iter().map(|index| operations[*index as usize].key()).collect(),
                condition: None,
            }
        })
        .collect()
}

/// An OpenAPI document of every R4 type.
pub fn document() -> String {
    let mut paths = serde_json::Map::new();
    let operation = serde_json::json!({ "responses": { "200": { "description": "ok" } } });
    for name in fhir::r4().types() {
        for (path, methods) in [
            ("", &["get", "post", "put", "delete"][..]),
            ("/_search", &["post"]),
            ("/_history", &["get"]),
            ("/{id}", &["get", "put", "patch", "delete"]),
            ("/{id}/_history", &["get"]),
            ("/{id}/_history/{vid}", &["get"]),
        ] {
            let item = methods.iter().map(|method| ((*method).to_owned(), operation.clone())).collect();
            paths.insert(format!("/{name}{path}"), serde_json::Value::Object(item));
        }
    }
    serde_json::json!({
        "openapi": "3.0.3",
        "x-katanemo-open-api-service-type": "fhirv4",
        "info": { "title": "Every type of R4", "version": "1" },
        "servers": [{ "url": BASE }],
        "paths": paths,
    })
    .to_string()
}

pub fn owner() -> AccountId {
    AccountId::new(Uuid::from_u128(1))
}

pub fn role_id(number: u32) -> RoleId {
    RoleId::new(Uuid::from_u128(u128::from(number) + 1))
}
