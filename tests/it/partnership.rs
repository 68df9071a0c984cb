//! An EHR with a Service and a partner that subscribes to it, made as anybody would: over HTTP and by mail.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use crate::harness::{Owner, PASSWORD, Reply, Server};

/// The Service's own base.
pub(crate) const BASE: &str = "https://fhir.clinic.example/r4";
/// A small FHIR server's document.
pub(crate) const DOCUMENT: &str = r#"
openapi: 3.0.3
x-Katanemo-open-api-service-type: FHIRv4
info: {title: Clinic, version: "1"}
servers: [{url: "https://fhir.clinic.example/r4"}]
paths:
  /Patient:
    get: {responses: {"200": {description: ok}}}
  /Patient/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: string}}]
    get: {responses: {"200": {description: ok}}}
  /Observation:
    get: {responses: {"200": {description: ok}}}
    post: {responses: {"201": {description: made}}}
  /Observation/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: string}}]
    get: {responses: {"200": {description: ok}}}
"#;

/// An EHR, its Service, and a partner of it.
pub(crate) struct Partnership<'s> {
    /// The server that they meet on.
    pub(crate) server: &'s Server,
    /// Who owns the Service.
    pub(crate) ehr: Owner,
    /// The Service.
    pub(crate) service_id: String,
    /// `iss` of its tokens.
    pub(crate) issuer: String,
    /// A custom role of it: one operation.
    pub(crate) role_id: String,
    /// Who subscribes.
    pub(crate) partner: Owner,
    /// To what.
    pub(crate) subscription_id: String,
}

/// A Service of somebody who signs up with that address: the owner, and its id and issuer.
pub(crate) fn service(server: &Server, email: &str) -> (Owner, String, String) {
    let owner = server.sign_up(email, "Clinic");
    let made = server.upload(&owner, DOCUMENT).expect(201);
    (owner, made.str("/id"), made.str("/issuer"))
}

/// A custom role of one operation.
pub(crate) fn role(server: &Server, owner: &Owner, service_id: &str, name: &str) -> String {
    let body = json!({ "name": name, "operations": ["GET:/Patient/{id}"] });
    server.post(&format!("/v1/services/{service_id}/roles"), &owner.token, &body).expect(201).str("/id")
}

/// Invites an address, which accepts as a new person.
pub(crate) fn join(server: &Server, owner: &Owner, service_id: &str, email: &str, ceiling: &[&str]) -> (Owner, String) {
    let body = json!({ "email": email, "role_ids": ceiling });
    server.post(&format!("/v1/services/{service_id}/invitations"), &owner.token, &body).expect(201);
    let body = json!({ "token": server.mailed_token(email, 1), "password": PASSWORD, "account_name": "Partner" });
    let accepted = server.post_open("/v1/invitations/accept", &body).expect(201);
    (Owner::of(email, &accepted), accepted.str("/subscription_id"))
}

impl<'s> Partnership<'s> {
    /// A partner whose ceiling holds these, and a custom role of its Service.
    pub(crate) fn new(server: &'s Server, ceiling: &[&str]) -> Self {
        let (ehr, service_id, issuer) = service(server, "ann@clinic.example");
        let role_id = role(server, &ehr, &service_id, "front desk");
        let ceiling: Vec<&str> = ceiling.iter().copied().chain([role_id.as_str()]).collect();
        let (partner, subscription_id) = join(server, &ehr, &service_id, "pat@partner.example", &ceiling);
        Self { server, ehr, service_id, issuer, role_id, partner, subscription_id }
    }

    /// A key of the partner that holds these: its id and its secret.
    pub(crate) fn key(&self, roles: &[&str]) -> (String, String) {
        let made = self.server.post("/v1/keys", &self.partner.token, &json!({ "name": "machine" })).expect(201);
        let (id, secret) = (made.str("/id"), made.str("/secret"));
        if !roles.is_empty() {
            self.set_roles(&id, roles).expect(200);
        }
        (id, secret)
    }

    /// Sets what a key of the partner holds.
    pub(crate) fn set_roles(&self, key_id: &str, roles: &[&str]) -> Reply {
        let body = json!({ "service_id": self.service_id, "role_ids": roles });
        let path = format!("/v1/keys/{key_id}/roles");
        self.server.ask("PUT", &path).bearer(&self.partner.token).json(&body).send()
    }

    /// Exchanges a key's secret; the Service is filled in.
    pub(crate) fn token(&self, secret: &str, mut body: Value) -> Reply {
        body["service_id"] = json!(self.service_id);
        self.server.post("/v1/token", secret, &body)
    }

    /// An access token of a key, with all that it holds.
    pub(crate) fn access_token(&self, secret: &str) -> String {
        self.token(secret, json!({})).expect(200).str("/access_token")
    }

    /// Trusts the partner with the custom role under an external id; the answer.
    pub(crate) fn trust(&self, accounts: &Value, seconds: u32) -> Reply {
        let path = format!("/v1/roles/{}", self.role_id);
        let etag = self.server.get(&path, &self.ehr.token).expect(200).header("etag").to_owned();
        let body = json!({ "accounts": accounts, "max_duration_seconds": seconds });
        let ask = self.server.ask("PUT", &format!("{path}/trust")).bearer(&self.ehr.token);
        ask.header("if-match", &etag).json(&body).send()
    }

    /// Changes the Subscription as its owner.
    pub(crate) fn change(&self, body: &Value) -> Reply {
        let path = format!("/v1/services/{}/subscriptions/{}", self.service_id, self.subscription_id);
        let etag = self.server.get(&path, &self.ehr.token).expect(200).header("etag").to_owned();
        self.server.ask("PATCH", &path).bearer(&self.ehr.token).header("if-match", &etag).json(body).send()
    }

    /// Enrols a gateway: its `arc.json`.
    pub(crate) fn enrol(&self) -> Value {
        let path = format!("/v1/services/{}/gateways", self.service_id);
        self.server.post(&path, &self.ehr.token, &json!({ "name": "edge" })).expect(201).json()
    }

    /// The claims of a token, verified against the Service's public keys.
    pub(crate) fn claims(&self, token: &str) -> Value {
        let path = format!("{}/jwks.json", self.issuer.strip_prefix(&self.server.base).unwrap());
        let set: JwkSet = serde_json::from_value(self.server.ask("GET", &path).send().expect(200).json()).unwrap();
        let header = jsonwebtoken::decode_header(token).unwrap();
        assert_eq!((header.alg, header.typ.as_deref()), (Algorithm::ES256, Some("at+jwt")));
        let key = DecodingKey::from_jwk(set.find(&header.kid.unwrap()).expect("a published key")).unwrap();
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_audience(&[BASE]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        jsonwebtoken::decode::<Value>(token, &key, &validation).unwrap().claims
    }

    /// The content of the Service's bundle, read with a new gateway's key.
    pub(crate) fn bundle(&self) -> policy::bundle::Parts {
        let arc = self.enrol();
        let reply = self.server.get("/v1/gateway/bundle", arc["key"].as_str().unwrap()).expect(200);
        let end = reply.body.iter().position(|byte| *byte == b'\n').unwrap();
        policy::Bundle::decode(&reply.body[end + 1..]).unwrap().into_parts()
    }
}

/// The `error` of an OAuth answer of that status, which nobody may keep.
#[track_caller]
pub(crate) fn oauth_error(reply: &Reply, status: u16) -> String {
    assert_eq!(reply.status, status, "{}", reply.text());
    assert_eq!(reply.header("cache-control"), "no-store");
    assert!(!reply.str("/error_description").is_empty());
    if status == 401 {
        assert!(reply.header("www-authenticate").starts_with("Bearer"), "{}", reply.header("www-authenticate"));
    }
    reply.str("/error")
}
