//! Whether an access token is one of ours, and counts now.
//!
//! Invariant: the algorithm and the key come from the Service that the token names, never from the token; time comes from
//! the call. Every refusal is the same one.

use admin::Platform;
use domain::{Call, KeyPurpose, Service, Slug, SubscriptionState};
use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use oauth::assume::Caller;
use oauth::{ErrorCode, TokenError};
use policy::bundle::Revocation;
use policy::claims::{Claims, LEEWAY_SECONDS, MAX_TOKEN_BYTES};
use policy::id::{AccountId, ServiceId};
use serde::Deserialize;
use serde_json::Value;
use store::directory::{Lookup, find};
use store::{StoreError, Tx};

use crate::{ACCESS_TOKEN_TYPE, Error};

/// A token that counts now.
#[derive(Debug)]
pub(crate) struct Verified {
    /// Who calls: a key that acts for itself.
    pub(crate) caller: Caller,
    /// Whose Service issued it.
    pub(crate) owner: AccountId,
    pub(crate) service: Service,
}

/// The one refusal of a token, whatever is wrong with it.
pub(crate) fn refused() -> Error {
    TokenError::new(
        ErrorCode::InvalidToken,
        "the access token is malformed, expired or revoked, or this server did not issue it",
    )
    .into()
}

#[derive(Deserialize)]
struct Issuer {
    iss: String,
}

/// Verifies a token of a Service of this server, and that its key and Subscription still stand.
pub(crate) fn verify(tx: &mut Tx<'_>, call: &Call, platform: Platform<'_>, token: &str) -> Result<Verified, Error> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(refused());
    }
    let header = header(token).ok_or_else(refused)?;
    let issuer: Issuer = insecure_decode_claims(token).map_err(|_| refused())?;
    let (owner, service_id) = service_of(tx, platform, &issuer.iss)?.ok_or_else(refused)?;
    let (caller, service) = tx.as_account(owner, |tx| {
        let service = store::services::find(tx, service_id)?;
        let claims = signed(tx, &service, &header, token)?;
        let own = claims.iss == platform.issuer(&service.slug) && Some(&claims.aud) == service.base_url.as_ref();
        if !own || !current(&claims, call) || revoked(tx, call, &service, &claims)? {
            return Err(refused());
        }
        Ok::<_, Error>((Caller::of(&claims)?, service))
    })?;
    tx.as_account(caller.account_id, |tx| still_stands(tx, caller, owner, service_id))?;
    Ok(Verified { caller, owner, service })
}

/// The header, if it is one that we write: nothing in it chooses a key or an algorithm but `kid`, among our own.
fn header(token: &str) -> Option<Header> {
    let header = jsonwebtoken::decode_header(token).ok()?;
    let plain = header.jku.is_none()
        && header.jwk.is_none()
        && header.x5u.is_none()
        && header.x5c.is_none()
        && header.crit.is_none()
        && header.enc.is_none()
        && header.zip.is_none();
    (plain && header.typ.as_deref() == Some(ACCESS_TOKEN_TYPE) && header.alg == Algorithm::ES256).then_some(header)
}

/// The Service that an `iss` of this server names.
fn service_of(tx: &mut Tx<'_>, platform: Platform<'_>, iss: &str) -> Result<Option<(AccountId, ServiceId)>, Error> {
    let slug = iss.strip_prefix(platform.public_url).and_then(|rest| rest.strip_prefix("/s/"));
    let Some(slug) = slug.and_then(|slug| Slug::try_from(slug).ok()) else { return Ok(None) };
    let found = find(tx, Lookup::Slug(&slug))?;
    Ok(found.map(|found| (found.account_id, ServiceId::new(found.target))))
}

/// The claims, once the signature is shown to be by the Service's own key of that `kid`.
fn signed(tx: &mut Tx<'_>, service: &Service, header: &Header, token: &str) -> Result<Claims, Error> {
    let keys = store::signing_keys::all(tx, service.id, KeyPurpose::Token)?;
    let key = keys.iter().find(|key| header.kid.as_ref() == Some(&key.kid)).ok_or_else(refused)?;
    let member = |name: &str| key.public_jwk.get(name).and_then(Value::as_str).unwrap_or_default();
    let key = DecodingKey::from_ec_components(member("x"), member("y"))
        .map_err(|_| Error::Internal("a public key cannot be read".into()))?;
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
    // Checked below against the call's own time, and as whole strings.
    validation.validate_exp = false;
    validation.validate_aud = false;
    jsonwebtoken::decode::<Claims>(token, &key, &validation).map(|token| token.claims).map_err(|_| refused())
}

/// Whether it counts at this moment. Our own clock wrote `exp`, so nothing is added to it.
fn current(claims: &Claims, call: &Call) -> bool {
    let now = call.now.timestamp();
    let latest = now.saturating_add(LEEWAY_SECONDS);
    now < claims.exp && claims.nbf <= latest && claims.iat <= latest
}

fn revoked(tx: &mut Tx<'_>, call: &Call, service: &Service, claims: &Claims) -> Result<bool, Error> {
    let list = store::revocations::all(tx, service.id, call.now)?;
    let named = |revocation: Revocation| list.binary_search(&revocation).is_ok();
    Ok(claims.jti.parse().map_or(true, |token| named(Revocation::Token(token)))
        || claims.key_id.is_some_and(|key| named(Revocation::Key(key)))
        || claims.account_id.is_some_and(|account| named(Revocation::Account(account))))
}

/// In the caller's Account: its key is there, and its Subscription active.
fn still_stands(tx: &mut Tx<'_>, caller: Caller, owner: AccountId, service_id: ServiceId) -> Result<(), Error> {
    match store::keys::find(tx, caller.key_id) {
        Ok(_) => {}
        Err(StoreError::NotFound) => return Err(refused()),
        Err(error) => return Err(error.into()),
    }
    let subscription = store::subscribed_services::find_by_service(tx, service_id)?;
    let active = subscription.is_some_and(|one| one.state == SubscriptionState::Active);
    if active || caller.account_id == owner { Ok(()) } else { Err(refused()) }
}
