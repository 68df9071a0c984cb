//! Assuming a role: a key's access token for the session of a role that trusts the key's Account.
//!
//! Invariant: the session belongs to the role's owner and holds that role only; the caller stands in its token, in its row
//! and in the events of both Accounts.

use admin::{Platform, signing_keys};
use chrono::TimeDelta;
use domain::{Actor, AdminEvent, Call, KeyPurpose, Name, RoleSession};
use oauth::assume::check;
use oauth::claims::{Frame, of_session};
use policy::id::{RoleId, RoleSessionId, TokenId};
use serde_json::json;
use store::{StoreError, Tx};

use crate::verify::{Verified, refused, verify};
use crate::{ACCESS_TOKEN_TYPE, Error};

/// What a caller asks for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The role.
    pub role_id: RoleId,
    /// What the caller names the session, for the audit.
    pub session_name: Name,
    /// What the role's trust expects of this Account.
    pub external_id: String,
    /// How long the session is to last.
    pub duration_seconds: Option<u32>,
}

/// The token of a session, and what is said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assumed {
    /// The token: a JWT (RFC 9068).
    pub access_token: String,
    /// How long it lasts, in seconds.
    pub expires_in: u32,
    /// The role.
    pub role_id: RoleId,
    /// The session.
    pub session_id: RoleSessionId,
}

/// Assumes a role for whoever the access token speaks for. `tx` is of the platform.
pub fn assume(
    tx: &mut Tx<'_>,
    call: &Call,
    platform: Platform<'_>,
    token: &str,
    request: Request,
) -> Result<Assumed, Error> {
    let Verified { caller, owner, service, .. } = verify(tx, call, platform, token)?;
    let session = tx.as_account(owner, |tx| {
        let role = match store::roles::find(tx, request.role_id) {
            Ok(role) => Some(role).filter(|role| role.service_id == service.id),
            Err(StoreError::NotFound) => None,
            Err(error) => return Err(error.into()),
        };
        let trust = role.as_ref().and_then(|role| role.trust.as_ref());
        let seconds = check(trust, caller, &request.external_id, request.duration_seconds)?;
        let session = RoleSession {
            id: RoleSessionId::new(call.uuid()),
            role_id: request.role_id,
            service_id: service.id,
            key_id: caller.key_id,
            partner_account_id: caller.account_id,
            name: request.session_name,
            created_at: call.now,
            expires_at: call.now + TimeDelta::seconds(i64::from(seconds)),
        };
        store::role_sessions::insert(tx, &session)?;
        Ok::<_, Error>(session)
    })?;
    for account_id in [owner, caller.account_id] {
        let call = Call { actor: Actor::Key(caller.key_id), ..call.within(account_id) };
        let after = json!({
            "session_id": session.id, "name": session.name, "service_id": service.id, "expires_at": session.expires_at,
            "role_owner": owner, "caller": { "account_id": caller.account_id, "key_id": caller.key_id },
        });
        let event = AdminEvent::new(&call, "role.assume", &session.role_id).changing(None, Some(after));
        tx.as_account(account_id, |tx| store::admin_events::append(tx, &event))?;
        tx.point("half");
        if caller.account_id == owner {
            break;
        }
    }
    let expires_in = session.expires_at.signed_duration_since(session.created_at).num_seconds();
    tx.as_account(owner, |tx| {
        let issuer = platform.issuer(&service.slug);
        let audience = service.base_url.as_deref().ok_or_else(refused)?;
        let token_id = TokenId::new(call.uuid());
        let claims = of_session(Frame { issuer: &issuer, audience, token_id, now: call.now }, &session, owner);
        let signer = signing_keys::active(tx, platform, service.id, KeyPurpose::Token)?;
        Ok(Assumed {
            access_token: signer.sign(ACCESS_TOKEN_TYPE, &claims)?,
            expires_in: u32::try_from(expires_in).unwrap_or(0),
            role_id: session.role_id,
            session_id: session.id,
        })
    })
}
