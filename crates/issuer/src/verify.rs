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

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};
    use domain::account::PLATFORM;
    use domain::{Account, Actor, Key, Random, Revision, SecretHash};
    use policy::id::{KeyId, RequestId};
    use policy::settings::{ServiceKind, Settings};
    use serde_json::json;
    use store::seal::Sealer;
    use store::{Pool, PoolOptions};
    use uuid::Uuid;

    use super::*;

    const BASE: &str = "https://fhir.clinic.example/r4";
    const PUBLIC_URL: &str = "https://policy.example.org";

    /// A server with one Service and a key of its owner.
    struct World {
        pool: Pool,
        sealer: Sealer,
        now: DateTime<Utc>,
        owner: AccountId,
        service_id: ServiceId,
        key_id: KeyId,
        _folder: tempfile::TempDir,
    }

    impl World {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let url = format!("sqlite:{}", folder.path().join("test.db").display()).parse().unwrap();
            let world = Self {
                pool: Pool::open(&url, &PoolOptions::default()).unwrap(),
                sealer: Sealer::new(&Sealer::draw_key().unwrap()).unwrap(),
                now: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
                owner: AccountId::new(Uuid::from_u128(1)),
                service_id: ServiceId::new(Uuid::from_u128(2)),
                key_id: KeyId::new(Uuid::from_u128(3)),
                _folder: folder,
            };
            world.pool.transact(world.owner, |tx| world.fill(tx)).unwrap();
            world
        }

        fn fill(&self, tx: &mut Tx<'_>) -> Result<(), Error> {
            let name = || "Clinic".try_into().unwrap();
            store::accounts::insert(tx, &Account { id: self.owner, name: name(), created_at: self.now })?;
            let service = Service {
                id: self.service_id,
                name: name(),
                slug: "clinic".parse().unwrap(),
                kind: ServiceKind::Fhirv4,
                base_url: Some(BASE.into()),
                settings: Settings::for_kind(ServiceKind::Fhirv4),
                version: 1,
                openapi: "3.0.3".into(),
                paths: 1,
                created_at: self.now,
                updated_at: self.now,
                revision: Revision::FIRST,
            };
            store::services::insert(tx, &service)?;
            admin::signing_keys::create(tx, &self.call(), self.platform(), self.service_id)?;
            let secret_hash = SecretHash::new([7; 32]);
            let key = Key { id: self.key_id, name: name(), secret_hash, created_at: self.now, last_used_at: None };
            Ok(store::keys::insert(tx, &key)?)
        }

        fn platform(&self) -> Platform<'_> {
            Platform { sealer: &self.sealer, public_url: PUBLIC_URL }
        }

        fn call(&self) -> Call {
            let random = Random::seeded(1);
            Call::new(self.owner, Actor::System, self.now, RequestId::new(random.uuid(self.now)), random)
        }

        /// The claims of a right token, with these members in place of its own; null takes one out.
        fn claims(&self, changed: &Value) -> Value {
            let now = self.now.timestamp();
            let mut claims = json!({
                "iss": format!("{PUBLIC_URL}/s/clinic"), "sub": self.key_id, "aud": BASE, "exp": now + 300, "nbf": now,
                "iat": now, "jti": "tok_00000000000000000000000009", "token_kind": "key", "account_id": self.owner,
                "client_id": self.key_id, "key_id": self.key_id, "scope": "system/Patient.rs",
            });
            for (name, value) in changed.as_object().unwrap() {
                match value {
                    Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                    value => claims[name] = value.clone(),
                }
            }
            claims
        }

        /// Signs claims with the Service's own key, and says whether they count some seconds later.
        fn check_at(&self, seconds: i64, claims: &Value) -> Result<KeyId, String> {
            let call = Call { now: self.now + TimeDelta::seconds(seconds), ..self.call() };
            let token = self.pool.read(self.owner, |tx| {
                let signer = admin::signing_keys::active(tx, self.platform(), self.service_id, KeyPurpose::Token)?;
                signer.sign(ACCESS_TOKEN_TYPE, claims)
            });
            let token = token.unwrap();
            let verified = self.pool.read(PLATFORM, |tx| verify(tx, &call, self.platform(), &token));
            verified.map(|verified| verified.caller.key_id).map_err(|error| error.to_string())
        }

        fn check(&self, changed: &Value) -> Result<KeyId, String> {
            self.check_at(0, &self.claims(changed))
        }
    }

    #[test]
    fn a12_a_claim_of_the_wrong_type_is_a_fault_of_the_whole_token() {
        let world = World::new();
        assert_eq!(world.check(&json!({})), Ok(world.key_id));
        let refused = refused().to_string();
        let times = [
            json!("9999999999"),
            json!(1.8e9),
            json!(1e99),
            json!(-1),
            json!([1]),
            json!({}),
            json!(true),
            Value::Null,
        ];
        for name in ["exp", "nbf", "iat"] {
            for value in &times {
                // A time of long ago is a right `nbf` and `iat`.
                if (name, value) != ("exp", &json!(-1)) && *value == json!(-1) {
                    continue;
                }
                assert_eq!(world.check(&json!({ name: value })), Err(refused.clone()), "{name} {value}");
            }
        }
        for (name, value) in [
            ("aud", json!([BASE])),
            ("aud", json!([BASE, "https://other.example"])),
            ("aud", json!({ "x": BASE })),
            ("aud", json!(format!("{BASE}/"))),
            ("aud", json!("https://fhir.clinic.example")),
            ("aud", Value::Null),
            ("iss", json!(format!("{PUBLIC_URL}/s/clinic/"))),
            ("iss", json!(format!("{PUBLIC_URL}/s/CLINIC"))),
            ("iss", json!("https://evil.example/s/clinic")),
            ("iss", json!(format!("{PUBLIC_URL}.evil.example/s/clinic"))),
            ("iss", json!([format!("{PUBLIC_URL}/s/clinic")])),
            ("iss", Value::Null),
            ("sub", json!(7)),
            ("sub", Value::Null),
            ("jti", json!("x")),
            ("jti", Value::Null),
            ("key_id", json!("key_x")),
            ("account_id", json!(["acct_x"])),
            ("token_kind", json!("root")),
            ("token_kind", Value::Null),
            ("act", json!("key_x")),
        ] {
            assert_eq!(world.check(&json!({ name: value })), Err(refused.clone()), "{name} {value}");
        }
    }

    #[test]
    fn a12_a_token_counts_from_nbf_until_exp_by_the_clock_of_the_call() {
        let world = World::new();
        let claims = world.claims(&json!({}));
        for (seconds, counts) in [(-31, false), (-30, true), (0, true), (299, true), (300, false), (1_000_000, false)] {
            assert_eq!(world.check_at(seconds, &claims).is_ok(), counts, "{seconds}");
        }
    }

    #[test]
    fn a15_a_token_of_a_key_that_is_not_there_or_was_revoked_does_not_count() {
        let world = World::new();
        let nobody = KeyId::new(Uuid::from_u128(99));
        assert!(world.check(&json!({ "key_id": nobody })).is_err());
        // Somebody else's Account, which has no Subscription.
        assert!(world.check(&json!({ "account_id": AccountId::new(Uuid::from_u128(98)) })).is_err());
        for revocation in [
            Revocation::Token("tok_00000000000000000000000009".parse().unwrap()),
            Revocation::Key(world.key_id),
            Revocation::Account(world.owner),
        ] {
            let call = world.call();
            let change = |put: bool| {
                world.pool.transact(world.owner, |tx| {
                    if put {
                        admin::revocations::revoke(tx, &call, world.service_id, &revocation)
                    } else {
                        store::revocations::remove(tx, world.service_id, &revocation).map(drop).map_err(Into::into)
                    }
                })
            };
            change(true).unwrap();
            assert_eq!(world.check(&json!({})), Err(refused().to_string()), "{revocation:?}");
            change(false).unwrap();
            assert_eq!(world.check(&json!({})), Ok(world.key_id));
        }
    }
}
