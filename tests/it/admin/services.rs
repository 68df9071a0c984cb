//! Services: from a document to what a gateway is told, and what changes of it.

use serde_json::{Value, json};

use crate::harness::{Server, on_both};

/// A small FHIR server's document.
pub(crate) const FHIR: &str = r#"
openapi: 3.0.3
x-Katanemo-open-api-service-type: FHIRv4
info: {title: Ann's FHIR API, version: "1"}
servers: [{url: "https://fhir.ehr.example/r4/"}]
paths:
  /Patient:
    get:
      parameters: [{name: family, in: query, schema: {type: string}}]
      responses: {"200": {description: ok}}
    post: {responses: {"201": {description: made}}}
  /Patient/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: string}}]
    get: {responses: {"200": {description: ok}}}
  /Observation:
    get: {responses: {"200": {description: ok}}}
"#;

/// The same without what `Observation` has.
const WITHOUT_OBSERVATION: &str = r#"
openapi: 3.0.3
x-Katanemo-open-api-service-type: FHIRv4
info: {title: Renamed, version: "2"}
paths:
  /Patient:
    get: {responses: {"200": {description: ok}}}
  /Patient/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: string}}]
    get: {responses: {"200": {description: ok}}}
"#;

#[test]
fn k13_a_document_becomes_a_service() {
    on_both(|server| {
        let ann = server.sign_up("ann@ehr.example", "A");
        let made = server.upload(&ann, FHIR).expect(201);
        let id = made.str("/id");
        assert_eq!(made.header("location"), format!("/v1/services/{id}"));
        assert_eq!(made.str("/slug"), "ann-s-fhir-api");
        assert_eq!(made.str("/issuer"), format!("{}/s/ann-s-fhir-api", server.base));
        assert_eq!((made.str("/kind"), made.str("/base_url")), ("fhirv4".into(), "https://fhir.ehr.example/r4".into()));
        let body = made.json();
        assert_eq!((&body["version"], &body["paths"], &body["openapi"]), (&json!(1), &json!(3), &json!("3.0.3")));
        let read = body["operations"].as_array().unwrap().iter().find(|one| one["key"] == "GET:/Patient/{id}").unwrap();
        assert_eq!(read["interaction"], "read");
        assert_eq!(read["resource_type"], "Patient");
        let found = server.get(&format!("/v1/services/{id}"), &ann.token).expect(200);
        assert_eq!(found.json(), body);
        assert_eq!(found.header("etag"), made.header("etag"));
        let list = server.get("/v1/services", &ann.token).expect(200).json();
        assert_eq!(list["data"][0]["id"], id.as_str());
        assert!(list["data"][0].get("operations").is_none());
    });
}

#[test]
fn two_services_of_one_name_have_two_slugs() {
    on_both(|server| {
        let (ann, bob) = (server.sign_up("ann@ehr.example", "A"), server.sign_up("bob@ehr.example", "B"));
        assert_eq!(server.upload(&ann, FHIR).expect(201).str("/slug"), "ann-s-fhir-api");
        assert_eq!(server.upload(&bob, FHIR).expect(201).str("/slug"), "ann-s-fhir-api-2");
    });
}

#[test]
fn a_change_needs_the_etag_of_what_was_read() {
    on_both(|server| {
        let ann = server.sign_up("ann@ehr.example", "A");
        let made = server.upload(&ann, FHIR).expect(201);
        let path = format!("/v1/services/{}", made.str("/id"));
        let change = |tag: Option<&str>, body: &Value| {
            let ask = server.ask("PATCH", &path).bearer(&ann.token);
            let ask = if let Some(tag) = tag { ask.header("if-match", tag) } else { ask };
            ask.json(body).send()
        };
        let body = json!({ "name": "New", "settings": { "legacy_400": true } });
        assert_eq!(change(None, &body).problem(428), "if_match_required");
        assert_eq!(change(Some("*"), &body).problem(428), "if_match_required");
        assert_eq!(change(Some("\"7\""), &body).problem(412), "changed");
        let changed = change(Some(made.header("etag")), &body).expect(200);
        assert_eq!(changed.str("/name"), "New");
        assert_eq!(changed.json()["settings"]["legacy_400"], true);
        assert_eq!(changed.json()["settings"]["chains"], "strict");
        assert_eq!(changed.str("/slug"), "ann-s-fhir-api");
        assert_eq!(change(Some(made.header("etag")), &body).problem(412), "changed");
        let back = change(Some(changed.header("etag")), &json!({ "settings": { "legacy_400": null } })).expect(200);
        assert_eq!(back.json()["settings"]["legacy_400"], false);
    });
}

#[test]
fn what_a_change_may_not_be_is_named_by_its_place() {
    let server = Server::start();
    let ann = server.sign_up("ann@ehr.example", "A");
    let made = server.upload(&ann, FHIR).expect(201);
    let path = format!("/v1/services/{}", made.str("/id"));
    for (body, status, pointer) in [
        (json!({ "slug": "x" }), 400, "/slug"),
        (json!({ "account_id": "x" }), 400, "/account_id"),
        (json!({ "name": null }), 400, "/name"),
        (json!({ "name": "" }), 422, "/name"),
        (json!({ "name": 7 }), 400, "/name"),
        (json!({ "base_url": "ftp://x" }), 422, "/base_url"),
        (json!({ "settings": { "chains": "loose" } }), 400, "/settings/chains"),
        (json!({ "settings": { "nope": 1 } }), 400, "/settings/nope"),
        (json!({ "settings": { "max_staleness_seconds": 1 } }), 422, "/settings/max_staleness_seconds"),
    ] {
        let ask = server.ask("PATCH", &path).bearer(&ann.token).header("if-match", made.header("etag"));
        let reply = ask.json(&body).send();
        reply.problem(status);
        assert_eq!(reply.pointers(), [pointer], "{body} {}", reply.text());
    }
    let after = server.get(&path, &ann.token).expect(200);
    assert_eq!(after.header("etag"), made.header("etag"), "nothing was changed");
}

#[test]
fn a_new_document_is_active_at_once_and_takes_nothing_from_a_role() {
    on_both(|server| {
        let ann = server.sign_up("ann@ehr.example", "A");
        let made = server.upload(&ann, FHIR).expect(201);
        let path = format!("/v1/services/{}", made.str("/id"));
        let role = json!({ "name": "lab", "operations": ["GET:/Patient", "GET:/Observation"] });
        let role = server.post(&format!("{path}/roles"), &ann.token, &role).expect(201);
        let upload = |document: &'static str| {
            server.ask("POST", &format!("{path}/versions")).bearer(&ann.token).body(document).send()
        };
        let refused = upload(WITHOUT_OBSERVATION);
        assert_eq!(refused.problem(409), "operations_removed");
        assert_eq!(refused.pointers(), [format!("/roles/{}/operations/0", role.str("/id"))]);

        let role_path = format!("/v1/roles/{}", role.str("/id"));
        let ask = server.ask("PATCH", &role_path).bearer(&ann.token).header("if-match", role.header("etag"));
        ask.json(&json!({ "operations": ["GET:/Patient"] })).send().expect(200);
        let now = upload(WITHOUT_OBSERVATION).expect(201);
        assert_eq!((now.str("/name"), now.json()["version"].clone()), ("Ann's FHIR API".into(), json!(2)));
        assert_eq!(now.str("/base_url"), "https://fhir.ehr.example/r4", "a base that it has stays");
        let versions = server.get(&format!("{path}/versions"), &ann.token).expect(200).json();
        let active: Vec<_> = versions["data"].as_array().unwrap().iter().map(|one| one["active"].clone()).collect();
        assert_eq!(active, [json!(false), json!(true)]);
        let plain = upload("openapi: 3.0.3\ninfo: {title: x, version: '1'}\npaths: {}\n");
        assert_eq!(plain.problem(409), "kind_changed");
    });
}
