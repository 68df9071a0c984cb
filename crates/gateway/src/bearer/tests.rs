//! Which tokens count, and why others do not (phase 2; A11, A12, A14, A17).

use base64::Engine;
use policy::bundle::{Bundle, Parts, Revocation};
use policy::claims::MAX_TOKEN_BYTES;
use policy::id::{AccountId, KeyId, RoleId, RoleSessionId, TokenId};
use policy::settings::ServiceKind;
use serde_json::{Value, json};
use testkit::bundles::{self, ISSUER, Published};
use testkit::jws::{SigningKey, base64url, sign_hs256};
use uuid::Uuid;

use super::*;

mod basic;
mod cost;
mod differential;
mod tags;

const BASE: &str = "https://api.example/fhir";
const NOW: i64 = 1_800_000_000;

struct Fixture {
    key: SigningKey,
    parts: Parts,
    authenticator: Authenticator,
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "key_1", "aud": BASE, "exp": NOW + 300, "nbf": NOW, "iat": NOW,
        "jti": TokenId::new(Uuid::from_u128(1)), "token_kind": "key", "scope": "patient/Patient.rs", "patient": "p1",
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

impl Fixture {
    fn new() -> Self {
        let key = SigningKey::es256("k1");
        let parts = bundles::parts(ServiceKind::Fhirv4, BASE, &[&key]);
        Self { key, parts, authenticator: Authenticator::default() }
    }

    fn snapshot(&self, version: u64) -> Snapshot {
        let published = Published::new(self.parts.clone(), version, None, NOW);
        Snapshot::new(published.manifest, Bundle::new(self.parts.clone()).unwrap())
    }

    fn token(&self, claims: &Value) -> String {
        self.key.sign("at+jwt", claims)
    }

    fn ask(&self, snapshot: &Snapshot, token: &str, now: i64) -> Credential {
        let value = format!("Bearer {token}");
        self.authenticator.authenticate(snapshot, &[header(&value)], at(now))
    }

    /// The reason why that token does not count, on a fresh gateway and on one that remembers.
    fn reason(&self, token: &str) -> Option<Reason> {
        let snapshot = self.snapshot(1);
        let first = self.ask(&snapshot, token, NOW).refusal();
        assert_eq!(self.ask(&snapshot, token, NOW).refusal(), first, "the second time is as the first");
        first
    }

    fn claims_reason(&self, claims: &Value) -> Option<Reason> {
        self.reason(&self.token(claims))
    }
}

fn header(value: &str) -> Header<'_> {
    Header { name: "authorization", value: value.as_bytes() }
}

#[test]
fn k18_a_right_token_counts_with_its_claims() {
    let fixture = Fixture::new();
    let snapshot = fixture.snapshot(1);
    let credential = fixture.ask(&snapshot, &fixture.token(&claims()), NOW);
    let claims = credential.claims().unwrap();
    assert_eq!((claims.sub.as_str(), claims.patient.as_deref()), ("key_1", Some("p1")));
    assert!(matches!(credential.caller(snapshot.bundle()), Caller::Verified(_, issuer) if &*issuer.issuer == ISSUER));
}

#[test]
fn the_scheme_is_exactly_bearer_and_stands_once() {
    let fixture = Fixture::new();
    let snapshot = fixture.snapshot(1);
    let token = fixture.token(&claims());
    let ask = |headers: &[Header<'_>]| fixture.authenticator.authenticate(&snapshot, headers, at(NOW)).refusal();
    assert_eq!(ask(&[]), Some(Reason::NoToken));
    let right = format!("Bearer {token}");
    assert_eq!(ask(&[header(&right)]), None);
    assert_eq!(ask(&[header(&right), header(&right)]), Some(Reason::TwoCredentials));
    for wrong in ["", "Bearer", "Bearer ", "bearer x", "Basic eDp5", "Bearer  x", &format!("bearer {token}"), &token] {
        assert_eq!(ask(&[header(wrong)]), Some(Reason::MalformedToken), "{wrong}");
    }
    let long = format!("Bearer {}", "a".repeat(MAX_TOKEN_BYTES + 1));
    assert_eq!(ask(&[header(&long)]), Some(Reason::MalformedToken));
    for (before, after) in [(" ", ""), ("", " "), ("\t", ""), ("", "="), ("", "."), ("", "\n")] {
        let odd = format!("Bearer {before}{token}{after}");
        assert!(ask(&[header(&odd)]).is_some(), "{before:?} {after:?}");
    }
}

#[test]
fn k18_each_reason_of_phase_2_has_its_token() {
    let fixture = Fixture::new();
    let other = SigningKey::es256("k1");
    let unknown = SigningKey::es256("k2");
    for (token, reason) in [
        (fixture.token(&with("exp", json!(NOW - 31))), Reason::Expired),
        (fixture.token(&with("nbf", json!(NOW + 31))), Reason::NotYetValid),
        (fixture.token(&with("iss", json!("https://other.example"))), Reason::WrongIssuer),
        (fixture.token(&with("iss", json!(format!("{ISSUER}/")))), Reason::WrongIssuer),
        (fixture.token(&with("aud", json!("https://api.example"))), Reason::WrongAudience),
        (fixture.token(&with("aud", json!([]))), Reason::WrongAudience),
        (fixture.token(&with("aud", json!([format!("{BASE}/")]))), Reason::WrongAudience),
        (unknown.sign("at+jwt", &claims()), Reason::UnknownKey),
        (other.sign("at+jwt", &claims()), Reason::BadSignature),
    ] {
        assert_eq!(fixture.reason(&token), Some(reason), "{token}");
    }
}

#[test]
fn phase_2_asks_in_its_own_order() {
    let fixture = Fixture::new();
    let forged = SigningKey::es256("unknown");
    let mut claims = with("exp", json!(0));
    claims["iss"] = json!("x");
    claims["aud"] = json!("x");
    claims["nbf"] = json!(NOW + 1_000);
    let mut expect = |reason, mend: &str, value: Value| {
        assert_eq!(fixture.reason(&forged.sign("at+jwt", &claims)), Some(reason));
        claims[mend] = value;
    };
    expect(Reason::Expired, "exp", json!(NOW + 300));
    expect(Reason::NotYetValid, "nbf", json!(NOW));
    expect(Reason::WrongIssuer, "iss", json!(ISSUER));
    expect(Reason::WrongAudience, "aud", json!(BASE));
    expect(Reason::UnknownKey, "x", json!(0));
}

#[test]
fn the_clocks_may_be_thirty_seconds_apart() {
    let fixture = Fixture::new();
    for (claims, counts) in [
        (with("exp", json!(NOW - 29)), true),
        (with("exp", json!(NOW - 30)), false),
        (with("nbf", json!(NOW + 30)), true),
        (with("nbf", json!(NOW + 31)), false),
    ] {
        assert_eq!(fixture.claims_reason(&claims).is_none(), counts, "{claims}");
    }
}

#[test]
fn a_list_of_audiences_may_hold_the_base_url() {
    let fixture = Fixture::new();
    assert_eq!(fixture.claims_reason(&with("aud", json!(["https://other.example", BASE]))), None);
}

#[test]
fn a13_what_must_be_there_must_be_there() {
    let fixture = Fixture::new();
    for name in ["exp", "iss", "aud", "sub"] {
        assert_eq!(fixture.claims_reason(&without(name)), Some(Reason::MalformedToken), "{name}");
    }
    for name in ["nbf", "iat", "jti", "scope", "patient", "token_kind"] {
        assert_eq!(fixture.claims_reason(&without(name)), None, "{name}");
    }
}

#[test]
fn a12_a_claim_of_the_wrong_type_is_a_fault_of_the_token() {
    let fixture = Fixture::new();
    let odd = [
        json!("9999999999"),
        json!(1e99),
        json!(9_999_999_999.5),
        json!(null),
        json!([]),
        json!({}),
        json!(true),
        json!(u64::MAX),
        json!([NOW + 300]),
    ];
    for name in ["exp", "nbf", "iat"] {
        for value in &odd {
            let reason = fixture.claims_reason(&with(name, value.clone()));
            assert_eq!(reason, Some(Reason::MalformedToken), "{name} {value}");
        }
    }
    assert_eq!(fixture.claims_reason(&with("exp", json!(-1))), Some(Reason::Expired));
    for name in ["iss", "sub", "jti", "scope", "patient", "token_kind", "client_id", "account_id", "key_id", "fhirUser"]
    {
        for value in [json!(1), json!(null), json!([]), json!({}), json!(true)] {
            let reason = fixture.claims_reason(&with(name, value.clone()));
            assert_eq!(reason, Some(Reason::MalformedToken), "{name} {value}");
        }
    }
    for (name, value) in [
        ("aud", json!({"a": BASE})),
        ("aud", json!(1)),
        ("aud", json!([BASE, 1])),
        ("aud", json!(null)),
        ("role_ids", json!("role_x")),
        ("role_ids", json!([1])),
        ("role_ids", json!({})),
        ("scp", json!(1)),
        ("scp", json!([1])),
        ("act", json!("x")),
        ("act", json!({})),
        ("act", json!({"sub": "x"})),
        ("account_id", json!("key_00000000000000000000000001")),
        ("key_id", json!("nonsense")),
        ("patient", json!("Patient/1")),
        ("patient", json!("")),
        ("patient", json!("1&x=2")),
        ("sub", json!("")),
        ("token_kind", json!("root")),
    ] {
        assert_eq!(fixture.claims_reason(&with(name, value.clone())), Some(Reason::MalformedToken), "{name} {value}");
    }
}

#[test]
fn a11_the_header_never_chooses_the_algorithm() {
    let fixture = Fixture::new();
    let public = fixture.key.jwk().to_string();
    for algorithm in ["none", "None", "NONE", "nOnE", "HS256", "HS384", "RS256", "PS256", "ES384", "EdDSA", "es256", ""]
    {
        let header = json!({"alg": algorithm, "typ": "at+jwt", "kid": "k1"});
        let unsigned = format!("{}.{}.", base64url(header.to_string()), base64url(claims().to_string()));
        let own = fixture.key.sign_raw(header.to_string().as_bytes(), claims().to_string().as_bytes());
        for token in [unsigned, own, sign_hs256(public.as_bytes(), &header, &claims())] {
            assert_eq!(fixture.reason(&token), Some(Reason::Algorithm), "{algorithm}");
        }
    }
}

#[test]
fn a11_a_signature_has_one_form() {
    let fixture = Fixture::new();
    let token = fixture.token(&claims());
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let raw = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(signature).unwrap();
    let zeros = base64url([0; 64]);
    let der = base64url([&[0x30, 0x44, 0x02, 0x20], &raw[..32], &[0x02, 0x20], &raw[32..]].concat());
    let padded = format!("{signature}==");
    for signature in ["", &zeros, &der, &padded, &base64url(&raw[..63]), &base64url([&raw[..], &[0]].concat())] {
        assert_eq!(fixture.reason(&format!("{signed}.{signature}")), Some(Reason::BadSignature), "{signature}");
    }
}

#[test]
fn a14_the_header_never_brings_or_points_at_a_key() {
    let fixture = Fixture::new();
    let attacker = SigningKey::es256("k1");
    for (name, value) in [
        ("jwk", attacker.jwk()),
        ("jku", json!("https://evil.example/jwks")),
        ("x5u", json!("https://evil.example")),
        ("x5c", json!(["AAAA"])),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
    ] {
        for key in [&attacker, &fixture.key] {
            let mut header = key.header("at+jwt");
            header[name] = value.clone();
            let token = key.sign_raw(header.to_string().as_bytes(), claims().to_string().as_bytes());
            assert_eq!(fixture.reason(&token), Some(Reason::MalformedToken), "{name}");
        }
    }
    for kid in ["../../dev/null", "' OR 1=1 --", "K1", "k1 ", "k1\0", ""] {
        let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": kid});
        let token = fixture.key.sign_raw(header.to_string().as_bytes(), claims().to_string().as_bytes());
        assert_eq!(fixture.reason(&token), Some(Reason::UnknownKey), "{kid}");
    }
    for kid in [json!("k".repeat(8 * 1024)), json!(1), json!(["k1"]), json!(null)] {
        let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": kid});
        let token = fixture.key.sign_raw(header.to_string().as_bytes(), claims().to_string().as_bytes());
        assert_eq!(fixture.reason(&token), Some(Reason::MalformedToken), "{kid}");
    }
}

#[test]
fn a_header_is_read_strictly() {
    let fixture = Fixture::new();
    let payload = claims().to_string();
    for header in [
        r#"{"alg":"ES256","typ":"at+jwt","kid":"k1","kid":"k1"}"#,
        r#"{"alg":"ES256","kid":"k1"}"#,
        r#"{"alg":"ES256","typ":"id_token","kid":"k1"}"#,
        r#"{"alg":"ES256","typ":7,"kid":"k1"}"#,
        r#"{"typ":"at+jwt","kid":"k1"}"#,
        r#"["ES256"]"#,
        "",
    ] {
        let token = fixture.key.sign_raw(header.as_bytes(), payload.as_bytes());
        assert_eq!(fixture.reason(&token), Some(Reason::MalformedToken), "{header}");
    }
    let twice = payload.replacen('{', r#"{"sub":"someone else","#, 1);
    let token = fixture.key.sign_raw(fixture.key.header("JWT").to_string().as_bytes(), twice.as_bytes());
    assert_eq!(fixture.reason(&token), Some(Reason::MalformedToken), "a claim that stands twice");
    assert_eq!(fixture.reason(&fixture.key.sign("JWT", &claims())), None);
}

#[test]
fn a17_no_variant_of_a_token_counts() {
    let fixture = Fixture::new();
    let snapshot = fixture.snapshot(1);
    let token = fixture.token(&claims());
    assert!(fixture.ask(&snapshot, &token, NOW).claims().is_some());
    let bytes = token.as_bytes();
    let mut tried = 0;
    let mut refused = |variant: &[u8]| {
        let value = [b"Bearer ", variant].concat();
        let header = Header { name: "authorization", value: &value };
        // Time goes on, so that it is never the budget of signatures that refuses.
        let credential = fixture.authenticator.authenticate(&snapshot, &[header], at(NOW + tried / 500));
        let refused = credential.refusal().is_some_and(|reason| reason != Reason::Internal);
        assert!(refused, "{}", String::from_utf8_lossy(variant));
        tried += 1;
    };
    for end in 0..bytes.len() {
        refused(&bytes[..end]);
    }
    for index in 0..bytes.len() {
        for bit in 0..8 {
            let mut variant = bytes.to_vec();
            variant[index] ^= 1 << bit;
            refused(&variant);
        }
    }
    for tail in ["=", "==", ".", "A", "AA", ".A", " ", "\0"] {
        refused(&[bytes, tail.as_bytes()].concat());
    }
    refused(token.to_ascii_lowercase().as_bytes());
    refused(token.to_ascii_uppercase().as_bytes());
    refused(token.replace('.', "..").as_bytes());
    assert!(tried > 3_000, "{tried}");
}

#[test]
fn each_algorithm_verifies_with_its_own_key_only() {
    let keys = [
        SigningKey::es256("es256"),
        SigningKey::es384("es384"),
        SigningKey::ed25519("eddsa"),
        SigningKey::rsa("rs256", "RS256"),
        SigningKey::rsa("rs384", "RS384"),
    ];
    let all: Vec<&SigningKey> = keys.iter().collect();
    let fixture = Fixture { parts: bundles::parts(ServiceKind::Plain, BASE, &all), ..Fixture::new() };
    for key in &keys {
        assert_eq!(fixture.reason(&key.sign("at+jwt", &claims())), None, "{}", key.kid());
        for other in keys.iter().filter(|other| other.kid() != key.kid()) {
            let header = json!({"alg": other.algorithm(), "typ": "at+jwt", "kid": other.kid()});
            let token = key.sign_raw(header.to_string().as_bytes(), claims().to_string().as_bytes());
            assert_eq!(fixture.reason(&token), Some(Reason::BadSignature), "{} as {}", key.kid(), other.kid());
        }
    }
}

#[test]
fn what_was_revoked_no_longer_counts() {
    let id = Uuid::from_u128;
    let (key, role, session) = (KeyId::new(id(2)), RoleId::new(id(3)), RoleSessionId::new(id(4)));
    let (owner, partner) = (AccountId::new(id(5)), AccountId::new(id(6)));
    let mut claims = claims();
    for (name, value) in [
        ("key_id", json!(key)),
        ("role_ids", json!([role])),
        ("role_session_id", json!(session)),
        ("account_id", json!(owner)),
        ("act", json!({"sub": key, "account_id": partner})),
        ("token_kind", json!("assumed_role")),
    ] {
        claims[name] = value;
    }
    let of_a_key = {
        let mut claims = claims.clone();
        claims["token_kind"] = json!("key");
        claims
    };
    for (revocation, ends_assumed, ends_key) in [
        (Revocation::Token(TokenId::new(id(1))), true, true),
        (Revocation::Key(key), true, true),
        (Revocation::Role(role), true, false),
        (Revocation::RoleSession(session), true, true),
        (Revocation::Account(owner), true, true),
        (Revocation::Account(partner), true, true),
        (Revocation::Trust(role, partner), true, false),
        (Revocation::Trust(role, owner), false, false),
        (Revocation::Key(KeyId::new(id(9))), false, false),
    ] {
        let mut fixture = Fixture::new();
        fixture.parts.revocations = vec![revocation.clone()];
        for (claims, ends) in [(&claims, ends_assumed), (&of_a_key, ends_key)] {
            assert_eq!(fixture.claims_reason(claims), ends.then_some(Reason::Revoked), "{revocation:?}");
        }
    }
}

#[test]
fn a_remembered_token_is_checked_against_the_present_bundle() {
    let mut fixture = Fixture::new();
    let token = fixture.token(&claims());
    assert!(fixture.ask(&fixture.snapshot(1), &token, NOW).claims().is_some());

    assert_eq!(fixture.ask(&fixture.snapshot(1), &token, NOW + 330).refusal(), Some(Reason::Expired));
    fixture.parts.revocations = vec![Revocation::Token(TokenId::new(Uuid::from_u128(1)))];
    assert_eq!(fixture.ask(&fixture.snapshot(2), &token, NOW).refusal(), Some(Reason::Revoked));
    fixture.parts.revocations.clear();
    fixture.parts.settings.patient_claim = "chart".into();
    let remapped = fixture.ask(&fixture.snapshot(3), &token, NOW);
    assert_eq!(remapped.claims().unwrap().patient, None, "settings are those of the bundle");
    let replaced = SigningKey::es256("k1");
    fixture.parts.issuers[0].keys = vec![bundles::issuer_key(&replaced)];
    assert_eq!(fixture.ask(&fixture.snapshot(4), &token, NOW).refusal(), Some(Reason::BadSignature));
    fixture.parts.issuers.clear();
    assert_eq!(fixture.ask(&fixture.snapshot(5), &token, NOW).refusal(), Some(Reason::WrongIssuer));
}

#[test]
fn settings_name_the_patient_claim_and_the_scope_alias() {
    let mut fixture = Fixture::new();
    fixture.parts.settings.patient_claim = "chart".into();
    let mut claims = without("scope");
    claims["chart"] = json!("p9");
    claims["scp"] = json!(["patient/Patient.r", "openid"]);
    let token = fixture.token(&claims);
    let read = fixture.ask(&fixture.snapshot(1), &token, NOW);
    assert_eq!(read.claims().unwrap().patient.as_deref(), Some("p9"));
    assert_eq!(read.claims().unwrap().scope, None, "this issuer does not say that scp is scope");
    fixture.parts.issuers[0].scp_is_scope = true;
    let read = fixture.ask(&fixture.snapshot(2), &token, NOW);
    assert_eq!(read.claims().unwrap().scope.as_deref(), Some("patient/Patient.r openid"));
}
