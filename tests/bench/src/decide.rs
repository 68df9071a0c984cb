//! `decide` in this process: from the raw request to the decision, claims at hand (K38).

use decision::{Engine, decide};
use policy::claims::Claims;
use policy::request::{Caller, Capabilities, Header, Request};
use policy::settings::ServiceKind;

use crate::allocations::counted;
use crate::ours;
use crate::report::{Figure, time};
use crate::service::{self, role_id};

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

/// Allocations of one permitted read.
const ALLOCATIONS: f64 = 0.0;

/// Runs every case at 10, 1,000 and 10,000 custom roles in the bundle.
pub fn figures() -> Vec<Figure> {
    let mut figures = Vec::new();
    for roles in [10, 1_000, 10_000] {
        let engine = engine(roles);
        figures.extend(CASES.iter().flat_map(|case| measure(&engine, case, roles)));
    }
    figures
}

/// Its time, and how often it allocates; only the read has a target there.
fn measure(engine: &Engine, case: &Case, roles: u32) -> [Figure; 2] {
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
        now: 0,
        stored: &[],
    };
    let decision = decide(engine, &request);
    assert_eq!(decision.permits(), case.permit, "{}: {decision:?}", case.what);
    let what = format!("{} ({roles} roles)", case.what);
    let (_, allocated) = counted(|| std::hint::black_box(decide(engine, &request)).permits());
    let must = case.what.starts_with("read").then_some(ALLOCATIONS);
    let count = Figure::one(format!("allocations: {what}"), "", allocated.count as f64, must);
    let taken = time(&what, Some(K38_MICROS), || {
        std::hint::black_box(decide(engine, std::hint::black_box(&request)));
    });
    [taken, count]
}

fn engine(roles: u32) -> Engine {
    Engine::new(service::bundle(ServiceKind::Fhirv4, roles))
}

fn claims(scope: &str, roles: u32) -> Claims {
    Claims {
        scope: Some(scope.to_owned()),
        patient: Some("ME".to_owned()),
        ..ours::claims(&[role_id(0), role_id(roles / 2), role_id(roles.saturating_sub(1))])
    }
}
