//! `POST /v1/token`: it only narrows, and gives nothing for what no longer stands.

use serde_json::{Value, json};

use crate::harness::{Server, on_both, wide};
use crate::partnership::{BASE, DOCUMENT, Partnership, oauth_error};

#[test]
fn k08_a_key_becomes_a_short_token_that_its_public_keys_verify() {
    on_both(|server| {
        let it = Partnership::new(server, &["system/*.rs"]);
        let (key_id, secret) = it.key(&["system/Patient.rs", "system/Observation.r"]);
        let reply = it.token(&secret, json!({})).expect(200);
        assert_eq!((reply.header("cache-control"), reply.header("pragma")), ("no-store", "no-cache"));
        let body = reply.json();
        assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(300)));
        assert_eq!(body["scope"], "system/Observation.r system/Patient.rs");
        assert!(body.get("patient").is_none());
        let claims = it.claims(body["access_token"].as_str().unwrap());
        assert_eq!((&claims["iss"], &claims["aud"]), (&json!(it.issuer), &json!(BASE)));
        assert_eq!(
            (&claims["sub"], &claims["client_id"], &claims["key_id"]),
            (&json!(key_id), &json!(key_id), &json!(key_id))
        );
        assert_eq!(claims["account_id"], it.partner.account_id.as_str());
        assert_eq!((&claims["token_kind"], &claims["scope"]), (&json!("key"), &body["scope"]));
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 300);
        for absent in ["act", "patient", "role_ids", "fhirUser", "role_session_id"] {
            assert!(claims.get(absent).is_none(), "{absent}");
        }
        let again = it.claims(&it.access_token(&secret));
        assert_ne!(again["jti"], claims["jti"]);
        let used = server.get(&format!("/v1/keys/{key_id}"), &it.partner.token).json();
        assert!(used["last_used_at"].is_string());
    });
}

#[test]
fn s11_a_token_only_narrows() {
    on_both(|server| {
        let it = Partnership::new(server, &["system/*.rs", "patient/*.rs"]);
        let role_id = it.role_id.clone();
        let (_, secret) = it.key(&["system/*.rs", "patient/*.rs", &role_id]);
        for (body, expected) in [
            (json!({ "scope": "system/Patient.r" }), Ok("system/Patient.r")),
            (json!({ "scope": "system/Patient.read" }), Ok("system/Patient.read")),
            (json!({ "scope": role_id }), Ok(role_id.as_str())),
            (json!({ "scope": "patient/Observation.rs", "patient": "p1" }), Ok("patient/Observation.rs")),
            (json!({}), Err("invalid_scope")),
            (json!({ "scope": format!("system/Patient.r {role_id}") }), Err("invalid_scope")),
            (json!({ "scope": "system/Patient.c" }), Err("invalid_scope")),
            (json!({ "scope": "user/Patient.r" }), Err("invalid_scope")),
            (json!({ "scope": "openid" }), Err("invalid_scope")),
            (json!({ "scope": "system/Patient.sr" }), Err("invalid_scope")),
            (json!({ "scope": "patient/Observation.rs" }), Err("invalid_request")),
            (json!({ "scope": "system/Patient.r", "patient": "p1" }), Err("invalid_request")),
            (json!({ "scope": "patient/Observation.rs", "patient": "Patient/p1" }), Err("invalid_request")),
            (json!({ "scope": "patient/Observation.rs", "patient": ["p1"] }), Err("invalid_request")),
            (json!({ "scope": ["system/Patient.r"] }), Err("invalid_request")),
            (json!({ "scope": "system/Patient.r", "account_id": "acct_x" }), Err("invalid_request")),
        ] {
            let reply = it.token(&secret, body.clone());
            match expected {
                Ok(scope) => assert_eq!(reply.expect(200).str("/scope"), scope, "{body}"),
                Err(error) => assert_eq!(oauth_error(&reply, 400), error, "{body}"),
            }
        }
        let body = json!({ "scope": "patient/Observation.rs", "patient": "p1" });
        let reply = it.token(&secret, body).expect(200);
        assert_eq!(reply.str("/patient"), "p1");
        let claims = it.claims(&reply.str("/access_token"));
        assert_eq!((&claims["patient"], &claims["scope"]), (&json!("p1"), &json!("patient/Observation.rs")));
        let claims = it.claims(&it.token(&secret, json!({ "scope": role_id })).str("/access_token"));
        assert_eq!((&claims["role_ids"], claims.get("scope")), (&json!([role_id]), None));
    });
}

#[test]
fn c8_a_key_that_holds_only_what_needs_a_person_gets_no_token_and_is_told_why() {
    let server = Server::start();
    let it = Partnership::new(&server, &["patient/*.rs"]);
    let (_, secret) = it.key(&["patient/Patient.rs"]);
    for body in [json!({}), json!({ "scope": "patient/Patient.rs", "patient": "p1" })] {
        let reply = it.token(&secret, body);
        assert_eq!(oauth_error(&reply, 400), "invalid_scope");
        assert!(reply.str("/error_description").contains("system/"), "{}", reply.text());
    }
}

#[test]
fn a17_no_other_text_is_the_secret() {
    let server = Server::with_quotas(wide());
    let it = Partnership::new(&server, &["system/*.rs"]);
    let (_, secret) = it.key(&["system/Patient.rs"]);
    let (_, other) = it.key(&["system/Patient.rs"]);
    let cut = &secret[..secret.len() - 1];
    let swapped = {
        // The id of one key with the secret of another, and a checksum that is right for neither.
        let (one, two): (Vec<&str>, Vec<&str>) = (secret.split('_').collect(), other.split('_').collect());
        format!("fw_live_{}_{}_{}", one[2], two[3], two[4])
    };
    let texts = [
        cut.to_owned(),
        format!("{secret}0"),
        secret.to_uppercase(),
        swapped,
        secret.replace("fw_live_", "fw_test_"),
        secret.replace("fw_live_", ""),
        "x".into(),
        it.partner.token.clone(),
        "a.b.c".into(),
    ];
    for text in texts {
        assert_eq!(oauth_error(&it.token(&text, json!({})), 401), "invalid_client", "{text}");
    }
    let bare = server.post_open("/v1/token", &json!({ "service_id": it.service_id }));
    assert_eq!(oauth_error(&bare, 401), "invalid_client");
    assert_eq!(bare.header("www-authenticate"), "Bearer", "no error code without a credential");
    let two = server.ask("POST", "/v1/token").bearer(&secret).header("authorization", "Bearer x");
    assert_eq!(oauth_error(&two.json(&json!({ "service_id": it.service_id })).send(), 401), "invalid_client");
    it.access_token(&secret);
}

#[test]
fn a07_a_service_that_is_not_ones_own_to_use_is_one_refusal() {
    on_both(|server| {
        let it = Partnership::new(server, &["system/*.rs"]);
        let (_, secret) = it.key(&["system/Patient.rs"]);
        let bob = server.sign_up("bob@clinic.example", "Bob");
        let foreign = server.upload(&bob, DOCUMENT).expect(201).str("/id");
        let ask = |service_id: &str| server.post("/v1/token", &secret, &json!({ "service_id": service_id }));
        let (missing, others) = (ask("svc_01jbst8pvcfp79y0938nkrkayd"), ask(&foreign));
        assert_eq!(oauth_error(&missing, 400), "invalid_grant");
        assert_eq!(missing.body, others.body, "another's Service is a missing one");
        for service_id in ["", "x", "svc_", "acct_01jbst8pvcfp79y0938nkrkayd"] {
            assert_eq!(oauth_error(&ask(service_id), 400), "invalid_request");
        }
    });
}

#[test]
fn a07_a_role_that_was_deleted_is_in_no_token() {
    on_both(|server| {
        let it = Partnership::new(server, &["system/*.rs"]);
        let (_, secret) = it.key(&[&it.role_id.clone()]);
        assert_eq!(it.token(&secret, json!({})).expect(200).str("/scope"), it.role_id);
        it.change(&json!({ "role_ids": ["system/*.rs"] })).expect(200);
        let path = format!("/v1/roles/{}", it.role_id);
        let etag = server.get(&path, &it.ehr.token).header("etag").to_owned();
        server.ask("DELETE", &path).bearer(&it.ehr.token).header("if-match", &etag).send().expect(204);
        assert_eq!(oauth_error(&it.token(&secret, json!({})), 400), "invalid_scope");
        let parts = it.bundle();
        assert_eq!(parts.roles, []);
        assert_eq!(parts.revocations, [policy::bundle::Revocation::Role(it.role_id.parse().unwrap())]);
    });
}

#[test]
fn the_public_keys_are_public_and_hold_no_private_member() {
    let server = Server::start();
    let it = Partnership::new(&server, &["system/*.rs"]);
    let path = format!("{}/jwks.json", it.issuer.strip_prefix(&server.base).unwrap());
    let set = server.ask("GET", &path).send().expect(200);
    assert!(set.header("cache-control").contains("max-age"));
    let set = set.json();
    let keys = set["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1);
    let members: Vec<&str> = keys[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
    for path in ["/s/nope/jwks.json", "/s/UPPER/jwks.json", "/s/%2e%2e/jwks.json", "/s/a%00b/jwks.json"] {
        server.ask("GET", path).send().problem(404);
    }
}

#[test]
fn a_body_that_cannot_be_read_is_invalid_request() {
    let server = Server::start();
    let it = Partnership::new(&server, &["system/*.rs"]);
    let (_, secret) = it.key(&["system/Patient.rs"]);
    let long = json!({ "service_id": it.service_id, "scope": "system/Patient.r ".repeat(1_000) }).to_string();
    for (body, error) in
        [("", "invalid_request"), ("{", "invalid_request"), ("[]", "invalid_request"), (&long, "invalid_scope")]
    {
        let ask = server.ask("POST", "/v1/token").bearer(&secret).header("content-type", "application/json");
        assert_eq!(oauth_error(&ask.body(body.to_owned()).send(), 400), error, "{body}");
    }
    let form =
        server.ask("POST", "/v1/token").bearer(&secret).header("content-type", "application/x-www-form-urlencoded");
    let reply = form.body("grant_type=client_credentials").send();
    assert_eq!(oauth_error(&reply, 400), "invalid_request");
    let _: Value = reply.json();
}
