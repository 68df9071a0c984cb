//! Who may assume a role, and for how long (in the field's words: assumeRole, RFC 8693 with an actor).
//!
//! Invariant: every refusal for want of trust is the same one, whether the role exists, whom it trusts or what its
//! external id is; and whoever acts for somebody already may not act for somebody else.

use domain::role::{MAX_EXTERNAL_ID_CHARACTERS, Trust};
use policy::claims::{Claims, TokenKind};
use policy::id::{AccountId, KeyId};
use subtle::{Choice, ConstantTimeEq};

use crate::error::{ErrorCode, TokenError};

/// The longest session of an assumed role, whatever its trust says.
pub const MAX_SESSION_SECONDS: u32 = 3_600;
/// How long a session lasts that does not say.
pub const DEFAULT_SESSION_SECONDS: u32 = 900;
/// A shorter session is a mistake in units.
pub const MIN_SESSION_SECONDS: u32 = 60;
/// The bytes in which two external ids are compared: four for each character, at most.
const EXTERNAL_ID_BYTES: usize = MAX_EXTERNAL_ID_CHARACTERS * 4;

/// Who asks to assume a role; made of a verified token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The key behind the token.
    pub key_id: KeyId,
    /// The key's Account.
    pub account_id: AccountId,
}

impl Caller {
    /// The caller that a verified token speaks for: a key, acting for itself.
    pub fn of(claims: &Claims) -> Result<Self, TokenError> {
        let denied = |description| TokenError::new(ErrorCode::AccessDenied, description);
        match (claims.kind, &claims.act) {
            (TokenKind::Key, None) => {}
            (TokenKind::AssumedRole, _) | (_, Some(_)) => {
                return Err(denied("the session of an assumed role cannot assume another; use the key's own token"));
            }
            (TokenKind::User | TokenKind::Foreign, None) => {
                return Err(denied("only a key's token can assume a role"));
            }
        }
        match (claims.key_id, claims.account_id) {
            (Some(key_id), Some(account_id)) => Ok(Self { key_id, account_id }),
            _ => Err(denied("only a key's token can assume a role")),
        }
    }
}

/// Checks a role's trust, and gives the seconds that the session lasts.
///
/// A role that does not exist has no trust. What is asked for beyond the longest duration is refused, not cut: a caller
/// that plans on two hours must not find out after one.
pub fn check(
    trust: Option<&Trust>,
    caller: Caller,
    external_id: &str,
    duration_seconds: Option<u32>,
) -> Result<u32, TokenError> {
    let nobody = Trust { accounts: Vec::new(), max_duration_seconds: 0 };
    let trust = trust.unwrap_or(&nobody);
    let asked = padded(external_id);
    let trusted = trust.accounts.iter().fold(Choice::from(0), |seen, one| {
        let listed = Choice::from(u8::from(one.account_id == caller.account_id));
        seen | (listed & equal(asked.as_ref(), padded(&one.external_id).as_ref()))
    });
    if !bool::from(trusted) {
        return Err(TokenError::new(
            ErrorCode::AccessDenied,
            "no such role trusts this Account with that external id; ask the role's owner",
        ));
    }
    let longest = trust.max_duration_seconds.min(MAX_SESSION_SECONDS);
    match duration_seconds {
        None => Ok(DEFAULT_SESSION_SECONDS.min(longest)),
        Some(seconds) if (MIN_SESSION_SECONDS..=longest).contains(&seconds) => Ok(seconds),
        Some(_) => Err(TokenError::new(
            ErrorCode::InvalidRequest,
            &format!("`duration_seconds` of this role is {MIN_SESSION_SECONDS} to {longest}"),
        )),
    }
}

/// A text in a buffer of one size, with its length, so that comparing takes the same time for every text; none when it
/// is empty or does not fit, which equals nothing.
fn padded(text: &str) -> Option<Padded> {
    let mut bytes = [0; EXTERNAL_ID_BYTES];
    let part = bytes.get_mut(..text.len()).filter(|part| !part.is_empty())?;
    part.copy_from_slice(text.as_bytes());
    Some(Padded { bytes, length: text.len() as u64 })
}

struct Padded {
    bytes: [u8; EXTERNAL_ID_BYTES],
    length: u64,
}

fn equal(one: Option<&Padded>, two: Option<&Padded>) -> Choice {
    match (one, two) {
        (Some(one), Some(two)) => one.bytes.ct_eq(&two.bytes) & one.length.ct_eq(&two.length),
        _ => Choice::from(0),
    }
}

#[cfg(test)]
mod tests {
    use domain::role::TrustedAccount;
    use policy::claims::Actor;
    use uuid::Uuid;

    use super::*;

    fn account(number: u128) -> AccountId {
        AccountId::new(Uuid::from_u128(number))
    }

    fn caller(number: u128) -> Caller {
        Caller { key_id: KeyId::new(Uuid::from_u128(9)), account_id: account(number) }
    }

    fn trust(max_duration_seconds: u32) -> Trust {
        let accounts = [(1, "east-7f3a"), (2, "west")].map(|(number, external_id)| TrustedAccount {
            account_id: account(number),
            external_id: external_id.into(),
        });
        Trust { accounts: accounts.into(), max_duration_seconds }
    }

    fn code(result: Result<u32, TokenError>) -> Result<u32, &'static str> {
        result.map_err(|error| error.code().as_str())
    }

    #[test]
    fn k25_a_listed_account_with_its_external_id_may_assume_the_role() {
        for (number, external_id, expected) in [
            (1, "east-7f3a", Ok(900)),
            (2, "west", Ok(900)),
            (3, "west", Err("access_denied")),
            (1, "west", Err("access_denied")),
            (1, "east-7f3", Err("access_denied")),
            (1, "east-7f3a\0", Err("access_denied")),
            (1, "EAST-7F3A", Err("access_denied")),
            (1, " east-7f3a", Err("access_denied")),
            (1, "", Err("access_denied")),
            (1, "*", Err("access_denied")),
            (1, &"x".repeat(10_000), Err("access_denied")),
        ] {
            assert_eq!(
                code(check(Some(&trust(3_600)), caller(number), external_id, None)),
                expected,
                "{number} {external_id:?}"
            );
        }
    }

    #[test]
    fn a15_every_want_of_trust_is_the_same_refusal() {
        let wildcard = TrustedAccount { account_id: account(2), external_id: String::new() };
        let wildcard = Trust { accounts: vec![wildcard], max_duration_seconds: 3_600 };
        let refusals = [
            check(None, caller(1), "east-7f3a", None),
            check(Some(&trust(3_600)), caller(3), "west", None),
            check(Some(&trust(3_600)), caller(1), "wrong", None),
            check(Some(&wildcard), caller(2), "", None),
            check(Some(&trust(3_600)), caller(3), "west", Some(u32::MAX)),
        ];
        assert!(refusals.iter().all(|one| one.is_err() && *one == refusals[0]), "{refusals:?}");
    }

    #[test]
    fn a15_a_session_lasts_no_longer_than_trust_and_an_hour_allow() {
        for (longest, asked, expected) in [
            (3_600, None, Ok(900)),
            (600, None, Ok(600)),
            (3_600, Some(3_600), Ok(3_600)),
            (86_400, Some(3_601), Err("invalid_request")),
            (86_400, Some(3_600), Ok(3_600)),
            (600, Some(601), Err("invalid_request")),
            (600, Some(59), Err("invalid_request")),
            (600, Some(0), Err("invalid_request")),
        ] {
            assert_eq!(
                code(check(Some(&trust(longest)), caller(1), "east-7f3a", asked)),
                expected,
                "{longest} {asked:?}"
            );
        }
    }

    #[test]
    fn a15_only_a_key_that_acts_for_itself_is_a_caller() {
        let claims = |kind, acts: bool| Claims {
            tags: std::collections::BTreeMap::new(),
            clearance: None,
            iss: "https://fw.example/s/a".into(),
            sub: "x".into(),
            aud: "https://fhir.example".into(),
            exp: 1,
            nbf: 0,
            iat: 0,
            jti: "x".into(),
            kind,
            account_id: Some(account(1)),
            client_id: None,
            key_id: Some(KeyId::new(Uuid::from_u128(9))),
            role_session_id: None,
            scope: None,
            role_ids: Vec::new(),
            patient: None,
            fhir_user: None,
            act: acts.then(|| Actor { sub: "x".into(), account_id: account(1) }),
        };
        assert_eq!(Caller::of(&claims(TokenKind::Key, false)), Ok(caller(1)));
        for (kind, acts) in [
            (TokenKind::Key, true),
            (TokenKind::AssumedRole, false),
            (TokenKind::AssumedRole, true),
            (TokenKind::User, false),
            (TokenKind::Foreign, false),
        ] {
            assert_eq!(Caller::of(&claims(kind, acts)).map_err(|error| error.code()), Err(ErrorCode::AccessDenied));
        }
        let nobody = Claims { key_id: None, ..claims(TokenKind::Key, false) };
        assert!(Caller::of(&nobody).is_err());
    }
}
