//! Read, history and writes, with their conditions.

use fixture_fhir::{Mind, Served};
use serde_json::{Value, json};

use crate::{BASE, get, send, server, shown};

fn observation(id: &str, status: &str) -> Value {
    json!({"resourceType": "Observation", "id": id, "status": status, "code": {"text": "n"}, "subject": {"reference": "Patient/A"}})
}

fn with(server: &mut fixture_fhir::Server, method: &str, target: &str, field: (&str, &str), body: &Value) -> Served {
    let headers: &[(&str, &[u8])] = &[("Content-Type", b"application/fhir+json"), (field.0, field.1.as_bytes())];
    server.serve(method, target, headers, body.to_string().as_bytes())
}

#[test]
fn a_resource_lives_through_its_versions() {
    let mut server = server(Mind::HONEST);
    let created = send(&mut server, "POST", "/Observation", &observation("mine", "preliminary"));
    assert_eq!(
        (created.status, created.header("Location")),
        (201, Some(&*format!("{BASE}/Observation/new-1/_history/1")))
    );
    assert_eq!(created.header("ETag"), Some("W/\"1\""));
    let updated = send(&mut server, "PUT", "/Observation/new-1", &observation("new-1", "final"));
    assert_eq!((updated.status, updated.value()["meta"]["versionId"].clone()), (200, "2".into()));
    assert_eq!(get(&mut server, "/Observation/new-1/_history/1").value()["status"], "preliminary");
    assert_eq!(send(&mut server, "DELETE", "/Observation/new-1", &Value::Null).status, 204);
    assert_eq!(get(&mut server, "/Observation/new-1").status, 410);
    assert_eq!(get(&mut server, "/Observation/new-1/_history/3").status, 410);
    assert_eq!(get(&mut server, "/Observation/new-1/_history/4").status, 404);
    let history = get(&mut server, "/Observation/new-1/_history").value();
    let methods: Vec<&str> =
        history["entry"].as_array().unwrap().iter().map(|one| one["request"]["method"].as_str().unwrap()).collect();
    assert_eq!(methods, ["DELETE", "PUT", "POST"]);
    assert_eq!(get(&mut server, "/Observation/_history?_count=3").value()["total"], 8);
    assert_eq!(get(&mut server, "/_history?_since=2026-01-01T00:00:02Z").value()["total"], 2);
    let again = send(&mut server, "PUT", "/Observation/new-1", &observation("new-1", "final"));
    assert_eq!(again.status, 201);
    assert_eq!(shown(&get(&mut server, "/Observation?status=final&code:text=n")), "new-1");
}

#[test]
fn preconditions_are_asked_first() {
    let mut server = server(Mind::HONEST);
    for (method, target, field, status) in [
        ("GET", "/Patient/A", ("If-None-Match", "W/\"1\""), 304),
        ("GET", "/Patient/A", ("If-None-Match", "W/\"2\""), 200),
        ("GET", "/Patient/A", ("If-Modified-Since", "Thu, 01 Jan 2026 00:00:00 GMT"), 304),
        ("GET", "/Patient/C", ("If-None-Match", "W/\"1\""), 404),
        ("PUT", "/Observation/a1", ("If-Match", "W/\"9\""), 412),
        ("PUT", "/Observation/zz", ("If-Match", "W/\"1\""), 412),
        ("PUT", "/Observation/a1", ("If-None-Match", "*"), 412),
        ("PUT", "/Observation/zz", ("If-None-Match", "*"), 201),
        ("PUT", "/Observation/a1", ("If-Match", "W/\"1\""), 200),
        ("DELETE", "/Observation/a1", ("If-Match", "W/\"1\""), 412),
        ("POST", "/Observation", ("If-None-Exist", "category=vital"), 200),
        ("POST", "/Observation", ("If-None-Exist", "_id=b1,b2"), 412),
        ("POST", "/Observation", ("If-None-Exist", "_id=none"), 201),
        ("POST", "/Observation", ("Content-Type-Options", "x"), 201),
    ] {
        let id = target.rsplit('/').next().unwrap();
        assert_eq!(
            with(&mut server, method, target, field, &observation(id, "final")).status,
            status,
            "{method} {target} {field:?}"
        );
    }
    let minimal =
        with(&mut server, "PUT", "/Observation/a2", ("Prefer", "return=minimal"), &observation("a2", "final"));
    assert!(minimal.body.is_empty() && minimal.status == 200);
}

#[test]
fn a_write_is_refused_if_it_is_not_what_it_says() {
    let mut server = server(Mind::HONEST);
    for (method, target, body, status) in [
        ("PUT", "/Observation/a1", observation("a2", "final"), 400),
        ("PUT", "/Patient/a1", observation("a1", "final"), 400),
        ("POST", "/Observation/a1", observation("a1", "final"), 405),
        ("POST", "/Observation", json!([]), 400),
        ("PATCH", "/Observation/a1", json!({}), 400),
        ("DELETE", "/Observation/none", Value::Null, 404),
        ("PUT", "/Observation/a_1", observation("a_1", "final"), 400),
    ] {
        assert_eq!(send(&mut server, method, target, &body).status, status, "{method} {target}");
    }
    let xml: &[(&str, &[u8])] = &[("Content-Type", b"application/fhir+xml")];
    assert_eq!(server.serve("POST", "/Observation", xml, b"<a/>").status, 415);
    let r5: &[(&str, &[u8])] = &[("Accept", b"application/fhir+json; fhirVersion=5.0")];
    assert_eq!(server.serve("GET", "/Patient/A", r5, b"").status, 406);
}

#[test]
fn conditional_writes_need_one_match() {
    let mut server = server(Mind::HONEST);
    let body = json!({"resourceType": "Observation", "status": "amended", "code": {"text": "c"}});
    for (method, target, status) in [
        ("PUT", "/Observation?category=vital", 200),
        ("PUT", "/Observation?category=lab", 412),
        ("PUT", "/Observation?category=none", 201),
        ("PUT", "/Observation", 412),
        ("PUT", "/Observation?unknown=1", 400),
        ("DELETE", "/Observation?category=lab", 412),
        ("DELETE", "/Observation?_id=b2", 204),
        ("DELETE", "/Observation?_id=b2", 204),
    ] {
        assert_eq!(send(&mut server, method, target, &body).status, status, "{method} {target}");
    }
    assert_eq!(get(&mut server, "/Observation/a2").value()["status"], "amended");
    assert_eq!(get(&mut server, "/Observation/b2").status, 410);
}

#[test]
fn patches_apply_whole_or_not_at_all() {
    let mut server = server(Mind::HONEST);
    let mut patch = |target: &str, media_type: &str, body: Value| {
        server.serve("PATCH", target, &[("Content-Type", media_type.as_bytes())], body.to_string().as_bytes())
    };
    let json_patch = "application/json-patch+json";
    let done = patch(
        "/Observation/a1",
        json_patch,
        json!([
            {"op": "test", "path": "/status", "value": "final"},
            {"op": "replace", "path": "/status", "value": "amended"},
            {"op": "add", "path": "/performer/-", "value": {"reference": "Patient/B"}},
            {"op": "remove", "path": "/text"},
            {"op": "copy", "from": "/code", "path": "/method"},
            {"op": "move", "from": "/effectiveDateTime", "path": "/issued"},
        ]),
    );
    let value = done.value();
    assert_eq!(done.status, 200);
    assert_eq!(
        (&value["status"], &value["performer"][1]["reference"], &value["issued"]),
        (&"amended".into(), &"Patient/B".into(), &"2026-01-10".into())
    );
    assert!(value.get("text").is_none() && value["method"] == value["code"]);
    for (body, status) in [
        (
            json!([{"op": "replace", "path": "/status", "value": "x"}, {"op": "test", "path": "/status", "value": "final"}]),
            422,
        ),
        (json!([{"op": "replace", "path": "/id", "value": "b1"}]), 422),
        (json!([{"op": "replace", "path": "", "value": {"resourceType": "Patient", "id": "B"}}]), 422),
        (json!([{"op": "remove", "path": "/nothing"}]), 422),
        (json!([{"op": "add", "path": "/performer/9", "value": 1}]), 422),
        (json!([{"op": "explode", "path": "/status"}]), 400),
    ] {
        assert_eq!(patch("/Observation/a1", json_patch, body.clone()).status, status, "{body}");
    }
    assert_eq!(patch("/Observation/a1", "application/merge-patch+json", json!({})).status, 415);
    assert_eq!(
        patch("/Observation?category=vital", json_patch, json!([{"op": "remove", "path": "/text"}])).status,
        200
    );
    let operation = |parts: &[(&str, &str)]| {
        let parts: Vec<Value> = parts.iter().map(|(name, value)| json!({"name": name, "valueString": value})).collect();
        json!({"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]})
    };
    let fhir = "application/fhir+json";
    for (parts, status) in [
        (&[("type", "replace"), ("path", "Observation.status"), ("value", "corrected")][..], 200),
        (&[("type", "delete"), ("path", "Observation.performer[1]")], 200),
        (&[("type", "add"), ("path", "Observation.code"), ("name", "text"), ("value", "t")], 200),
        (&[("type", "delete"), ("path", "Observation.where(true)")], 400),
        (&[("type", "replace"), ("path", "Patient.id"), ("value", "x")], 400),
    ] {
        assert_eq!(patch("/Observation/a1", fhir, operation(parts)).status, status, "{parts:?}");
    }
    let now = get(&mut server, "/Observation/a1").value();
    assert_eq!(
        (&now["status"], &now["code"]["text"], now["performer"].as_array().unwrap().len()),
        (&"corrected".into(), &"t".into(), 1)
    );
    assert_eq!(now["meta"]["versionId"], "5");
}

#[test]
fn a_binary_is_served_as_what_it_holds_unless_fhir_is_asked_for() {
    let mut server = server(Mind::HONEST);
    let headers: &[(&str, &[u8])] = &[("Content-Type", b"text/plain"), ("X-Security-Context", b"Patient/A")];
    let created = server.serve("PUT", "/Binary/x", headers, b"hello");
    assert_eq!((created.status, created.value()["securityContext"]["reference"].clone()), (201, "Patient/A".into()));
    let raw = server.serve("GET", "/Binary/x", &[("Accept", b"text/plain")], b"");
    assert_eq!((raw.header("Content-Type"), raw.body.as_slice()), (Some("text/plain"), &b"hello"[..]));
    assert_eq!(get(&mut server, "/Binary/x").value()["contentType"], "text/plain");
    assert!(server.serve("HEAD", "/Binary/x", &[], b"").body.is_empty());
}

#[test]
fn a_record_is_loaded_as_the_next_version_of_its_id_with_the_number_that_it_bears() {
    let version = |number: &str, status: &str| {
        let mut record = observation("v", status);
        record["meta"] = json!({"versionId": number, "lastUpdated": "2025-05-05T00:00:00Z"});
        record
    };
    let mut server =
        fixture_fhir::Server::new([version("3", "preliminary"), version("4", "final")], BASE, Mind::HONEST);
    for (target, status) in [
        ("/Observation/v", "final"),
        ("/Observation/v/_history/3", "preliminary"),
        ("/Observation/v/_history/4", "final"),
    ] {
        assert_eq!(get(&mut server, target).value()["status"], status, "{target}");
    }
    assert_eq!(get(&mut server, "/Observation/v").header("ETag"), Some("W/\"4\""));
    assert_eq!(shown(&get(&mut server, "/Observation?_lastUpdated=2025-05")), "v");
    assert_eq!(server.stored("Observation", "v"), Some(&*version("4", "final").to_string()));
    assert!(server.load(version("1", "amended")) && server.all().len() == 1);
    assert_eq!(get(&mut server, "/Observation/v").header("ETag"), Some("W/\"5\""), "a number never goes back");
    for unaddressed in [
        r#"{"resourceType":"Observation"}"#,
        r#"{"id":"x"}"#,
        "[]",
        "no JSON",
        r#"{"resourceType":"Observation","id":"a/b"}"#,
    ] {
        assert!(!server.load(unaddressed), "{unaddressed}");
    }
}
