//! Credentials as they come over the wire, for the callers that the tables name: signed tokens, and Basic.

use policy::Reason;
use policy::bundle::{Issuer, Parts};
use serde_json::{Value, json};
use testkit::bundles::issuer_key;
use testkit::ehr;
use testkit::jws::SigningKey;
use testkit::token::Token;

/// The issuer whose roles do not count.
const UNTRUSTED: &str = "https://untrusted.example";

/// The keys of both issuers.
pub(crate) struct Keys {
    own: SigningKey,
    untrusted: SigningKey,
    stranger: SigningKey,
}

impl Keys {
    pub(crate) fn new() -> Self {
        let key = SigningKey::es256;
        Self { own: key("own"), untrusted: key("untrusted"), stranger: key("stranger") }
    }

    /// Makes the bundle believe them.
    pub(crate) fn trust(&self, parts: &mut Parts) {
        for issuer in &mut parts.issuers {
            issuer.keys = vec![issuer_key(&self.own)];
        }
        let issuer = Issuer { issuer: UNTRUSTED.into(), trusted_for_roles: false, ..ehr::issuer() };
        parts.issuers.push(Issuer { keys: vec![issuer_key(&self.untrusted)], ..issuer });
    }

    /// The `Authorization` fields of a caller.
    pub(crate) fn fields(&self, caller: &str, now: i64) -> Vec<String> {
        match Token::parse(caller) {
            Token::Missing => Vec::new(),
            Token::Refused(reason) => vec![format!("Bearer {}", self.refused(reason, now))],
            Token::Claims(claims, issuer) => vec![self.bearer(&claims, &issuer, now)],
            Token::Basic(_) => vec![basic(caller)],
            Token::Both(claims, issuer, _) => vec![self.bearer(&claims, &issuer, now), basic(caller)],
        }
    }

    fn bearer(&self, claims: &policy::claims::Claims, issuer: &Issuer, now: i64) -> String {
        let mut payload = serde_json::to_value(claims).unwrap();
        times(&mut payload, now);
        let key = if issuer.trusted_for_roles { &self.own } else { &self.untrusted };
        if !issuer.trusted_for_roles {
            payload["iss"] = UNTRUSTED.into();
        }
        format!("Bearer {}", key.sign("at+jwt", &payload))
    }

    /// A token that is refused for this reason.
    fn refused(&self, reason: Reason, now: i64) -> String {
        let mut payload = json!({"iss": ehr::ISSUER, "sub": "caller", "aud": ehr::BASE, "jti": "1", "token_kind": "key",
            "scope": "patient/*.rs", "patient": "ME"});
        times(&mut payload, now);
        let good = |payload: &Value| self.own.sign("at+jwt", payload);
        match reason {
            Reason::Expired => payload["exp"] = (now - 3_600).into(),
            Reason::NotYetValid => payload["nbf"] = (now + 3_600).into(),
            Reason::WrongIssuer => payload["iss"] = "https://as.example/s/ehr.evil".into(),
            Reason::WrongAudience => payload["aud"] = "https://gw.example/fhir.evil".into(),
            // No `kid` of the bundle; no table has a revoked one.
            Reason::UnknownKey => return self.stranger.sign("at+jwt", &payload),
            Reason::BadSignature => {
                let header = self.own.header("at+jwt").to_string();
                return self.stranger.sign_raw(header.as_bytes(), payload.to_string().as_bytes());
            }
            Reason::Algorithm => {
                let header = json!({"alg": "none", "typ": "at+jwt", "kid": "own"}).to_string();
                return self.own.sign_raw(header.as_bytes(), payload.to_string().as_bytes());
            }
            Reason::MalformedToken => payload["patient"] = json!([]),
            other => panic!("no token is refused for {other}"),
        }
        good(&payload)
    }
}

fn times(payload: &mut Value, now: i64) {
    payload["iat"] = now.into();
    payload["nbf"] = now.into();
    payload["exp"] = (now + 600).into();
}

/// The Basic credentials of the Key that the words name.
fn basic(caller: &str) -> String {
    let named = caller.split_whitespace().find_map(|word| word.strip_prefix("basic:").or(word.strip_prefix("both:")));
    let name = named.expect("a Key is named");
    let text = format!("{}:{}", ehr::key(name), ehr::basic_secret(name));
    format!("Basic {}", testkit::jws::base64(text))
}
