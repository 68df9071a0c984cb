//! What the comparison with the reference found in the engine, each as the short case that it shrank to.

use decision::{Answer, Grants, Outcome, respond};
use fixture_fhir::Served;
use policy::Reason;
use policy::request::{Capabilities, Request};
use policy::settings::ServiceKind;
use testkit::call::Call;
use testkit::token::Token;
use testkit::{ehr, records};

use crate::check::{answer, ask, decided, ehr_engine};
use crate::drive::drive_to;

fn with_tags() -> decision::Engine {
    let service = ehr::service(ehr::settings(ServiceKind::Fhirv4, ""), "tags");
    decision::Engine::new(ehr::compile(&service))
}

/// What a gateway that cannot rewrite is told.
fn as_it_came(token: &str, call: &str) -> Option<Reason> {
    let (call, token) = (Call::parse(call), Token::parse(token));
    let headers = call.borrowed();
    let capabilities = Capabilities { rewrite: false, ..Capabilities::ALL };
    decided(&ehr_engine(""), &Request { capabilities, ..call.request(&headers, &token) }).reason()
}

#[test]
fn d7_the_state_of_an_entry_of_a_types_history_is_looked_up_where_it_is_stored() {
    let engine = ehr_engine("labels=enforce");
    let body = records::history(&["OBS-ME"], ehr::UPSTREAM);
    let released = answer(&engine, "user/*.rs clearance:V", "GET /Observation/_history", 200, &[], &body);
    assert!(released.body.contains(records::text("OBS-ME")), "{}", released.body);
}

#[test]
fn d41_the_where_of_a_role_that_bounds_a_scope_holds() {
    let engine = with_tags();
    let decision = ask(&engine, "user/*.rs role:doctor", "GET /Observation");
    assert_eq!(decision.reason(), Some(Reason::WhereFalse));
    assert!(ask(&engine, "user/*.rs role:doctor tag:function=doctor", "GET /Observation").permits());
}

#[test]
fn d41_the_fields_of_a_role_that_bounds_a_scope_hold() {
    let engine = ehr_engine("");
    let decision = ask(&engine, "user/*.rs role:observation-editor", "GET /Observation?date=2020");
    assert_eq!(decision.reason(), Some(Reason::FieldDenied));
    assert!(ask(&engine, "user/*.rs role:observation-editor", "GET /Observation?code=x").permits());
}

#[test]
fn d42_a_create_on_a_condition_needs_a_role_that_searches() {
    let engine = ehr_engine("");
    let call = format!("POST /Observation + If-None-Exist: identifier=x json: {}", records::text("OBS-NEW"));
    assert_eq!(ask(&engine, "role:observation-writer", &call).reason(), Some(Reason::NoRule));
}

#[test]
fn d49_metadata_in_an_entry_is_denied_and_no_internal_error() {
    let decision = ask(&ehr_engine(""), "user/*.rs", "POST / batch: GET metadata");
    assert_eq!(decision.entries[0].reason(), Some(Reason::NoRule));
}

#[test]
fn d49_legacy_400_leaves_an_upstreams_own_status() {
    let engine = ehr_engine("legacy_400=true");
    assert_eq!(answer(&engine, "user/*.rs", "GET /Observation", 503, &[], "").status, 503);
    assert_eq!(crate::check::refused(&engine, &ask(&engine, "user/*.rs", "GET /Spaceship")).status, 400);
}

#[test]
fn d67_a_gateway_that_cannot_rewrite_forwards_only_what_goes_as_it_came() {
    for call in [
        "GET /Observation?code=x&_count=5",
        "GET /Observation?_count=5&code=x",
        "GET /Observation?_include=Observation:subject:Patient",
        "POST /Observation/_search?code=x form: _count=5",
        "PUT /Observation/OBS-ME + Prefer: return=minimal json: @OBS-ME",
        "POST /Observation + If-None-Exist: identifier=x json: @OBS-NEW",
    ] {
        assert_eq!(as_it_came("user/*.cruds", call), None, "{call}");
    }
    for call in [
        "GET /Observation?_include=*",
        "GET /Observation?_include=Observation:*",
        "GET /Observation?_revinclude=*",
        "GET /Observation/OBS-ME?_pretty=true&_pretty=true",
        "GET /Observation?_include=Observation:subject&_include=Observation:subject",
        "GET /Observation?bogus=1",
        "GET /Observation?code=",
        "GET /Observation?_format=application/fhir%2Bjson",
        "GET /Observation/OBS-ME + Range: bytes=0-1",
        "GET /Observation/OBS-ME + If-None-Match: W/\"1\"",
        "GET /Observation/OBS-ME + Prefer: return=minimal",
        "PUT /Observation/OBS-ME + Prefer: respond-async json: @OBS-ME",
        "PUT /Observation/OBS-ME + If-None-Exist: identifier=x json: @OBS-ME",
    ] {
        assert_eq!(as_it_came("user/*.cruds system/*.cruds", call), Some(Reason::ObligationUnsupported), "{call}");
    }
    // What is added is no rewriting where the client said it itself.
    assert_eq!(as_it_came("patient/*.rs", "GET /Observation?patient=Patient/ME&code=x"), None);
    assert_eq!(as_it_came("patient/*.rs", "GET /Observation?code=x"), Some(Reason::ObligationUnsupported));
}

#[test]
fn d28_a_list_that_denies_nothing_in_the_end_names_no_field() {
    let engine = ehr_engine("");
    let body = r#"{"resourceType":"Observation","status":"final","subject":{"reference":"Patient/ME"}}"#;
    for call in ["GET /Observation?_sort=_id".to_owned(), format!("POST /Observation json: {body}")] {
        let token = "role:observation-editor role:observation-conditional";
        let decision = ask(&engine, token, &call);
        assert!(decision.permits(), "{call} {decision:?}");
        assert!(decision.fields_used.is_empty(), "{call} {:?}", decision.fields_used);
    }
    assert_eq!(*ask(&engine, "role:observation-editor", "GET /Observation?date=2020").fields_used, ["date"]);
}

#[test]
fn d7_a_rule_whose_where_is_false_spares_no_version_the_look_at_what_is_stored_now() {
    let service = {
        let mut service = ehr::service(ehr::settings(ServiceKind::Fhirv4, ""), "tags");
        let mut role = service.roles.iter().find(|role| role.name == "observation-historian").unwrap().clone();
        role.id = policy::id::RoleId::new(uuid::Uuid::from_u128(7_000));
        role.condition = Some("$principalTags:function = doctor".to_owned());
        service.roles.push(role);
        service
    };
    let engine = decision::Engine::new(ehr::compile(&service));
    let mut token = Token::parse("role:observation-historian tag:function=nurse tag:dept=cardio");
    let Token::Claims(claims, _) = &mut token else { panic!("it is no token") };
    claims.role_ids.push(policy::id::RoleId::new(uuid::Uuid::from_u128(7_000)));
    let call = Call::parse("GET /Observation/_history");
    let headers = call.borrowed();
    let request = call.request(&headers, &token);
    let version = records::text("OBS-DEPT");
    let body = format!(r#"{{"resourceType":"Bundle","type":"history","total":9,"entry":[{{"resource":{version}}}]}}"#);
    let given = Answer { status: 200, headers: &[], body: body.as_bytes(), upstream_base: ehr::UPSTREAM };
    let grants = Grants::new(&engine, &request.caller);
    let outcome = respond(&engine, &request, &grants, &given, &mut |_| None);
    assert!(matches!(&outcome, Outcome::Lookup(lookups) if lookups[0].path == "/Observation/OBS-DEPT"), "{outcome:?}");
}

#[test]
fn d48_nothing_is_looked_up_for_an_answer_that_is_no_result() {
    let engine = ehr_engine("labels=enforce");
    let searchset = records::searchset(&["OBS-ME"], ehr::UPSTREAM);
    let history = records::history(&["PROV-ME"], ehr::UPSTREAM);
    for (token, call, body) in [
        ("user/*.rs clearance:V", "GET /Observation/_history", searchset),
        ("patient/*.rs clearance:V", "GET /Provenance", history),
    ] {
        let (call, token) = (Call::parse(call), Token::parse(token));
        let headers = call.borrowed();
        let request = call.request(&headers, &token);
        let given = Answer { status: 200, headers: &[], body: body.as_bytes(), upstream_base: ehr::UPSTREAM };
        let grants = Grants::new(&engine, &request.caller);
        let outcome = respond(&engine, &request, &grants, &given, &mut |_| None);
        assert!(matches!(&outcome, Outcome::Release(released) if released.status == 502), "{outcome:?}");
    }
}

/// Type and id of the entries that a caller gets, and how often the server was asked for one instance.
fn provenances(token: &str, body: &str) -> (Vec<String>, usize) {
    let engine = ehr_engine("");
    let (call, token) = (Call::parse("GET /Provenance"), Token::parse(token));
    let headers = call.borrowed();
    let request = call.request(&headers, &token);
    let mut looked_up = 0;
    let mut serve = |_: &str, target: &str, _: &[(&str, &[u8])], _: &[u8]| {
        let path = target.split('?').next().unwrap().trim_start_matches('/');
        let answer = match path.split_once('/') {
            Some((kind, id)) => {
                looked_up += 1;
                format!(r#"{{"resourceType":"{kind}","id":"{id}","subject":{{"reference":"Patient/ME"}}}}"#)
            }
            None => body.to_owned(),
        };
        Served { status: 200, headers: Vec::new(), body: answer.into_bytes() }
    };
    let grants = Grants::new(&engine, &request.caller);
    let driven = drive_to(&engine, &grants, &request, &mut serve);
    let released: serde_json::Value = serde_json::from_slice(&driven.body).unwrap();
    let entries = released["entry"].as_array().cloned().unwrap_or_default();
    let ids = entries.iter().map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned()).collect();
    drop(driven);
    (ids, looked_up)
}

#[test]
fn d9_the_first_hundred_targets_count_whoever_reads_them() {
    let provenance = |id: &str, kind: &str| {
        let targets: Vec<String> = (0..60).map(|number| format!(r#"{{"reference":"{kind}/{id}-{number}"}}"#)).collect();
        format!(r#"{{"resource":{{"resourceType":"Provenance","id":"{id}","target":[{}]}}}}"#, targets.join(","))
    };
    let entries = [provenance("A", "Condition"), provenance("B", "Observation")].join(",");
    let body = format!(r#"{{"resourceType":"Bundle","type":"searchset","entry":[{entries}]}}"#);
    assert_eq!(provenances("patient/*.rs", &body), (vec!["A".to_owned()], 60));
    // Who may not read the first ones gets no more for that.
    assert_eq!(provenances("patient/Provenance.rs patient/Observation.rs", &body), (Vec::new(), 0));
}

#[test]
fn d28_a_body_that_is_not_there_is_outside_of_no_list() {
    let service = ehr::plain_service(ehr::settings(ServiceKind::Plain, ""), "clinic");
    let engine = decision::Engine::new(ehr::compile(&service));
    assert_eq!(ask(&engine, "role:cluster-editor", "PUT /cluster/1").reason(), None);
    let decision = ask(&engine, "role:cluster-editor", "PUT /cluster/1 json: [1");
    assert_eq!(decision.reason(), Some(Reason::FieldDenied));
}

#[test]
fn d9_nothing_is_looked_up_for_what_can_never_be_covered() {
    for (settings, token, name) in
        [("labels=enforce", "patient/*.rs", "BIN-NOBODY"), ("shared=referenced", "patient/*.rs", "PROV-P1")]
    {
        let kind = if name == "BIN-NOBODY" { "Binary" } else { "Provenance" };
        let (call, token) = (Call::parse(&format!("GET /{kind}/{name}")), Token::parse(token));
        let headers = call.borrowed();
        let request = call.request(&headers, &token);
        let engine = ehr_engine(settings);
        let body = records::text(name).as_bytes();
        let given = Answer { status: 200, headers: &[], body, upstream_base: ehr::UPSTREAM };
        let grants = Grants::new(&engine, &request.caller);
        let outcome = respond(&engine, &request, &grants, &given, &mut |_| None);
        assert!(matches!(&outcome, Outcome::Release(released) if released.status == 404), "{outcome:?}");
    }
}

#[test]
fn d12_what_stands_for_a_resource_and_says_no_type_is_not_released() {
    let call = r#"POST /$process-message json: {"resourceType":"Bundle","type":"message"}"#;
    let body = r#"{"resourceType":"Bundle","entry":[{"resource":{"ResourceType":"Patient","id":"OTHER"}}]}"#;
    assert_eq!(answer(&ehr_engine(""), "role:admin", call, 200, &[], body).status, 403);
}
