//! `POST /v1/assume-role`: only whom the role trusts, never twice over, and no longer than it is trusted.

use chrono::TimeDelta;
use policy::bundle::Revocation;
use serde_json::{Value, json};
use testkit::jws::{SigningKey, base64url, sign_hs256};

use crate::harness::{Reply, Server, on_both};
use crate::partnership::{Partnership, join, oauth_error, role};

const EXTERNAL_ID: &str = "clinic-7f3a";

fn trusting(server: &Server) -> (Partnership<'_>, String, String) {
    let it = Partnership::new(server, &["system/*.rs"]);
    it.trust(&json!([{ "account_id": it.partner.account_id, "external_id": EXTERNAL_ID }]), 1_800).expect(200);
    let (key_id, secret) = it.key(&["system/Patient.rs"]);
    let token = it.access_token(&secret);
    (it, key_id, token)
}

fn assume(it: &Partnership<'_>, token: &str, changed: &Value) -> Reply {
    let mut body = json!({ "role_id": it.role_id, "session_name": "nightly", "external_id": EXTERNAL_ID });
    for (name, value) in changed.as_object().unwrap() {
        body[name] = value.clone();
    }
    it.server.post("/v1/assume-role", token, &body)
}

#[test]
fn k25_a_trusted_partner_assumes_the_role_and_stays_visible_in_it() {
    on_both(|server| {
        let (it, key_id, token) = trusting(server);
        let reply = assume(&it, &token, &json!({ "duration_seconds": 1_800 })).expect(200);
        assert_eq!(reply.header("cache-control"), "no-store");
        let body = reply.json();
        assert_eq!((&body["expires_in"], &body["role_id"]), (&json!(1_800), &json!(it.role_id)));
        let claims = it.claims(body["access_token"].as_str().unwrap());
        assert_eq!(claims["account_id"], it.ehr.account_id.as_str(), "the role's owner");
        assert_eq!(claims["act"], json!({ "sub": key_id, "account_id": it.partner.account_id }));
        assert_eq!((&claims["sub"], &claims["role_session_id"]), (&body["session_id"], &body["session_id"]));
        assert_eq!((&claims["role_ids"], claims.get("scope")), (&json!([it.role_id]), None));
        assert_eq!((&claims["token_kind"], &claims["key_id"]), (&json!("assumed_role"), &json!(key_id)));
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 1_800);
        assert_eq!(assume(&it, &token, &json!({})).expect(200).json()["expires_in"], 900, "if the caller does not say");
        for owner in [&it.ehr, &it.partner] {
            let events = server.get("/v1/events", &owner.token).expect(200).json();
            let event =
                events["data"].as_array().unwrap().iter().find(|one| one["action"] == "role.assume").unwrap().clone();
            assert_eq!((&event["actor"], &event["target"]), (&json!(key_id), &json!(it.role_id)));
            assert_eq!(event["after"]["caller"], json!({ "account_id": it.partner.account_id, "key_id": key_id }));
            assert_eq!(event["after"]["role_owner"], it.ehr.account_id.as_str());
        }
    });
}

#[test]
fn a15_every_want_of_trust_is_the_same_403() {
    on_both(|server| {
        let (it, _, token) = trusting(server);
        let untrusted = role(server, &it.ehr, &it.service_id, "untrusted");
        let (eve, _) = join(server, &it.ehr, &it.service_id, "eve@evil.example", &["system/*.rs"]);
        let eves = server.post("/v1/keys", &eve.token, &json!({ "name": "x" })).expect(201);
        let put = json!({ "role_ids": ["system/Patient.rs"] });
        server
            .ask("PUT", &format!("/v1/keys/{}/roles", eves.str("/id")))
            .bearer(&eve.token)
            .json(&put)
            .send()
            .expect(200);
        let eves = it.access_token(&eves.str("/secret"));
        let mut bodies = Vec::new();
        for (token, changed) in [
            (&token, json!({ "external_id": "wrong" })),
            (&token, json!({ "external_id": "" })),
            (&token, json!({ "external_id": "*" })),
            (&token, json!({ "external_id": EXTERNAL_ID.to_uppercase() })),
            (&token, json!({ "external_id": "wrong", "duration_seconds": 999_999 })),
            (&token, json!({ "role_id": untrusted })),
            (&token, json!({ "role_id": "role_01jbst8pvcfp79y0938nkrkayd" })),
            (&eves, json!({})),
            (&eves, json!({ "role_id": untrusted })),
        ] {
            let reply = assume(&it, token, &changed);
            assert_eq!(oauth_error(&reply, 403), "access_denied", "{changed}");
            bodies.push(reply.body);
        }
        assert!(bodies.iter().all(|body| *body == bodies[0]), "no answer tells more than another");
    });
}

#[test]
fn a15_a_session_cannot_assume_and_lasts_no_longer_than_its_trust() {
    on_both(|server| {
        let (it, _, token) = trusting(server);
        let session = assume(&it, &token, &json!({})).expect(200).str("/access_token");
        let chained = assume(&it, &session, &json!({}));
        assert_eq!(oauth_error(&chained, 403), "access_denied");
        for seconds in [json!(1_801), json!(59), json!(0), json!(-1), json!("900"), json!(1.5e300)] {
            let reply = assume(&it, &token, &json!({ "duration_seconds": seconds }));
            assert_eq!(oauth_error(&reply, 400), "invalid_request", "{seconds}");
        }
        for changed in [
            json!({ "session_name": "" }),
            json!({ "session_name": "a\nb" }),
            json!({ "role_id": "system/*.rs" }),
            json!({ "x": 1 }),
        ] {
            assert_eq!(oauth_error(&assume(&it, &token, &changed), 400), "invalid_request", "{changed}");
        }
    });
}

#[test]
fn k25_removed_trust_ends_sessions_for_good() {
    on_both(|server| {
        let (it, _, token) = trusting(server);
        let session = assume(&it, &token, &json!({})).expect(200).str("/session_id");
        let trusted = json!([{ "account_id": it.partner.account_id, "external_id": EXTERNAL_ID }]);
        it.trust(&json!([]), 1_800).expect(200);
        assert_eq!(oauth_error(&assume(&it, &token, &json!({})), 403), "access_denied");
        let role_id = it.role_id.parse().unwrap();
        let mut expected = vec![
            Revocation::RoleSession(session.parse().unwrap()),
            Revocation::Trust(role_id, it.partner.account_id.parse().unwrap()),
        ];
        expected.sort();
        assert_eq!(it.bundle().revocations, expected);
        // Trusted again, a new session counts, and the old one stays ended.
        it.trust(&trusted, 1_800).expect(200);
        assume(&it, &token, &json!({})).expect(200);
        assert_eq!(it.bundle().revocations, [Revocation::RoleSession(session.parse().unwrap())]);
    });
}

#[test]
fn a15_a_deleted_key_a_suspended_partner_and_an_expired_token_assume_nothing() {
    on_both(|server| {
        let (it, key_id, token) = trusting(server);
        it.change(&json!({ "state": "suspended" })).expect(200);
        assert_eq!(oauth_error(&assume(&it, &token, &json!({})), 401), "invalid_token");
        it.change(&json!({ "state": "active" })).expect(200);
        assume(&it, &token, &json!({})).expect(200);
        server.ask("DELETE", &format!("/v1/keys/{key_id}")).bearer(&it.partner.token).send().expect(204);
        assert_eq!(oauth_error(&assume(&it, &token, &json!({})), 401), "invalid_token");
        let (_, secret) = it.key(&["system/Patient.rs"]);
        let token = it.access_token(&secret);
        server.wait(TimeDelta::seconds(299));
        assume(&it, &token, &json!({})).expect(200);
        server.wait(TimeDelta::seconds(1));
        assert_eq!(oauth_error(&assume(&it, &token, &json!({})), 401), "invalid_token");
    });
}

#[test]
fn a11_a_forged_or_foreign_token_assumes_nothing() {
    let server = Server::start();
    let (it, _, token) = trusting(&server);
    let header = jsonwebtoken::decode_header(&token).unwrap();
    let claims = it.claims(&token);
    let right = json!({ "alg": "ES256", "typ": "at+jwt", "kid": header.kid });
    let with = |changed: &Value| {
        let mut header = right.clone();
        for (name, value) in changed.as_object().unwrap() {
            header[name] = value.clone();
        }
        header
    };
    let mallory = SigningKey::es256("mallory");
    let raw =
        |key: &SigningKey, header: &Value| key.sign_raw(header.to_string().as_bytes(), claims.to_string().as_bytes());
    let path = format!("{}/jwks.json", it.issuer.strip_prefix(&server.base).unwrap());
    let public = server.ask("GET", &path).send().json()["keys"][0].to_string();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let unsigned = |alg: &str| {
        format!("{}.{}.", base64url(with(&json!({ "alg": alg })).to_string()), base64url(claims.to_string()))
    };
    let (head, payload) = signed.split_once('.').unwrap();
    let mut changed = claims.clone();
    changed["sub"] = json!("key_other");
    let foreign = {
        let bob = server.sign_up("bob@clinic.example", "Bob");
        let id = server.upload(&bob, crate::partnership::DOCUMENT).expect(201).str("/id");
        let key = server.post("/v1/keys", &bob.token, &json!({ "name": "x" })).expect(201);
        let put = json!({ "role_ids": ["system/Patient.rs"] });
        server
            .ask("PUT", &format!("/v1/keys/{}/roles", key.str("/id")))
            .bearer(&bob.token)
            .json(&put)
            .send()
            .expect(200);
        server.post("/v1/token", &key.str("/secret"), &json!({ "service_id": id })).expect(200).str("/access_token")
    };
    let forged = [
        ("another key under our kid", raw(&mallory, &right)),
        ("a kid of nobody", raw(&mallory, &with(&json!({ "kid": "mallory" })))),
        ("a kid that is a path", raw(&mallory, &with(&json!({ "kid": "../../dev/null" })))),
        ("no kid", raw(&mallory, &json!({ "alg": "ES256", "typ": "at+jwt" }))),
        ("its own jwk", raw(&mallory, &with(&json!({ "jwk": mallory.jwk() })))),
        ("a jku", raw(&mallory, &with(&json!({ "jku": "https://evil.example/jwks.json" })))),
        ("none", unsigned("none")),
        ("None", unsigned("None")),
        ("ES256 without a signature", unsigned("ES256")),
        ("HS256 with the public key", sign_hs256(public.as_bytes(), &with(&json!({ "alg": "HS256" })), &claims)),
        ("ES384", raw(&SigningKey::es384("m"), &with(&json!({ "alg": "ES384" })))),
        ("EdDSA", raw(&SigningKey::ed25519("m"), &with(&json!({ "alg": "EdDSA" })))),
        ("r and s of zero", format!("{signed}.{}", base64url([0; 64]))),
        ("a changed claim", format!("{head}.{}.{signature}", base64url(changed.to_string()))),
        ("another typ", format!("{}.{payload}.{signature}", base64url(with(&json!({ "typ": "JWT" })).to_string()))),
        ("cut", token[..token.len() - 2].to_owned()),
        ("a part more", format!("{token}.x")),
        ("a session of a person", it.ehr.token.clone()),
        ("nothing", "x".to_owned()),
        ("8 KiB", "x".repeat(8_000)),
    ];
    let mut bodies = Vec::new();
    for (what, token) in forged {
        let reply = assume(&it, &token, &json!({}));
        assert_eq!(oauth_error(&reply, 401), "invalid_token", "{what}");
        bodies.push(reply.body);
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "no answer tells what was wrong");
    // A right token of another Service counts there, and finds no role of this one.
    assert_eq!(oauth_error(&assume(&it, &foreign, &json!({})), 403), "access_denied");
    assume(&it, &token, &json!({})).expect(200);
}

#[test]
fn b08_trust_is_the_owners_to_give() {
    on_both(|server| {
        let (it, _, _) = trusting(server);
        let path = format!("/v1/roles/{}/trust", it.role_id);
        server.get(&path, &it.partner.token).problem(404);
        let put = |token: &str, tag: &str, body: &Value| {
            server.ask("PUT", &path).bearer(token).header("if-match", tag).json(body).send()
        };
        let own = json!({ "accounts": [{ "account_id": it.partner.account_id, "external_id": "mine" }], "max_duration_seconds": 3_600 });
        put(&it.partner.token, "\"2\"", &own).problem(404);
        let shown = server.get(&path, &it.ehr.token).expect(200);
        assert_eq!(shown.json()["max_duration_seconds"], 1_800);
        let tag = shown.header("etag").to_owned();
        assert_eq!(put(&it.ehr.token, "\"1\"", &own).problem(412), "changed");
        let account = |id: &str, external_id: &str| json!({ "account_id": id, "external_id": external_id });
        let one = it.partner.account_id.as_str();
        for (accounts, seconds, pointer) in [
            (json!([account("*", "xyz")]), 900, "/accounts/0/account_id"),
            (json!([account(one, "x")]), 900, "/accounts/0/external_id"),
            (json!([account(one, "a b")]), 900, "/accounts/0/external_id"),
            (json!([account(one, &"x".repeat(129))]), 900, "/accounts/0/external_id"),
            (json!([account(one, "xyz"), account(one, "abc")]), 900, "/accounts/1/account_id"),
            (json!([account(one, "xyz")]), 3_601, "/max_duration_seconds"),
            (json!([account(one, "xyz")]), 59, "/max_duration_seconds"),
        ] {
            let reply = put(&it.ehr.token, &tag, &json!({ "accounts": accounts, "max_duration_seconds": seconds }));
            assert_eq!((reply.problem(422), reply.pointers()), ("invalid".into(), vec![pointer.to_owned()]));
        }
        server.get("/v1/roles/patient%2FPatient.rs/trust", &it.ehr.token).problem(403);
        let role = server.get(&format!("/v1/roles/{}", it.role_id), &it.ehr.token).expect(200).json();
        assert_eq!(role["assumable"], true);
    });
}
