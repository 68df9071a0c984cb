//! What an owner does: signing up and in, Services, documents, roles.

use std::sync::LazyLock;

use chrono::TimeDelta;
use domain::account::PLATFORM;
use serde_json::json;

use super::base::{Base, PASSWORD, PATHS, document, owner_story, play};
use super::view::{head, mails};
use super::{Case, SIGABRT, settle, survives};
use crate::process::Ask;

static BASE: LazyLock<Base> = LazyLock::new(|| play(None, owner_story));

pub(super) const SIGN_UP: Case = Case {
    action: "signup.request",
    half: Some("signup.request:half"),
    ask: |_| Ask::post("/v1/signup", &json!({ "email": "fresh@ehr.example" })),
    done: 202,
    again: None,
    mails: 1,
};

pub(super) const CONFIRM: Case = Case {
    action: "session.create",
    half: Some("account.create:half"),
    ask: |world| {
        let body = json!({ "token": world["new_link"], "password": PASSWORD, "account_name": "New" });
        Ask::post("/v1/signup/confirm", &body)
    },
    done: 201,
    again: Some(410),
    mails: 0,
};

pub(super) const SERVICE: Case = Case {
    action: "service.create",
    half: Some("service.create:half"),
    ask: |world| Ask::post("/v1/services", &document("Second", PATHS)).bearer(&world["owner"]).once("service"),
    done: 201,
    again: Some(201),
    mails: 0,
};

const LOG_IN: Case = Case {
    action: "session.create",
    half: None,
    ask: |_| Ask::post("/v1/login", &json!({ "email": "owner@ehr.example", "password": PASSWORD })),
    done: 200,
    again: None,
    mails: 0,
};

const LOG_OUT: Case = Case {
    action: "session.delete",
    half: None,
    ask: |world| Ask::post("/v1/logout", &json!(null)).bearer(&world["spare_session"]),
    done: 204,
    again: Some(401),
    mails: 0,
};

const CHANGE_SERVICE: Case = Case {
    action: "service.update",
    half: Some("service.update:half"),
    ask: |world| {
        let path = format!("/v1/services/{}", world["service"]);
        Ask::patch(path, &json!({ "name": "Renamed" })).bearer(&world["owner"]).if_match("\"1\"")
    },
    done: 200,
    again: Some(412),
    mails: 0,
};

const NEXT_DOCUMENT: Case = Case {
    action: "service.version",
    half: Some("service.version:half"),
    ask: |world| {
        let path = format!("/v1/services/{}/versions", world["service"]);
        let next = document("Clinic", &[PATHS, &["/Encounter/{id}"]].concat());
        Ask::post(path, &next).bearer(&world["owner"]).once("version")
    },
    done: 201,
    again: Some(201),
    mails: 0,
};

const NEW_ROLE: Case = Case {
    action: "role.create",
    half: Some("role.create:half"),
    ask: |world| {
        let path = format!("/v1/services/{}/roles", world["service"]);
        let new = json!({ "name": "new", "operations": ["GET:/Observation"] });
        Ask::post(path, &new).bearer(&world["owner"]).once("role")
    },
    done: 201,
    again: Some(201),
    mails: 0,
};

const CHANGE_ROLE: Case = Case {
    action: "role.update",
    half: Some("role.update:half"),
    ask: |world| {
        let path = format!("/v1/roles/{}", world["spare_role"]);
        let change = json!({ "operations": ["GET:/Observation"] });
        Ask::patch(path, &change).bearer(&world["owner"]).if_match("\"1\"")
    },
    done: 200,
    again: Some(412),
    mails: 0,
};

const DELETE_ROLE: Case = Case {
    action: "role.delete",
    half: Some("role.delete:half"),
    ask: |world| Ask::delete(format!("/v1/roles/{}", world["spare_role"])).bearer(&world["owner"]).if_match("\"1\""),
    done: 204,
    again: Some(404),
    mails: 0,
};

/// Every case of this file.
pub(super) const ALL: &[&Case] = &[
    &SIGN_UP,
    &CONFIRM,
    &SERVICE,
    &LOG_IN,
    &LOG_OUT,
    &CHANGE_SERVICE,
    &NEXT_DOCUMENT,
    &NEW_ROLE,
    &CHANGE_ROLE,
    &DELETE_ROLE,
];

#[test]
fn a_sign_up_is_written_with_its_letter_or_not_at_all() {
    survives(&BASE, &SIGN_UP);
}

/// How long a letter is its worker's alone; after that whoever had it is taken to have died.
const LEASE: TimeDelta = TimeDelta::minutes(5);

#[test]
fn a_letter_whose_worker_dies_goes_out_again_and_never_not_at_all() {
    if !cfg!(debug_assertions) {
        return;
    }
    for (point, written) in [
        ("mail.take:before_commit", true),
        ("mail.take:after_commit", false),
        ("mail.done:before_commit", true),
        ("mail.done:after_commit", true),
    ] {
        let copy = BASE.copy();
        let server = copy.start(Some(point));
        // The sign-up was committed, whether its answer still came or not.
        server.try_send(&(SIGN_UP.ask)(&BASE.world));
        assert_eq!(server.signal(), Some(SIGABRT), "{point}");
        let server = copy.start(None);
        if written {
            settle(&copy, BASE.mails + 1);
            assert_eq!(mails(copy.folder()).len(), BASE.mails + 1, "{point}");
            continue;
        }
        server.kill();
        let url = format!("sqlite:{}", copy.folder().join("firewarden.db").display()).parse().unwrap();
        let pool = store::Pool::open(&url, &store::PoolOptions::default()).unwrap();
        let clock = web::Clock::system();
        let due = |now| pool.read(PLATFORM, |tx| store::outbox::due(tx, now)).unwrap().len();
        assert_eq!(due(clock.now()), 0, "{point}: another worker may still be sending it");
        clock.advance(LEASE);
        assert_eq!(due(clock.now()), 1, "{point}: it is due again");
    }
}

#[test]
fn a_confirmed_link_made_person_account_and_owner_or_still_works() {
    survives(&BASE, &CONFIRM);
}

#[test]
fn signing_in_and_out_is_done_with_its_event_or_not_at_all() {
    survives(&BASE, &LOG_IN);
    survives(&BASE, &LOG_OUT);
}

#[test]
fn a_service_is_there_with_document_keys_and_bundle_or_not_at_all() {
    survives(&BASE, &SERVICE);
    if !cfg!(debug_assertions) {
        return;
    }
    let copy = BASE.copy();
    copy.die(&(SERVICE.ask)(&BASE.world), "service.create:after_commit");
    let (server, owner) = (copy.start(None), &BASE.world["owner"]);
    let service = server.send(&(SERVICE.ask)(&BASE.world)).expect(201);
    let path = format!("/v1/services/{}/gateways", service["id"].as_str().unwrap());
    let enrolment = server.send(&Ask::post(path, &json!({ "name": "first" })).bearer(owner)).expect(201);
    assert_eq!(head(&server, enrolment["key"].as_str().unwrap())["version"], "1", "its first bundle is there");
}

#[test]
fn a_changed_service_and_its_next_document_are_published_or_unchanged() {
    survives(&BASE, &CHANGE_SERVICE);
    survives(&BASE, &NEXT_DOCUMENT);
}

#[test]
fn a_role_is_written_changed_and_deleted_with_its_bundle_or_not_at_all() {
    survives(&BASE, &NEW_ROLE);
    survives(&BASE, &CHANGE_ROLE);
    survives(&BASE, &DELETE_ROLE);
}

#[test]
fn an_idempotency_key_whose_process_died_was_in_flight_for_a_minute() {
    if !cfg!(debug_assertions) {
        return;
    }
    let (copy, ask) = (BASE.copy(), (NEW_ROLE.ask)(&BASE.world));
    copy.die(&ask, "role.create:before_commit");
    let server = copy.start(None);
    let reply = server.send(&ask);
    assert_eq!(reply.header("idempotent-replayed"), None, "nothing was done that could be replayed");
    let role = reply.expect(201);
    let again = server.send(&ask);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.expect(201), role);
}
