//! The claims of the tokens that a Service issues (RFC 9068): who, what, for how long.
//!
//! Invariant: a token ends at most [`MAX_SESSION_SECONDS`] after it was issued, and names the one audience.

use chrono::{DateTime, Utc};
use domain::role::RoleSession;
use policy::claims::{Actor, Claims, TokenKind};
use policy::id::{AccountId, RoleId, TokenId};

use crate::assume::{Caller, MAX_SESSION_SECONDS};
use crate::token::{Granted, Permissions};

/// How long a key's token lasts: short, because what was decided when it was made counts until it ends.
pub const KEY_TOKEN_SECONDS: u32 = 300;

/// What every token of a Service has.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The Service's issuer URL.
    pub issuer: &'a str,
    /// The Service's base URL.
    pub audience: &'a str,
    /// The token's own id.
    pub token_id: TokenId,
    /// When it is issued.
    pub now: DateTime<Utc>,
}

/// The token of a key: `sub` and `client_id` are the key.
#[must_use]
pub fn of_key(frame: Frame<'_>, caller: Caller, granted: &Granted) -> Claims {
    let (scope, role_ids) = match granted.permissions() {
        Permissions::Scopes(_) => (Some(granted.scope()), Vec::new()),
        Permissions::Roles(ids) => (None, ids.clone()),
    };
    Claims {
        account_id: Some(caller.account_id),
        client_id: Some(caller.key_id.to_string()),
        key_id: Some(caller.key_id),
        scope,
        role_ids,
        patient: granted.patient().map(ToString::to_string),
        ..blank(frame, TokenKind::Key, caller.key_id.to_string(), KEY_TOKEN_SECONDS)
    }
}

/// The token of an assumed role's session: it belongs to the role's owner, holds that role only, and `act` names the
/// caller.
#[must_use]
pub fn of_session(frame: Frame<'_>, session: &RoleSession, owner: AccountId) -> Claims {
    let seconds = session.expires_at.signed_duration_since(session.created_at).num_seconds();
    let seconds = u32::try_from(seconds).unwrap_or(0);
    let role_ids: Vec<RoleId> = vec![session.role_id];
    Claims {
        account_id: Some(owner),
        client_id: Some(session.key_id.to_string()),
        key_id: Some(session.key_id),
        role_session_id: Some(session.id),
        role_ids,
        act: Some(Actor { sub: session.key_id.to_string(), account_id: session.partner_account_id }),
        ..blank(frame, TokenKind::AssumedRole, session.id.to_string(), seconds)
    }
}

fn blank(frame: Frame<'_>, kind: TokenKind, sub: String, seconds: u32) -> Claims {
    let now = frame.now.timestamp();
    Claims {
        tags: std::collections::BTreeMap::new(),
        clearance: None,
        iss: frame.issuer.to_owned(),
        sub,
        aud: frame.audience.to_owned(),
        exp: now.saturating_add(i64::from(seconds.min(MAX_SESSION_SECONDS))),
        nbf: now,
        iat: now,
        jti: frame.token_id.to_string(),
        kind,
        account_id: None,
        client_id: None,
        key_id: None,
        role_session_id: None,
        scope: None,
        role_ids: Vec::new(),
        patient: None,
        fhir_user: None,
        act: None,
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use policy::id::{KeyId, RoleSessionId, ServiceId};
    use uuid::Uuid;

    use super::*;
    use crate::token::{Request, narrow};

    const NOW: i64 = 1_800_000_000;

    fn frame() -> Frame<'static> {
        Frame {
            issuer: "https://fw.example/s/clinic",
            audience: "https://fhir.example/r4",
            token_id: TokenId::new(Uuid::from_u128(1)),
            now: DateTime::from_timestamp(NOW, 0).unwrap(),
        }
    }

    fn caller() -> Caller {
        Caller { key_id: KeyId::new(Uuid::from_u128(2)), account_id: AccountId::new(Uuid::from_u128(3)) }
    }

    #[test]
    fn s11_a_keys_token_says_who_and_what_for_five_minutes() {
        let held = ["system/*.rs".parse().unwrap()];
        let request = Request { scope: Some("patient/Observation.rs"), patient: Some("p1") };
        let claims = of_key(frame(), caller(), &narrow(&held, None, request).unwrap());
        assert_eq!((claims.iat, claims.nbf, claims.exp), (NOW, NOW, NOW + 300));
        assert_eq!(claims.scope.as_deref(), Some("patient/Observation.rs"));
        assert_eq!(claims.patient.as_deref(), Some("p1"));
        assert_eq!((claims.role_ids.as_slice(), &claims.act), (&[][..], &None));
        assert_eq!(claims.sub, caller().key_id.to_string());
        assert_eq!(claims.account_id, Some(caller().account_id));
    }

    #[test]
    fn k25_an_assumed_roles_token_belongs_to_the_owner_and_names_the_caller() {
        let owner = AccountId::new(Uuid::from_u128(4));
        let session = RoleSession {
            id: RoleSessionId::new(Uuid::from_u128(5)),
            role_id: RoleId::new(Uuid::from_u128(6)),
            service_id: ServiceId::new(Uuid::from_u128(7)),
            key_id: caller().key_id,
            partner_account_id: caller().account_id,
            name: "nightly".try_into().unwrap(),
            created_at: frame().now,
            expires_at: frame().now + TimeDelta::seconds(900),
        };
        let claims = of_session(frame(), &session, owner);
        assert_eq!((claims.account_id, claims.kind), (Some(owner), TokenKind::AssumedRole));
        assert_eq!((claims.exp, claims.sub.as_str()), (NOW + 900, session.id.to_string().as_str()));
        assert_eq!((claims.role_ids.as_slice(), claims.scope.as_ref()), (&[session.role_id][..], None));
        let act = claims.act.unwrap();
        assert_eq!((act.sub, act.account_id), (caller().key_id.to_string(), caller().account_id));
    }

    #[test]
    fn e21_no_session_outlasts_an_hour_whatever_its_row_says() {
        let session = RoleSession {
            id: RoleSessionId::new(Uuid::from_u128(5)),
            role_id: RoleId::new(Uuid::from_u128(6)),
            service_id: ServiceId::new(Uuid::from_u128(7)),
            key_id: caller().key_id,
            partner_account_id: caller().account_id,
            name: "long".try_into().unwrap(),
            created_at: frame().now,
            expires_at: frame().now + TimeDelta::days(365),
        };
        assert_eq!(of_session(frame(), &session, caller().account_id).exp, NOW + 3_600);
    }
}
