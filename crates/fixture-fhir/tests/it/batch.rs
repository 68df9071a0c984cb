//! Batches and transactions.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fixture_fhir::{Mind, Server};
use serde_json::{Value, json};

use crate::{BASE, get, send, server, shown};

fn bundle(kind: &str, entries: &[Value]) -> Value {
    json!({"resourceType": "Bundle", "type": kind, "entry": entries})
}

fn ask(method: &str, url: &str) -> Value {
    json!({"request": {"method": method, "url": url}})
}

fn write(method: &str, url: &str, resource: Value) -> Value {
    json!({"request": {"method": method, "url": url}, "resource": resource})
}

fn named(full_url: &str, mut entry: Value) -> Value {
    entry["fullUrl"] = full_url.into();
    entry
}

fn observation(id: &str, subject: &str) -> Value {
    json!({"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "n"}, "subject": {"reference": subject}})
}

/// The statuses of an answer, or its own.
fn statuses(server: &mut Server, body: &Value) -> String {
    let served = send(server, "POST", "/", body);
    if served.status != 200 {
        return served.status.to_string();
    }
    let value = served.value();
    let entries = value["entry"].as_array().unwrap().iter();
    entries.map(|entry| entry["response"]["status"].as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

#[test]
fn each_entry_of_a_batch_is_answered_in_its_place() {
    let mut server = server(Mind::HONEST);
    let patch = json!([{"op": "replace", "path": "/status", "value": "amended"}]).to_string();
    let patch =
        json!({"resourceType": "Binary", "contentType": "application/json-patch+json", "data": STANDARD.encode(patch)});
    let body = bundle(
        "batch",
        &[
            ask("GET", "Patient/A"),
            ask("GET", "Patient/none"),
            write("POST", "Observation", observation("x", "Patient/A")),
            write("PATCH", "Observation/a2", patch),
            ask("GET", &format!("{BASE}/Observation?patient=A")),
            ask("GET", "https://evil.example/Patient/A"),
            ask("DELETE", "Observation/b1"),
            write("POST", "", bundle("batch", &[])),
        ],
    );
    assert_eq!(statuses(&mut server, &body), "200 404 201 200 200 400 204 400");
    assert_eq!(get(&mut server, "/Observation/a2").value()["status"], "amended");
    assert_eq!(shown(&get(&mut server, "/Observation?patient=A")), "a1 a2 new-1");
}

#[test]
fn a_transaction_is_done_whole_in_the_order_of_fhir_or_not_at_all() {
    let mut server = server(Mind::HONEST);
    let failing = bundle("transaction", &[ask("DELETE", "Observation/a1"), ask("GET", "Patient/none")]);
    assert_eq!(statuses(&mut server, &failing), "404");
    assert_eq!(get(&mut server, "/Observation/a1").status, 200, "nothing is done");

    let urn = "urn:uuid:00000000-0000-0000-0000-000000000001";
    let body = bundle(
        "transaction",
        &[
            ask("GET", "Observation/b1"),
            named("urn:uuid:2", write("POST", "Observation", observation("x", urn))),
            named(urn, write("POST", "Patient", json!({"resourceType": "Patient", "name": [{"family": "New"}]}))),
            write("PUT", "Observation/b1", observation("b1", "Patient?identifier=mrn|1")),
            ask("DELETE", "Observation/a1"),
        ],
    );
    assert_eq!(statuses(&mut server, &body), "200 201 201 200 204");
    assert_eq!(shown(&get(&mut server, "/Observation?patient.name=new")), "new-1");
    assert_eq!(
        get(&mut server, "/Observation/b1").value()["subject"]["reference"],
        "Patient/A",
        "a condition is resolved"
    );
    let twice =
        bundle("transaction", &[named("urn:a", ask("GET", "Patient/A")), named("urn:a", ask("GET", "Patient/B"))]);
    assert_eq!(statuses(&mut server, &twice), "400");
    let nobody = bundle("transaction", &[write("POST", "Observation", observation("x", "Patient?identifier=none"))]);
    assert_eq!(statuses(&mut server, &nobody), "412");
}

#[test]
fn a_conditional_create_in_a_transaction_lends_what_it_finds() {
    let mut server = server(Mind::HONEST);
    let mut patient = named("urn:p", write("POST", "Patient", json!({"resourceType": "Patient"})));
    patient["request"]["ifNoneExist"] = "identifier=mrn|2".into();
    let body = bundle("transaction", &[patient, write("POST", "Observation", observation("x", "urn:p"))]);
    assert_eq!(statuses(&mut server, &body), "200 201");
    assert_eq!(shown(&get(&mut server, "/Observation?patient=B")), "b1 b2 new-1");
}

#[test]
fn other_bundles_are_not_executed() {
    let mut server = server(Mind::HONEST);
    for body in [
        bundle("document", &[]),
        json!({"resourceType": "Bundle"}),
        json!({"resourceType": "Patient", "type": "batch"}),
    ] {
        assert_eq!(statuses(&mut server, &body), "400", "{body}");
    }
    let entries = vec![ask("GET", "Patient/A"); 1001];
    assert_eq!(statuses(&mut server, &bundle("batch", &entries)), "413");
}
