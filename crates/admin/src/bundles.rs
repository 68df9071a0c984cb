//! Bundles: what a Service's policy comes to, compiled, signed and kept.
//!
//! Invariant: this is the one place that makes bundles. A bundle is published in the transaction of the change that it
//! carries, so policy and bundle never differ; a policy that does not compile is never stored.

use std::collections::HashMap;
use std::sync::Mutex;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Call, KeyPurpose, Role, Service, StoredBundle, SubscriptionState};
use policy::bundle::{Algorithm, Bundle, FORMAT, Issuer, IssuerKey, Subscription};
use policy::id::ServiceId;
use policy::manifest::{HEAD_TYPE, Head, MANIFEST_TYPE, Manifest};
use policy::role::RoleName;
use policy_compiler::{Finding, Imported, RoleSource, Source};
use serde_json::Value;
use store::{StoreError, Tx};

use crate::secret::sha256;
use crate::{Error, Fault, Platform, signing_keys};

/// How long a bundle can be loaded; a gateway that starts after a longer outage denies.
pub const BUNDLE_DAYS: i64 = 30;
/// A bundle of this age is published anew before it runs out, though nothing changed.
const RENEW_AFTER_DAYS: i64 = 15;
/// How long a head proves which bundle is current.
pub const HEAD_SECONDS: i64 = 60;
/// How long one signed head is given out again.
const HEAD_REUSE_SECONDS: i64 = 20;
/// The most signed heads that are kept; past it all are forgotten, which costs one signature each.
const MAX_HEADS: usize = 10_000;

/// Compiles the policy of a Service of this Account as it stands in this transaction, and publishes it as the next
/// version.
///
/// A Service without a base URL has no audience, and so no bundle: then the answer is none. `Invalid` holds what the
/// compiler found, with pointers into the Service.
pub fn publish(
    tx: &mut Tx<'_>,
    call: &Call,
    platform: Platform<'_>,
    service_id: ServiceId,
) -> Result<Option<StoredBundle>, Error> {
    let service = store::services::find(tx, service_id)?;
    if service.base_url.is_none() {
        return Ok(None);
    }
    // From here on this transaction is the only one that publishes: what it reads is what others have committed.
    let version = store::bundles::reserve(tx, service_id)?;
    // The base too: it may have changed while this waited for its turn.
    let base_url = store::services::find(tx, service_id)?.base_url.ok_or(StoreError::Changed)?;
    tx.point("half");
    let previous = store::bundles::head(tx, service_id)?;
    let content = content(tx, call, platform, service_id, &base_url)?;

    let digest = sha256(&content);
    let manifest = Manifest {
        format: FORMAT,
        service_id,
        version,
        previous: previous.map(|bundle| hex(&bundle.digest)),
        issued_at: call.now.timestamp(),
        expires_at: (call.now + TimeDelta::days(BUNDLE_DAYS)).timestamp(),
        digest: hex(&digest),
        length: content.len() as u64,
        compiler: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let signer = signing_keys::active(tx, platform, service_id, KeyPurpose::Bundle)?;
    let manifest = signer.sign(MANIFEST_TYPE, &manifest)?;
    let bundle = StoredBundle { service_id, version, digest, manifest, content, created_at: call.now };
    store::bundles::insert(tx, &bundle)?;
    Ok(Some(bundle))
}

/// The content of the next bundle; read back before it is signed, so that nothing is published that a gateway refuses.
fn content(
    tx: &mut Tx<'_>,
    call: &Call,
    platform: Platform<'_>,
    service_id: ServiceId,
    base_url: &str,
) -> Result<Vec<u8>, Error> {
    let service = store::services::find(tx, service_id)?;
    let imported = imported(tx, &service)?;
    let protected = policy::bundle::Service {
        id: service.id,
        account_id: tx.account_id(),
        kind: service.kind,
        base_url: base_url.into(),
    };
    let source = Source {
        roles: roles(tx, service_id)?,
        issuers: vec![issuer(tx, platform, &service)?],
        subscriptions: subscriptions(tx, service_id)?,
        revocations: store::revocations::all(tx, service_id, call.now)?,
        ..Source::new(protected, service.settings.clone(), &imported)
    };
    let bundle = policy_compiler::compile(source).map_err(|findings| Error::Invalid(faults(findings)))?;
    let content = bundle.encode().map_err(|_| Error::Internal("a bundle could not be encoded"))?;
    match Bundle::decode(&content) {
        Ok(read) if read == bundle => Ok(content),
        _ => Err(Error::Internal("a bundle does not read back as what was compiled")),
    }
}

/// What the compiler made of a Service's active document.
pub fn imported(tx: &mut Tx<'_>, service: &Service) -> Result<Imported, Error> {
    let document = store::spec_versions::find_by_number(tx, service.id, service.version)?;
    Imported::decode(&document.imported).map_err(|_| Error::Internal("a stored document cannot be read"))
}

fn roles(tx: &mut Tx<'_>, service_id: ServiceId) -> Result<Vec<RoleSource>, Error> {
    let stored = store::roles::all(tx, service_id)?.into_iter();
    let source = |role: Role| RoleSource {
        id: role.id,
        name: role.name.as_str().into(),
        operations: role.operations,
        condition: None,
    };
    Ok(stored.map(source).collect())
}

/// The Service's own issuer: the only one whose tokens count so far.
fn issuer(tx: &mut Tx<'_>, platform: Platform<'_>, service: &Service) -> Result<Issuer, Error> {
    let keys = store::signing_keys::all(tx, service.id, KeyPurpose::Token)?.into_iter().map(|key| IssuerKey {
        kid: key.kid.into(),
        algorithm: Algorithm::Es256,
        jwk: public_members(&key.public_jwk).into(),
    });
    Ok(Issuer {
        issuer: platform.issuer(&service.slug).into(),
        trusted_for_roles: true,
        scp_is_scope: false,
        keys: keys.collect(),
    })
}

fn public_members(jwk: &Value) -> String {
    let public =
        ["kty", "crv", "x", "y"].into_iter().filter_map(|name| Some((name.to_owned(), jwk.get(name)?.clone())));
    Value::Object(public.collect()).to_string()
}

/// The ceilings of the partners that may use the Service now.
fn subscriptions(tx: &mut Tx<'_>, service_id: ServiceId) -> Result<Vec<Subscription>, Error> {
    let stored = store::subscriptions::all(tx, service_id)?.into_iter();
    let active = stored.filter(|subscription| subscription.state == SubscriptionState::Active);
    Ok(active
        .map(|subscription| {
            let (mut scopes, mut roles) = (Vec::new(), Vec::new());
            for name in subscription.role_ids {
                match name {
                    RoleName::Smart(scope) => scopes.push(scope),
                    RoleName::Custom(id) => roles.push(id),
                }
            }
            scopes.sort();
            scopes.dedup();
            roles.sort();
            roles.dedup();
            Subscription { account_id: subscription.partner_account_id, scopes, roles }
        })
        .collect())
}

/// The compiler's findings, as faults of what was sent.
#[must_use]
pub fn faults(findings: Vec<Finding>) -> Vec<Fault> {
    findings
        .into_iter()
        .map(|finding| Fault {
            pointer: finding.pointer,
            code: finding.code.into(),
            message: finding.message,
            fix: finding.fix,
        })
        .collect()
}

/// Signed heads that can be given out again: a head costs a signature, and gateways ask every second.
#[derive(Debug, Default)]
pub struct Heads(Mutex<HashMap<ServiceId, Signed>>);

#[derive(Clone, Debug)]
struct Signed {
    version: u64,
    /// When the bundle was made.
    made_at: DateTime<Utc>,
    /// When the head was signed.
    at: DateTime<Utc>,
    text: String,
}

impl Heads {
    fn find(&self, service_id: ServiceId, version: u64) -> Option<Signed> {
        self.0.lock().ok()?.get(&service_id).filter(|signed| signed.version == version).cloned()
    }

    fn keep(&self, service_id: ServiceId, signed: Signed) {
        if let Ok(mut heads) = self.0.lock() {
            if heads.len() >= MAX_HEADS {
                heads.clear();
            }
            heads.insert(service_id, signed);
        }
    }
}

/// What a gateway is told of the current bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Current {
    /// The signed head, good for the next minute at most and 40 seconds at least.
    Head(String),
    /// The bundle is so old that it is to be published anew before it is named again.
    Old,
}

/// Which bundle of a Service of this Account is current; `NotFound` before the first.
pub fn head(
    tx: &mut Tx<'_>,
    call: &Call,
    platform: Platform<'_>,
    service_id: ServiceId,
    heads: &Heads,
) -> Result<Current, Error> {
    let current = store::bundles::head(tx, service_id)?.ok_or(Error::NotFound)?;
    let kept = heads.find(service_id, current.version);
    let made_at = match &kept {
        Some(signed) => signed.made_at,
        None => store::bundles::find(tx, service_id, current.version)?.created_at,
    };
    if call.now.signed_duration_since(made_at) > TimeDelta::days(RENEW_AFTER_DAYS) {
        return Ok(Current::Old);
    }
    let fresh =
        |signed: &Signed| (0..HEAD_REUSE_SECONDS).contains(&call.now.signed_duration_since(signed.at).num_seconds());
    if let Some(signed) = kept.filter(fresh) {
        return Ok(Current::Head(signed.text));
    }
    let head = Head {
        service_id,
        version: current.version,
        digest: hex(&current.digest),
        issued_at: call.now.timestamp(),
        expires_at: call.now.timestamp().saturating_add(HEAD_SECONDS),
    };
    let signer = signing_keys::active(tx, platform, service_id, KeyPurpose::Bundle)?;
    let text = signer.sign(HEAD_TYPE, &head)?;
    heads.keep(service_id, Signed { version: current.version, made_at, at: call.now, text: text.clone() });
    Ok(Current::Head(text))
}

/// What a gateway gets that asks for the bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// It has it already.
    Unchanged,
    /// The bundle.
    Bundle(StoredBundle),
}

/// The current bundle of a Service of this Account, unless the caller knows it by its ETag; `NotFound` before the first.
pub fn fetch(tx: &mut Tx<'_>, service_id: ServiceId, known: Option<&str>) -> Result<Fetched, Error> {
    let current = store::bundles::head(tx, service_id)?.ok_or(Error::NotFound)?;
    if known == Some(&*etag(&current.digest, current.version)) {
        return Ok(Fetched::Unchanged);
    }
    Ok(Fetched::Bundle(store::bundles::find(tx, service_id, current.version)?))
}

/// The ETag of a bundle: another version has another one, also with the same content.
#[must_use]
pub fn etag(digest: &[u8; 32], version: u64) -> String {
    format!("\"{}-{version}\"", hex(digest))
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
