//! The properties that must hold of every request ("Properties that must hold"), on generated ones.
//!
//! The upstream here is as lenient as one can be: it ignores every parameter and answers a search with
//! all records that it has.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use decision::{Answer, Engine, refuse};
use policy::decision::Action;
use policy::request::{Caller, Capabilities, Header, Request};
use proptest::collection::vec;
use proptest::prelude::*;
use testkit::call::Call;
use testkit::token::Token;
use testkit::{ehr, records};

use crate::check::{answered, decided, ehr_engine};

static ENGINES: LazyLock<Vec<Engine>> = LazyLock::new(|| {
    ["", "search_without_context=check", "compartment=subject_only chains=context", "shared=scope related=reject"]
        .map(ehr_engine)
        .into()
});

/// All that a `patient/` rule can ever open: the records of the patient ME, and those that are nobody's.
fn may_open() -> impl Iterator<Item = &'static str> {
    records::OWN.iter().chain(records::SHARED).copied()
}

/// Types that records have.
const TYPES: &[&str] = &[
    "Binary",
    "Condition",
    "Coverage",
    "Device",
    "DiagnosticReport",
    "Encounter",
    "Group",
    "Linkage",
    "List",
    "Observation",
    "Organization",
    "Patient",
    "Practitioner",
    "Provenance",
    "Task",
    "Vehicle",
];

fn scope(context: &'static str) -> impl Strategy<Value = String> {
    let types = prop::sample::select([TYPES, &["*", "*"]].concat());
    let letters = prop::sample::select(vec!["r", "s", "rs", "cruds", "c", "sr"]);
    let granular = prop::sample::select(vec!["", "", "", "?category=laboratory", "?status=final", "?bogus=1"]);
    (types, letters, granular)
        .prop_map(move |(kind, letters, granular)| format!("{context}/{kind}.{letters}{granular}"))
}

fn parameter() -> impl Strategy<Value = String> {
    let names = prop::sample::select(vec![
        "patient",
        "subject",
        "performer",
        "_id",
        "code",
        "category",
        "subject:Patient",
        "patient:not",
        "patient:missing",
        "subject:identifier",
        "_elements",
        "_summary",
        "_count",
        "_total",
        "_sort",
        "_include",
        "_include:iterate",
        "_revinclude",
        "encounter.patient",
        "patient.name",
        "encounter.patient.name",
        "_has:Observation:patient:code",
        "_has:Observation:performer:code",
        "focus",
        "link",
        "member",
        "bogus",
        "_bogus",
        "PATIENT",
        "%70atient",
        "_filter",
        "_content",
        "target",
        "general-practitioner.name",
        "subject.name",
        "_format",
    ]);
    let values = prop::sample::select(vec![
        "ME",
        "OTHER",
        "Patient/ME",
        "Patient/OTHER",
        "ME,OTHER",
        "ME%2COTHER",
        "",
        "https://gw.example/fhir/Patient/ME",
        "https://evil.example/fhir/Patient/ME",
        "Patient/ME/_history/1",
        "code",
        "true",
        "count",
        "0",
        "5",
        "accurate",
        "-date",
        "*",
        "Observation:subject",
        "Observation:*",
        "Observation:performer",
        "Patient:link",
        "Provenance:target",
        "Observation:focus",
        "json",
        "ME\\,OTHER",
    ]);
    (names, values).prop_map(|(name, value)| format!("{name}={value}"))
}

/// Type, parameters, and how it is asked: by GET, by POST, or in the compartment's URL.
fn search() -> impl Strategy<Value = (String, Vec<String>, u8)> {
    (prop::sample::select(TYPES).prop_map(str::to_owned), vec(parameter(), 0..4), 0_u8..4)
}

fn written((kind, parameters, how): &(String, Vec<String>, u8)) -> String {
    let query = parameters.join("&");
    match how {
        0 => format!("GET /{kind}?{query}"),
        1 => format!("POST /{kind}/_search form: {query}"),
        2 => format!("GET /Patient/ME/{kind}?{query}"),
        _ => format!("GET /Patient/OTHER/{kind}?{query}"),
    }
}

/// The names of the records that a caller gets, and whether the answer has a total.
fn got(engine: &Engine, token: &str, call: &str) -> (BTreeSet<&'static str>, bool) {
    let (call, token) = (Call::parse(call), Token::parse(token));
    let headers = call.borrowed();
    let request = call.request(&headers, &token);
    let decision = decided(engine, &request);
    if !decision.permits() {
        assert_eq!(decision.action, Action::None);
        return (BTreeSet::new(), false);
    }
    let kind = decision.resource_type.clone().unwrap();
    let body = match &decision.resource_id {
        Some(id) if records::stored().any(|name| name == id) => records::text(id).to_owned(),
        Some(_) => "{}".to_owned(),
        None => {
            let own = format!("\"{kind}\"");
            let marked: Vec<String> = records::stored()
                .map(
                    |name| if records::text(name).contains(&own) { name.to_owned() } else { format!("include:{name}") },
                )
                .collect();
            records::searchset(&marked.iter().map(String::as_str).collect::<Vec<_>>(), ehr::UPSTREAM)
        }
    };
    let answer = Answer { status: 200, headers: &[], body: body.as_bytes(), upstream_base: ehr::UPSTREAM };
    let text = answered(engine, &request, &answer).body;
    let has = |name: &&str| text.contains(&format!("\"id\":\"{name}\""));
    (records::stored().filter(has).collect(), text.contains("\"total\""))
}

fn others(found: &BTreeSet<&'static str>) -> Vec<&'static str> {
    found.iter().copied().filter(|name| !may_open().any(|own| own == *name)).collect()
}

/// How many cases a property is tried with: `usual`, times `FIREWARDEN_TEST_FACTOR` (`scripts/test --long` sets 50).
fn cases(usual: u32) -> u32 {
    let factor = std::env::var("FIREWARDEN_TEST_FACTOR").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    usual.saturating_mul(factor)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(2_000), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn law_1_a_patient_rule_never_opens_another_patients_search(
        scopes in vec(scope("patient"), 1..4), asked in search(), which in 0..4_usize
    ) {
        let (found, total) = got(&ENGINES[which], &scopes.join(" "), &written(&asked));
        prop_assert!(others(&found).is_empty(), "{:?} {} {found:?}", scopes, written(&asked));
        // The model answers with other patients' records too, so whatever was counted must not be told.
        prop_assert!(!total, "{:?} {}", scopes, written(&asked));
    }

    #[test]
    fn law_1_a_patient_rule_never_opens_another_patients_instance(
        scopes in vec(scope("patient"), 1..4), kind in prop::sample::select(TYPES), which in 0..4_usize,
        name in prop::sample::select(records::stored().collect::<Vec<_>>()), one in parameter()
    ) {
        for call in [format!("GET /{kind}/{name}"), format!("GET /{kind}/{name}?{one}")] {
            let (found, _) = got(&ENGINES[which], &scopes.join(" "), &call);
            prop_assert!(others(&found).is_empty(), "{scopes:?} {call} {found:?}");
        }
    }

    #[test]
    fn law_1_what_is_counted_is_narrowed_to_the_patient(scopes in vec(scope("patient"), 1..4), asked in search()) {
        let (call, token) = (Call::parse(&written(&asked)), Token::parse(&scopes.join(" ")));
        let headers = call.borrowed();
        let decision = decided(&ENGINES[1], &call.request(&headers, &token));
        if let Action::Forward(upstream) = &decision.action {
            let query = upstream.body.as_deref().unwrap_or(&upstream.query);
            let counts = ["_summary=count", "_total=", "_count=0"].iter().any(|part| query.contains(part));
            let own = query.contains("Patient/ME") || query.contains("_id=ME");
            let shared = ["Organization", "Practitioner"].contains(&&*asked.0);
            prop_assert!(!counts || own || shared, "{scopes:?} {query}");
        }
    }

    #[test]
    fn law_2_a_scope_less_never_gives_more(
        patient in vec(scope("patient"), 1..3), user in vec(scope("user"), 0..3), without in 0..5_usize,
        asked in search(), which in 0..4_usize
    ) {
        let all: Vec<String> = patient.into_iter().chain(user).collect();
        let fewer: Vec<&str> =
            all.iter().enumerate().filter(|(index, _)| *index != without % all.len()).map(|(_, one)| one.as_str()).collect();
        let call = written(&asked);
        let (more, _) = got(&ENGINES[which], &all.join(" "), &call);
        let (less, _) = got(&ENGINES[which], &fewer.join(" "), &call);
        prop_assert!(less.is_subset(&more), "{all:?} {fewer:?} {call}: {less:?} {more:?}");
    }

    #[test]
    fn law_3_a_search_by_get_and_by_post_is_one_search(
        scopes in vec(prop_oneof![scope("patient"), scope("user")], 1..4), kind in search(), which in 0..4_usize
    ) {
        let asked = |how: u8| {
            let call = Call::parse(&written(&(kind.0.clone(), kind.1.clone(), how)));
            let token = Token::parse(&scopes.join(" "));
            let headers = call.borrowed();
            let decision = decided(&ENGINES[which], &call.request(&headers, &token));
            let sent = match decision.action {
                Action::Forward(upstream) => Some(upstream.body.unwrap_or(upstream.query)),
                _ => None,
            };
            (decision.verdict, decision.rules, decision.related, sent)
        };
        prop_assert_eq!(asked(0), asked(1));
    }

    #[test]
    fn law_5_one_predicate_more_adds_no_resource(
        scopes in vec(scope("patient"), 1..3), asked in search(), which in 0..4_usize
    ) {
        let predicates = ["code=x", "_tag=a", "focus=Patient/OTHER", "bogus=1", "date=ge2020"];
        let plain = (asked.0.clone(), Vec::new(), asked.2);
        let (before, _) = got(&ENGINES[which], &scopes.join(" "), &written(&plain));
        for one in predicates {
            let with = (asked.0.clone(), vec![one.to_owned()], asked.2);
            let (after, _) = got(&ENGINES[which], &scopes.join(" "), &written(&with));
            prop_assert!(after.is_subset(&before), "{scopes:?} {one} {after:?} {before:?}");
        }
    }

    #[test]
    fn law_7_no_request_and_no_answer_makes_it_panic(
        method in prop_oneof!["[A-Z]{1,7}", prop::sample::select(vec!["GET", "POST", "PUT"]).prop_map(str::to_owned)],
        target in prop_oneof![any::<String>(), "/fhir/[A-Za-z]{0,12}(/[\\PC]{0,9}){0,4}(\\?[\\PC]{0,40})?",
            "/fhir/(Observation|Patient)(/_search|/[A-Z]{1,5})?\\?[a-z_.:,&=%0-9A-Z;+*-]{0,60}"],
        names in vec(prop_oneof!["[a-z-]{1,20}", prop::sample::select(vec![
            "host", "accept", "content-type", "prefer", "authorization", "if-none-exist"]).prop_map(str::to_owned)], 0..5),
        values in vec(vec(any::<u8>(), 0..30), 5), body in vec(any::<u8>(), 0..200), status in 0_u16..999,
        reply in prop_oneof![vec(any::<u8>(), 0..200), "[\\[\\]{}:,\"a-zE1 ]{0,80}".prop_map(String::into_bytes)],
        which in 0..4_usize, check in any::<bool>()
    ) {
        let host = Header { name: "host", value: ehr::HOST.as_bytes() };
        let others = names.iter().zip(&values).map(|(name, value)| Header { name, value });
        let headers: Vec<Header<'_>> = std::iter::once(host).chain(others).collect();
        for token in ["patient/*.cruds user/Observation.rs?category=x", "system/*.cruds", "none"] {
            let token = Token::parse(token);
            let caller = match &token {
                Token::Claims(claims, issuer) => Caller::Verified(claims, issuer),
                _ => Caller::Missing,
            };
            let capabilities = Capabilities { rewrite: check, check_response: check, lookup: check };
            let request =
                Request { method: &method, target: &target, headers: &headers, body: &body, caller, capabilities, stale: false, now: 1, stored: &[], upstream_base: ehr::UPSTREAM };
            let engine = &ENGINES[which];
            let decision = decided(engine, &request);
            prop_assert_eq!(&decision, &decided(engine, &request));
            let answer = Answer { status, headers: &headers, body: &reply, upstream_base: ehr::UPSTREAM };
            let _ = answered(engine, &request, &answer);
            let _ = refuse(Some(engine), &decision);
        }
    }
}

#[test]
fn the_model_gives_what_is_the_patients() {
    let (found, _) = got(&ENGINES[0], "patient/*.rs", "GET /Observation?_include=*&_revinclude=*");
    let of_another_kind = ["BIN-ME", "BIN-NOBODY", "COV-ME", "DEV-ME", "DEV-SHARED", "G-ME", "ORG2", "VS1"];
    let expected: BTreeSet<_> = may_open().filter(|name| !of_another_kind.contains(name)).collect();
    assert_eq!(found, expected);
    let (found, _) = got(&ENGINES[0], "system/*.rs", "GET /Observation/OBS-OTHER");
    assert_eq!(found, BTreeSet::from(["OBS-OTHER"]));
}

#[test]
fn a_stale_bundle_denies_before_anything_else() {
    let (call, token) = (Call::parse("OPTIONS /../x"), Token::parse("none"));
    let headers = call.borrowed();
    let request = Request { stale: true, ..call.request(&headers, &token) };
    let decision = decided(&ENGINES[0], &request);
    assert_eq!(decision, decision::stale_or_absent());
    assert_eq!(refuse(None, &decision).status, 503);
}

#[test]
fn a_gateway_that_cannot_check_answers_serves_plain_roles_only() {
    for (token, call, permit) in [
        ("role:observation-reader", "GET /Observation/OBS-ME", true),
        ("role:observation-reader", "GET /Observation?code=x", true),
        (
            "role:observation-reader role:organization-reader",
            "GET /Observation?_include=Observation:performer:Organization",
            false,
        ),
        ("system/*.rs", "GET /Observation/OBS-ME", false),
        ("patient/*.rs", "GET /Observation?patient=ME", false),
        ("none", "GET /metadata", true),
    ] {
        let (call, token) = (Call::parse(call), Token::parse(token));
        let headers = call.borrowed();
        let capabilities = Capabilities { rewrite: true, check_response: false, lookup: false };
        let request = Request { capabilities, ..call.request(&headers, &token) };
        let decision = decided(&ENGINES[0], &request);
        assert_eq!(decision.permits(), permit, "{call:?} {decision:?}");
        assert!(permit || decision.reason() == Some(policy::Reason::ObligationUnsupported));
    }
}
