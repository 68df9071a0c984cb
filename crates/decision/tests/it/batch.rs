//! Batches and transactions: what goes upstream of them, and what comes back, entry by entry.

use policy::decision::{Action, Decision};
use policy::request::{Capabilities, Request};
use policy::settings::ServiceKind;
use serde_json::value::RawValue;
use testkit::call::Call;
use testkit::token::Token;
use testkit::{ehr, records};

use crate::check::{Answered, answer, ask, decided, ehr_engine, refused, said_of};

#[derive(serde::Deserialize)]
struct Bundle {
    #[serde(default)]
    entry: Vec<Entry>,
}

#[derive(serde::Deserialize)]
struct Entry {
    #[serde(rename = "fullUrl")]
    full_url: Option<String>,
    resource: Option<Box<RawValue>>,
    request: Option<serde_json::Map<String, serde_json::Value>>,
    response: Option<Response>,
}

#[derive(serde::Deserialize)]
struct Response {
    status: String,
    outcome: Option<serde_json::Value>,
}

/// A resource in a word: its record, if it is that one byte for byte; the records of a searchset in brackets.
fn word(resource: &RawValue) -> String {
    let value: serde_json::Value = serde_json::from_str(resource.get()).unwrap();
    if value["type"] == "searchset" {
        let bundle: Bundle = serde_json::from_str(resource.get()).unwrap();
        let words: Vec<String> = bundle.entry.iter().map(|entry| word(entry.resource.as_ref().unwrap())).collect();
        return format!("[{}]", words.join(" "));
    }
    let named = records::names().find(|name| records::text(name) == resource.get());
    named.map_or_else(|| resource.get().to_owned(), str::to_owned)
}

/// The entries that go upstream, as a table writes them.
pub(crate) fn forwarded(decision: &Decision<'_>) -> String {
    let upstream = match &decision.action {
        Action::Forward(upstream) => upstream,
        Action::Reply(status, _) => return format!("answered {status}"),
        _ => return "none".to_owned(),
    };
    let bundle: Bundle = serde_json::from_str(upstream.body.as_ref().unwrap()).unwrap();
    let line = |entry: &Entry| {
        let request = entry.request.as_ref().unwrap();
        let text = |name: &str| request[name].as_str().unwrap();
        let mut line = format!("{} {}", text("method"), text("url"));
        for name in request.keys().filter(|name| !["method", "url"].contains(&name.as_str())) {
            line.push_str(&format!(" + {name}: {}", text(name)));
        }
        if let Some(url) = &entry.full_url {
            line.push_str(&format!(" + fullUrl: {url}"));
        }
        if let Some(resource) = &entry.resource {
            line.push_str(&format!(" @{}", word(resource)));
        }
        line
    };
    bundle.entry.iter().map(line).collect::<Vec<_>>().join(" ; ")
}

/// What a client gets of such answers, as a table writes it.
pub(crate) fn got(engine: &decision::Engine, token: &str, call: &str, answers: &str) -> String {
    let kind = if call.contains(" transaction: ") { "transaction" } else { "batch" };
    let answers = if answers == "none" { "" } else { answers };
    let released = answer(engine, token, call, 200, &[], &records::answers(kind, answers));
    assert!(!released.body.contains("secret"), "{}", released.body);
    if released.status != 200 {
        return released.status.to_string();
    }
    words(&released)
}

fn words(released: &Answered) -> String {
    let bundle: Bundle = serde_json::from_str(&released.body).unwrap();
    let one = |entry: &Entry| {
        let response = entry.response.as_ref().unwrap();
        let status = response.status.split(' ').next().unwrap().to_owned();
        assert!(response.outcome.is_none() || status.as_str() >= "400", "{}", released.body);
        match &entry.resource {
            Some(resource) => format!("{status} {}", word(resource)),
            None => status,
        }
    };
    bundle.entry.iter().map(one).collect::<Vec<_>>().join(" ; ")
}

const READS: &str = "POST / batch: GET Observation/OBS-ME ; GET Patient/OTHER ; GET Observation/OBS-LAB";

fn given(body: &str) -> Answered {
    answer(&ehr_engine(""), "patient/*.rs", READS, 200, &[], body)
}

#[test]
fn of_a_failure_nothing_that_the_upstream_says_is_told() {
    // Nothing is known of the answers of `admin/{name}`, so what comes with a success is passed on.
    let call = "POST / batch: GET admin/x ; GET admin/y";
    let body = records::answers("batch", "OBS-ME ; 500 OBS-OTHER");
    let released = answer(&ehr_engine(""), "role:admin patient:-", call, 200, &[], &body);
    assert_eq!(words(&released), "200 OBS-ME ; 500");
    assert!(!released.body.contains("OBS-OTHER") && !released.body.contains("outcome"), "{}", released.body);
}

#[test]
fn d34_an_answer_with_another_number_of_entries_is_502() {
    for (answers, status) in
        [("OBS-ME ; OBS-LAB", 200), ("OBS-ME", 502), ("", 502), ("OBS-ME ; OBS-LAB ; OBS-LAB", 502)]
    {
        assert_eq!(given(&records::answers("batch", answers)).status, status, "{answers}");
    }
}

#[test]
fn d34_an_answer_that_two_readers_read_differently_is_502() {
    let body = records::answers("batch", "OBS-ME ; OBS-LAB");
    for (from, to) in [
        ("\"batch-response\"", "\"transaction-response\""),
        ("\"batch-response\"", "\"searchset\""),
        ("\"Bundle\"", "\"Parameters\""),
        ("\"entry\":[", "\"entry\":[],\"entry\":["),
        ("\"status\":\"200 Whatever\"", "\"status\":\"200\",\"status\":\"404\""),
        ("\"resource\" :", "\"resource\":{},\"resource\":"),
        ("\"status\":\"200 Whatever\"", "\"status\":200"),
        ("\"status\":\"200 Whatever\"", "\"status\":\"+20\""),
        ("\"status\":\"200 Whatever\"", "\"status\":\"2000\""),
        ("\"status\":\"200 Whatever\"", "\"stat\":\"200\""),
        ("\"response\":{", "\"response\":[],\"x\":{"),
    ] {
        let changed = body.replacen(from, to, 1);
        assert_ne!(changed, body, "{from}");
        assert_eq!(given(&changed).status, 502, "{to}");
    }
    assert_eq!(given("").status, 502);
    assert_eq!(given(&body[..body.len() - 1]).status, 502);
}

#[test]
fn an_upstreams_refusal_of_the_whole_keeps_its_status_and_loses_its_words() {
    for status in [400, 409, 412, 500] {
        let released = answer(&ehr_engine(""), "patient/*.rs", READS, status, &[], "{\"secret\":1}");
        assert_eq!(released.status, status);
        assert!(!released.body.contains("secret"));
    }
    assert_eq!(answer(&ehr_engine(""), "patient/*.rs", READS, 302, &[], "").status, 502);
}

#[test]
fn a_hidden_and_a_missing_instance_are_the_same_entry() {
    let hidden = given(&records::answers("batch", "OBS-ME ; OBS-OTHER"));
    assert_eq!(words(&hidden), "200 OBS-ME ; 403 ; 404");
    assert_eq!(hidden.body.matches(r#""outcome":{"resourceType":"OperationOutcome","#).count(), 2);
    assert_eq!(hidden.body, given(&records::answers("batch", "OBS-ME ; 404")).body);
    assert_eq!((hidden.released, hidden.dropped), (1, 1));
    let shown = ehr_engine("hide_existence=false");
    assert_eq!(got(&shown, "patient/*.rs", READS, "OBS-ME ; OBS-OTHER"), "200 OBS-ME ; 403 ; 403");
}

#[test]
fn legacy_400_counts_for_entries_too() {
    let engine = ehr_engine("legacy_400=true");
    let call = "POST / batch: GET Spaceship/1 ; GET Observation/OBS-ME ; GET Patient/OTHER ; GET Observation/OBS-ME";
    assert_eq!(got(&engine, "patient/*.rs", call, "404 ; OBS-ME"), "400 ; 400 ; 403 ; 200 OBS-ME");
}

#[test]
fn an_entry_keeps_tag_and_time_of_a_covered_instance_and_a_place_on_the_services_base() {
    let call = "POST / batch: GET Observation/OBS-ME ; POST Observation @OBS-NEW ; GET Observation/OBS-LAB";
    let released = answer(
        &ehr_engine(""),
        "patient/*.crs",
        call,
        200,
        &[],
        &records::answers("batch", "OBS-ME ; 201 OBS-ME ; OBS-OTHER"),
    );
    let value = released.json();
    let of = |index: usize| value["entry"][index]["response"].clone();
    assert_eq!(
        of(0),
        serde_json::json!({"status": "200 OK", "etag": "W/\"7\"", "lastModified": "2024-01-01T00:00:00Z"})
    );
    assert_eq!(of(1)["location"], "https://gw.example/fhir/Observation/NEW/_history/1");
    assert_eq!((&of(1)["status"], &of(1)["etag"]), (&"201 Created".into(), &"W/\"7\"".into()));
    assert!(of(2).get("etag").is_none() && of(2).get("location").is_none());
    assert_eq!(value["type"], "batch-response");
}

#[test]
fn a_location_on_another_server_or_of_another_type_is_not_told() {
    let call = "POST / batch: POST Observation @OBS-NEW";
    for location in ["https://evil.example/Observation/1", "/r4/Observation/1", "Patient/OTHER", "../Observation/1"] {
        let body = records::answers("batch", "201").replace("Observation/NEW/_history/1", location);
        let released = answer(&ehr_engine(""), "patient/*.crs", call, 200, &[], &body);
        assert_eq!(words(&released), "201");
        assert!(!released.body.contains("location"), "{location}");
    }
}

#[test]
fn a_page_of_a_search_in_a_batch_has_no_link_to_another() {
    let call = "POST / batch: GET Observation?code=x";
    let released = answer(&ehr_engine(""), "patient/*.rs", call, 200, &[], &records::answers("batch", "[OBS-ME]"));
    let links = &released.json()["entry"][0]["resource"]["link"];
    assert_eq!(links.as_array().map(Vec::len), Some(1));
    assert_eq!(links[0]["url"], "https://gw.example/fhir/Observation?code=x&patient=Patient/ME");
}

#[test]
fn b_21_elements_asked_for_only_to_decide_are_taken_out_of_entries_too() {
    let call = "POST / batch: GET Observation?patient=ME&_elements=code ; GET Observation/OBS-ME?_elements=code";
    let released =
        answer(&ehr_engine(""), "patient/*.rs", call, 200, &[], &records::answers("batch", "[OBS-ME] ; OBS-ME"));
    let value = released.json();
    for resource in [&value["entry"][0]["resource"]["entry"][0]["resource"], &value["entry"][1]["resource"]] {
        assert_eq!(resource["code"]["text"], "weight");
        assert!(resource.get("subject").is_none() && resource.get("performer").is_none(), "{resource}");
    }
}

#[test]
fn what_the_answers_need_is_looked_up_for_all_entries_at_once() {
    let call = "POST / batch: GET Binary/BIN-NOBODY ; GET Binary/BIN-OTHER ; GET Provenance/PROV-ME";
    let got = got(&ehr_engine(""), "patient/*.rs", call, "BIN-NOBODY ; 404 ; PROV-ME");
    assert_eq!(got, "200 BIN-NOBODY ; 404 ; 200 PROV-ME");
}

#[test]
fn i08_a_denied_transaction_tells_its_status_and_keeps_the_reasons_of_its_entries() {
    let engine = ehr_engine("");
    let call = "POST / transaction: POST Observation @OBS-NEW ; GET Spaceship/1 ; POST Observation @OBS-NEW-OTHER";
    let decision = ask(&engine, "patient/*.crs", call);
    assert_eq!(said_of(&decision), "deny 404 entry_denied");
    let entries: Vec<String> = decision.entries.iter().map(said_of).collect();
    assert_eq!(entries, ["permit", "deny 404 not_in_service", "deny 403 other_owner"]);
    assert_eq!((&decision.action, refused(&engine, &decision).status), (&Action::None, 404));
}

#[test]
fn a_batch_of_which_nothing_is_forwarded_is_answered_here() {
    let decision = ask(&ehr_engine(""), "patient/*.rs", "POST / batch: GET Patient/OTHER ; DELETE Spaceship/1");
    let Action::Reply(200, body) = &decision.action else { panic!("{decision:?}") };
    let bundle: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        (&bundle["type"], &bundle["entry"][0]["response"]["status"]),
        (&"batch-response".into(), &"403 Forbidden".into())
    );
    assert_eq!(bundle["entry"][1]["response"]["status"], "404 Not Found");
    assert_eq!(bundle["entry"][1]["response"]["outcome"]["issue"][0]["code"], "not-found");
    assert!(!body.contains("OTHER") && !body.contains("other_patient"));
}

#[test]
fn obligations_of_a_batch_are_its_own_and_those_of_entries_are_theirs() {
    let call = "POST /?bogus=1&_elements=code batch: GET Observation?code=x&bogus=1";
    let decision = ask(&ehr_engine(""), "patient/*.rs", call);
    let names = |decision: &Decision<'_>| decision.obligations.iter().map(policy::decision::Obligation::name).collect();
    let (whole, entry): (Vec<String>, Vec<String>) = (names(&decision), names(&decision.entries[0]));
    assert_eq!(whole, ["drop_query(bogus)", "drop_query(_elements)", "per_entry", "check_response"]);
    assert_eq!(entry, ["drop_query(bogus)", "add_query(patient)", "check_response"]);
    let Action::Forward(upstream) = &decision.action else { panic!("{decision:?}") };
    assert_eq!((&*upstream.path, &*upstream.query), ("/", ""));
    assert_eq!(*decision.rules, ["patient/*.rs"]);
}

#[test]
fn a_bundle_of_ten_mebibytes_with_500_entries_takes_time_in_proportion() {
    let engine = ehr_engine("");
    let made = |entries: usize, bytes: usize| {
        let text = "x".repeat(bytes);
        let entry = format!(
            r#"{{"resource":{{"resourceType":"Observation","subject":{{"reference":"Patient/ME"}},"note":[{{"text":"{text}"}}]}},"request":{{"method":"POST","url":"Observation"}}}}"#
        );
        let list = vec![entry; entries].join(",");
        format!(r#"POST / json: {{"resourceType":"Bundle","type":"batch","entry":[{list}]}}"#)
    };
    let fastest = |call: &str| {
        let once = || {
            let started = std::time::Instant::now();
            assert_eq!(ask(&engine, "patient/*.crs", call).entries.len(), call.matches("\"request\"").count());
            started.elapsed()
        };
        (0..3).map(|_| once()).min().unwrap()
    };
    let (small, large) = (made(50, 20_000), made(500, 20_000));
    assert!(large.len() > 10_000_000);
    let (small, large) = (fastest(&small), fastest(&large));
    assert!(large < small * 40, "{small:?} {large:?}");
}

fn entries(decision: &Decision<'_>) -> Vec<String> {
    decision.entries.iter().map(said_of).collect()
}

#[test]
fn d35_a_binary_that_stands_for_a_json_patch_is_415() {
    let call = "POST / batch: PATCH Observation/OBS-ME @BIN-NEW-ME";
    let decision = ask(&ehr_engine(""), "patient/*.cruds", call);
    assert_eq!(entries(&decision), ["deny 415 unsupported_media_type"]);
}

#[test]
fn d32_more_than_500_entries_are_413() {
    let engine = ehr_engine("");
    let of = |count: usize| format!("POST / batch: {}", vec!["GET Observation/OBS-ME"; count].join(" ; "));
    assert!(ask(&engine, "patient/*.rs", &of(500)).permits());
    assert_eq!(said_of(&ask(&engine, "patient/*.rs", &of(501))), "deny 413 too_large");
}

#[test]
fn d29_what_basic_credentials_hold_counts_for_each_entry() {
    let service = ehr::service(ehr::settings(ServiceKind::Fhirv4, ""), "basic");
    let engine = decision::Engine::new(ehr::compile(&service));
    let call = "POST / batch: GET Observation/OBS-OTHER ; POST Observation @OBS-NEW-OTHER";
    let (permit, no_rule) = ("permit", "deny 403 no_rule");
    for (token, expected) in [
        ("basic:reader", [permit, no_rule]),
        ("basic:writer", [no_rule, permit]),
        ("basic:both", [permit, permit]),
        // D30: the key has to hold what the entry needs before the token's rules are asked.
        ("both:reader system/*.cruds", [permit, no_rule]),
        ("both:writer system/*.cruds", [no_rule, permit]),
        ("both:both system/*.r", [permit, no_rule]),
    ] {
        assert_eq!(entries(&ask(&engine, token, call)), expected, "{token}");
    }
    let transaction = call.replace(" batch: ", " transaction: ");
    for token in ["basic:reader", "basic:writer", "both:reader system/*.cruds"] {
        assert_eq!(said_of(&ask(&engine, token, &transaction)), "deny 403 entry_denied", "I08: {token}");
    }
    assert!(ask(&engine, "basic:both", &transaction).permits());
    assert_eq!(said_of(&ask(&engine, "basic:nobody", call)), "deny 403 no_permission");
    assert_eq!(said_of(&ask(&engine, "both:nobody system/*.cruds", call)), "deny 403 no_permission");
}

fn with(capabilities: Capabilities, token: &str, call: &str) -> Decision<'static> {
    let (call, token) = (Call::parse(call), Token::parse(token));
    let headers = call.borrowed();
    decided(&ehr_engine(""), &Request { capabilities, ..call.request(&headers, &token) })
}

#[test]
fn a_gateway_that_cannot_write_the_answer_anew_serves_no_batch() {
    let call = "POST / batch: GET Observation/OBS-ME";
    for (rewrite, check_response) in [(true, false), (false, true), (false, false)] {
        let decision = with(Capabilities { rewrite, check_response, lookup: true }, "role:observation-reader", call);
        assert_eq!(said_of(&decision), "deny 403 obligation_unsupported");
    }
    assert!(with(Capabilities::ALL, "role:observation-reader", call).permits());
}

#[test]
fn where_nothing_can_be_looked_up_only_the_entries_that_need_it_are_denied() {
    let call = "POST / batch: GET Observation/OBS-ME ; GET Observation/OBS-ME/_history/1";
    let decision = with(Capabilities { lookup: false, ..Capabilities::ALL }, "patient/*.rs", call);
    assert_eq!(entries(&decision), ["permit", "deny 403 obligation_unsupported"]);
}

#[test]
fn an_entry_whose_lookups_are_over_the_bound_of_the_whole_is_502_in_its_place() {
    let provenance = |number: usize| {
        let targets: Vec<String> =
            (0..100).map(|target| format!(r#"{{"reference":"Observation/T-{number}-{target}"}}"#)).collect();
        format!(
            r#"{{"resource":{{"resourceType":"Provenance","id":"P{number}","target":[{}]}},"response":{{"status":"200"}}}}"#,
            targets.join(",")
        )
    };
    let asked: Vec<String> = (0..7).map(|number| format!("GET Provenance/P{number}")).collect();
    let given: Vec<String> = (0..7).map(provenance).collect();
    let body = format!(r#"{{"resourceType":"Bundle","type":"batch-response","entry":[{}]}}"#, given.join(","));
    let call = format!("POST / batch: {}", asked.join(" ; "));
    let released = answer(&ehr_engine(""), "patient/*.rs", &call, 200, &[], &body);
    assert_eq!(words(&released), "404 ; 404 ; 404 ; 404 ; 404 ; 404 ; 502");
}
