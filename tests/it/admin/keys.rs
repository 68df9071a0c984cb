//! Keys: shown once, holding at most what their Account holds, ended when they are deleted.

use serde_json::json;

use crate::harness::{Server, on_both};
use crate::partnership::{Partnership, oauth_error, role, service};

#[test]
fn k08_a_key_is_shown_once_and_holds_what_it_is_given() {
    on_both(|server| {
        let it = Partnership::new(server, &["system/*.rs"]);
        let (id, secret) = it.key(&[]);
        assert!(secret.starts_with("fw_live_") && secret.contains(id.strip_prefix("key_").unwrap()), "{secret}");
        for path in ["/v1/keys".to_owned(), format!("/v1/keys/{id}"), "/v1/events".to_owned()] {
            assert!(!server.get(&path, &it.partner.token).expect(200).text().contains(&secret), "{path}");
        }
        assert_eq!(oauth_error(&it.token(&secret, json!({})), 400), "invalid_scope");
        it.set_roles(&id, &["system/Patient.rs", &it.role_id, "system/Patient.rs"]).expect(200);
        let held = server.get(&format!("/v1/keys/{id}/roles"), &it.partner.token).expect(200).json();
        assert_eq!(held["data"][0]["role_ids"], json!(["system/Patient.rs", it.role_id]));
        assert_eq!(held["data"][0]["service_id"], it.service_id.as_str());
    });
}

#[test]
fn b08_nobody_gives_a_key_what_the_account_does_not_hold() {
    on_both(|server| {
        let it = Partnership::new(server, &["system/Patient.rs", "system/Observation.r"]);
        let (id, _) = it.key(&[]);
        let beyond = role(server, &it.ehr, &it.service_id, "not offered");
        for name in ["system/*.rs", "system/Observation.rs", "system/Observation.c", "patient/Observation.s", &beyond] {
            let reply = it.set_roles(&id, &["system/Patient.r", name]);
            assert_eq!(reply.problem(403), "outside_ceiling", "{name}");
        }
        for name in ["user/Patient.rs", "user/*.cruds"] {
            let reply = it.set_roles(&id, &["system/Patient.r", name]);
            assert_eq!(
                (reply.problem(422), reply.pointers()),
                ("invalid".into(), vec!["/role_ids/1".to_owned()]),
                "{name}"
            );
        }
        assert_eq!(server.get(&format!("/v1/keys/{id}/roles"), &it.partner.token).json()["data"], json!([]));
        it.set_roles(&id, &["system/Patient.rs", "patient/Patient.r", &it.role_id]).expect(200);
        it.set_roles(&id, &[]).expect(200);
    });
}

#[test]
fn the_only_service_need_not_be_named() {
    on_both(|server| {
        let it = Partnership::new(server, &["system/*.rs"]);
        let (id, secret) = it.key(&[]);
        let put = |token: &str, id: &str| {
            let body = json!({ "role_ids": ["system/Patient.rs"] });
            server.ask("PUT", &format!("/v1/keys/{id}/roles")).bearer(token).json(&body).send()
        };
        put(&it.partner.token, &id).expect(200);
        it.access_token(&secret);
        // The owner's own key, in the owner's only Service.
        let own = server.post("/v1/keys", &it.ehr.token, &json!({ "name": "own" })).expect(201);
        put(&it.ehr.token, &own.str("/id")).expect(200);
        assert_eq!(it.claims(&it.access_token(&own.str("/secret")))["account_id"], it.ehr.account_id.as_str());
        let other = server.sign_up("no@service.example", "None");
        let key = server.post("/v1/keys", &other.token, &json!({ "name": "x" })).expect(201).str("/id");
        assert_eq!(put(&other.token, &key).pointers(), ["/service_id"]);
    });
}

#[test]
fn k08_a_deleted_key_gives_no_token_and_its_tokens_end() {
    on_both(|server| {
        let it = Partnership::new(server, &["system/*.rs"]);
        let (id, secret) = it.key(&["system/Patient.rs"]);
        it.access_token(&secret);
        let version = |reply: &crate::harness::Reply| reply.header("etag").rsplit('-').next().unwrap().to_owned();
        let arc = it.enrol();
        let arc = arc["key"].as_str().unwrap();
        let before: u64 = version(&server.get("/v1/gateway/bundle", arc)).trim_matches('"').parse().unwrap();
        server.ask("DELETE", &format!("/v1/keys/{id}")).bearer(&it.partner.token).send().expect(204);
        assert_eq!(oauth_error(&it.token(&secret, json!({})), 401), "invalid_client");
        let after: u64 = version(&server.get("/v1/gateway/bundle", arc)).trim_matches('"').parse().unwrap();
        assert_eq!(after, before + 1);
        let revoked = it.bundle().revocations;
        assert_eq!(revoked, [policy::bundle::Revocation::Key(id.parse().unwrap())]);
        server.get(&format!("/v1/keys/{id}"), &it.partner.token).problem(404);
        server.ask("DELETE", &format!("/v1/keys/{id}")).bearer(&it.partner.token).send().problem(404);
    });
}

#[test]
fn b01_another_accounts_key_is_a_missing_one() {
    on_both(|server| {
        let it = Partnership::new(server, &["system/*.rs"]);
        let (id, _) = it.key(&[]);
        let missing = "key_01jbst8pvcfp79y0938nkrkayd";
        for token in [&it.ehr.token, &it.partner.token] {
            for (method, path) in [("GET", ""), ("DELETE", ""), ("GET", "/roles"), ("PUT", "/roles")] {
                let ask = |id: &str| {
                    let ask = server.ask(method, &format!("/v1/keys/{id}{path}")).bearer(token);
                    ask.json(&json!({ "role_ids": [] })).send()
                };
                assert_eq!(ask(missing).problem(404), "not_found");
                if token == &it.ehr.token {
                    assert_eq!(ask(&id).problem(404), "not_found", "{method} {path}");
                }
            }
        }
    });
}

#[test]
fn e25_a_replayed_creation_does_not_show_the_secret_again() {
    let server = Server::start();
    let (ann, _, _) = service(&server, "ann@clinic.example");
    let ask = || {
        let ask = server.ask("POST", "/v1/keys").bearer(&ann.token).header("idempotency-key", "k1");
        ask.json(&json!({ "name": "machine" })).send()
    };
    let secret = ask().expect(201).str("/secret");
    let replayed = ask();
    assert_eq!(replayed.problem(409), "secret_not_repeated");
    assert!(!replayed.text().contains(&secret));
    assert_eq!(server.get("/v1/keys", &ann.token).json()["data"].as_array().unwrap().len(), 1);
}
