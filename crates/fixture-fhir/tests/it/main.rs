//! The fixture server, feature by feature, on a few records.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::similar_names,
    reason = "what stands outside a test in a tests' crate is a test too"
)]

mod batch;
mod generated;
mod interactions;
mod minds;
mod operations;
mod search;

use fixture_fhir::{Mind, Served, Server};
use serde_json::{Value, json};

const BASE: &str = "http://up.example/r4";
const JSON: (&str, &[u8]) = ("Content-Type", b"application/fhir+json");

fn records() -> Vec<Value> {
    let observation = |id: &str, patient: &str, category: &str, value: f64, date: &str| {
        json!({"resourceType": "Observation", "id": id, "status": "final", "text": {"status": "generated", "div": "<div/>"},
            "category": [{"coding": [{"system": "http://cat", "code": category}]}],
            "code": {"coding": [{"system": "http://loinc.org", "code": "1-1", "display": "Weight"}]},
            "subject": {"reference": format!("Patient/{patient}")}, "performer": [{"reference": "Practitioner/D"}],
            "effectiveDateTime": date, "valueQuantity": {"value": value, "unit": "kg", "system": "http://u", "code": "kg"}})
    };
    vec![
        json!({"resourceType": "Patient", "id": "A", "meta": {"tag": [{"system": "t", "code": "one"}]}, "birthDate": "1980-05-01",
            "identifier": [{"system": "mrn", "value": "1"}], "name": [{"family": "Doe", "given": ["Ann"]}],
            "generalPractitioner": [{"reference": "Practitioner/D"}], "managingOrganization": {"reference": "Organization/O"}}),
        json!({"resourceType": "Patient", "id": "B", "birthDate": "1990-05-01", "identifier": [{"system": "mrn", "value": "2"}],
            "name": [{"family": "Jones"}], "link": [{"other": {"reference": "Patient/A"}, "type": "seealso"}]}),
        observation("a1", "A", "lab", 5.0, "2026-01-10"),
        observation("a2", "A", "vital", 70.5, "2026-02-10"),
        observation("b1", "B", "lab", 6.0, "2026-03-10"),
        json!({"resourceType": "Observation", "id": "b2", "status": "final", "code": {"text": "x"}, "performer": [{"reference": "Patient/A"}],
            "subject": {"reference": format!("{BASE}/Patient/B"), "identifier": {"system": "mrn", "value": "2"}}}),
        json!({"resourceType": "Observation", "id": "f1", "status": "final", "code": {"text": "x"},
            "subject": {"reference": "https://other.example/fhir/Patient/A"}, "encounter": {"reference": "Encounter/E"}}),
        json!({"resourceType": "Encounter", "id": "E", "status": "finished", "class": {"code": "AMB"}, "subject": {"reference": "Patient/A"},
            "participant": [{"individual": {"reference": "Practitioner/D"}}]}),
        json!({"resourceType": "Practitioner", "id": "D", "name": [{"family": "Silva"}]}),
        json!({"resourceType": "Organization", "id": "O", "name": "Clinic"}),
        json!({"resourceType": "List", "id": "L", "status": "current", "mode": "working", "entry": [{"item": {"reference": "Observation/a2"}}]}),
        json!({"resourceType": "Group", "id": "G", "type": "person", "actual": true, "member": [{"entity": {"reference": "Patient/A"}}]}),
        json!({"resourceType": "ValueSet", "id": "V", "status": "active", "url": "http://vs.example/one"}),
    ]
}

fn server(mind: Mind) -> Server {
    Server::new(records(), BASE, mind)
}

fn get(server: &mut Server, target: &str) -> Served {
    server.serve("GET", target, &[], b"")
}

fn send(server: &mut Server, method: &str, target: &str, body: &Value) -> Served {
    server.serve(method, target, &[JSON], body.to_string().as_bytes())
}

/// The entries of a Bundle as words: `a1 a2 +D` (`+` is included, `!` an outcome), or the status.
fn shown(served: &Served) -> String {
    if served.status != 200 {
        return served.status.to_string();
    }
    let bundle = served.value();
    let word = |entry: &Value| {
        let id = entry["resource"]["id"].as_str().unwrap_or_default();
        match entry["search"]["mode"].as_str() {
            Some("include") => format!("+{id}"),
            Some("outcome") => "!".to_owned(),
            _ => id.to_owned(),
        }
    };
    bundle["entry"].as_array().into_iter().flatten().map(word).collect::<Vec<_>>().join(" ")
}

/// What a query finds.
fn found(mind: Mind, target: &str) -> String {
    shown(&get(&mut server(mind), target))
}
