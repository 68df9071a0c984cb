//! Credentials as they come over the wire, for the callers that the tables name: signed tokens, and Basic.

use policy::Reason;
use policy::bundle::{Issuer, Parts, Revocation};
use serde_json::{Value, json};
use testkit::bundles::issuer_key;
use testkit::ehr;
use testkit::jws::{SigningKey, base64, sha256};
use testkit::token::Token;

/// The issuer whose roles do not count.
const UNTRUSTED: &str = "https://untrusted.example";
/// The one token that was revoked.
const REVOKED: &str = "tok_00000000000000000000000001";

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
        parts.revocations = vec![Revocation::Token(REVOKED.parse().unwrap())];
        // A fixture's secret is any text; one that is sent has the form of a Key's.
        for key in &mut parts.basic_keys {
            let name = BASIC.iter().find(|name| ehr::key(name) == key.id).expect("a Key of the fixture");
            key.secret_hash = sha256(&secret(name));
        }
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
            Reason::Revoked => payload["jti"] = REVOKED.into(),
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

/// The Keys of the fixture.
const BASIC: [&str; 4] = ["reader", "writer", "both", "nobody"];
/// Crockford's alphabet in lower case.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

fn secret(name: &str) -> [u8; 32] {
    sha256(ehr::basic_secret(name).as_bytes())
}

/// The Basic credentials of the Key that the words name: its id, and `fw_live_<id>_<secret>_<checksum>`.
fn basic(caller: &str) -> String {
    let named = caller.split_whitespace().find_map(|word| word.strip_prefix("basic:").or(word.strip_prefix("both:")));
    let name = named.expect("a Key is named");
    let id = ehr::key(name).to_string();
    let (_, own) = id.split_once('_').expect("an id has a prefix");
    let start = format!("fw_live_{own}_{}", base32(&secret(name)));
    let password = format!("{start}_{}", base32(&crc32(start.as_bytes()).to_be_bytes()));
    format!("Basic {}", base64(format!("{id}:{password}")))
}

/// Groups of five bits, the last one filled up with zeros.
fn base32(bytes: &[u8]) -> String {
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let groups = bits.chunks(5).map(|group| {
        let value = group.iter().chain(std::iter::repeat_n(&0, 5 - group.len()));
        value.fold(0, |value, bit| value * 2 + usize::from(*bit))
    });
    groups.map(|value| char::from(ALPHABET[value])).collect()
}

/// CRC-32 (ISO-HDLC), bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}
