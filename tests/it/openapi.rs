//! The OpenAPI document of the administration API: committed, complete, and what the server serves.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::harness::Server;

/// What needs no credential, and why.
pub(crate) const OPEN: &[&str] = &[
    "POST /v1/signup",             // nobody has one yet
    "POST /v1/signup/confirm",     // the link's token
    "POST /v1/login",              // the password
    "POST /v1/invitations/accept", // the link's token
    "GET /s/{slug}/jwks.json",     // public keys
];

/// One operation of the document.
pub(crate) struct Operation {
    pub(crate) name: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) content: Value,
}

impl Operation {
    pub(crate) fn id(&self) -> &str {
        self.content["operationId"].as_str().unwrap()
    }
}

/// Every operation of the server's own document.
pub(crate) fn operations() -> Vec<Operation> {
    let document: Value = serde_json::from_str(&firewarden::app::openapi_text()).unwrap();
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, content) in methods.as_object().unwrap() {
            let method = method.to_uppercase();
            let name = format!("{method} {path}");
            found.push(Operation { name, method, path: path.clone(), content: content.clone() });
        }
    }
    assert!(found.len() > 40, "the document has its operations");
    found
}

#[test]
fn the_committed_document_is_what_the_code_says() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi/firewarden.json");
    let committed = std::fs::read_to_string(file).unwrap();
    assert!(
        committed == firewarden::app::openapi_text(),
        "openapi/firewarden.json is old: cargo run -- openapi > openapi/firewarden.json"
    );
    let server = Server::start();
    assert_eq!(server.ask("GET", "/openapi.json").send().expect(200).text(), committed);
}

#[test]
fn open_operations_are_a_named_list_and_say_so() {
    let open: BTreeSet<_> = operations()
        .into_iter()
        .filter(|operation| operation.content["security"] == serde_json::json!([]))
        .map(|operation| operation.name)
        .collect();
    assert_eq!(open, OPEN.iter().map(ToString::to_string).collect());
}

#[test]
fn every_operation_has_an_id_a_tag_a_summary_and_says_its_errors() {
    let mut ids = BTreeSet::new();
    for operation in operations() {
        assert!(ids.insert(operation.id().to_owned()), "{} twice", operation.id());
        assert!(operation.content["tags"][0].is_string(), "{}", operation.name);
        assert!(operation.content["summary"].as_str().is_some_and(|text| text.len() > 3), "{}", operation.name);
        let responses = operation.content["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')), "{}", operation.name);
    }
}
