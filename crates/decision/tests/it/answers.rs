//! What a client sees: the answers of our own, and the few things that are rewritten in an upstream's.

use policy::settings::ServiceKind;
use testkit::{ehr, records};

use crate::check::{Answered, answer, ask, ehr_engine, refused};

fn header<'r>(answered: &'r Answered, name: &str) -> Option<&'r str> {
    answered.header(name)
}

fn text(answered: &Answered) -> &str {
    &answered.body
}

#[test]
fn k18_a_missing_token_is_asked_for_and_a_bad_one_is_called_invalid() {
    let engine = ehr_engine("");
    for (token, challenge) in [("none", "Bearer"), ("refused:expired", "Bearer error=\"invalid_token\"")] {
        let refused = refused(&engine, &ask(&engine, token, "GET /Observation"));
        assert_eq!((refused.status, header(&refused, "www-authenticate")), (401, Some(challenge)));
    }
}

#[test]
fn v24_a_denial_is_an_operation_outcome_that_tells_its_status_and_no_more() {
    let engine = ehr_engine("");
    let denied = |call| refused(&engine, &ask(&engine, "patient/Observation.rs", call));
    let (one, other) = (denied("GET /Patient/OTHER"), denied("GET /Observation?patient=OTHER"));
    assert_eq!(one.body, other.body);
    let value: serde_json::Value = one.json();
    assert_eq!((&value["resourceType"], &value["issue"][0]["code"]), (&"OperationOutcome".into(), &"forbidden".into()));
    let plain = decision::Engine::new(ehr::plain(ehr::settings(ServiceKind::Plain, "")));
    let refused = refused(&plain, &ask(&plain, "none", "GET /accounts"));
    let value: serde_json::Value = refused.json();
    assert_eq!(value["code"], "login");
}

#[test]
fn every_status_has_a_refusal_that_is_json() {
    for settings in ["", "legacy_400=true"] {
        let engine = ehr_engine(settings);
        for reason in policy::Reason::ALL {
            let decision = ask(&engine, &format!("refused:{reason}"), "GET /Observation");
            let refused = refused(&engine, &decision);
            assert!(refused.json().is_object());
            assert!((400..600).contains(&refused.status), "{reason}");
        }
    }
}

#[test]
fn links_of_the_upstream_become_the_services_own_or_are_gone() {
    let engine = ehr_engine("");
    let mut body = records::searchset(&["OBS-ME"], ehr::UPSTREAM);
    body = body.replace(
        r#""link":["#,
        r#""link":[{"relation":"alternate","url":"http://upstream.internal:8080/r4/x"},{"relation":"prev","url":"http://evil.example/r4?p"},{"relation":"last","url":"http://upstream.internal:8080/r4evil?p"},"#,
    );
    let released = answer(&engine, "patient/*.rs", "GET /Observation?code=x", 200, &[], &body);
    let value: serde_json::Value = released.json();
    let links: Vec<_> = value["link"].as_array().unwrap().iter().map(|link| link["url"].as_str().unwrap()).collect();
    let next = format!("{}?_page=sealed-{}", ehr::BASE, "http://upstream.internal:8080/r4?_getpages=1".len());
    assert_eq!(links, ["https://gw.example/fhir/Observation?code=x&patient=Patient/ME", &next]);
    assert_eq!(value["entry"][0]["fullUrl"], "https://gw.example/fhir/Observation/OBS-ME");
    assert!(!text(&released).contains("upstream.internal") && value.get("id").is_none());
}

#[test]
fn where_narrowing_is_inexact_a_page_of_which_nothing_is_kept_is_read_on_from() {
    let next = "http://upstream.internal:8080/r4?_getpages=1";
    let page = |names: &[&str], url: &str| records::searchset(names, ehr::UPSTREAM).replace(next, url);
    let read_on = |settings: &str, token: &str, call: &str, body: &str| {
        answer(&ehr_engine(settings), token, call, 200, &[], body).read_on
    };
    let (check, own) = ("search_without_context=check", "patient/*.rs");
    let call = "GET /Observation";
    assert_eq!(read_on(check, own, call, &page(&["OBS-OTHER"], next)).as_deref(), Some(next));
    assert_eq!(read_on(check, own, call, &page(&[], next)).as_deref(), Some(next), "a page without any entry");
    assert_eq!(read_on(check, own, call, &page(&["OBS-OTHER", "OBS-ME"], next)), None, "something is kept");
    assert_eq!(read_on("", own, call, &page(&["OBS-OTHER"], next)), None, "exact: the upstream itself is at fault");
    assert_eq!(read_on("", "system/*.rs", call, &page(&[], next)), None);
    for elsewhere in
        ["http://evil.example/r4?p", "http://upstream.internal:8080/r4evil?p", "http://upstream.internal:8080/?p", "?p"]
    {
        assert_eq!(read_on(check, own, call, &page(&["OBS-OTHER"], elsewhere)), None, "{elsewhere}");
    }
    let withheld = read_on("results=reject search_without_context=check", own, call, &page(&["OBS-OTHER"], next));
    assert_eq!(withheld, None, "a refusal is an answer");
    let last = page(&["OBS-OTHER"], next).replace("\"next\"", "\"prev\"");
    assert_eq!(read_on(check, own, call, &last), None, "there is no next page");
}

#[test]
fn a_total_is_told_only_where_nothing_was_or_could_be_dropped() {
    let total = |token: &str, names: &[&str]| {
        let body = records::searchset(names, ehr::UPSTREAM);
        let released = answer(&ehr_engine(""), token, "GET /Observation", 200, &[], &body);
        released.json()["total"].as_u64()
    };
    assert_eq!(total("patient/*.rs", &["OBS-ME"]), Some(1));
    assert_eq!(total("patient/*.rs", &["OBS-ME", "OBS-OTHER"]), None);
    let two = "patient/Observation.rs?category=laboratory patient/Observation.rs?status=final";
    assert_eq!(total(two, &["OBS-LAB"]), None);
}

#[test]
fn a_released_resource_keeps_every_byte() {
    for (call, body) in [
        ("GET /Observation/OBS-ME", records::text("OBS-ME").to_owned()),
        ("GET /Observation", records::searchset(&["OBS-ME", "OBS-LAB"], ehr::UPSTREAM)),
    ] {
        let released = answer(&ehr_engine(""), "patient/*.rs", call, 200, &[], &body);
        assert!(text(&released).contains(records::text("OBS-ME")));
        assert!(text(&released).contains("72.00"));
    }
}

const CREATE: &str =
    r#"POST /Observation json: {"resourceType":"Observation","status":"final","subject":{"reference":"Patient/ME"}}"#;
const CREATED: &[(&str, &str)] = &[
    ("location", "http://upstream.internal:8080/r4/Observation/OBS-ME/_history/1"),
    ("etag", "W/\"1\""),
    ("x-request", "secret"),
];

#[test]
fn k24_a_create_answers_with_its_place_on_the_services_base() {
    let released = answer(&ehr_engine(""), "patient/Observation.cr", CREATE, 201, CREATED, records::text("OBS-ME"));
    assert_eq!(header(&released, "location"), Some("https://gw.example/fhir/Observation/OBS-ME/_history/1"));
    assert_eq!((released.status, text(&released)), (201, records::text("OBS-ME")));
    assert_eq!((header(&released, "etag"), header(&released, "x-request")), (Some("W/\"1\""), None));
}

#[test]
fn a_create_without_read_brings_nothing_back() {
    let engine = ehr_engine("");
    let decision =
        ask(&engine, "patient/Observation.c", &CREATE.replace(" json:", " + Prefer: return=representation json:"));
    let policy::decision::Action::Forward(upstream) = decision.action else { panic!("permitted") };
    assert!(upstream.headers.contains(&("prefer".into(), b"return=minimal".into())));
    for body in [records::text("OBS-ME"), "", "{\"resourceType\":\"OperationOutcome\",\"issue\":[]}"] {
        let released = answer(&engine, "patient/Observation.c", CREATE, 201, CREATED, body);
        assert_eq!((released.status, text(&released)), (201, ""));
    }
}

#[test]
fn a_create_answered_with_another_patients_record_brings_nothing_back() {
    let released = answer(&ehr_engine(""), "patient/*.cr", CREATE, 200, CREATED, records::text("OBS-OTHER"));
    assert_eq!(text(&released), "");
    let elsewhere = [("location", "http://evil.example/Observation/1")];
    let released = answer(&ehr_engine(""), "patient/*.cr", CREATE, 201, &elsewhere, "");
    assert_eq!(header(&released, "location"), None);
    let other_type = [("location", "http://upstream.internal:8080/r4/Patient/OTHER")];
    let released = answer(&ehr_engine(""), "patient/*.cr", CREATE, 201, &other_type, "");
    assert_eq!(header(&released, "location"), None);
}

#[test]
fn an_upstreams_refusal_keeps_its_status_and_loses_its_words() {
    let released =
        answer(&ehr_engine(""), "patient/*.c", CREATE, 422, CREATED, "{\"secret\":\"Patient/OTHER has one\"}");
    assert_eq!(released.status, 422);
    assert!(!text(&released).contains("OTHER") && header(&released, "location").is_none());
}

#[test]
fn k37_what_was_passed_over_is_named_and_never_its_value() {
    let call = "GET /Observation?code=HIV&_count=5&_sort=date&bogus=1&_include=Observation:encounter";
    let decision = ask(&ehr_engine(""), "patient/*.rs", call);
    assert_eq!(*decision.fields_ignored, ["_count", "_sort", "bogus", "meta.security"]);
    assert_eq!(*decision.fields_used, ["_include", "code", "patient"]);
    let names: Vec<String> = decision.obligations.iter().map(policy::decision::Obligation::name).collect();
    assert_eq!(names, ["drop_query(bogus)", "add_query(patient)", "check_response"]);
    assert_eq!(*decision.rules, ["patient/*.rs"]);
}
