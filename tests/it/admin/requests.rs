//! What every request has: ids, problems, retries, cursors, limits, headers.

use serde_json::json;
use web::limit::Quotas;

use super::services::FHIR;
use crate::harness::{Server, on_both, wide};

#[test]
fn e25_a_retried_write_is_done_once_and_answered_alike() {
    on_both(|server| {
        let ann = server.sign_up("ann@ehr.example", "A");
        let path = format!("/v1/services/{}/roles", server.upload(&ann, FHIR).expect(201).str("/id"));
        let body = json!({ "name": "x", "operations": ["GET:/Patient"] });
        let write = |key: &str, body: &serde_json::Value| {
            server.ask("POST", &path).bearer(&ann.token).header("idempotency-key", key).json(body).send()
        };
        let first = write("k1", &body).expect(201);
        let again = write("k1", &body).expect(201);
        assert_eq!((first.body.clone(), first.header("etag")), (again.body.clone(), again.header("etag")));
        assert_eq!((first.header("idempotent-replayed"), again.header("idempotent-replayed")), ("", "true"));
        let roles = server.get(&format!("{path}?kind=custom"), &ann.token).expect(200).json();
        assert_eq!(roles["data"].as_array().unwrap().len(), 1);

        let other = json!({ "name": "y", "operations": ["GET:/Patient"] });
        assert_eq!(write("k1", &other).problem(422), "idempotency_key_reused");
        assert_eq!(write("", &other).problem(400), "bad_request");
        // A refusal is not kept: mended, the same key may be tried again with the same request only.
        assert_eq!(write("k2", &body).problem(409), "name_taken");
        write("k2", &other).expect(201);
        // Another caller's key says nothing about this one's.
        let bob = server.sign_up("bob@ehr.example", "B");
        let ask = server.ask("POST", &path).bearer(&bob.token).header("idempotency-key", "k1");
        assert_eq!(ask.json(&body).send().problem(404), "not_found");
        server.wait(chrono::TimeDelta::hours(11));
        write("k1", &body).expect(201);
    });
}

#[test]
fn e25_of_many_retries_at_once_one_is_done() {
    let server = Server::start();
    let ann = server.sign_up("ann@ehr.example", "A");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    let client = reqwest::Client::new();
    let statuses: Vec<u16> = runtime.block_on(async {
        let sends: Vec<_> = (0..16)
            .map(|_| {
                let request = client.post(format!("{}/v1/services", server.base)).bearer_auth(&ann.token);
                let request = request.header("idempotency-key", "one").body(FHIR);
                tokio::spawn(async move { request.send().await.unwrap().status().as_u16() })
            })
            .collect();
        let mut statuses = Vec::new();
        for send in sends {
            statuses.push(send.await.unwrap());
        }
        statuses
    });
    assert!(statuses.iter().all(|status| [201, 409].contains(status)), "{statuses:?}");
    assert!(statuses.contains(&201));
    assert_eq!(server.get("/v1/services", &ann.token).expect(200).json()["data"].as_array().unwrap().len(), 1);
}

#[test]
fn e07_a_cursor_is_good_for_its_own_list_and_account() {
    let server = Server::start();
    let ann = server.sign_up("ann@ehr.example", "A");
    let bob = server.sign_up("bob@ehr.example", "B");
    for _ in 0..3 {
        server.upload(&ann, FHIR).expect(201);
    }
    let first = server.get("/v1/services?limit=2", &ann.token).expect(200).json();
    let cursor = first["next_cursor"].as_str().unwrap().to_owned();
    let second = server.get(&format!("/v1/services?limit=2&cursor={cursor}"), &ann.token).expect(200).json();
    assert_eq!((second["data"].as_array().unwrap().len(), second["next_cursor"].clone()), (1, json!(null)));
    let letter = if &cursor[20..21] == "A" { "B" } else { "A" };
    let changed = format!("{}{letter}{}", &cursor[..20], &cursor[21..]);
    for (path, token) in [
        (format!("/v1/events?cursor={cursor}"), &ann.token),
        (format!("/v1/services?cursor={cursor}"), &bob.token),
        (format!("/v1/services?cursor={changed}"), &ann.token),
        ("/v1/services?cursor=x".to_owned(), &ann.token),
        ("/v1/services?limit=0".to_owned(), &ann.token),
        ("/v1/services?limit=201".to_owned(), &ann.token),
        ("/v1/services?nope=1".to_owned(), &ann.token),
    ] {
        server.get(&path, token).problem(400);
    }
}

#[test]
fn every_answer_has_its_headers_and_every_error_is_a_problem() {
    let server = Server::start();
    let ann = server.sign_up("ann@ehr.example", "A");
    for (method, path, token, status) in [
        ("GET", "/livez", "", 200),
        ("GET", "/readyz", "", 200),
        ("GET", "/nothing", "", 404),
        ("GET", "/v1/services", "", 401),
        ("GET", "/v1/services/svc_x", ann.token.as_str(), 404),
        ("DELETE", "/v1/account", ann.token.as_str(), 404),
        ("GET", "/v1/account", ann.token.as_str(), 200),
    ] {
        let ask = server.ask(method, path).header("x-request-id", "mine");
        let reply = if token.is_empty() { ask.send() } else { ask.bearer(token).send() };
        assert!(reply.status == status || (status == 404 && reply.status == 405), "{method} {path} {}", reply.status);
        assert!(reply.header("x-request-id").starts_with("req_"), "ours, not the client's");
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(reply.header("x-frame-options"), "DENY");
        assert!(reply.header("content-security-policy").contains("frame-ancestors 'none'"));
        if status >= 400 {
            reply.problem(reply.status);
        }
    }
    assert_eq!(server.ask("GET", "/v1/services").send().header("www-authenticate"), "Bearer");
}

#[test]
fn a_body_over_its_limit_is_a_413() {
    let server = Server::start();
    let ann = server.sign_up("ann@ehr.example", "A");
    let path = format!("/v1/services/{}/roles", server.upload(&ann, FHIR).expect(201).str("/id"));
    let reply = server.post(&path, &ann.token, &json!({ "name": "x".repeat(1024 * 1024), "operations": [] }));
    assert_eq!(reply.problem(413), "too_large");
    let reply = server.ask("POST", &path).bearer(&ann.token).header("content-encoding", "gzip").json(&json!({})).send();
    assert_eq!(reply.problem(415), "unsupported_media_type");
}

#[test]
fn e12_who_asks_too_often_is_told_to_wait() {
    let server = Server::with_quotas(Quotas { admin: 5, address: 2, failures: 3, ..wide() });
    let ann = server.sign_up("ann@ehr.example", "A");
    let bob = server.sign_up("bob@ehr.example", "B");
    let first = server.get("/v1/account", &ann.token).expect(200);
    assert_eq!(first.header("ratelimit"), "\"admin\";r=4;t=12");
    assert_eq!(first.header("ratelimit-policy"), "\"admin\";q=5;w=60");
    for _ in 0..4 {
        server.get("/v1/account", &ann.token).expect(200);
    }
    let refused = server.ask("GET", "/v1/account").bearer(&ann.token).header("x-forwarded-for", "192.0.2.1").send();
    assert_eq!(refused.problem(429), "too_many_requests");
    assert!((1..=13).contains(&refused.header("retry-after").parse::<u64>().unwrap()));
    server.get("/v1/account", &bob.token).expect(200);

    let guess =
        || server.post_open("/v1/login", &json!({ "email": "ann@ehr.example", "password": "wrong horse battery" }));
    assert_eq!((guess().status, guess().status, guess().status), (401, 401, 429));
    let unknown =
        || server.post_open("/v1/login", &json!({ "email": "no@ehr.example", "password": "wrong horse battery" }));
    // The third failure of this peer was the last that is answered as such; an honest session goes on.
    assert_eq!((unknown().status, unknown().status), (401, 429));
    server.get("/v1/account", &bob.token).expect(200);
}

#[test]
fn e16_metrics_name_routes_and_not_paths() {
    let server = Server::start();
    for path in ["/made/up/1", "/made/up/2", "/v1/services/svc_1", "/v1/services/svc_2"] {
        server.ask("GET", path).send();
    }
    server.ask("BREW", "/v1/services").send();
    let text = server.ask("GET", "/metrics").send().expect(200).text();
    assert!(text.contains("route=\"/v1/services/{id}\"") && text.contains("route=\"unmatched\""), "{text}");
    assert!(text.contains("method=\"OTHER\""));
    assert!(!text.contains("made/up") && !text.contains("svc_") && !text.contains("BREW"));
}

#[test]
fn the_documentation_is_served_without_the_network() {
    let server = Server::start();
    let page = server.ask("GET", "/docs/").send().expect(200);
    assert!(page.header("content-security-policy").starts_with("default-src 'none'; script-src 'self'"));
    for text in [page.text(), server.ask("GET", "/docs/swagger-initializer.js").send().expect(200).text()] {
        assert!(!text.contains("https://") && !text.contains("//cdn"), "{text}");
    }
    let document = server.ask("GET", "/openapi.json").send().expect(200).json();
    assert_eq!(document["openapi"], "3.1.0");
}
