//! The bare role question, asked of this project's own engine: the only file that knows how.

use decision::{Engine, permits_operation};
use policy::Bundle;
use policy::claims::{Claims, TokenKind};
use policy::id::RoleId;
use policy::operation::Method;
use policy::settings::ServiceKind;

use crate::service::{self, BASE, BASE_PATH, ISSUER};

/// The kind of Service that the question is asked about.
pub const KIND: ServiceKind = ServiceKind::Fhirv4;

/// What a decision is asked with, made before the clock runs.
pub struct Ours {
    engine: Engine,
    tokens: Vec<Vec<RoleId>>,
}

impl Ours {
    pub fn new(bundle: Bundle, tokens: &[Vec<RoleId>]) -> Self {
        Self { engine: Engine::new(bundle), tokens: tokens.to_vec() }
    }

    /// Whether that token may send that method to that target (path with the base).
    pub fn permits(&self, method: &str, target: &str, token: usize) -> bool {
        role_question(&self.engine, method, target, &self.tokens[token])
    }
}

/// Whether one of these roles has the operation; method and path are read anew each time.
pub fn role_question(engine: &Engine, method: &str, target: &str, roles: &[RoleId]) -> bool {
    let path = target.strip_prefix(BASE_PATH).unwrap_or_default();
    Method::parse(method).is_some_and(|method| permits_operation(engine, method, path, roles))
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
