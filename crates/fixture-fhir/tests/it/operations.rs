//! `$everything`, `$export` and their like.

use fixture_fhir::{Mind, Server};
use serde_json::json;

use crate::{BASE, found, get, send, server};

#[test]
fn everything_brings_the_compartment_and_what_it_names() {
    for (target, expected) in [
        ("/Patient/A/$everything", "A E G a1 a2 b2 B D O"),
        ("/Patient/A/$everything?_type=Observation,Encounter", "E a1 a2 b2"),
        ("/Patient/A/$everything?_count=2", "A E"),
        ("/Encounter/E/$everything", "E f1 D A"),
        ("/Patient/none/$everything", "404"),
        ("/Observation/a1/$everything", "404"),
        ("/Observation/$unknown-op", "404"),
        ("/Observation/$lastn?patient=A", "a2"),
        ("/$graphql", "404"),
    ] {
        assert_eq!(found(Mind::HONEST, target), expected, "{target}");
    }
    assert!(found(Mind::HONEST, "/Patient/$everything").starts_with("A E G a1 a2 b2 B"));
}

fn export(server: &mut Server, target: &str) -> Vec<(String, String)> {
    let kicked = server.serve("GET", target, &[("Prefer", b"respond-async")], b"");
    assert_eq!(kicked.status, 202, "{target}");
    let status = kicked.header("Content-Location").unwrap().to_owned();
    let manifest = get(server, &status).value();
    let files = manifest["output"].as_array().unwrap().clone();
    let file = |one: &serde_json::Value| {
        let served = get(server, one["url"].as_str().unwrap());
        assert_eq!(served.header("Content-Type"), Some("application/fhir+ndjson"));
        let text = String::from_utf8(served.body).unwrap();
        let ids: Vec<String> = text
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_str().unwrap().to_owned())
            .collect();
        (one["type"].as_str().unwrap().to_owned(), ids.join(" "))
    };
    files.iter().map(file).collect()
}

#[test]
fn an_export_is_kicked_off_and_its_files_are_fetched() {
    let mut server = server(Mind::HONEST);
    for (target, expected) in [
        ("/Group/G/$export?_type=Observation,Patient", "Observation: a1 a2 b2, Patient: A B"),
        ("/Patient/$export?_type=Observation", "Observation: a1 a2 b1 b2"),
        ("/$export?_type=Observation,List", "List: L, Observation: a1 a2 b1 b2 f1"),
        ("/$export?_type=Observation&_typeFilter=Observation%3Fpatient%3DB", "Observation: b1 b2"),
    ] {
        let files: Vec<String> =
            export(&mut server, target).into_iter().map(|(kind, ids)| format!("{kind}: {ids}")).collect();
        assert_eq!(files.join(", "), expected, "{target}");
    }
    assert_eq!(get(&mut server, "/$export").status, 400, "it is asynchronous only");
    assert_eq!(server.serve("DELETE", "/$export-status/job-1", &[], b"").status, 202);
    assert_eq!(get(&mut server, "/$export-status/job-1").status, 404);
}

#[test]
fn the_rest_is_there_as_far_as_a_client_asks_for_it() {
    let mut server = server(Mind::HONEST);
    let metadata = get(&mut server, "/metadata").value();
    assert_eq!(
        (&metadata["fhirVersion"], metadata["rest"][0]["resource"].as_array().unwrap().len()),
        (&"4.0.1".into(), 145)
    );
    assert_eq!(send(&mut server, "POST", "/Patient/$validate", &json!({"resourceType": "Patient"})).status, 200);
    assert_eq!(get(&mut server, &format!("{BASE}/Patient/A")).status, 200, "a URL of the base is one of its own");
}
