//! The check token (K36, K37): signed by the gateway, bound to the request and its token, and silent where the status is.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use policy::bundle::Algorithm;
use policy::decision::{Decision, Verdict};
use policy::settings::CheckToken;
use serde_json::Value;

use super::*;
use crate::hash::sha256;
use crate::jws::{Compact, Key};

fn header(headers: &[(String, Vec<u8>)]) -> Option<String> {
    let found = headers.iter().find(|(name, _)| name == "firewarden-check");
    found.map(|(_, value)| String::from_utf8(value.clone()).unwrap())
}

fn sent(permitted: &Permitted<Upstream<'static>>) -> Vec<(String, Vec<u8>)> {
    permitted.inner().headers.iter().map(|(name, value)| (name.to_string(), value.to_vec())).collect()
}

fn answered(enforced: Enforced) -> Released {
    match enforced {
        Enforced::Answer(answer) => answer,
        Enforced::Forward(permitted) => panic!("forwarded: {permitted:?}"),
    }
}

fn denied(fixture: &Fixture, target: &str) -> Released {
    answered(fixture.ask(target))
}

/// The claims, once the signature has been verified with the published key.
fn claims(fixture: &Fixture, token: &str) -> Value {
    let published = denied(fixture, "/v1/.well-known/firewarden/gateway-keys");
    let keys: Value = serde_json::from_slice(&published.body.bytes(b"")).unwrap();
    let mut buffer = Vec::new();
    let jws = Compact::parse(token, 16 * 1024, &mut buffer).unwrap();
    let key = &keys["keys"][0];
    assert_eq!((jws.typ.as_deref(), jws.kid.as_deref()), (Some("firewarden-check+jwt"), key["kid"].as_str()));
    let key = Key::from_jwk(Algorithm::EdDsa, &key.to_string()).unwrap();
    assert!(key.is_for(&jws) && key.verifies(&jws));
    serde_json::from_slice(jws.payload).unwrap()
}

#[test]
fn k36_what_goes_upstream_says_how_it_was_decided() {
    let fixture = Fixture::new(1 << 30);
    let permitted = fixture.forwarded();
    let claims = claims(&fixture, &header(&sent(&permitted)).unwrap());
    let hash = URL_SAFE_NO_PAD.encode(sha256(fixture.token.as_bytes()));
    assert_eq!((&claims["ath"], &claims["aud"]), (&json!(hash), &json!(BASE)));
    assert_eq!(claims["iss"], json!(bundles::gateway_id().to_string()));
    assert_eq!(claims["jti"], json!(permitted.judged().request_id().to_string()));
    let (issued, expires) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
    assert_eq!(expires - issued, 60);
    assert!((fixture.gateway.clock().now().timestamp() - issued).abs() < 10);
    let check = &claims["check"];
    assert_eq!((&check["effect"], &check["bundle_version"]), (&json!("permit"), &json!(1)));
    assert_eq!(check["phases"][0], json!("normalise:continue"));
    assert!(check["phases"].as_array().unwrap().last().unwrap().as_str().unwrap().ends_with(":permit"));
    assert_eq!(check["rules"].as_array().unwrap().len(), 1);
}

#[test]
fn a_denial_is_told_to_the_caller_without_its_reason() {
    let fixture = Fixture::new(1 << 30);
    let claims = claims(&fixture, &header(&denied(&fixture, "/v1/others/1").headers).unwrap());
    let check = claims["check"].as_object().unwrap();
    assert_eq!((&check["effect"], &check["status"]), (&json!("deny"), &json!(404)));
    assert_eq!(check["phases"], json!(["normalise:continue", "token:continue", "operation:deny"]));
    for hidden in ["reason", "rules", "obligations", "related"] {
        assert!(!check.contains_key(hidden), "{hidden}");
    }
}

/// The answer to a denial, where `looked_up` says whether something stored was looked at for it.
fn denial_of(fixture: &Fixture, status: u16, reason: Reason, looked_up: bool) -> Released {
    fixture.with("/v1/things/1", |inbound| {
        let mut judged = fixture.judged(inbound);
        judged.decision = Decision { fields_used: vec!["id".into()].into(), ..denial(status, reason, Phase::Tags) };
        if looked_up {
            let lookup = Lookup { path: "/things/1".into(), query: String::new() };
            judged.stored.add(vec![lookup], Vec::new());
        }
        answered(fixture.gateway.enforce(judged))
    })
}

#[test]
fn the_not_found_answer_has_no_token_so_that_it_is_always_the_same() {
    let fixture = Fixture::new(1 << 30);
    let one = denial_of(&fixture, 404, Reason::NotFound, true);
    assert_eq!(one, denial_of(&fixture, 404, Reason::NotFound, false));
    assert_eq!(header(&one.headers), None);
    // `hide_existence: false` changes the status, and still nothing more is told.
    assert_eq!(header(&denial_of(&fixture, 403, Reason::NotFound, true).headers), None);
}

#[test]
fn where_what_is_stored_decided_the_client_learns_the_status_alone() {
    let fixture = Fixture::new(1 << 30);
    let check = |looked_up| {
        let answer = denial_of(&fixture, 403, Reason::TagMismatch, looked_up);
        claims(&fixture, &header(&answer.headers).unwrap())["check"].clone()
    };
    assert_eq!(check(true), json!({"effect": "deny", "status": 403, "bundle_version": 1}));
    assert_eq!((&check(false)["fields_used"], &check(false)["phases"][7]), (&json!(["id"]), &json!("tags:deny")));
}

#[test]
fn an_outsider_gets_none() {
    let fixture = Fixture::new(1 << 30);
    let host = Header { name: "host", value: b"api.example" };
    for headers in [&[host][..], &[host, Header { name: "authorization", value: b"Bearer x" }]] {
        let inbound = Inbound {
            method: "GET",
            target: "/v1/things/1",
            headers,
            body: Ok(b""),
            ip: None,
            upstream_base: "http://up",
        };
        let answer = answered(fixture.gateway.enforce(fixture.judged(&inbound)));
        assert_eq!((answer.status, header(&answer.headers)), (401, None));
    }
}

#[test]
fn the_setting_says_when_one_is_made() {
    for (setting, upstream, client) in [(CheckToken::Denials, false, true), (CheckToken::Off, false, false)] {
        let fixture = Fixture::with_parts(1 << 30, |parts| parts.settings.check_token = setting);
        assert_eq!(header(&sent(&fixture.forwarded())).is_some(), upstream);
        assert_eq!(header(&denied(&fixture, "/v1/others/1").headers).is_some(), client);
    }
}

#[test]
fn a_clients_own_is_never_passed_on_even_where_the_document_declares_it() {
    for setting in [CheckToken::Always, CheckToken::Off] {
        let fixture = Fixture::with_parts(1 << 30, |parts| {
            parts.settings.check_token = setting;
            parts.operations[0].headers = vec!["firewarden-check".into(), "firewarden-x".into(), "x-declared".into()];
        });
        let authorization = format!("Bearer {}", fixture.token);
        let headers = [
            Header { name: "host", value: b"api.example" },
            Header { name: "authorization", value: authorization.as_bytes() },
            Header { name: "firewarden-check", value: b"forged" },
            Header { name: "firewarden-x", value: b"forged" },
            Header { name: "x-declared", value: b"yes" },
        ];
        let inbound = Inbound {
            method: "GET",
            target: "/v1/things/1",
            headers: &headers,
            body: Ok(b""),
            ip: None,
            upstream_base: "http://up",
        };
        let Enforced::Forward(permitted) = fixture.gateway.enforce(fixture.judged(&inbound)) else { panic!("denied") };
        let sent = sent(&permitted);
        assert!(sent.iter().any(|(name, _)| name == "x-declared"), "{sent:?}");
        assert!(sent.iter().all(|(_, value)| value != b"forged"), "{sent:?}");
    }
}

#[test]
fn a_token_stays_short_however_long_its_lists_are() {
    let fixture = Fixture::new(1 << 30);
    let answer = fixture.with("/v1/things/1", |inbound| {
        let mut judged = fixture.judged(inbound);
        let names: Vec<_> = (0..200).map(|index| format!("{index}-{}", "x".repeat(300)).into()).collect();
        judged.decision = Decision { fields_ignored: names.into(), ..denial(403, Reason::NoRule, Phase::Rules) };
        answered(fixture.gateway.enforce(judged))
    });
    let token = header(&answer.headers).unwrap();
    assert!(token.len() < 4 * 1024);
    let check = claims(&fixture, &token)["check"].clone();
    assert_eq!((&check["truncated"], &check["phases"][3]), (&json!(true), &json!("rules:deny")));
    assert!(check.get("fields_ignored").is_none());
}

#[test]
fn the_public_keys_are_for_everybody_and_hold_no_secret() {
    let fixture = Fixture::new(1 << 30);
    let target = "/v1/.well-known/firewarden/gateway-keys";
    let inbound = Inbound { method: "GET", target, headers: &[], body: Ok(b""), ip: None, upstream_base: "http://up" };
    let judged = fixture.judged(&inbound);
    assert_eq!(judged.decision().verdict, Verdict::Permit);
    let answer = answered(fixture.gateway.enforce(judged));
    assert_eq!(answer.status, 200);
    let keys: Value = serde_json::from_slice(&answer.body.bytes(b"")).unwrap();
    let members: Vec<&String> = keys["keys"][0].as_object().unwrap().keys().collect();
    assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"]);
    assert_eq!(fixture.entries().len(), 1, "and asking for them is on record");
}
