//! `decide` in this process: from the raw request to the decision, claims at hand (K38).

use std::hint::black_box;
use std::time::Duration;

use decision::{Arena, Engine, Grants, decide};
use policy::claims::Claims;
use policy::request::{Caller, Capabilities, Header, Request};
use policy::settings::ServiceKind;

use crate::allocations::counted;
use crate::report::{Figure, Rounds};
use crate::service::{self, role_id};
use crate::{machine, ours};

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
    /// Whether the targets of a decision in full are about it.
    measured: bool,
}

const CASES: &[Case] = &[
    Case { what: "read of the patient", method: "GET", target: "/fhir/Patient/ME", body: b"", scope: "patient/*.rs", permit: true, measured: true },
    Case {
        what: "search with five parameters, narrowed",
        method: "GET",
        target: "/fhir/Observation?category=laboratory&code=http://loinc.org|718-7&date=ge2026-01-01&_sort=-date&_count=20",
        body: b"",
        scope: "launch/patient patient/Patient.rs patient/Observation.rs",
        permit: true, measured: true,
    },
    Case {
        what: "search with a chain and an include",
        method: "GET",
        target: "/fhir/Observation?encounter.status=finished&_include=Observation:subject",
        body: b"",
        scope: "patient/*.rs",
        permit: true, measured: false,
    },
    Case {
        what: "create of an observation",
        method: "POST",
        target: "/fhir/Observation",
        body: br#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/ME"}}"#,
        scope: "patient/Observation.c",
        permit: true, measured: false,
    },
    Case { what: "denied: another patient", method: "GET", target: "/fhir/Patient/OTHER", body: b"", scope: "patient/*.rs", permit: false, measured: false },
    Case { what: "denied: not in the Service", method: "GET", target: "/fhir/nothing", body: b"", scope: "system/*.rs", permit: false, measured: false },
];

/// What a read or a narrowed search may take: the median, in microseconds.
const MEDIAN_MICROS: f64 = 0.7;
/// The 95th percentile of the same.
const P95_MICROS: f64 = 1.5;
/// How often they fit into one ES256 verification of this machine.
const IN_A_VERIFICATION: f64 = 60.0;
/// By how much the most roles may slow them down, against the fewest.
const GROWTH: f64 = 1.5;
const SIZES: [u32; 3] = [10, 1_000, 10_000];
/// All sizes and the verification are timed in turn, so often.
const ROUNDS: usize = 10;
/// The most samples of one round, and its longest time.
const SAMPLES: usize = 5_000;
const LONGEST: Duration = Duration::from_millis(60);
/// A token of this project with a few scopes; the header fields are gone through too.
const TOKEN_BYTES: usize = 640;
/// Allocations of one permitted read.
const ALLOCATIONS: f64 = 0.0;

/// Runs every case at 10, 1,000 and 10,000 custom roles in the bundle.
pub fn figures() -> Vec<Figure> {
    let engines = SIZES.map(engine);
    CASES.iter().flat_map(|case| measure(&engines, case)).collect()
}

/// Its times, and how often it allocates.
fn measure(engines: &[Engine], case: &Case) -> Vec<Figure> {
    let mut figures = Vec::new();
    let mut rounds: Vec<Rounds> = SIZES.iter().map(|_| Rounds::new()).collect();
    for (engine, roles) in engines.iter().zip(SIZES) {
        let (permits, allocated) = asked(case, engine, roles, |request, grants| {
            let mut arena = Arena::new();
            // The first request of a thread grows its arena; those after it use it again.
            black_box(decide(engine, request, grants, &arena).permits());
            arena.reset();
            counted(|| decide(engine, request, grants, &arena).permits())
        });
        assert_eq!(permits, case.permit, "{}", case.what);
        let must = case.what.starts_with("read").then_some(ALLOCATIONS);
        let what = format!("allocations: {} ({roles} roles)", case.what);
        figures.push(Figure::one(what, "", allocated.count as f64, must));
    }
    let mut verify = machine::verifier();
    let mut verifications = Rounds::new();
    for _ in 0..ROUNDS {
        verifications.run(1, SAMPLES / 50, LONGEST, |_| verify());
        for ((engine, roles), rounds) in engines.iter().zip(SIZES).zip(&mut rounds) {
            asked(case, engine, roles, |request, grants| {
                let mut arena = Arena::new();
                rounds.run(1, SAMPLES, LONGEST, |_| {
                    arena.reset();
                    black_box(decide(engine, black_box(request), grants, &arena));
                });
            });
        }
    }
    figures.extend(table(case, rounds, &verifications.medians));
    figures
}

/// The times at each size; of the cases with a target also the median, and the two ratios, round by round.
fn table(case: &Case, rounds: Vec<Rounds>, verifications: &[f64]) -> Vec<Figure> {
    let medians: Vec<Vec<f64>> = rounds.iter().map(|one| one.medians.clone()).collect();
    let ratios = |over: &[f64], under: &[f64]| over.iter().zip(under).map(|(over, under)| over / under).collect();
    let must = Some(if case.measured { P95_MICROS } else { K38_MICROS });
    let mut figures = Vec::new();
    for ((one, roles), medians) in rounds.into_iter().zip(SIZES).zip(&medians) {
        let timed = Figure { must, ..one.figure(format!("{} ({roles} roles)", case.what)) };
        let median = Figure::one(format!("  its median ({roles} roles)"), "µs", timed.median, Some(MEDIAN_MICROS));
        figures.push(timed);
        if case.measured {
            let often = Figure::of(
                format!("  in one ES256 verification ({roles} roles)"),
                "×",
                ratios(verifications, medians),
                None,
            );
            figures.extend([median, often.median_at_least(Some(IN_A_VERIFICATION))]);
        }
    }
    if let ([fewest, .., most], true) = (&medians[..], case.measured) {
        let growth = Figure::of("  its growth from 10 to 10,000 roles", "×", ratios(most, fewest), None);
        figures.push(growth.median_at_most(GROWTH));
    }
    figures
}

/// Hands the case's request to `work`.
fn asked<T>(case: &Case, engine: &Engine, roles: u32, work: impl FnOnce(&Request<'_>, &Grants) -> T) -> T {
    let claims = claims(case.scope, roles);
    let issuer = engine.bundle().parts().issuers.first().expect("an issuer").clone();
    let credentials = format!("Bearer {}", "x".repeat(TOKEN_BYTES));
    let headers = [
        Header { name: "host", value: b"ehr.example" },
        Header { name: "accept", value: b"application/fhir+json" },
        Header { name: "authorization", value: credentials.as_bytes() },
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
        upstream_base: "",
    };
    // A gateway maps a token's rules once for each version of the bundle.
    work(&request, &Grants::new(engine, &request.caller))
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
