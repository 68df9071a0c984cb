//! What makes partners, what they do, and what their gateways send.

use std::sync::LazyLock;

use serde_json::json;

use super::base::{Base, PASSWORD, assume, partner_story, play, ship};
use super::{Case, survives};
use crate::process::Ask;

static BASE: LazyLock<Base> = LazyLock::new(|| play(None, partner_story));

/// The story that the cases start from.
pub(super) fn base() -> &'static Base {
    &BASE
}

pub(super) const ACCEPT: Case = Case {
    action: "subscription.create",
    half: Some("invitation.accept:half"),
    ask: |world| {
        let body = json!({ "token": world["third_link"], "password": PASSWORD, "account_name": "Third" });
        Ask::post("/v1/invitations/accept", &body)
    },
    done: 201,
    again: Some(410),
    mails: 0,
};

pub(super) const SUSPEND: Case = Case {
    action: "subscription.update",
    half: Some("subscription.update:half"),
    ask: |world| {
        let path = format!("/v1/services/{}/subscriptions/{}", world["service"], world["subscription"]);
        let change = Ask::patch(path, &json!({ "state": "suspended" }));
        change.bearer(&world["owner"]).if_match(&world["subscription_etag"])
    },
    done: 200,
    again: Some(412),
    mails: 0,
};

pub(super) const DELETE_KEY: Case = Case {
    action: "key.delete",
    half: Some("key.delete:half"),
    ask: |world| Ask::delete(format!("/v1/keys/{}", world["spare_key_id"])).bearer(&world["partner"]),
    done: 204,
    again: Some(404),
    mails: 0,
};

pub(super) const INGEST: Case = Case {
    action: "audit.ingest",
    half: Some("audit.ingest:half"),
    ask: |world| ship(world, 1..100).bearer(&world["gateway_key"]),
    done: 200,
    again: Some(200),
    mails: 0,
};

const INVITE: Case = Case {
    action: "invitation.create",
    half: Some("invitation.create:half"),
    ask: |world| {
        let body = json!({ "email": "fourth@lab.example", "role_ids": [world["role"]] });
        let path = format!("/v1/services/{}/invitations", world["service"]);
        Ask::post(path, &body).bearer(&world["owner"]).once("invitation")
    },
    done: 201,
    again: Some(201),
    mails: 1,
};

const INVITE_AGAIN: Case = Case {
    action: "invitation.resend",
    half: None,
    ask: |world| {
        let path = format!("/v1/invitations/{}/resend", world["invitation"]);
        Ask::post(path, &json!(null)).bearer(&world["owner"])
    },
    done: 200,
    again: None,
    mails: 1,
};

const REVOKE: Case = Case {
    action: "invitation.revoke",
    half: Some("invitation.revoke:half"),
    ask: |world| Ask::delete(format!("/v1/invitations/{}", world["invitation"])).bearer(&world["owner"]),
    done: 204,
    again: Some(409),
    mails: 0,
};

const TAKE_TRUST: Case = Case {
    action: "role.trust",
    half: Some("role.trust:half"),
    ask: |world| {
        let none = json!({ "accounts": [], "max_duration_seconds": 900 });
        let put = Ask::put(format!("/v1/roles/{}/trust", world["role"]), &none);
        put.bearer(&world["owner"]).if_match(&world["role_etag"])
    },
    done: 200,
    again: Some(412),
    mails: 0,
};

const NEW_KEY: Case = Case {
    action: "key.create",
    half: None,
    ask: |world| Ask::post("/v1/keys", &json!({ "name": "new" })).bearer(&world["partner"]).once("key"),
    done: 201,
    // Its secret was never seen, and is not shown again: the key is to be deleted and another one made.
    again: Some(409),
    mails: 0,
};

const KEY_ROLES: Case = Case {
    action: "key.set_roles",
    half: None,
    ask: |world| {
        let path = format!("/v1/keys/{}/roles", world["spare_key_id"]);
        Ask::put(path, &json!({ "role_ids": [world["role"]] })).bearer(&world["partner"])
    },
    done: 200,
    again: None,
    mails: 0,
};

const TOKEN: Case = Case {
    action: "key.used",
    half: None,
    ask: |world| Ask::post("/v1/token", &json!({ "service_id": world["service"] })).bearer(&world["spare_key"]),
    done: 200,
    again: None,
    mails: 0,
};

const ASSUME: Case = Case {
    action: "role.assume",
    half: Some("role.assume:half"),
    ask: |world| assume(world).bearer(&world["access"]),
    done: 200,
    again: None,
    mails: 0,
};

const ENROL: Case = Case {
    action: "gateway.enrol",
    half: None,
    ask: |world| {
        let path = format!("/v1/services/{}/gateways", world["service"]);
        Ask::post(path, &json!({ "name": "new" })).bearer(&world["owner"]).once("gateway")
    },
    done: 201,
    again: Some(409),
    mails: 0,
};

const DELETE_GATEWAY: Case = Case {
    action: "gateway.delete",
    half: None,
    ask: |world| {
        let path = format!("/v1/services/{}/gateways/{}", world["service"], world["spare_gateway"]);
        Ask::delete(path).bearer(&world["owner"])
    },
    done: 204,
    again: Some(404),
    mails: 0,
};

const REPORT: Case = Case {
    action: "gateway.report",
    half: None,
    ask: |world| {
        let report = json!({ "bundle_version": 1, "state": "active", "arc_version": "0.1.0" });
        Ask::post("/v1/gateway/reports", &report).bearer(&world["gateway_key"])
    },
    done: 204,
    again: Some(204),
    mails: 0,
};

/// Every case of this file.
pub(super) const ALL: &[&Case] = &[
    &ACCEPT,
    &SUSPEND,
    &DELETE_KEY,
    &INGEST,
    &INVITE,
    &INVITE_AGAIN,
    &REVOKE,
    &TAKE_TRUST,
    &NEW_KEY,
    &KEY_ROLES,
    &TOKEN,
    &ASSUME,
    &ENROL,
    &DELETE_GATEWAY,
    &REPORT,
];

#[test]
fn an_invitation_is_written_with_its_letter_or_not_at_all() {
    survives(&BASE, &INVITE);
    survives(&BASE, &INVITE_AGAIN);
}

#[test]
fn an_accepted_link_made_both_sides_of_a_subscription_or_still_works() {
    survives(&BASE, &ACCEPT);
}

#[test]
fn a_revoked_invitation_has_no_link_and_one_that_was_not_revoked_has() {
    survives(&BASE, &REVOKE);
}

#[test]
fn a_suspended_partner_is_out_of_the_bundle_and_one_that_was_not_suspended_is_in_it() {
    survives(&BASE, &SUSPEND);
}

#[test]
fn trust_is_taken_with_its_sessions_or_stands() {
    survives(&BASE, &TAKE_TRUST);
}

#[test]
fn a_key_is_made_and_given_roles_with_its_event_or_not_at_all() {
    survives(&BASE, &NEW_KEY);
    survives(&BASE, &KEY_ROLES);
}

#[test]
fn a_deleted_key_is_revoked_at_the_gateways_or_still_opens() {
    survives(&BASE, &DELETE_KEY);
}

#[test]
fn a_token_is_had_again_and_an_assumed_role_has_session_and_both_events_or_none() {
    survives(&BASE, &TOKEN);
    survives(&BASE, &ASSUME);
}

#[test]
fn a_gateway_is_enrolled_and_deleted_with_its_event_or_not_at_all() {
    survives(&BASE, &ENROL);
    survives(&BASE, &DELETE_GATEWAY);
}

#[test]
fn a_batch_of_the_audit_is_kept_whole_and_once_and_a_report_is_kept() {
    survives(&BASE, &INGEST);
    survives(&BASE, &REPORT);
}
