//! Roles: the SMART ones are computed, the others are lines of the document.

use serde_json::{Value, json};

use super::services::FHIR;
use crate::harness::{Server, on_both};

fn all(server: &Server, token: &str, path: &str) -> Vec<Value> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("{path}&limit=7{cursor}"), token).expect(200).json();
        let data = page["data"].as_array().unwrap();
        assert!(data.len() <= 7);
        found.extend(data.clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

#[test]
fn k15_the_smart_roles_of_a_service_are_listed_with_what_they_map_to() {
    on_both(|server| {
        let ann = server.sign_up("ann@ehr.example", "A");
        let id = server.upload(&ann, FHIR).expect(201).str("/id");
        let path = format!("/v1/services/{id}/roles");
        for name in ["front desk", "lab"] {
            let body = json!({ "name": name, "operations": ["GET:/Patient/{anything}"] });
            server.post(&path, &ann.token, &body).expect(201);
        }
        let roles = all(server, &ann.token, &format!("{path}?kind=smart"));
        let role = |id: &str| roles.iter().find(|role| role["id"] == id).unwrap_or_else(|| panic!("{id}"));
        assert_eq!(role("patient/Patient.rs")["operations"], json!(["GET:/Patient", "GET:/Patient/{id}"]));
        assert_eq!(role("patient/Patient.r")["operations"], json!(["GET:/Patient/{id}"]));
        assert_eq!(role("system/Patient.c")["operations"], json!(["POST:/Patient"]));
        assert!(roles.iter().all(|role| role["kind"] == "smart" && role["assumable"] == false));
        let both = all(server, &ann.token, &format!("{path}?"));
        assert_eq!(both.len(), roles.len() + 2);
        assert_eq!(both[roles.len()]["operations"], json!(["GET:/Patient/{id}"]), "as the document writes it");
        let mut ids: Vec<_> = both.iter().map(|role| role["id"].to_string()).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), both.len(), "no role is on two pages");
    });
}

#[test]
fn a_line_that_the_document_does_not_have_is_refused_by_its_place() {
    let server = Server::start();
    let ann = server.sign_up("ann@ehr.example", "A");
    let path = format!("/v1/services/{}/roles", server.upload(&ann, FHIR).expect(201).str("/id"));
    for (operations, pointers) in [
        (json!(["GET:/Patient", "GET:/Nope", "PUT:/Patient/{id}"]), &["/operations/1", "/operations/2"][..]),
        (json!(["get:/Patient"]), &["/operations/0"]),
        (json!(["GET /Patient"]), &["/operations/0"]),
        (json!([]), &["/operations"]),
    ] {
        let reply = server.post(&path, &ann.token, &json!({ "name": "x", "operations": operations }));
        reply.problem(422);
        assert_eq!(reply.pointers(), pointers, "{operations}");
    }
    let reply =
        server.post(&path, &ann.token, &json!({ "name": "x", "operations": ["GET:/Patient"], "kind": "smart" }));
    assert_eq!((reply.problem(400).as_str(), reply.pointers()), ("bad_request", vec!["/kind".to_owned()]));
    server.post(&path, &ann.token, &json!({ "name": "x", "operations": ["GET:/Patient"] })).expect(201);
    let again = server.post(&path, &ann.token, &json!({ "name": "x", "operations": ["GET:/Patient"] }));
    assert_eq!(again.problem(409), "name_taken");
}

#[test]
fn a_role_is_changed_and_deleted_by_who_has_read_it() {
    on_both(|server| {
        let ann = server.sign_up("ann@ehr.example", "A");
        let path = format!("/v1/services/{}/roles", server.upload(&ann, FHIR).expect(201).str("/id"));
        let made = server.post(&path, &ann.token, &json!({ "name": "x", "operations": ["GET:/Patient"] })).expect(201);
        let role = format!("/v1/roles/{}", made.str("/id"));
        let write = |method: &str, tag: &str, body: Value| {
            server.ask(method, &role).bearer(&ann.token).header("if-match", tag).json(&body).send()
        };
        let changed = write("PATCH", made.header("etag"), json!({ "name": "y" })).expect(200);
        assert_eq!(changed.json()["operations"], json!(["GET:/Patient"]));
        assert_eq!(write("PATCH", made.header("etag"), json!({ "name": "z" })).problem(412), "changed");
        assert_eq!(write("DELETE", made.header("etag"), json!({})).problem(412), "changed");
        server.ask("DELETE", &role).bearer(&ann.token).send().problem(428);
        write("DELETE", changed.header("etag"), json!({})).expect(204);
        assert_eq!(server.get(&role, &ann.token).problem(404), "not_found");
        let events = server.get("/v1/events", &ann.token).expect(200).json();
        assert_eq!(events["data"][0]["action"], "role.delete");
        assert_eq!(events["data"][0]["before"]["name"], "y");
        assert_eq!(events["data"][0]["after"], Value::Null);
    });
}

#[test]
fn a_smart_role_is_not_written() {
    let server = Server::start();
    let ann = server.sign_up("ann@ehr.example", "A");
    for method in ["PATCH", "DELETE"] {
        let ask = server.ask(method, "/v1/roles/patient%2FPatient.rs").bearer(&ann.token).header("if-match", "\"1\"");
        assert_eq!(ask.json(&json!({})).send().problem(403), "smart_role", "{method}");
    }
}
