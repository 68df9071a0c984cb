//! One caller in a line of text: `patient/*.rs role:observation-reader account:partner`.

use policy::bundle::Issuer;
use policy::claims::{Claims, TokenKind};
use policy::reason::Reason;

use crate::ehr;

/// What verification made of a caller's credentials.
#[derive(Clone, Debug)]
pub enum Token {
    /// `none`: there were none.
    Missing,
    /// `refused:expired`: they do not count.
    Refused(Reason),
    /// Claims, and whose they are.
    Claims(Box<Claims>, Box<Issuer>),
}

impl Token {
    /// Reads a caller. Words are scopes, but for `none`, `refused:<reason>`, `role:<name>`,
    /// `account:<name>`, `patient:<id>` (`patient:-` for no context; else it is `ME`), `kind:<kind>`,
    /// `person` (a `fhirUser`) and `untrusted` (an issuer whose roles do not count).
    ///
    /// # Panics
    /// When a word names a role, account, kind or reason that the fixture has not.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut claims = Claims {
            iss: ehr::ISSUER.to_owned(),
            sub: "caller".to_owned(),
            aud: ehr::BASE.to_owned(),
            exp: 2,
            nbf: 0,
            iat: 0,
            jti: "1".to_owned(),
            kind: TokenKind::Key,
            account_id: Some(ehr::account("owner")),
            client_id: None,
            key_id: None,
            role_session_id: None,
            scope: None,
            role_ids: Vec::new(),
            patient: Some("ME".to_owned()),
            fhir_user: None,
            act: None,
            tags: std::collections::BTreeMap::new(),
            clearance: None,
        };
        let mut issuer = ehr::issuer();
        let mut scopes: Vec<&str> = Vec::new();
        for word in text.split_whitespace() {
            match word.split_once(':') {
                None if word == "none" => return Self::Missing,
                None if word == "person" => claims.fhir_user = Some("Practitioner/P1".to_owned()),
                None if word == "untrusted" => issuer.trusted_for_roles = false,
                Some(("refused", code)) => return Self::Refused(Reason::parse(code).expect("a reason")),
                Some(("role", name)) => claims.role_ids.push(ehr::role(name)),
                Some(("account", "-")) => claims.account_id = None,
                Some(("account", name)) => claims.account_id = Some(ehr::account(name)),
                Some(("patient", "-")) => claims.patient = None,
                Some(("patient", id)) => claims.patient = Some(id.trim_matches('"').to_owned()),
                Some(("kind", kind)) => {
                    claims.kind = match kind {
                        "key" => TokenKind::Key,
                        "assumed" => TokenKind::AssumedRole,
                        "user" => TokenKind::User,
                        "foreign" => TokenKind::Foreign,
                        other => panic!("there is no kind {other}"),
                    };
                }
                _ => scopes.push(word),
            }
        }
        claims.scope = (!scopes.is_empty()).then(|| scopes.join(" "));
        Self::Claims(Box::new(claims), Box::new(issuer))
    }
}
