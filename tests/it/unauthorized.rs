//! Every operation of the document, asked by those who may not: without a credential, with another Account's, with
//! another Account's ids. The list comes from the document, so a new operation is asked too.

use serde_json::{Value, json};

use crate::admin::services::FHIR;
use crate::harness::{Owner, PASSWORD, Reply, Server, on_both};
use crate::openapi::{OPEN, Operation, operations};

/// What is asked with a key, a gateway's key or an access token; a session is none of them.
const OTHER_CREDENTIALS: &[&str] = &[
    "POST /v1/token",
    "POST /v1/assume-role",
    "GET /v1/gateway/head",
    "GET /v1/gateway/bundle",
    "POST /v1/gateway/audit",
    "POST /v1/gateway/reports",
];

/// What a partner may ask of a Subscription of theirs, though the Service is another's.
const SUBSCRIBERS_RIGHTS: &[&str] =
    &["GET /v1/subscriptions/{id}", "GET /v1/subscriptions/{id}/roles", "GET /v1/subscriptions/{id}/audit-events"];

/// What lists or shows something of the caller's own Account that every Account has.
const NEVER_EMPTY: &[&str] = &["GET /v1/account", "GET /v1/events"];

/// Everything that Ann owns, and Pam, her partner.
struct World {
    ann: Owner,
    bob: Owner,
    pam: Owner,
    service: String,
    bobs_service: String,
    role: String,
    key: String,
    invitation: String,
    subscription: String,
    gateway: String,
}

fn world(server: &Server) -> World {
    let (ann, bob) = (server.sign_up("ann@ehr.example", "Ann's"), server.sign_up("bob@ehr.example", "Bob's"));
    let service = server.upload(&ann, FHIR).expect(201).str("/id");
    let bobs_service = server.upload(&bob, FHIR).expect(201).str("/id");
    let path = format!("/v1/services/{service}");
    let make = |path: String, body: Value| server.post(&path, &ann.token, &body).expect(201).str("/id");
    let role = make(format!("{path}/roles"), json!({ "name": "x", "operations": ["GET:/Patient"] }));
    let key = make("/v1/keys".into(), json!({ "name": "k" }));
    let invite =
        |email: &str| make(format!("{path}/invitations"), json!({ "email": email, "role_ids": ["patient/*.rs"] }));
    let invitation = invite("someone@partner.example");
    invite("pam@partner.example");
    let token = server.mailed_token("pam@partner.example", 1);
    let accept = json!({ "token": token, "password": PASSWORD, "account_name": "Pam's" });
    let accepted = server.post_open("/v1/invitations/accept", &accept).expect(201);
    let gateway = server.post(&format!("{path}/gateways"), &ann.token, &json!({ "name": "g" })).expect(201);
    World {
        pam: Owner::of("pam@partner.example", &accepted),
        subscription: accepted.str("/subscription_id"),
        gateway: gateway.str("/gateway_id"),
        ann,
        bob,
        service,
        bobs_service,
        role,
        key,
        invitation,
    }
}

impl World {
    /// The path with Ann's ids.
    fn path(&self, template: &str) -> String {
        let mut before = "";
        let segments = template.split('/').map(|segment| {
            let id = match (segment, before) {
                ("{id}", "services") => &self.service,
                ("{id}", "roles") => &self.role,
                ("{id}", "keys") => &self.key,
                ("{id}", "invitations") => &self.invitation,
                ("{id}", "subscriptions") | ("{subscription}", _) => &self.subscription,
                ("{gateway}", _) => &self.gateway,
                (segment, _) => {
                    assert!(!segment.starts_with('{'), "{template}: say which id {segment} is");
                    before = segment;
                    return segment.to_owned();
                }
            };
            id.clone()
        });
        segments.collect::<Vec<_>>().join("/")
    }

    /// A body that is right, so that nothing but the caller is wrong.
    fn body(&self, operation: &Operation) -> String {
        match operation.id() {
            "create_service" | "create_version" => FHIR.to_owned(),
            "create_role" => json!({ "name": "new", "operations": ["GET:/Patient"] }).to_string(),
            "update_role" | "update_service" | "create_key" | "enrol_gateway" => json!({ "name": "new" }).to_string(),
            "put_trust" => json!({ "accounts": [], "max_duration_seconds": 900 }).to_string(),
            "create_invitation" => json!({ "email": "x@x.example", "role_ids": ["patient/*.rs"] }).to_string(),
            "update_partner" => json!({ "state": "suspended" }).to_string(),
            "put_key_roles" => json!({ "service_id": self.service, "role_ids": ["patient/*.rs"] }).to_string(),
            "exchange_key" => json!({ "service_id": self.service }).to_string(),
            "assume_role" => json!({ "role_id": self.role, "session_name": "s", "external_id": "12345" }).to_string(),
            "search_audit" => json!({ "patient": "1" }).to_string(),
            _ => json!({}).to_string(),
        }
    }

    fn ask(&self, server: &Server, operation: &Operation, path: &str, token: Option<&str>) -> Reply {
        let ask = server.ask(&operation.method, path).header("if-match", "\"1\"");
        let ask = if let Some(token) = token { ask.bearer(token) } else { ask };
        if operation.content.get("requestBody").is_some() {
            let kind =
                if operation.id().starts_with("create_version") { "application/yaml" } else { "application/json" };
            return ask.header("content-type", kind).body(self.body(operation)).send();
        }
        ask.send()
    }
}

/// The same path with ids that name nothing: their last letter is another.
fn missing(path: &str) -> String {
    let segments = path.split('/').map(|segment| match segment.rsplit_once('_') {
        Some((prefix, id)) if id.len() == 26 => {
            let last = if id.ends_with('0') { '1' } else { '0' };
            format!("{prefix}_{}{last}", &id[..25])
        }
        _ => segment.to_owned(),
    });
    segments.collect::<Vec<_>>().join("/")
}

/// The answer without what differs from request to request.
fn shown(reply: &Reply) -> (u16, Value) {
    let mut body = reply.json();
    body.as_object_mut().map(|body| body.remove("request_id"));
    (reply.status, body)
}

#[test]
fn b01_without_a_credential_every_operation_but_the_open_ones_is_a_401() {
    on_both(|server| {
        let world = world(server);
        for operation in operations().iter().filter(|operation| !OPEN.contains(&operation.name.as_str())) {
            let path = world.path(&operation.path);
            for token in [
                None,
                Some("fws_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
                Some("nonsense"),
                Some("eyJhbGciOiJub25lIn0.e30."),
            ] {
                let reply = world.ask(server, operation, &path, token);
                assert_eq!(reply.status, 401, "{} with {token:?}: {}", operation.name, reply.text());
                assert!(reply.header("www-authenticate").starts_with("Bearer"), "{}", operation.name);
            }
        }
    });
}

#[test]
fn b01_a_session_is_no_key_and_no_gateway() {
    on_both(|server| {
        let world = world(server);
        for operation in operations().iter().filter(|one| OTHER_CREDENTIALS.contains(&one.name.as_str())) {
            let reply = world.ask(server, operation, &operation.path, Some(&world.ann.token));
            assert_eq!(reply.status, 401, "{}: {}", operation.name, reply.text());
        }
    });
}

#[test]
fn b01_another_accounts_ids_look_like_ids_of_nothing() {
    on_both(|server| {
        let world = world(server);
        let events = |owner: &Owner| server.get("/v1/events?limit=200", &owner.token).expect(200).json();
        let before = events(&world.ann);
        let mut asked = 0;
        for operation in operations() {
            let closed =
                !OPEN.contains(&operation.name.as_str()) && !OTHER_CREDENTIALS.contains(&operation.name.as_str());
            if !closed || !operation.path.contains('{') {
                continue;
            }
            let path = world.path(&operation.path);
            for other in [&world.bob, &world.pam] {
                let is_right = SUBSCRIBERS_RIGHTS.contains(&operation.name.as_str()) && other.email == world.pam.email;
                let foreign = world.ask(server, &operation, &path, Some(&other.token));
                if is_right {
                    foreign.expect(200);
                    continue;
                }
                foreign.problem(404);
                let nothing = world.ask(server, &operation, &missing(&path), Some(&other.token));
                assert_eq!(shown(&foreign), shown(&nothing), "{} as {}", operation.name, other.email);
                asked += 1;
            }
            // Below a Service of one's own, too.
            if operation.path.matches('{').count() == 2 {
                let path = path.replace(&world.service, &world.bobs_service);
                world.ask(server, &operation, &path, Some(&world.bob.token)).problem(404);
            }
        }
        assert!(asked > 40, "{asked}");
        assert_eq!(events(&world.ann), before, "nothing was changed");
    });
}

#[test]
fn b01_another_account_sees_empty_lists() {
    on_both(|server| {
        let world = world(server);
        let cid = server.sign_up("cid@ehr.example", "Cid's");
        for operation in operations().iter().filter(|one| one.method == "GET" && one.path.starts_with("/v1/")) {
            let name = operation.name.as_str();
            if operation.path.contains('{') || OTHER_CREDENTIALS.contains(&name) {
                continue;
            }
            let reply = world.ask(server, operation, &operation.path, Some(&cid.token)).expect(200);
            if !NEVER_EMPTY.contains(&name) {
                assert_eq!(reply.json(), json!({ "data": [], "next_cursor": null }), "{name}");
            }
            let text = reply.text();
            for id in [&world.service, &world.ann.account_id, &world.role, &world.key, &world.ann.member_id] {
                assert!(!text.contains(id.as_str()), "{name}");
            }
        }
    });
}
