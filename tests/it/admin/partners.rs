//! Partners: invited by mail, accepted once, seen by both sides, suspended and let in again.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::{Owner, PASSWORD, Server, on_both};
use crate::partnership::{BASE, Partnership, join, oauth_error, role, service};

const PAT: &str = "pat@partner.example";

fn invite(server: &Server, owner: &Owner, service_id: &str, email: &str) -> String {
    let body = json!({ "email": email, "role_ids": ["system/*.rs"] });
    server.post(&format!("/v1/services/{service_id}/invitations"), &owner.token, &body).expect(201).str("/id")
}

fn new_person(token: &str) -> Value {
    json!({ "token": token, "password": PASSWORD, "account_name": "Partner" })
}

#[test]
fn k31_a_new_person_accepts_and_sees_the_service_with_its_roles() {
    on_both(|server| {
        let (ann, service_id, issuer) = service(server, "ann@clinic.example");
        let custom = role(server, &ann, &service_id, "front desk");
        let other = role(server, &ann, &service_id, "not offered");
        let body = json!({ "email": PAT, "role_ids": ["patient/Patient.rs", "system/Observation.rs", custom] });
        let made = server.post(&format!("/v1/services/{service_id}/invitations"), &ann.token, &body).expect(201);
        assert_eq!((made.str("/state"), made.str("/email")), ("pending".into(), PAT.into()));
        let mail = &server.mails(PAT, 1)[0];
        assert!(mail.contains("Clinic invites you"), "{mail}");
        assert!(mail.contains(&format!("{}/invitations/accept", server.base)), "{mail}");

        let accepted =
            server.post_open("/v1/invitations/accept", &new_person(&server.mailed_token(PAT, 1))).expect(201);
        let pat = Owner::of(PAT, &accepted);
        assert_ne!(pat.account_id, ann.account_id);
        let list = server.get("/v1/subscriptions", &pat.token).expect(200).json();
        let seen = &list["data"][0];
        assert_eq!(seen["id"], accepted.str("/subscription_id").as_str());
        let told = json!({ "id": service_id, "name": "Clinic", "kind": "fhirv4", "issuer": issuer, "base_url": BASE });
        assert_eq!(seen["service"], told);
        assert_eq!(seen["owner"], json!({ "account_id": ann.account_id, "name": "Clinic" }));

        let path = format!("/v1/subscriptions/{}/roles?limit=200", accepted.str("/subscription_id"));
        let roles = server.get(&path, &pat.token).expect(200).json();
        let ids: Vec<&str> = roles["data"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
        for id in ["patient/Patient.rs", "patient/Patient.r", "system/Observation.rs", "patient/Observation.s", &custom]
        {
            assert!(ids.contains(&id), "{id} in {ids:?}");
        }
        for id in ["patient/Observation.c", "system/Patient.r", "user/Patient.r", "system/*.rs", &other] {
            assert!(!ids.contains(&id), "{id} in {ids:?}");
        }
        let owners = server.get(&format!("/v1/services/{service_id}/subscriptions"), &ann.token).expect(200).json();
        assert_eq!(owners["data"][0]["account_id"], pat.account_id.as_str());
        assert_eq!(owners["data"][0]["account_name"], "Partner");
        let listed = server.get(&format!("/v1/services/{service_id}/invitations"), &ann.token).expect(200).json();
        assert_eq!(listed["data"][0]["state"], "accepted");
    });
}

#[test]
fn c03_a_known_person_accepts_with_their_own_password_for_their_own_account() {
    on_both(|server| {
        let (ann, service_id, _) = service(server, "ann@clinic.example");
        let pat = server.sign_up(PAT, "Pat's own");
        invite(server, &ann, &service_id, PAT);
        let token = server.mailed_token(PAT, 2);
        for password in [json!("wrong wrong wrong"), json!("x")] {
            let body = json!({ "token": token, "password": password });
            assert_eq!(server.post_open("/v1/invitations/accept", &body).problem(401), "wrong_credentials");
        }
        server.post_open("/v1/invitations/accept", &json!({ "token": token })).expect(422);
        let body = json!({ "token": token, "password": PASSWORD, "account_name": "ignored" });
        let accepted = server.post_open("/v1/invitations/accept", &body).expect(201);
        assert_eq!(accepted.str("/account_id"), pat.account_id, "no second account");
        assert_eq!(server.get("/v1/account", &accepted.str("/session_token")).expect(200).str("/name"), "Pat's own");
        assert_eq!(server.get("/v1/subscriptions", &pat.token).expect(200).json()["data"][0]["state"], "active");
    });
}

#[test]
fn c05_an_invitation_works_once_and_forged_replayed_or_foreign_links_are_gone() {
    on_both(|server| {
        let (ann, service_id, _) = service(server, "ann@clinic.example");
        server.post_open("/v1/signup", &json!({ "email": "eve@evil.example" })).expect(202);
        let foreign = server.mailed_token("eve@evil.example", 1);
        invite(server, &ann, &service_id, PAT);
        let token = server.mailed_token(PAT, 1);
        let forged = format!("{}{}", &token[..token.len() - 4], "AAAA");
        for other in
            ["", "x", "fwl_", &forged, &foreign, &token[1..], &token.to_uppercase(), "a.b.c", &"x".repeat(5_000)]
        {
            assert_eq!(server.post_open("/v1/invitations/accept", &new_person(other)).problem(410), "gone", "{other}");
        }
        server.ask("GET", &format!("/v1/invitations/accept?token={token}")).send().problem(404);
        server.post_open("/v1/invitations/accept", &new_person(&token)).expect(201);
        assert_eq!(server.post_open("/v1/invitations/accept", &new_person(&token)).problem(410), "gone");
        let body = json!({ "token": token, "password": PASSWORD, "account_name": "x" });
        assert_eq!(server.post_open("/v1/signup/confirm", &body).problem(410), "gone", "another purpose");
    });
}

#[test]
fn a05_of_many_who_accept_at_once_one_has_it() {
    on_both(|server| {
        let (ann, service_id, _) = service(server, "ann@clinic.example");
        invite(server, &ann, &service_id, PAT);
        let body = new_person(&server.mailed_token(PAT, 1)).to_string();
        let address = server.base.strip_prefix("http://").unwrap();
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let ask = || {
                let head = format!("POST /v1/invitations/accept HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
                let request =
                    format!("{head}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                let mut stream = TcpStream::connect(address).unwrap();
                stream.write_all(request.as_bytes()).unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();
                answer.split(' ').nth(1).unwrap().parse().unwrap()
            };
            let asking: Vec<_> = (0..16).map(|_| scope.spawn(ask)).collect();
            asking.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| matches!(status, 201 | 410 | 409 | 401 | 422 | 503)), "{statuses:?}");
        let partners = server.get(&format!("/v1/services/{service_id}/subscriptions"), &ann.token).expect(200).json();
        assert_eq!(partners["data"].as_array().unwrap().len(), 1);
    });
}

#[test]
fn c02_expiry_needs_no_janitor_and_a_resent_link_replaces_the_one_before() {
    on_both(|server| {
        let (ann, service_id, _) = service(server, "ann@clinic.example");
        let id = invite(server, &ann, &service_id, PAT);
        let first = server.mailed_token(PAT, 1);
        server.wait(TimeDelta::days(7));
        assert_eq!(server.post_open("/v1/invitations/accept", &new_person(&first)).problem(410), "gone");
        let ann = again(server, &ann);
        let list = server.get(&format!("/v1/services/{service_id}/invitations"), &ann.token).expect(200).json();
        assert_eq!(list["data"][0]["state"], "expired");

        let resend = format!("/v1/invitations/{id}/resend");
        assert_eq!(server.post(&resend, &ann.token, &json!({})).expect(200).str("/state"), "pending");
        let second = server.mailed_token(PAT, 2);
        assert_ne!(first, second);
        server.post(&resend, &ann.token, &json!({})).expect(200);
        let third = server.mailed_token(PAT, 3);
        assert_eq!(server.post_open("/v1/invitations/accept", &new_person(&second)).problem(410), "gone");
        server.post_open("/v1/invitations/accept", &new_person(&third)).expect(201);
        assert_eq!(server.post(&resend, &ann.token, &json!({})).problem(409), "not_pending");
        let revoke = server.ask("DELETE", &format!("/v1/invitations/{id}")).bearer(&ann.token).send();
        assert_eq!(revoke.problem(409), "not_pending");
    });
}

/// The same owner with a new session.
fn again(server: &Server, owner: &Owner) -> Owner {
    let body = json!({ "email": owner.email, "password": PASSWORD });
    Owner::of(&owner.email, &server.post_open("/v1/login", &body).expect(200))
}

#[test]
fn c01_an_invitation_that_was_taken_back_or_is_of_another_account_is_nobodys() {
    on_both(|server| {
        let (ann, service_id, _) = service(server, "ann@clinic.example");
        let eve = server.sign_up("eve@evil.example", "Eve");
        let id = invite(server, &ann, &service_id, PAT);
        for (method, path) in
            [("DELETE", format!("/v1/invitations/{id}")), ("POST", format!("/v1/invitations/{id}/resend"))]
        {
            server.ask(method, &path).bearer(&eve.token).json(&json!({})).send().problem(404);
        }
        server.get(&format!("/v1/services/{service_id}/invitations"), &eve.token).problem(404);
        server.ask("DELETE", &format!("/v1/invitations/{id}")).bearer(&ann.token).send().expect(204);
        let token = server.mailed_token(PAT, 1);
        assert_eq!(server.post_open("/v1/invitations/accept", &new_person(&token)).problem(410), "gone");
    });
}

#[test]
fn b07_an_invitation_offers_only_roles_of_the_service() {
    let server = Server::start();
    let (ann, service_id, _) = service(&server, "ann@clinic.example");
    let bob = server.sign_up("bob@clinic.example", "Bob");
    let foreign = server.upload(&bob, crate::partnership::DOCUMENT).expect(201).str("/id");
    let foreign = role(&server, &bob, &foreign, "foreign");
    let path = format!("/v1/services/{service_id}/invitations");
    for (role_ids, pointers) in [
        (json!([]), vec!["/role_ids"]),
        (json!(["system/Patient.rs", foreign]), vec!["/role_ids/1"]),
        (json!(["system/Device.rs", "system/Patient.d"]), vec!["/role_ids/0", "/role_ids/1"]),
        (json!(["system/Patient.sr", "x"]), vec!["/role_ids/0", "/role_ids/1"]),
        (json!(vec!["system/Patient.r"; 501]), vec!["/role_ids"]),
    ] {
        let reply = server.post(&path, &ann.token, &json!({ "email": PAT, "role_ids": role_ids }));
        reply.problem(422);
        assert_eq!(reply.pointers(), pointers, "{role_ids}");
    }
    let body = json!({ "email": PAT, "role_ids": ["system/*.rs"], "state": "accepted" });
    server.post(&path, &ann.token, &body).problem(400);
    let body = json!({ "email": "a@b@c", "role_ids": ["system/*.rs"] });
    assert_eq!(server.post(&path, &ann.token, &body).pointers(), ["/email"]);
}

#[test]
fn an_account_subscribes_once_and_not_to_its_own_service() {
    on_both(|server| {
        let (ann, service_id, _) = service(server, "ann@clinic.example");
        let (_, _) = join(server, &ann, &service_id, PAT, &["system/*.rs"]);
        invite(server, &ann, &service_id, PAT);
        let known = |token: &str| json!({ "token": token, "password": PASSWORD });
        let twice = server.post_open("/v1/invitations/accept", &known(&server.mailed_token(PAT, 2)));
        assert_eq!(twice.problem(409), "already_subscribed");
        invite(server, &ann, &service_id, "ann@clinic.example");
        let own = server.post_open("/v1/invitations/accept", &known(&server.mailed_token("ann@clinic.example", 2)));
        assert_eq!(own.problem(409), "own_service");
    });
}

#[test]
fn b08_a_suspended_partner_has_nothing_and_an_active_one_again_what_it_had() {
    on_both(|server| {
        let it = Partnership::new(server, &["system/*.rs"]);
        let (_, secret) = it.key(&["system/Patient.rs"]);
        it.access_token(&secret);
        let before = it.bundle();
        assert_eq!(before.subscriptions.len(), 1);

        it.change(&json!({ "state": "suspended" })).expect(200);
        assert_eq!(oauth_error(&it.token(&secret, json!({})), 400), "invalid_grant");
        let after = it.bundle();
        assert_eq!((after.subscriptions.len(), after.revocations.len()), (0, 1), "its tokens end at the gateway");
        let (key_id, _) = it.key(&[]);
        assert_eq!(it.set_roles(&key_id, &["system/Patient.rs"]).problem(403), "suspended");
        assert_eq!(server.get("/v1/subscriptions", &it.partner.token).json()["data"][0]["state"], "suspended");

        it.change(&json!({ "state": "active" })).expect(200);
        it.access_token(&secret);
        assert_eq!(it.bundle().revocations, []);
    });
}

#[test]
fn a_ceiling_that_is_lowered_counts_for_the_next_token() {
    on_both(|server| {
        let it = Partnership::new(server, &["system/*.rs"]);
        let (_, secret) = it.key(&["system/*.rs"]);
        assert_eq!(it.token(&secret, json!({})).str("/scope"), "system/*.rs");
        let changed = it.change(&json!({ "role_ids": ["system/Patient.rs"] })).expect(200).json();
        assert_eq!(changed["role_ids"], json!(["system/Patient.rs"]));
        assert_eq!(it.token(&secret, json!({})).str("/scope"), "system/Patient.rs");
        let over = it.token(&secret, json!({ "scope": "system/Observation.r" }));
        assert_eq!(oauth_error(&over, 400), "invalid_scope");
        assert_eq!(it.bundle().subscriptions[0].scopes.len(), 1);
        let path = format!("/v1/services/{}/subscriptions/{}", it.service_id, it.subscription_id);
        let ask = |tag: &str| {
            server
                .ask("PATCH", &path)
                .bearer(&it.ehr.token)
                .header("if-match", tag)
                .json(&json!({ "state": "active" }))
                .send()
        };
        assert_eq!(ask("\"99\"").problem(412), "changed");
        server
            .ask("PATCH", &path)
            .bearer(&it.partner.token)
            .header("if-match", "\"2\"")
            .json(&json!({}))
            .send()
            .problem(404);
    });
}
