//! The choices D14 to D19, D25 and D32 to D35: writes and batches.

use policy::settings::ServiceKind;
use policy::tag::TagKey;

use super::kit::{self, check, decide, ehr, header, released, respond, store};
use crate::{Interpreter, Next, SentBody};

const OBS: &str = r#"{"resourceType":"Observation","id":"O1","meta":{"versionId":"4"},"status":"final","subject":{"reference":"Patient/ME"}}"#;
const OTHER: &str =
    r#"{"resourceType":"Observation","id":"O1","meta":{"versionId":"4"},"subject":{"reference":"Patient/OTHER"}}"#;
const PUT: &str =
    r#"PUT /Observation/O1 json: {"resourceType":"Observation","id":"O1","subject":{"reference":"Patient/ME"}}"#;

#[test]
fn d14_an_update_is_over_what_the_same_rule_covers() {
    let ehr = ehr("");
    check(&ehr, "system/*.cu", PUT, &[], "permit", "PUT /Observation/O1");
    check(&ehr, "system/*.u", PUT, &[], "lookup /Observation/O1", "none");
    check(&ehr, "patient/*.cruds", PUT, &[], "lookup /Observation/O1", "none");
    let answer = decide(&ehr, "patient/*.cruds", PUT, &store(&[("/Observation/O1", OBS)]));
    assert_eq!((kit::words(&answer).as_str(), header(&answer, "if-match").as_deref()), ("permit", Some("W/\"4\"")));
    check(&ehr, "patient/*.cruds", PUT, &[("/Observation/O1", OTHER)], "deny 404 not_found", "none");
    check(&ehr, "patient/*.cruds", PUT, &[("/Observation/O1", "")], "deny 404 not_found", "none");
    let answer = decide(
        &ehr,
        "user/Observation.u?status=final system/*.c",
        &PUT.replace("\"id\"", "\"status\":\"final\",\"id\""),
        &store(&[("/Observation/O1", "")]),
    );
    assert_eq!(header(&answer, "if-none-match").as_deref(), Some("*"));
    let differs = PUT.replace(" json:", " + If-Match: W/\"3\" json:");
    check(&ehr, "patient/*.cruds", &differs, &[("/Observation/O1", OBS)], "deny 412 changed_meanwhile", "none");
    check(
        &ehr,
        "patient/*.cruds",
        &PUT.replace("\"id\":\"O1\"", "\"id\":\"O2\""),
        &[],
        "deny 400 malformed_body",
        "none",
    );
    let partial = OBS.replace("\"versionId\":\"4\"", "\"versionId\":\"4\",\"tag\":[{\"code\":\"SUBSETTED\"}]");
    check(&ehr, "patient/*.cruds", PUT, &[("/Observation/O1", &partial)], "deny 409 existing_not_covered", "none");
}

#[test]
fn d15_a_delete_is_of_what_the_rule_covers() {
    let ehr = ehr("");
    check(&ehr, "system/*.d", "DELETE /Observation/O1", &[], "permit", "DELETE /Observation/O1");
    check(&ehr, "patient/*.d", "DELETE /Observation/O1", &[("/Observation/O1", OBS)], "permit", "");
    check(&ehr, "patient/*.d", "DELETE /Observation/O1", &[("/Observation/O1", OTHER)], "deny 404 not_found", "none");
    check(&ehr, "patient/*.d", "DELETE /Patient/ME", &[], "deny 403 no_rule", "none");
    check(&ehr, "patient/*.d", "DELETE /Organization/1", &[], "deny 403 no_rule", "none");
    check(&ehr, "system/*.d", "DELETE /Observation/O1?_cascade=delete", &[], "deny 403 parameter_denied", "none");
}

fn patch(operations: &str) -> String {
    format!("PATCH /Observation/O1 + Content-Type: application/json-patch+json json: {operations}")
}

#[test]
fn d16_a_patch_is_decided_on_the_patched_result() {
    let ehr = ehr("");
    let rows: &[(&str, &str)] = &[("/Observation/O1", OBS)];
    let replace = patch(r#"[{"op":"replace","path":"/status","value":"amended"}]"#);
    check(&ehr, "system/*.cu", &replace, &[], "lookup /Observation/O1", "none");
    check(&ehr, "patient/*.u", &replace, rows, "permit", "PATCH /Observation/O1");
    let push = patch(r#"[{"op":"replace","path":"/subject/reference","value":"Patient/OTHER"}]"#);
    check(&ehr, "patient/*.u", &push, rows, "deny 403 other_owner", "none");
    check(&ehr, "patient/*.u", &patch(r#"[{"op":"remove","path":"/bogus"}]"#), rows, "deny 400 malformed_body", "none");
    check(&ehr, "patient/*.u", &patch(r#"[{"op":"bogus","path":"/x"}]"#), &[], "deny 400 malformed_body", "none");
    let test = patch(r#"[{"op":"test","path":"/status","value":"final"}]"#);
    check(&ehr, "patient/*.u", &test, rows, "deny 403 no_rule", "none");
    check(&ehr, "patient/*.ru", &test, rows, "permit", "");
    check(&ehr, "patient/*.u", &replace, &[("/Observation/O1", OTHER)], "deny 404 not_found", "none");
    let path = |path: &str| {
        format!(
            r#"PATCH /Observation/O1 json: {{"resourceType":"Parameters","parameter":[{{"name":"operation","part":[{{"name":"type","valueCode":"replace"}},{{"name":"path","valueString":"{path}"}},{{"name":"value","valueCode":"amended"}}]}}]}}"#
        )
    };
    check(&ehr, "patient/*.u", &path("Observation.status"), rows, "permit", "");
    check(&ehr, "patient/*.u", &path("Observation.where(true)"), rows, "deny 400 malformed_body", "none");
    check(&ehr, "patient/*.u", &path("Observation.subject.reference"), rows, "deny 403 other_owner", "none");
    let many = format!("[{}]", vec![r#"{"op":"remove","path":"/x"}"#; 101].join(","));
    check(&ehr, "system/*.u", &patch(&many), &[], "deny 413 too_large", "none");
}

#[test]
fn d16_a_patch_that_doubles_itself_is_refused() {
    let ehr = ehr("");
    let copies = vec![r#"{"op":"copy","from":"","path":"/x"}"#; 90].join(",");
    check(
        &ehr,
        "system/*.cu",
        &patch(&format!("[{copies}]")),
        &[("/Observation/O1", OBS)],
        "deny 400 malformed_body",
        "none",
    );
}

#[test]
fn d17_conditional_writes_are_by_plain_rules() {
    let ehr = ehr("");
    check(
        &ehr,
        "system/*.cruds",
        "DELETE /Observation?identifier=x",
        &[],
        "permit",
        "DELETE /Observation?identifier=x",
    );
    check(&ehr, "patient/*.cruds", "DELETE /Observation?identifier=x", &[], "deny 403 conditional_denied", "none");
    check(&ehr, "system/*.ds", "DELETE /Observation", &[], "deny 400 malformed_query", "none");
    check(&ehr, "system/*.ds", "DELETE /Observation?subject.name=x", &[], "deny 403 parameter_denied", "none");
    check(&ehr, "system/*.ds", "DELETE /Observation?identifier=x&_count=1", &[], "deny 403 parameter_denied", "none");
    let put = r#"PUT /Observation?identifier=x json: {"resourceType":"Observation"}"#;
    check(&ehr, "system/*.us", put, &[], "deny 403 conditional_denied", "none");
    check(&ehr, "system/*.cus", put, &[], "permit", "");
    check(&ehr, "system/*.cu", put, &[], "deny 403 no_rule", "none");
}

#[test]
fn d18_a_conditional_create_searches_by_the_same_rule() {
    let ehr = ehr("");
    let create = r#"POST /Observation + If-None-Exist: identifier=1 json: {"resourceType":"Observation","subject":{"reference":"Patient/ME"}}"#;
    check(&ehr, "patient/Observation.c", create, &[], "deny 403 no_rule", "none");
    let answer = decide(&ehr, "patient/Observation.cs", create, &store(&[]));
    assert_eq!(header(&answer, "if-none-exist").as_deref(), Some("identifier=1&patient=Patient/ME"));
    check(
        &ehr,
        "patient/*.cs",
        &create.replace("identifier=1", "patient=OTHER"),
        &[],
        "deny 403 other_patient",
        "none",
    );
    check(&ehr, "patient/*.cs", &create.replace("identifier=1", "_filter=x"), &[], "deny 403 parameter_denied", "none");
}

#[test]
fn d19_the_answer_to_a_write_is_checked_like_a_read() {
    let ehr = ehr("");
    let create = r#"POST /Observation json: {"resourceType":"Observation","subject":{"reference":"Patient/ME"}}"#;
    assert_eq!(header(&decide(&ehr, "patient/*.c", create, &store(&[])), "prefer").as_deref(), Some("return=minimal"));
    assert_eq!(header(&decide(&ehr, "patient/*.cr", create, &store(&[])), "prefer"), None);
    assert_eq!(released(&respond(&ehr, "patient/*.c", create, &store(&[]), 201, OBS)), "201");
    assert_eq!(released(&respond(&ehr, "patient/*.cr", create, &store(&[]), 201, OBS)), "201 O1");
    assert_eq!(released(&respond(&ehr, "patient/*.cr", create, &store(&[]), 201, OTHER)), "201");
}

#[test]
fn d25_a_write_sets_and_drops_no_tag_that_the_caller_does_not_hold() {
    let mut service = kit::service(ServiceKind::Fhirv4, "");
    service.tag_keys = vec![TagKey { key: "dept".into(), system: "t".into() }];
    let ehr = Interpreter::new(service);
    let create =
        r#"POST /Observation json: {"resourceType":"Observation","meta":{"tag":[{"system":"t","code":"onc"}]}}"#;
    check(&ehr, "system/*.c", create, &[], "deny 403 tag_mismatch", "none");
    check(&ehr, "system/*.c tag:dept=onc", create, &[], "permit", "");
    let stored =
        r#"{"resourceType":"Observation","id":"O1","meta":{"versionId":"1","tag":[{"system":"t","code":"onc"}]}}"#;
    check(&ehr, "system/*.cu tag:dept=onc", PUT, &[("/Observation/O1", stored)], "deny 403 tag_mismatch", "none");
    let keeps = r#"PUT /Observation/O1 json: {"resourceType":"Observation","id":"O1","meta":{"tag":[{"system":"t","code":"onc"}]}}"#;
    check(&ehr, "system/*.cu tag:dept=onc", keeps, &[("/Observation/O1", stored)], "permit", "");
}

fn batch(kind: &str, entries: &str) -> String {
    format!(r#"POST / json: {{"resourceType":"Bundle","type":"{kind}","entry":[{entries}]}}"#)
}

const GET_ME: &str = r#"{"request":{"method":"GET","url":"Patient/ME"}}"#;
const GET_OTHER: &str = r#"{"request":{"method":"GET","url":"https://gw.example/fhir/Patient/OTHER"}}"#;

#[test]
fn d32_entries_are_decided_as_if_they_came_alone() {
    let ehr = ehr("");
    for (entries, expected) in [
        (r#"{"request":{"method":"GET","url":"https://evil.example/fhir/Patient/ME"}}"#, "deny 400 malformed_body"),
        (
            r#"{"fullUrl":"urn:1","request":{"method":"GET","url":"Patient/ME"}},{"fullUrl":"urn:1","request":{"method":"GET","url":"Patient/ME"}}"#,
            "deny 400 malformed_body",
        ),
        (r#"{"resource":{"resourceType":"Bundle"},"request":{"method":"POST","url":""}}"#, "deny 400 malformed_body"),
        (r#"{"request":{"method":"HEAD","url":"Patient/ME"}}"#, "deny 400 malformed_body"),
        (r#"{"request":{"method":"GET","url":"Patient/ME","ifNoneMatch":"x"}}"#, "deny 400 malformed_body"),
        (r#"{"request":{"method":"GET","url":"Patient/ME","url":"Patient/OTHER"}}"#, "deny 400 malformed_body"),
        ("{}", "deny 400 malformed_body"),
        (GET_ME, "permit"),
    ] {
        check(&ehr, "patient/*.rs", &batch("batch", entries), &[], expected, "");
    }
    check(&ehr, "patient/*.rs", &batch("document", ""), &[], "deny 400 malformed_body", "none");
    let many = vec![GET_ME; 501].join(",");
    check(&ehr, "patient/*.rs", &batch("batch", &many), &[], "deny 413 too_large", "none");
}

#[test]
fn d33_i08_a_transaction_with_a_denied_entry_is_denied_whole() {
    let ehr = ehr("");
    let both = format!("{GET_ME},{GET_OTHER}");
    let me = store(&[("/Patient/ME", r#"{"resourceType":"Patient","id":"ME"}"#)]);
    let answer = decide(&ehr, "patient/*.rs", &batch("transaction", &both), &me);
    assert_eq!(kit::words(&answer), "deny 403 entry_denied");
    assert_eq!(answer.entries.iter().map(kit::words).collect::<Vec<_>>(), ["permit", "deny 403 other_patient"]);
    let urn = |kind: &str| {
        format!(
            r#"{{"fullUrl":"urn:uuid:1","resource":{{"resourceType":"{kind}"}},"request":{{"method":"POST","url":"{kind}"}}}},{{"resource":{{"resourceType":"Observation","subject":{{"reference":"Patient/ME"}},"performer":[{{"reference":"urn:uuid:1"}}]}},"request":{{"method":"POST","url":"Observation"}}}}"#
        )
    };
    let token = "patient/*.cruds user/Patient.c user/Practitioner.c";
    let answer = decide(&ehr, token, &batch("transaction", &urn("Patient")), &store(&[]));
    assert_eq!(answer.entries.iter().map(kit::words).collect::<Vec<_>>(), ["permit", "deny 403 other_owner"]);
    check(&ehr, token, &batch("transaction", &urn("Practitioner")), &[], "permit", "");
    check(
        &ehr,
        "patient/*.cruds",
        &batch("transaction", r#"{"request":{"method":"DELETE","url":"Observation/O1"}}"#),
        &[],
        "lookup /Observation/O1",
        "none",
    );
}

#[test]
fn d34_the_denied_entries_of_a_batch_are_answered_in_their_place() {
    let ehr = ehr("");
    let both = batch("batch", &format!("{GET_OTHER},{GET_ME}"));
    let answer = decide(&ehr, "patient/*.rs", &both, &store(&[]));
    let Next::Forward(sent) = &answer.next else { panic!("forwarded") };
    let Some(SentBody::Json(body)) = &sent.body else { panic!("a body") };
    assert_eq!(body["entry"], serde_json::json!([{"request": {"method": "GET", "url": "Patient/ME"}}]));
    let answered = r#"{"resourceType":"Bundle","type":"batch-response","entry":[{"resource":{"resourceType":"Patient","id":"ME"},"response":{"status":"200 OK"}}]}"#;
    let response = respond(&ehr, "patient/*.rs", &both, &store(&[]), 200, answered);
    assert_eq!(released(&response), "200 ME");
    let wrong = answered.replace("\"ME\"", "\"OTHER\"");
    assert_eq!(released(&respond(&ehr, "patient/*.rs", &both, &store(&[]), 200, &wrong)), "200");
    let empty = r#"{"resourceType":"Bundle","type":"batch-response","entry":[]}"#;
    assert_eq!(released(&respond(&ehr, "patient/*.rs", &both, &store(&[]), 200, empty)), "502 response_unreadable");
    check(&ehr, "patient/*.rs", &batch("batch", GET_OTHER), &[], "permit", "answered 200");
}

#[test]
fn d35_a_search_form_has_no_place_in_an_entry() {
    let ehr = ehr("");
    let answer = decide(
        &ehr,
        "patient/*.rs",
        &batch("batch", r#"{"request":{"method":"POST","url":"Observation/_search"}}"#),
        &store(&[]),
    );
    assert_eq!(answer.entries.iter().map(kit::words).collect::<Vec<_>>(), ["deny 415 unsupported_media_type"]);
}
