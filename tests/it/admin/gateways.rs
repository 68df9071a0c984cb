//! Gateways: enrolled with a key of their own, given signed heads and bundles that go up one by one.

use chrono::TimeDelta;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use policy::manifest::{HEAD_TYPE, Head, MANIFEST_TYPE, Manifest};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use testkit::jws::sha256_hex;

use crate::harness::{Reply, Server, on_both};
use crate::partnership::{Partnership, role, service};

/// What a JWS says, verified against the keys of an enrolment.
fn signed<T: DeserializeOwned>(arc: &Value, typ: &str, text: &str) -> T {
    let header = jsonwebtoken::decode_header(text).unwrap();
    assert_eq!((header.alg, header.typ.as_deref()), (Algorithm::EdDSA, Some(typ)));
    let set: JwkSet = serde_json::from_value(arc["bundle_keys"].clone()).unwrap();
    let key = DecodingKey::from_jwk(set.find(&header.kid.unwrap()).expect("a pinned key")).unwrap();
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    jsonwebtoken::decode(text, &key, &validation).unwrap().claims
}

/// The manifest and the content of a bundle's answer.
fn bundle(arc: &Value, reply: &Reply) -> (Manifest, Vec<u8>) {
    assert_eq!(reply.header("content-type"), policy::manifest::BUNDLE_MEDIA_TYPE);
    let end = reply.body.iter().position(|byte| *byte == b'\n').unwrap();
    let manifest: Manifest = signed(arc, MANIFEST_TYPE, std::str::from_utf8(&reply.body[..end]).unwrap());
    let content = reply.body[end + 1..].to_vec();
    assert_eq!((manifest.length, &manifest.digest), (content.len() as u64, &sha256_hex(&content)));
    assert_eq!(reply.header("etag"), format!("\"{}-{}\"", manifest.digest, manifest.version));
    (manifest, content)
}

#[test]
fn e23_head_and_bundle_are_signed_by_the_pinned_key_and_name_each_other() {
    on_both(|server| {
        let it = Partnership::new(server, &["system/*.rs"]);
        let arc = it.enrol();
        let key = arc["key"].as_str().unwrap();
        assert!(key.starts_with("fw_arc_"));
        assert_eq!(arc["control_plane_url"], server.base.as_str());
        let reply = server.get("/v1/gateway/head", key).expect(200);
        assert_eq!(reply.header("content-type"), "application/jose");
        let head: Head = signed(&arc, HEAD_TYPE, &reply.text());
        assert_eq!((head.service_id.to_string(), head.expires_at - head.issued_at), (it.service_id.clone(), 60));
        let (manifest, content) = bundle(&arc, &server.get("/v1/gateway/bundle", key).expect(200));
        assert_eq!((head.version, &head.digest), (manifest.version, &manifest.digest));
        assert_eq!(manifest.expires_at - manifest.issued_at, 30 * 24 * 3_600);
        let parts = policy::Bundle::decode(&content).unwrap().into_parts();
        assert_eq!(parts.service.id.to_string(), it.service_id);
        assert_eq!(&*parts.issuers[0].issuer, it.issuer);
        assert_eq!(parts.subscriptions[0].account_id.to_string(), it.partner.account_id);
        assert!(!parts.issuers[0].keys[0].jwk.contains("\"d\""));
    });
}

#[test]
fn e23_every_change_is_the_next_version_and_names_the_one_before() {
    on_both(|server| {
        let (ann, service_id, _) = service(server, "ann@clinic.example");
        let arc = server.post(&format!("/v1/services/{service_id}/gateways"), &ann.token, &json!({ "name": "g" }));
        let arc = arc.expect(201).json();
        let key = arc["key"].as_str().unwrap();
        let (first, _) = bundle(&arc, &server.get("/v1/gateway/bundle", key).expect(200));
        assert_eq!((first.version, first.previous), (1, None));
        let mut before = first.digest;
        for version in 2..5_u64 {
            role(server, &ann, &service_id, &format!("role {version}"));
            let (next, content) = bundle(&arc, &server.get("/v1/gateway/bundle", key).expect(200));
            assert_eq!((next.version, next.previous.as_ref()), (version, Some(&before)));
            let roles = policy::Bundle::decode(&content).unwrap().into_parts().roles;
            assert_eq!(roles.len() as u64, version - 1);
            before = next.digest;
        }
        // What does not change the policy publishes nothing, and what is refused neither.
        let path = format!("/v1/services/{service_id}/roles");
        server.post(&path, &ann.token, &json!({ "name": "x", "operations": ["GET:/Nope"] })).expect(422);
        server.post("/v1/keys", &ann.token, &json!({ "name": "x" })).expect(201);
        let (last, _) = bundle(&arc, &server.get("/v1/gateway/bundle", key).expect(200));
        assert_eq!(last.version, 4);
    });
}

#[test]
fn a_gateway_that_has_the_bundle_gets_304() {
    on_both(|server| {
        let it = Partnership::new(server, &["system/*.rs"]);
        let arc = it.enrol();
        let key = arc["key"].as_str().unwrap();
        let etag = server.get("/v1/gateway/bundle", key).expect(200).header("etag").to_owned();
        let ask = |tag: &str| server.ask("GET", "/v1/gateway/bundle").bearer(key).header("if-none-match", tag).send();
        let same = ask(&etag).expect(304);
        assert!(same.body.is_empty());
        role(server, &it.ehr, &it.service_id, "another");
        ask(&etag).expect(200);
        ask("\"x\"").expect(200);
    });
}

#[test]
fn a_head_is_signed_again_when_it_is_older_than_20_seconds_or_the_version_changed() {
    let server = Server::start();
    let it = Partnership::new(&server, &["system/*.rs"]);
    let arc = it.enrol();
    let key = arc["key"].as_str().unwrap();
    let head = || -> (String, Head) {
        let text = server.get("/v1/gateway/head", key).expect(200).text();
        let head = signed(&arc, HEAD_TYPE, &text);
        (text, head)
    };
    let (_, first) = head();
    server.wait(TimeDelta::seconds(25));
    let (_, second) = head();
    assert!(second.issued_at >= first.issued_at + 25, "never one that is about to expire");
    role(&server, &it.ehr, &it.service_id, "another");
    let (_, third) = head();
    assert_eq!(third.version, second.version + 1, "a new version shows at once");
}

#[test]
fn a_bundle_is_published_anew_long_before_it_runs_out() {
    let server = Server::start();
    let it = Partnership::new(&server, &["system/*.rs"]);
    let arc = it.enrol();
    let key = arc["key"].as_str().unwrap();
    let (before, _) = bundle(&arc, &server.get("/v1/gateway/bundle", key).expect(200));
    server.wait(TimeDelta::days(16));
    let head: Head = signed(&arc, HEAD_TYPE, &server.get("/v1/gateway/head", key).expect(200).text());
    assert_eq!(head.version, before.version + 1);
    let (after, _) = bundle(&arc, &server.get("/v1/gateway/bundle", key).expect(200));
    assert!(after.expires_at >= before.expires_at + 16 * 24 * 3_600);
}

#[test]
fn only_an_enrolled_gateway_is_answered_and_one_that_was_taken_off_is_not() {
    on_both(|server| {
        let it = Partnership::new(server, &["system/*.rs"]);
        let arc = it.enrol();
        let (id, key) = (arc["gateway_id"].as_str().unwrap(), arc["key"].as_str().unwrap());
        let (_, machine) = it.key(&["system/Patient.rs"]);
        let flipped = format!("{}{}", &key[..key.len() - 1], if key.ends_with('0') { '1' } else { '0' });
        let calls = [("GET", "head"), ("GET", "bundle"), ("POST", "audit"), ("POST", "reports")];
        let ask = |method: &str, path: &str, token: &str| {
            server.ask(method, &format!("/v1/gateway/{path}")).bearer(token).json(&json!({})).send()
        };
        for (method, path) in calls {
            for token in [&it.ehr.token, &machine, &flipped, &key[..key.len() - 1], &key.to_uppercase(), "x"] {
                assert_eq!(ask(method, path, token).problem(401), "invalid_token", "{method} {path}");
            }
        }
        let path = format!("/v1/services/{}/gateways/{id}", it.service_id);
        server.ask("DELETE", &path).bearer(&it.partner.token).send().problem(404);
        server.ask("DELETE", &path).bearer(&it.ehr.token).send().expect(204);
        for (method, path) in calls {
            assert_eq!(ask(method, path, key).problem(401), "invalid_token", "{method} {path}");
        }
        server.ask("DELETE", &path).bearer(&it.ehr.token).send().problem(404);
    });
}

#[test]
fn a_gateway_says_what_it_runs() {
    on_both(|server| {
        let it = Partnership::new(server, &["system/*.rs"]);
        let arc = it.enrol();
        let key = arc["key"].as_str().unwrap();
        let list = format!("/v1/services/{}/gateways", it.service_id);
        let seen = |pointer: &str| server.get(&list, &it.ehr.token).expect(200).json()["data"][0][pointer].clone();
        assert_eq!((seen("name"), seen("state"), seen("last_seen_at")), (json!("edge"), json!(null), json!(null)));
        let report = json!({ "bundle_version": 2, "state": "refused", "error": "its signature\ndoes not verify", "arc_version": "0.1.0" });
        server.post("/v1/gateway/reports", key, &report).expect(204);
        assert_eq!((seen("state"), seen("bundle_version")), (json!("refused"), json!(2)));
        assert_eq!(seen("error"), json!("its signature does not verify"), "one line");
        assert!(seen("last_seen_at").is_string());
        server.post("/v1/gateway/reports", key, &json!({ "state": "asleep", "arc_version": "0" })).problem(400);
        assert!(!server.get(&list, &it.ehr.token).text().contains(key));
    });
}

#[test]
fn a_service_without_a_base_has_no_bundle_until_it_has_one() {
    let server = Server::start();
    let ann = server.sign_up("ann@clinic.example", "Clinic");
    let document = crate::partnership::DOCUMENT.replace("servers: [{url: \"https://fhir.clinic.example/r4\"}]\n", "");
    let made = server.upload(&ann, &document).expect(201);
    let path = format!("/v1/services/{}", made.str("/id"));
    let arc = server.post(&format!("{path}/gateways"), &ann.token, &json!({ "name": "g" })).expect(201).str("/key");
    server.get("/v1/gateway/head", &arc).problem(404);
    server.get("/v1/gateway/bundle", &arc).problem(404);
    let etag = made.header("etag").to_owned();
    let body = json!({ "base_url": "https://fhir.clinic.example/r4" });
    server.ask("PATCH", &path).bearer(&ann.token).header("if-match", &etag).json(&body).send().expect(200);
    assert!(server.get("/v1/gateway/bundle", &arc).expect(200).header("etag").ends_with("-1\""));
}
