//! The known attacks: every case of the collection is decided, or has its closed answer, or waits for a
//! setting that no Service can have yet.

use std::collections::BTreeSet;
use std::path::PathBuf;

use policy::claims::Claims;
use policy::decision::{Action, Verdict};
use policy::settings::Settings;
use testkit::markdown::Document;
use testkit::{ehr, records};

use crate::check::{answer, answered, ask, ehr_engine, refused, upstream};

const TABLE: &str = include_str!("../../../../tests/decisions/attacks.md");
const LABELS: &str = include_str!("../../../../tests/decisions/attacks-labels.md");
const TAGS: &str = include_str!("../../../../tests/decisions/attacks-tags.md");

/// The ids of the collection; none when it is not there.
pub(crate) fn collection() -> Option<BTreeSet<String>> {
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared"));
    let folder = std::env::var_os("FIREWARDEN_SHARED").map_or(beside, PathBuf::from);
    let text = std::fs::read_to_string(folder.join("data/attacks/decisions.jsonl")).ok()?;
    let id = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_str().unwrap().to_owned();
    Some(text.lines().filter(|line| line.starts_with('{')).map(id).collect())
}

#[test]
fn every_attack_of_the_collection_has_its_place() {
    let documents = [TABLE, LABELS, TAGS].map(Document::parse);
    let rows = documents.iter().flat_map(|document| &document.rows).filter(|row| row.has("id"));
    let named: BTreeSet<String> = rows.map(|row| row.cell("id").to_owned()).collect();
    let Some(known) = collection() else {
        eprintln!("skipped: the collection of attack cases is not there (FIREWARDEN_SHARED)");
        return;
    };
    let missing: Vec<_> = known.difference(&named).collect();
    let unknown: Vec<_> = named.difference(&known).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "missing {missing:?}, unknown {unknown:?}");
}

#[test]
fn what_is_decided_later_is_denied_until_then() {
    let later = |row: &&testkit::markdown::Row| row.section == "Later: the closed answer";
    let document = Document::parse(TABLE);
    let rows: Vec<_> = document.rows.iter().filter(later).collect();
    assert_eq!(rows.len(), 2, "a case that is decided now leaves this section");
    for row in rows {
        // That the row's own denial is the engine's is held by the corpus.
        assert!(row.cell("decision").starts_with("deny 4"), "line {}", row.line);
        let decision = ask(&ehr_engine(""), row.cell("token"), row.cell("call"));
        assert!(matches!(decision.verdict, Verdict::Deny { .. }), "line {}", row.line);
    }
}

#[test]
fn a_test_of_its_own_is_there() {
    let source = include_str!("attacks.rs");
    for row in Document::parse(TABLE).rows.iter().filter(|row| row.has("test")) {
        assert!(source.contains(&format!("\nfn {}() {{", row.cell("test"))), "{}", row.cell("test"));
    }
}

#[test]
fn no_service_can_ask_for_what_is_not_decided() {
    for row in Document::parse(TABLE).rows.iter().filter(|row| row.has("setting")) {
        let settings = format!(r#"{{"{}":"enforce"}}"#, row.cell("setting"));
        assert!(serde_json::from_str::<Settings>(&settings).is_err(), "{settings}");
    }
}

fn header_names(token: &str, call: &str) -> Vec<String> {
    let decision = ask(&ehr_engine(""), token, call);
    let Action::Forward(upstream) = decision.action else { panic!("{decision:?}") };
    upstream.headers.iter().map(|(name, _)| name.to_string()).collect()
}

#[test]
fn h_08_identity_headers_of_the_client_are_stripped() {
    let call = "GET /Observation + X-Authorization-Scope: a + X-Authorization-Patient: OTHER + X-Consent-Scope: a \
                + X-Patient-id: OTHER + Forwarded: for=1 + X-Forwarded-Host: a + X_Patient: a + Cookie: a \
                + Authorization: Bearer x + traceparent: 00-1 + X-Declared: yes";
    assert_eq!(header_names("patient/*.rs", call), ["traceparent", "x-declared", "accept"]);
}

#[test]
fn no_header_names_an_owner_beside_the_one_that_was_checked() {
    let call = r#"POST /Binary + X-Security-Context: Patient/OTHER json: {"resourceType":"Binary","securityContext":{"reference":"Patient/ME"}}"#;
    assert_eq!(header_names("patient/*.cruds", call), ["accept", "content-type"]);
}

#[test]
fn a_search_with_many_joins_costs_little_however_many_rules_the_token_gives() {
    let engine = ehr_engine("");
    let joins = vec!["encounter.patient.name=x"; 200].join("&");
    let call = format!("GET /Observation?{joins}");
    let granular: Vec<String> = (0..130).map(|index| format!("patient/Observation.rs?category=c{index}")).collect();
    let granular = granular.join(" ");
    let fastest = |token: &str| {
        let once = || {
            let started = std::time::Instant::now();
            assert!(ask(&engine, token, &call).permits());
            started.elapsed()
        };
        (0..5).map(|_| once()).min().unwrap()
    };
    let one = fastest("patient/*.rs");
    for token in ["patient/*.rs ".repeat(400), format!("{granular} patient/Encounter.rs patient/Patient.rs")] {
        let many = fastest(&token);
        // It was 380 and 2000 times as much when each rule walked each join anew.
        assert!(many < one * 60, "{one:?} {many:?}");
    }
}

/// The time of one decision on a write by so many granular rules, none of which it meets.
fn write_takes(engine: &decision::Engine, rules: usize, call: &str) -> std::time::Duration {
    let scopes: Vec<String> = (0..rules).map(|index| format!("patient/Observation.cu?category=c{index}")).collect();
    let token = format!("{} clearance:V tag:dept=cardio", scopes.join(" "));
    let once = || {
        let started = std::time::Instant::now();
        assert!(!ask(engine, &token, call).permits());
        started.elapsed()
    };
    (0..3).map(|_| once()).min().unwrap()
}

#[test]
fn a_write_of_much_costs_little_however_many_rules_the_token_gives() {
    let tagged =
        testkit::ehr::service(testkit::ehr::settings(policy::settings::ServiceKind::Fhirv4, "labels=enforce"), "tags");
    let engine = decision::Engine::new(testkit::ehr::compile(&tagged));
    let many = |one: &str| vec![one; 12_000].join(",");
    let owners = many(r#"{"reference":"Practitioner/P1"}"#);
    let marks = many(r#"{"system":"x","code":"y"}"#);
    let codings = many(r#"{"code":"y"}"#);
    for (what, times, part) in [
        ("references", 40, format!(r#""performer":[{owners}]"#)),
        ("tags", 40, format!(r#""meta":{{"tag":[{marks}]}}"#)),
        ("labels", 40, format!(r#""meta":{{"security":[{marks}]}}"#)),
        // Each rule has a constraint of its own to compare them with.
        ("codes", 150, format!(r#""category":[{{"coding":[{codings}]}}]"#)),
    ] {
        let call = format!(
            r#"POST /Observation json: {{"resourceType":"Observation","subject":{{"reference":"Patient/ME"}},{part}}}"#
        );
        let (one, many) = (write_takes(&engine, 1, &call), write_takes(&engine, 400, &call));
        // Of references it was 330 times as much, when each rule went through all of them anew.
        assert!(many < one * times, "{what}: {one:?} {many:?}");
    }
}

#[test]
fn h_11_prefer_return_on_a_search_is_stripped() {
    assert_eq!(header_names("patient/*.rs", "GET /Observation?patient=ME + Prefer: return=minimal"), ["accept"]);
}

#[test]
fn h_13_no_precondition_of_a_read_goes_upstream() {
    let call = "GET /Observation/OBS-ME + If-None-Match: W/\"3\" + If-Modified-Since: x + If-Match: W/\"3\" + Range: bytes=0-1";
    assert_eq!(header_names("patient/*.rs", call), ["accept"]);
}

#[test]
fn q_17_too_many_parameters_and_too_long_queries_are_over_a_limit() {
    let engine = ehr_engine("");
    let many = |count: usize| vec!["code=x"; count].join("&");
    let includes = |count: usize| vec!["_include=Observation:encounter"; count].join("&");
    for (query, over) in [
        (many(200), false),
        (many(201), true),
        (many(500), true),
        (format!("code={}", "x".repeat(8_000)), false),
        (format!("code={}", "x".repeat(65_536)), true),
        (format!("code={}", vec!["x"; 64].join(",")), false),
        (format!("code={}", vec!["x"; 65].join(",")), true),
        (includes(20), false),
        (includes(21), true),
    ] {
        let decision = ask(&engine, "patient/*.rs", &format!("GET /Observation?{query}"));
        let said = matches!(decision.verdict, Verdict::Deny { status: 414, .. });
        assert_eq!(said, over, "{} bytes", query.len());
        assert_eq!(decision.permits(), !over);
    }
    let deep = format!("POST /Observation json: {}{}", "[".repeat(65), "]".repeat(65));
    assert!(matches!(ask(&engine, "system/*.c", &deep).verdict, Verdict::Deny { status: 413, .. }));
    let large = format!("POST /Observation json: \"{}\"", "x".repeat(decision::MAX_BODY_BYTES));
    assert!(matches!(ask(&engine, "system/*.c", &large).verdict, Verdict::Deny { status: 413, .. }));
}

#[test]
fn s_02_a_patient_claim_of_another_shape_is_a_malformed_token() {
    let claims = |patient: &str| {
        let text = format!(
            r#"{{"iss":"i","sub":"s","aud":"a","exp":1,"nbf":1,"iat":1,"jti":"j","token_kind":"key","patient":{patient}}}"#
        );
        serde_json::from_str::<Claims>(&text)
    };
    assert!(claims("\"ME\"").is_ok());
    for patient in ["[]", "[\"ME\"]", "{}", "1", "true"] {
        assert!(claims(patient).is_err(), "{patient}");
    }
}

#[test]
fn b_02_a_transaction_that_writes_another_patients_record_is_denied_whole() {
    let call = "POST / transaction: PUT Observation/OBS-ME @OBS-ME ; PUT Observation/OBS-OTHER @OBS-OTHER";
    for token in ["patient/*.cruds", "patient/Observation.cruds"] {
        let decision = ask(&ehr_engine(""), token, call);
        assert_eq!(decision.reason(), Some(policy::Reason::EntryDenied));
        assert!(!decision.entries[1].permits() && decision.action == Action::None, "{decision:?}");
    }
}

#[test]
fn b_18_what_a_bundle_writes_justifies_no_other_entry() {
    let written = r#"{"resourceType":"Observation","id":"OBS-OTHER","subject":{"reference":"Patient/ME"}}"#;
    let entries = format!("PUT Observation/OBS-OTHER {written} ; GET Observation/OBS-OTHER");
    let decision = ask(&ehr_engine(""), "patient/*.cruds", &format!("POST / transaction: {entries}"));
    assert_eq!((decision.reason(), &decision.action), (Some(policy::Reason::EntryDenied), &Action::None));
    // In a batch the read goes on, and is decided on what comes: here, what is stored now.
    let call = format!("POST / batch: {entries}");
    let decision = ask(&ehr_engine(""), "patient/*.cruds", &call);
    assert_eq!((decision.entries[0].permits(), decision.entries[1].permits()), (false, true));
    let body = records::answers("batch", "OBS-OTHER");
    let given = answer(&ehr_engine(""), "patient/*.cruds", &call, 200, &[], &body).json();
    assert_eq!(given["entry"][1]["response"]["status"], "404 Not Found");
}

#[test]
fn i_04_a_wildcard_include_becomes_the_granted_ones() {
    let engine = ehr_engine("");
    let (token, call) = ("patient/Observation.rs", "GET /Observation?patient=ME&_include=*");
    let sent = upstream(&ask(&engine, token, call));
    assert!(!sent.contains("_include=*") && sent.contains("_include=Observation:has-member"), "{sent}");
    assert!(!sent.contains(":Encounter") && !sent.contains(":Patient&"), "{sent}");
    let body = records::searchset(&["OBS-ME", "include:E-ME", "include:P1"], ehr::UPSTREAM);
    let released = answer(&engine, token, call, 200, &[], &body);
    assert_eq!((released.released, released.dropped), (2, 1));
}

#[test]
fn i_05_a_wildcard_reverse_include_becomes_the_granted_ones() {
    let sent = upstream(&ask(&ehr_engine(""), "patient/Patient.rs", "GET /Patient?_id=ME&_revinclude=*"));
    assert_eq!(sent, "GET /Patient?_revinclude=Patient:link:Patient&_id=ME");
}

#[test]
fn m_09_elements_asked_for_only_to_decide_are_taken_out_again() {
    let body = records::searchset(&["OBS-ELEMENTS"], ehr::UPSTREAM);
    let call = "GET /Observation?patient=ME&_elements=code";
    let released = answer(&ehr_engine(""), "patient/*.rs", call, 200, &[], &body);
    let text = released.body;
    let left = r#"{"resourceType":"Observation","id":"OBS-ELEMENTS","meta":{"tag":[{"code":"SUBSETTED"}]},"code":{"text":"weight"}}"#;
    assert!(text.contains(left), "{text}");
}

#[test]
fn z_02_an_answer_that_does_not_parse_is_never_passed_on() {
    let engine = ehr_engine("");
    let whole = records::searchset(&["OBS-ME"], ehr::UPSTREAM);
    let read = "GET /Observation/OBS-ME";
    let search = "GET /Observation";
    for (call, body) in [
        (read, "<html>"),
        (read, ""),
        (read, "{\"resourceType\":\"Observation\""),
        (search, &whole[..whole.len() - 1]),
        (search, "[]"),
        (search, "{\"resourceType\":\"Bundle\",\"type\":\"history\"}"),
        (search, "{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"entry\":{}}"),
        (search, "{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"entry\":[],\"entry\":[]}"),
        (search, records::text("OBS-ME")),
    ] {
        let released = answer(&engine, "patient/*.rs", call, 200, &[], body);
        assert_eq!(released.status, 502, "{call} {body}");
        assert_eq!(released.reason.map(policy::Reason::as_str), Some("response_unreadable"));
    }
}

#[test]
fn z_03_a_fault_after_the_fact_releases_nothing() {
    use testkit::call::Call;
    use testkit::token::Token;
    let engine = ehr_engine("");
    // The answer came to a request that is no permit.
    let (call, token) = (Call::parse("GET /Patient/OTHER"), Token::parse("patient/*.rs"));
    let headers = call.borrowed();
    let body = records::text("OTHER").as_bytes();
    let given = decision::Answer { status: 200, headers: &[], body, upstream_base: ehr::UPSTREAM };
    let released = answered(&engine, &call.request(&headers, &token), &given);
    assert_eq!((released.status, released.released), (502, 0));
    assert!(!released.body.contains("Jones"));
}

const SECRETS: &[(&str, &str)] = &[
    ("etag", "W/\"7\""),
    ("last-modified", "Sun, 22 Nov 2026 00:00:00 GMT"),
    ("location", "http://upstream.internal:8080/r4/Observation/OBS-OTHER"),
    ("content-location", "http://upstream.internal:8080/r4/Observation/OBS-OTHER/_history/7"),
    ("x-powered-by", "upstream"),
    ("set-cookie", "a=b"),
];

#[test]
fn z_06_an_answer_that_is_withheld_has_no_header_of_the_upstream() {
    let engine = ehr_engine("");
    let call = "GET /Observation/OBS-OTHER";
    let released = answer(&engine, "patient/*.rs", call, 200, SECRETS, records::text("OBS-OTHER"));
    let names: Vec<_> = released.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["content-type", "cache-control", "vary"]);
    let narrowed =
        answer(&engine, "patient/*.rs", "GET /Observation", 200, SECRETS, &records::searchset(&["OBS-ME"], ""));
    let names: Vec<_> = narrowed.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["content-type", "cache-control", "vary"]);
    let own = answer(&engine, "patient/*.rs", "GET /Observation/OBS-ME", 200, SECRETS, records::text("OBS-ME"));
    let names: Vec<_> = own.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["content-type", "etag", "last-modified", "cache-control", "vary"]);
}

#[test]
fn z_07_a_foreign_and_a_missing_instance_are_the_same_answer() {
    let engine = ehr_engine("");
    let missing = answer(&engine, "patient/*.rs", "GET /Observation/GONE", 404, SECRETS, "{\"issue\":\"no GONE\"}");
    let gone = answer(&engine, "patient/*.rs", "GET /Observation/GONE", 410, &[], "");
    let call = "GET /Observation/OBS-OTHER";
    let foreign = answer(&engine, "patient/*.rs", call, 200, SECRETS, records::text("OBS-OTHER"));
    assert_eq!((foreign.status, &foreign.headers, &foreign.body), (missing.status, &missing.headers, &missing.body));
    assert_eq!((gone.status, &gone.headers, &gone.body), (missing.status, &missing.headers, &missing.body));
    // A path that the Service does not have looks the same, too.
    let absent = refused(&engine, &ask(&engine, "patient/*.rs", "GET /Spaceship/1"));
    assert_eq!((absent.status, &absent.headers, &absent.body), (missing.status, &missing.headers, &missing.body));
}

#[test]
fn z_09_no_shared_cache_keeps_an_answer() {
    let engine = ehr_engine("");
    let own = answer(
        &engine,
        "patient/*.rs",
        "GET /Observation/OBS-ME",
        200,
        &[("cache-control", "public")],
        records::text("OBS-ME"),
    );
    let denied = refused(&engine, &ask(&engine, "none", "GET /Observation"));
    let open = answer(&engine, "none", "GET /metadata", 200, &[("cache-control", "public")], "{}");
    for headers in [own.headers, denied.headers, open.headers] {
        let value = |name: &str| {
            headers.iter().filter(|(known, _)| known == name).map(|(_, value)| &**value).collect::<Vec<_>>()
        };
        assert_eq!(value("cache-control"), [b"private, no-store"]);
        assert_eq!(value("vary"), [b"Authorization"]);
    }
}

#[test]
fn k_06_two_callers_with_the_same_request_get_their_own_decision() {
    let engine = ehr_engine("");
    let call = "GET /Patient/ME";
    let ask_twice =
        || [ask(&engine, "patient/*.rs", call).permits(), ask(&engine, "patient/*.rs patient:OTHER", call).permits()];
    assert_eq!([ask_twice(), ask_twice()], [[true, false], [true, false]]);
}
