//! Basic credentials, alone and beside a token (I01 to I13, D29, D30).

use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use policy::audit::Principal;
use policy::decision::{Decision, Phase, Verdict};
use policy::settings::Basic;

use super::*;
use crate::audit::record::{self, Seen};
use crate::bearer::basic::text;

const SECRET: [u8; 32] = [7; 32];

fn key_id(number: u128) -> KeyId {
    KeyId::new(Uuid::from_u128(number))
}

fn basic_key(number: u128) -> BasicKey {
    let secret_hash = sha256(&SECRET);
    let account_id = AccountId::new(Uuid::from_u128(0xacc));
    BasicKey { id: key_id(number), account_id, secret_hash, privileges: Vec::new() }
}

fn fixture() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.parts.settings.basic = Some(Basic::default());
    fixture.parts.basic_keys = vec![basic_key(1), basic_key(3)];
    fixture
}

fn sent(user: impl std::fmt::Display, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

fn right() -> String {
    sent(key_id(3), &text(key_id(3), &SECRET))
}

fn ask(fixture: &Fixture, fields: &[&str]) -> (Snapshot, Credential) {
    let snapshot = fixture.snapshot(1);
    let headers: Vec<_> = fields.iter().map(|field| header(field)).collect();
    let credential = fixture.authenticator.authenticate(&snapshot, &headers, at(NOW));
    (snapshot, credential)
}

fn reason(fixture: &Fixture, fields: &[&str]) -> Option<Reason> {
    ask(fixture, fields).1.refusal()
}

#[test]
fn i03_a_key_and_its_text_count_where_basic_is_on() {
    let (snapshot, credential) = ask(&fixture(), &[&right()]);
    assert!(matches!(credential.caller(snapshot.bundle()), Caller::Basic(key) if key.id == key_id(3)));
    assert_eq!((credential.token_hash, credential.claims()), (None, None));
}

#[test]
fn a_text_is_the_one_that_the_control_plane_writes() {
    let text = "fw_live_01jbst8pvcfp79y0938nkrkayd_000g40r40m30e209185gr38e1w8124gk2gahc5rr34d1p70x3rfg_ant4qbg";
    let id = "key_01jbst8pvcfp79y0938nkrkayd".parse().unwrap();
    let secret = std::array::from_fn(|index| u8::try_from(index).unwrap());
    assert_eq!(basic::text(id, &secret), text);
    let mut fixture = fixture();
    fixture.parts.basic_keys = vec![BasicKey { id, secret_hash: sha256(&secret), ..basic_key(1) }];
    assert_eq!(reason(&fixture, &[&sent(id, text)]), None);
}

#[test]
fn where_basic_is_off_it_is_no_credential() {
    let mut fixture = fixture();
    fixture.parts.settings.basic = None;
    let token = format!("Bearer {}", fixture.token(&claims()));
    assert_eq!(reason(&fixture, &[&right()]), Some(Reason::MalformedToken));
    assert_eq!(reason(&fixture, &[&token, &right()]), Some(Reason::TwoCredentials));
}

#[test]
fn i03_what_is_wrong_is_refused() {
    let id = key_id(3);
    let own = text(id, &SECRET);
    let mut nearly = SECRET;
    nearly[31] ^= 1;
    let (start, _) = own.rsplit_once('_').unwrap();
    let plain = format!("{id}:{own}");
    let fixture = fixture();
    for (what, field, expected) in [
        ("another secret", sent(id, &text(id, &[8; 32])), Reason::UnknownKey),
        ("a secret that is one bit off", sent(id, &text(id, &nearly)), Reason::UnknownKey),
        ("a key that is not there", sent(key_id(2), &text(key_id(2), &SECRET)), Reason::UnknownKey),
        ("the zeros of no key", sent(key_id(2), &text(key_id(2), &[0; 32])), Reason::UnknownKey),
        ("another key's text", sent(id, &text(key_id(1), &SECRET)), Reason::MalformedToken),
        ("the secret alone", sent(id, own.split('_').nth(3).unwrap()), Reason::MalformedToken),
        ("no checksum", sent(id, start), Reason::MalformedToken),
        ("a wrong checksum", sent(id, &format!("{start}_0000000")), Reason::MalformedToken),
        ("capitals", sent(id, &own.to_uppercase()), Reason::MalformedToken),
        ("something behind", sent(id, &format!("{own} ")), Reason::MalformedToken),
        ("no password", sent(id, ""), Reason::MalformedToken),
        ("a name for a user", sent("anna", &own), Reason::MalformedToken),
        ("no user", sent("", &own), Reason::MalformedToken),
        ("no colon", format!("Basic {}", STANDARD.encode(&own)), Reason::MalformedToken),
        ("no padding", format!("Basic {}", STANDARD_NO_PAD.encode(format!("{plain}xx"))), Reason::MalformedToken),
        ("no base64", format!("Basic {plain}"), Reason::MalformedToken),
        ("not UTF-8", format!("Basic {}", STANDARD.encode([0xff, b':', 0xff])), Reason::MalformedToken),
        ("nothing", "Basic ".to_owned(), Reason::MalformedToken),
        ("another spelling of the scheme", right().replace("Basic", "basic"), Reason::MalformedToken),
        ("two spaces", right().replace("Basic ", "Basic  "), Reason::MalformedToken),
        ("too long", format!("Basic {}", "QUFB".repeat(1_000)), Reason::MalformedToken),
    ] {
        assert_eq!(reason(&fixture, &[&field]), Some(expected), "{what}");
    }
}

#[test]
fn a17_no_variant_of_basic_credentials_counts() {
    let fixture = fixture();
    let snapshot = fixture.snapshot(1);
    let right = right();
    for index in 0..right.len() {
        for bit in 0..8 {
            let mut value = right.clone().into_bytes();
            value[index] ^= 1 << bit;
            for value in [&value[..], &right.as_bytes()[..index]] {
                let header = Header { name: "authorization", value };
                let credential = fixture.authenticator.authenticate(&snapshot, &[header], at(NOW));
                assert!(credential.refusal().is_some(), "{}", String::from_utf8_lossy(value));
            }
        }
    }
}

#[test]
fn what_was_revoked_no_longer_counts_as_basic() {
    for (revocation, ends) in [
        (Revocation::Key(key_id(3)), true),
        (Revocation::Account(AccountId::new(Uuid::from_u128(0xacc))), true),
        (Revocation::Key(key_id(1)), false),
    ] {
        let mut fixture = fixture();
        fixture.parts.revocations = vec![revocation.clone()];
        assert_eq!(reason(&fixture, &[&right()]), ends.then_some(Reason::Revoked), "{revocation:?}");
    }
}

#[test]
fn i01_of_both_kinds_both_must_be_valid() {
    let fixture = fixture();
    let token = format!("Bearer {}", fixture.token(&claims()));
    let expired = format!("Bearer {}", fixture.token(&with("exp", json!(0))));
    let wrong = sent(key_id(3), &text(key_id(3), &[8; 32]));
    for (fields, expected) in [
        ([&token[..], &right()], None),
        ([&token, &wrong], Some(Reason::UnknownKey)),
        ([&token, "Basic x"], Some(Reason::MalformedToken)),
        ([&token, "Basic "], Some(Reason::MalformedToken)),
        ([&expired, &right()], Some(Reason::Expired)),
        ([&expired, &wrong], Some(Reason::Expired)),
        (["Bearer x", &right()], Some(Reason::MalformedToken)),
        (["Bearer ", &right()], Some(Reason::MalformedToken)),
        ([&token, &token], Some(Reason::TwoCredentials)),
        ([&right(), &right()], Some(Reason::TwoCredentials)),
        ([&token, "Digest x"], Some(Reason::TwoCredentials)),
        ([&right(), ""], Some(Reason::TwoCredentials)),
    ] {
        let [one, other] = fields;
        assert_eq!(reason(&fixture, &[one, other]), expected, "{fields:?}");
        assert_eq!(reason(&fixture, &[other, one]), expected, "{fields:?}, the other way round");
    }
    assert_eq!(reason(&fixture, &[&token, &right(), &right()]), Some(Reason::TwoCredentials));
    let (snapshot, both) = ask(&fixture, &[&right(), &token]);
    assert!(matches!(both.caller(snapshot.bundle()), Caller::Both(claims, _, key)
        if claims.sub == "key_1" && key.id == key_id(3)));
    assert!(both.token_hash.is_some());
}

#[test]
fn i01_the_audit_names_the_token_and_the_basic_user() {
    let fixture = fixture();
    let token = format!("Bearer {}", fixture.token(&claims()));
    let principal = |fields: &[&str]| {
        let (snapshot, credential) = ask(&fixture, fields);
        let seen =
            Seen { credential: &credential, bundle: Some(snapshot.bundle()), method: "GET", ip: None, micros: 0 };
        record::decisions(&Decision::bare(Verdict::Permit, Phase::Token), &seen).remove(0).principal
    };
    let account_id = Some(AccountId::new(Uuid::from_u128(0xacc)));
    let key = Some(key_id(3));
    let of_token = Principal { kind: "key".into(), id: Some("key_1".into()), ..Principal::default() };
    let of_key = Principal { kind: "key".into(), id: key.map(|id| id.to_string()), account_id, ..Principal::default() };
    assert_eq!(principal(&[&token]), of_token);
    assert_eq!(principal(&[&right()]), of_key);
    assert_eq!(principal(&[&token, &right()]), Principal { basic_key_id: key, ..of_token });
    assert_eq!(principal(&["Basic x"]).kind, "anonymous");
}
