//! Sign-up and signing in: one-use links, one answer for every address, sessions that end.

use chrono::TimeDelta;
use serde_json::json;

use crate::harness::{Owner, PASSWORD, Server, on_both};

#[test]
fn somebody_signs_up_by_mail_and_is_the_owner_of_an_account() {
    on_both(|server| {
        let ann = server.sign_up("ann@ehr.example", "Ann's EHR");
        let account = server.get("/v1/account", &ann.token).expect(200);
        assert_eq!((account.str("/id"), account.str("/name")), (ann.account_id.clone(), "Ann's EHR".to_owned()));
        let events = server.get("/v1/events", &ann.token).expect(200).json();
        let actions = events["data"].as_array().unwrap().iter().map(|event| event["action"].clone().to_string());
        let mut actions: Vec<_> = actions.collect();
        actions.sort();
        assert_eq!(actions, ["\"account.create\"", "\"session.create\""]);
    });
}

#[test]
fn b11_known_and_unknown_addresses_get_the_same_answer() {
    on_both(|server| {
        let unknown = server.post_open("/v1/signup", &json!({ "email": "ann@ehr.example" })).expect(202);
        server.sign_up("bob@ehr.example", "Bob's");
        let known = server.post_open("/v1/signup", &json!({ "email": "Bob@EHR.example" })).expect(202);
        assert_eq!(unknown.body, known.body);
        let mails = server.mails("bob@ehr.example", 2);
        assert!(mails[1].contains("has one already") && !mails[1].contains("token:"), "{}", mails[1]);
    });
}

#[test]
fn c05_a_link_works_once() {
    on_both(|server| {
        server.post_open("/v1/signup", &json!({ "email": "ann@ehr.example" })).expect(202);
        let token = server.mailed_token("ann@ehr.example", 1);
        let body = json!({ "token": token, "password": PASSWORD, "account_name": "A" });
        // Mail scanners fetch links: reading the page uses nothing.
        server.ask("GET", "/signup/confirm").send().expect(200);
        server.post_open("/v1/signup/confirm", &body).expect(201);
        assert_eq!(server.post_open("/v1/signup/confirm", &body).problem(410), "gone");
        let other = json!({ "token": format!("fwl_{}", "A".repeat(43)), "password": PASSWORD, "account_name": "A" });
        assert_eq!(server.post_open("/v1/signup/confirm", &other).problem(410), "gone");
    });
}

#[test]
fn c02_an_expired_or_replaced_link_does_not_work() {
    on_both(|server| {
        let confirm = |token: &str| {
            server
                .post_open("/v1/signup/confirm", &json!({ "token": token, "password": PASSWORD, "account_name": "A" }))
        };
        server.post_open("/v1/signup", &json!({ "email": "ann@ehr.example" })).expect(202);
        let replaced = server.mailed_token("ann@ehr.example", 1);
        server.post_open("/v1/signup", &json!({ "email": "ann@ehr.example" })).expect(202);
        let fresh = server.mailed_token("ann@ehr.example", 2);
        assert_eq!(confirm(&replaced).problem(410), "gone");
        server.wait(TimeDelta::hours(24));
        assert_eq!(confirm(&fresh).problem(410), "gone");
    });
}

#[test]
fn b11_a_wrong_address_password_or_account_is_one_answer() {
    on_both(|server| {
        let ann = server.sign_up("ann@ehr.example", "A");
        let bob = server.sign_up("bob@ehr.example", "B");
        let login = |body: serde_json::Value| server.post_open("/v1/login", &body);
        let right = login(json!({ "email": "ANN@ehr.example", "password": PASSWORD })).expect(200);
        assert_eq!(right.str("/account_id"), ann.account_id);
        let answers = [
            json!({ "email": "nobody@ehr.example", "password": PASSWORD }),
            json!({ "email": "ann@ehr.example", "password": "wrong horse battery" }),
            json!({ "email": "ann@ehr.example", "password": "short" }),
            json!({ "email": "not an address", "password": PASSWORD }),
            json!({ "email": "ann@ehr.example", "password": PASSWORD, "account_id": bob.account_id }),
        ]
        .map(|body| {
            let reply = login(body);
            assert_eq!(reply.problem(401), "wrong_credentials");
            reply.str("/detail")
        });
        assert!(answers.iter().all(|detail| *detail == answers[0]));
    });
}

#[test]
fn a_session_ends_when_it_is_signed_out_or_after_twelve_hours() {
    on_both(|server| {
        let ann = server.sign_up("ann@ehr.example", "A");
        let login = server.post_open("/v1/login", &json!({ "email": ann.email, "password": PASSWORD })).expect(200);
        let second = Owner::of(&ann.email, &login);
        server.ask("POST", "/v1/logout").bearer(&ann.token).send().expect(204);
        assert_eq!(server.get("/v1/account", &ann.token).problem(401), "invalid_token");
        server.wait(TimeDelta::hours(12) - TimeDelta::minutes(1));
        server.get("/v1/account", &second.token).expect(200);
        server.wait(TimeDelta::minutes(1));
        assert_eq!(server.get("/v1/account", &second.token).problem(401), "invalid_token");
    });
}

#[test]
fn e08_a_password_is_bounded() {
    let server = Server::start();
    server.post_open("/v1/signup", &json!({ "email": "ann@ehr.example" })).expect(202);
    let token = server.mailed_token("ann@ehr.example", 1);
    for password in ["elevenchars".to_owned(), "x".repeat(129), "x".repeat(900_000)] {
        let body = json!({ "token": token, "password": password, "account_name": "A" });
        let reply = server.post_open("/v1/signup/confirm", &body);
        assert_eq!((reply.problem(422).as_str(), reply.pointers()), ("invalid", vec!["/password".to_owned()]));
    }
}

#[test]
fn c06_the_host_header_is_in_no_link() {
    let server = Server::start();
    let ask =
        server.ask("POST", "/v1/signup").header("host", "evil.example").header("x-forwarded-host", "evil.example");
    ask.json(&json!({ "email": "ann@ehr.example" })).send().expect(202);
    let mail = server.mails("ann@ehr.example", 1).remove(0);
    assert!(mail.contains(&format!("{}/signup/confirm#token=", server.base)) && !mail.contains("evil"));
}

#[test]
fn e22_no_token_and_no_password_is_in_the_database() {
    let server = Server::start();
    let ann = server.sign_up("ann@ehr.example", "A");
    server.post_open("/v1/signup", &json!({ "email": "cid@ehr.example" })).expect(202);
    let link = server.mailed_token("cid@ehr.example", 1);
    for file in ["firewarden.db", "firewarden.db-wal"] {
        let Ok(bytes) = std::fs::read(server.data().join(file)) else { continue };
        for secret in [ann.token.as_str(), link.as_str(), PASSWORD] {
            assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{file}");
        }
    }
}
