//! The bare role question, asked of this project's own engine: the only file that knows how.

use decision::{Engine, decide};
use policy::Bundle;
use policy::bundle::Issuer;
use policy::claims::{Claims, TokenKind};
use policy::id::RoleId;
use policy::request::{Caller, Capabilities, Header, Request};
use policy::settings::ServiceKind;

use crate::service::{self, BASE, HOST, ISSUER};

/// The kind of Service that the question is asked about: a plain one, where roles are all that there is.
pub const KIND: ServiceKind = ServiceKind::Plain;

/// What a decision is asked with, made before the clock runs.
pub struct Ours {
    engine: Engine,
    issuer: Issuer,
    tokens: Vec<Claims>,
}

impl Ours {
    pub fn new(bundle: Bundle, tokens: &[Vec<RoleId>]) -> Self {
        let issuer = bundle.parts().issuers.first().expect("an issuer").clone();
        let tokens = tokens.iter().map(|roles| claims(roles)).collect();
        Self { engine: Engine::new(bundle), issuer, tokens }
    }

    /// Whether that token may send that method to that target (path with the base).
    pub fn permits(&self, method: &str, target: &str, token: usize) -> bool {
        role_question(&self.engine, method, target, &self.tokens[token], &self.issuer)
    }
}

/// Whether one of the caller's roles has the operation.
pub fn role_question(engine: &Engine, method: &str, target: &str, claims: &Claims, issuer: &Issuer) -> bool {
    let request = Request {
        method,
        target,
        headers: &[Header { name: "host", value: HOST.as_bytes() }],
        body: b"",
        caller: Caller::Verified(claims, issuer),
        capabilities: Capabilities::ALL,
        stale: false,
        now: 0,
        stored: &[],
    };
    decide(engine, &request).permits()
}

/// A key's token with these roles and nothing else.
pub fn claims(roles: &[RoleId]) -> Claims {
    Claims {
        iss: ISSUER.to_owned(),
        sub: "key_1".to_owned(),
        aud: BASE.to_owned(),
        exp: i64::MAX,
        nbf: 0,
        iat: 0,
        jti: "tok_1".to_owned(),
        kind: TokenKind::Key,
        account_id: Some(service::owner()),
        client_id: None,
        key_id: None,
        role_session_id: None,
        scope: None,
        role_ids: roles.to_vec(),
        patient: None,
        fhir_user: None,
        act: None,
        tags: std::collections::BTreeMap::new(),
        clearance: None,
    }
}
