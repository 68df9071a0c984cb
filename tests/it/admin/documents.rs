//! Documents that are wrong, huge, deep or hostile: each is refused with its place, and the server goes on.

use serde_json::json;

use super::services::FHIR;
use crate::harness::{Owner, Reply, Server};

fn send(server: &Server, owner: &Owner, document: impl Into<Vec<u8>>) -> Reply {
    let ask =
        server.ask("POST", "/v1/services").bearer(&owner.token).header("content-type", "application/octet-stream");
    ask.body(document.into()).send()
}

/// A YAML document in which each line names the one before ten times over.
fn alias_bomb() -> String {
    let mut text = String::from(
        "openapi: 3.0.3\ninfo: {title: x, version: '1'}\npaths: {}\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n",
    );
    for level in 1..12 {
        let names = vec![format!("*a{}", level - 1); 10].join(", ");
        text.extend([format!("a{level}: &a{level} [{names}]\n")]);
    }
    text
}

#[test]
fn e03_hostile_documents_are_refused_with_their_place_and_the_server_goes_on() {
    let server = Server::start();
    let ann = server.sign_up("ann@ehr.example", "A");
    let deep_json = format!("{{\"openapi\":\"3.0.3\",\"x\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let deep_yaml = format!("openapi: 3.0.3\nx: {}1{}\n", "[".repeat(10_000), "]".repeat(10_000));
    for (what, document) in [
        ("aliases", alias_bomb().into_bytes()),
        ("deep JSON", deep_json.into_bytes()),
        ("deep YAML", deep_yaml.into_bytes()),
        ("invalid UTF-8", b"openapi: 3.0.3\ninfo: {title: \xff}\n".to_vec()),
        ("duplicate keys", br#"{"openapi": "3.0.3", "openapi": "3.1.0", "paths": {}}"#.to_vec()),
        ("nothing", Vec::new()),
        ("no document", b"hello".to_vec()),
        ("another version", br#"{"openapi": "9.0.0", "info": {"title": "x", "version": "1"}, "paths": {}}"#.to_vec()),
        (
            "remote reference",
            br#"{"openapi": "3.0.3", "info": {"title": "x", "version": "1"}, "paths": {"/x": {"$ref": "https://evil.example/x.json"}}}"#.to_vec(),
        ),
    ] {
        let reply = send(&server, &ann, document);
        assert!([400, 422].contains(&reply.status), "{what}: {} {}", reply.status, reply.text());
        reply.problem(reply.status);
        assert!(!reply.pointers().is_empty(), "{what}: {}", reply.text());
        assert!(reply.json()["errors"][0]["message"].as_str().is_some_and(|text| !text.is_empty()), "{what}");
    }
    assert_eq!(server.get("/v1/services", &ann.token).expect(200).json()["data"], json!([]));
    server.upload(&ann, FHIR).expect(201);
}

#[test]
fn e02_a_document_of_100_mb_is_refused_before_it_is_read() {
    let server = Server::start();
    let ann = server.sign_up("ann@ehr.example", "A");
    let before = resident_kib();
    let ask = server.ask("POST", "/v1/services").bearer(&ann.token);
    match ask.body(vec![b' '; 100 * 1024 * 1024]).try_send() {
        Ok(reply) => assert_eq!(reply.problem(413), "too_large"),
        // The server answered and hung up while the client was still writing.
        Err(error) => assert!(error.is_request(), "{error:?}"),
    }
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < 150 * 1024, "the test's own copy has 100 MiB, and {grown} KiB came");
    server.get("/v1/services", &ann.token).expect(200);
}

#[test]
fn every_fault_of_a_document_is_listed_at_once() {
    let server = Server::start();
    let ann = server.sign_up("ann@ehr.example", "A");
    let document = r#"{"openapi": "3.0.3", "info": {"title": "x", "version": "1"},
        "paths": {"/a": {"$ref": "https://evil.example/a"}, "/b": {"$ref": "other.yaml#/b"}}}"#;
    let reply = send(&server, &ann, document);
    reply.problem(422);
    assert!(reply.pointers().len() >= 2, "{}", reply.text());
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
