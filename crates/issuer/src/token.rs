//! A key's secret for an access token: five minutes, one Service, at most what the key holds.

use admin::credential::Credential;
use admin::{Platform, signing_keys};
use chrono::TimeDelta;
use domain::{Call, Key, KeyPurpose, SecretHash, Service, SubscriptionState};
use oauth::assume::Caller;
use oauth::claims::{Frame, KEY_TOKEN_SECONDS, of_key};
use oauth::token::{Request, narrow};
use oauth::{ErrorCode, TokenError};
use policy::id::{AccountId, KeyId, ServiceId, TokenId};
use policy::role::RoleName;
use store::directory::{Lookup, find};
use store::{StoreError, Tx};

use crate::{ACCESS_TOKEN_TYPE, Error};

/// What an unknown key is compared with; no secret has this hash.
const DECOY: SecretHash = SecretHash::new([0; 32]);
/// How exactly the last use of a key is kept.
const USE_RESOLUTION: TimeDelta = TimeDelta::seconds(60);

/// A token, and what is said of it (RFC 6749 section 5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The token: a JWT (RFC 9068).
    pub access_token: String,
    /// How long it lasts, in seconds.
    pub expires_in: u32,
    /// What it gives: scopes, or the ids of roles.
    pub scope: String,
    /// The one patient that its `patient/` scopes are for.
    pub patient: Option<String>,
    /// Whether the key's last use is to be written down with [`used`].
    pub use_is_news: bool,
}

/// Exchanges a key for a token. `tx` is of the key's Account, or of the platform when the key is unknown: the work is the
/// same. Nothing is written.
pub fn exchange(
    tx: &mut Tx<'_>,
    call: &Call,
    platform: Platform<'_>,
    credential: &Credential<KeyId>,
    (service_id, request): (ServiceId, Request<'_>),
) -> Result<Issued, Error> {
    let key = authenticate(tx, credential)?;
    let reach = reach(tx, service_id)?.ok_or_else(no_reach)?;
    let held = store::key_roles::find(tx, key.id, service_id)?.map(|roles| roles.role_ids).unwrap_or_default();
    let caller = Caller { key_id: key.id, account_id: tx.account_id() };
    let (claims, granted, access_token) = tx.as_account(reach.owner, |tx| {
        let service = store::services::find(tx, service_id)?;
        let audience = service.base_url.as_deref().ok_or_else(no_reach)?;
        let held = still_there(tx, &service, held)?;
        let granted = narrow(&held, reach.ceiling.as_deref(), request)?;
        let issuer = platform.issuer(&service.slug);
        let token_id = TokenId::new(call.uuid());
        let frame = Frame { issuer: &issuer, audience, token_id, now: call.now };
        let claims = of_key(frame, caller, &granted);
        let signer = signing_keys::active(tx, platform, service_id, KeyPurpose::Token)?;
        let token = signer.sign(ACCESS_TOKEN_TYPE, &claims)?;
        Ok::<_, Error>((claims, granted, token))
    })?;
    Ok(Issued {
        access_token,
        expires_in: KEY_TOKEN_SECONDS,
        scope: granted.scope(),
        patient: claims.patient,
        use_is_news: key.last_used_at.is_none_or(|last| call.now.signed_duration_since(last) >= USE_RESOLUTION),
    })
}

/// Writes down that a key of this Account was used.
pub fn used(tx: &mut Tx<'_>, call: &Call, id: KeyId) -> Result<(), Error> {
    tx.name("key.used");
    store::keys::touch(tx, id, call.now)?;
    Ok(())
}

/// The key whose secret this is; the same refusal, after the same work, when there is none or the secret is wrong.
fn authenticate(tx: &mut Tx<'_>, credential: &Credential<KeyId>) -> Result<Key, Error> {
    let found = match store::keys::find(tx, credential.id) {
        Ok(key) => Some(key),
        Err(StoreError::NotFound) => None,
        Err(error) => return Err(error.into()),
    };
    let kept = found.as_ref().map_or(DECOY, |key| key.secret_hash);
    let same = kept == credential.hash;
    found.filter(|_| same).ok_or_else(|| unknown_key().into())
}

/// The refusal of a key that is unknown, deleted, or has another secret.
#[must_use]
pub fn unknown_key() -> TokenError {
    TokenError::new(ErrorCode::InvalidClient, "the key is unknown or deleted, or its secret is not this one")
}

/// One refusal for a Service that is not there, not subscribed to, suspended, or not set up: it tells nothing of others'
/// Services.
fn no_reach() -> Error {
    TokenError::new(
        ErrorCode::InvalidGrant,
        "the key's Account has no active Subscription to that Service, or the Service has no base URL yet",
    )
    .into()
}

/// Whose Service it is, and what this Account may have there at most.
struct Reach {
    owner: AccountId,
    /// None in a Service of its own.
    ceiling: Option<Vec<RoleName>>,
}

fn reach(tx: &mut Tx<'_>, service_id: ServiceId) -> Result<Option<Reach>, Error> {
    let Some(found) = find(tx, Lookup::Service(service_id))? else { return Ok(None) };
    let owner = found.account_id;
    if owner == tx.account_id() {
        return Ok(Some(Reach { owner, ceiling: None }));
    }
    let subscription = store::subscribed_services::find_by_service(tx, service_id)?;
    let active = subscription.filter(|one| one.state == SubscriptionState::Active);
    Ok(active.map(|subscription| Reach { owner, ceiling: Some(subscription.role_ids) }))
}

/// What of a key's roles the Service still has.
fn still_there(tx: &mut Tx<'_>, service: &Service, held: Vec<RoleName>) -> Result<Vec<RoleName>, Error> {
    let mut kept = Vec::with_capacity(held.len());
    for name in held {
        let there = match &name {
            RoleName::Smart(_) => true,
            RoleName::Custom(id) => match store::roles::find(tx, *id) {
                Ok(role) => role.service_id == service.id,
                Err(StoreError::NotFound) => false,
                Err(error) => return Err(error.into()),
            },
        };
        if there {
            kept.push(name);
        }
    }
    Ok(kept)
}
