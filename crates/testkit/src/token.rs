//! One caller in a line of text: `patient/*.rs role:observation-reader account:partner`.

use policy::basic::BasicKey;
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
    /// `basic:reader`: Basic credentials of that Key.
    Basic(Box<BasicKey>),
    /// `both:reader` among other words: these, and Basic credentials beside them.
    Both(Box<Claims>, Box<Issuer>, Box<BasicKey>),
}

impl Token {
    /// Reads a caller. Words are scopes, but for `none`, `refused:<reason>`, `role:<name>`,
    /// `account:<name>`, `patient:<id>` (`patient:-` for no context; else it is `ME`), `kind:<kind>`,
    /// `person` (a `fhirUser`), `untrusted` (an issuer whose roles do not count), `tag:dept=cardio` (again for each
    /// value), `clearance:R`, `basic:reader` (only a Key's Basic credentials) and `both:reader` (these beside the token).
    ///
    /// # Panics
    /// When a word names a role, account, kind or reason that the fixture has not.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut claims = claims();
        let mut issuer = ehr::issuer();
        let mut scopes: Vec<&str> = Vec::new();
        let mut beside = None;
        for word in text.split_whitespace() {
            match word.split_once(':') {
                None if word == "none" => return Self::Missing,
                None if word == "person" => claims.fhir_user = Some("Practitioner/P1".to_owned()),
                None if word == "untrusted" => issuer.trusted_for_roles = false,
                Some(("refused", code)) => return Self::Refused(Reason::parse(code).expect("a reason")),
                Some(("basic", name)) => return Self::Basic(Box::new(ehr::basic_key(name))),
                Some(("both", name)) => beside = Some(Box::new(ehr::basic_key(name))),
                Some(("tag", tag)) => {
                    let (key, value) = tag.split_once('=').expect("a tag is key=value");
                    claims.tags.entry(key.to_owned()).or_default().push(value.to_owned());
                }
                Some(("clearance", code)) => claims.clearance = Some(code.to_owned()),
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
        let (claims, issuer) = (Box::new(claims), Box::new(issuer));
        match beside {
            None => Self::Claims(claims, issuer),
            Some(key) => Self::Both(claims, issuer, key),
        }
    }
}

/// The claims of a Key of the owner's, with nothing but the patient context `ME`.
#[must_use]
pub fn claims() -> Claims {
    Claims {
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_a_line_of_words() {
        let Token::Claims(claims, _) =
            Token::parse("role:doctor tag:dept=cardio tag:dept=icu tag:team=red clearance:R")
        else {
            panic!("claims")
        };
        assert_eq!(claims.tags["dept"], ["cardio", "icu"]);
        assert_eq!((claims.tags["team"].len(), claims.clearance.as_deref()), (1, Some("R")));
        assert_eq!(claims.role_ids, [ehr::role("doctor")]);
        let Token::Basic(key) = Token::parse("basic:writer") else { panic!("Basic") };
        assert!(key.privileges.iter().all(|held| held.write && !held.read));
        let Token::Both(claims, _, key) = Token::parse("both:nobody system/*.rs") else { panic!("both") };
        assert_eq!((claims.scope.as_deref(), key.privileges.len()), (Some("system/*.rs"), 0));
    }
}
