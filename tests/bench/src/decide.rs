//! `decide` in this process: from the raw request to the decision, claims at hand (K38).

use decision::{Engine, decide};
use policy::bundle::{self, Algorithm, Issuer, IssuerKey};
use policy::claims::{Claims, TokenKind};
use policy::id::{AccountId, RoleId, ServiceId};
use policy::request::{Caller, Capabilities, Header, Request};
use policy::role::Role;
use policy::settings::{ServiceKind, Settings};
use policy_compiler::{Limits, Source, compile, import};
use uuid::Uuid;

use crate::report::{Figure, time};

const BASE: &str = "https://ehr.example/fhir";
const ISSUER: &str = "https://auth.example/s/ehr";
/// K38: the 95th percentile of a decision, in microseconds.
const K38_MICROS: f64 = 1_000.0;

/// One request of the table.
struct Case {
    what: &'static str,
    method: &'static str,
    target: &'static str,
    body: &'static [u8],
    scope: &'static str,
    permit: bool,
}

const CASES: &[Case] = &[
    Case { what: "read of the patient", method: "GET", target: "/fhir/Patient/ME", body: b"", scope: "patient/*.rs", permit: true },
    Case {
        what: "search with five parameters, narrowed",
        method: "GET",
        target: "/fhir/Observation?category=laboratory&code=http://loinc.org|718-7&date=ge2026-01-01&_sort=-date&_count=20",
        body: b"",
        scope: "launch/patient patient/Patient.rs patient/Observation.rs",
        permit: true,
    },
    Case {
        what: "search with a chain and an include",
        method: "GET",
        target: "/fhir/Observation?encounter.status=finished&_include=Observation:subject",
        body: b"",
        scope: "patient/*.rs",
        permit: true,
    },
    Case {
        what: "create of an observation",
        method: "POST",
        target: "/fhir/Observation",
        body: br#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/ME"}}"#,
        scope: "patient/Observation.c",
        permit: true,
    },
    Case { what: "denied: another patient", method: "GET", target: "/fhir/Patient/OTHER", body: b"", scope: "patient/*.rs", permit: false },
    Case { what: "denied: not in the Service", method: "GET", target: "/fhir/nothing", body: b"", scope: "system/*.rs", permit: false },
];

/// Runs every case at 10, 1,000 and 10,000 custom roles in the bundle.
pub fn figures() -> Vec<Figure> {
    let mut figures = Vec::new();
    for roles in [10, 1_000, 10_000] {
        let engine = engine(roles);
        figures.extend(CASES.iter().map(|case| measure(&engine, case, roles)));
    }
    figures
}

fn measure(engine: &Engine, case: &Case, roles: u32) -> Figure {
    let claims = claims(case.scope, roles);
    let issuer = engine.bundle().parts().issuers.first().expect("an issuer").clone();
    let headers = [
        Header { name: "host", value: b"ehr.example" },
        Header { name: "accept", value: b"application/fhir+json" },
        Header { name: "authorization", value: b"Bearer x.y.z" },
        Header { name: "content-type", value: b"application/fhir+json" },
    ];
    let headers = if case.body.is_empty() { &headers[..3] } else { &headers[..] };
    let request = Request {
        method: case.method,
        target: case.target,
        headers,
        body: case.body,
        caller: Caller::Verified(&claims, &issuer),
        capabilities: Capabilities::ALL,
        stale: false,
        now: 1_800_000_000,
        stored: &[],
    };
    let decision = decide(engine, &request);
    assert_eq!(decision.permits(), case.permit, "{}: {decision:?}", case.what);
    time(&format!("{} ({roles} roles)", case.what), Some(K38_MICROS), || {
        std::hint::black_box(decide(engine, std::hint::black_box(&request)));
    })
}

/// A Service of every R4 type, twelve operations each, and `roles` custom roles of 20 operations.
fn engine(roles: u32) -> Engine {
    let imported = import(document().as_bytes(), &Limits::default()).expect("the document imports");
    let count = u32::try_from(imported.operations.len()).expect("a few thousand");
    let role = |number: u32| Role {
        id: role_id(number),
        name: format!("role {number}").into(),
        operations: {
            let mut operations: Vec<u32> = (0..20).map(|step| (number * 7 + step * 31) % count).collect();
            operations.sort_unstable();
            operations.dedup();
            operations
        },
        condition: None,
        fields: Vec::new(),
    };
    let source = Source {
        service: bundle::Service {
            id: ServiceId::new(Uuid::from_u128(1)),
            account_id: owner(),
            kind: ServiceKind::Fhirv4,
            base_url: BASE.into(),
        },
        settings: Settings::for_kind(ServiceKind::Fhirv4),
        imported: &imported,
        roles: (0..roles).map(role).collect(),
        issuers: vec![Issuer {
            issuer: ISSUER.into(),
            trusted_for_roles: true,
            scp_is_scope: false,
            keys: vec![IssuerKey { kid: "k".into(), algorithm: Algorithm::Es256, jwk: "{}".into() }],
        }],
        subscriptions: Vec::new(),
        revocations: Vec::new(),
    };
    Engine::new(compile(source).expect("the bundle compiles"))
}

/// An OpenAPI document of every R4 type.
pub fn document() -> String {
    let mut paths = serde_json::Map::new();
    let get = || serde_json::json!({ "get": { "responses": { "200": { "description": "ok" } } } });
    for name in fhir::r4().types() {
        for (path, methods) in [
            ("", &["get", "post", "put", "delete"][..]),
            ("/_search", &["post"]),
            ("/_history", &["get"]),
            ("/{id}", &["get", "put", "patch", "delete"]),
            ("/{id}/_history", &["get"]),
            ("/{id}/_history/{vid}", &["get"]),
        ] {
            let item = methods.iter().map(|method| ((*method).to_owned(), get()["get"].clone())).collect();
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

fn claims(scope: &str, roles: u32) -> Claims {
    Claims {
        iss: ISSUER.to_owned(),
        sub: "key_1".to_owned(),
        aud: BASE.to_owned(),
        exp: i64::MAX,
        nbf: 0,
        iat: 0,
        jti: "tok_1".to_owned(),
        kind: TokenKind::Key,
        account_id: Some(owner()),
        client_id: None,
        key_id: None,
        role_session_id: None,
        scope: Some(scope.to_owned()),
        role_ids: vec![role_id(0), role_id(roles / 2), role_id(roles.saturating_sub(1))],
        patient: Some("ME".to_owned()),
        fhir_user: None,
        act: None,
        tags: std::collections::BTreeMap::new(),
        clearance: None,
    }
}

fn owner() -> AccountId {
    AccountId::new(Uuid::from_u128(1))
}

fn role_id(number: u32) -> RoleId {
    RoleId::new(Uuid::from_u128(u128::from(number) + 1))
}
