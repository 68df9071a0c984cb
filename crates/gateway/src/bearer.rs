//! From the raw headers to the caller: which token counts, and why another does not.
//!
//! Invariant: the reasons of phase 2 are tried in one fixed order, and whatever is not understood is
//! refused. A token that is remembered is checked against the bundle of the request, never that of the day it was verified.

mod cache;
mod claims;
mod revocation;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use policy::Reason;
use policy::bundle::Bundle;
use policy::claims::{Claims, LEEWAY_SECONDS, MAX_TOKEN_BYTES};
use policy::request::{Caller, Header};

use crate::hash::{hex, sha256};
use crate::jws::Compact;
use crate::snapshot::Snapshot;
use cache::{Cache, Known};

/// What the credentials of one request came to.
#[derive(Clone, Debug)]
pub struct Credential {
    /// SHA-256 of the token, in hexadecimal, whether it counts or not.
    pub token_hash: Option<String>,
    outcome: Outcome,
}

#[derive(Clone, Debug)]
enum Outcome {
    Missing,
    Refused(Reason),
    Verified { claims: Arc<Claims>, issuer: usize },
}

impl Credential {
    /// As the decision point wants it; the bundle must be that of the snapshot that verified it.
    #[must_use]
    pub fn caller<'a>(&'a self, bundle: &'a Bundle) -> Caller<'a> {
        match &self.outcome {
            Outcome::Missing => Caller::Missing,
            Outcome::Refused(reason) => Caller::Refused(*reason),
            Outcome::Verified { claims, issuer } => match bundle.parts().issuers.get(*issuer) {
                Some(issuer) => Caller::Verified(claims, issuer),
                None => Caller::Refused(Reason::WrongIssuer),
            },
        }
    }

    /// The claims, when the token counts.
    #[must_use]
    pub fn claims(&self) -> Option<&Claims> {
        match &self.outcome {
            Outcome::Verified { claims, .. } => Some(claims),
            Outcome::Missing | Outcome::Refused(_) => None,
        }
    }

    /// Why the request has no caller, when it has none.
    #[must_use]
    pub const fn refusal(&self) -> Option<Reason> {
        match &self.outcome {
            Outcome::Missing => Some(Reason::NoToken),
            Outcome::Refused(reason) => Some(*reason),
            Outcome::Verified { .. } => None,
        }
    }

    /// No credential at all, as when no bundle says whose would count.
    #[must_use]
    pub const fn none() -> Self {
        Self { token_hash: None, outcome: Outcome::Missing }
    }
}

/// Verifies bearer tokens, and remembers for five minutes which ones verified.
#[derive(Debug, Default)]
pub struct Authenticator {
    cache: Cache,
}

impl Authenticator {
    /// What the `Authorization` of a request comes to under this snapshot.
    pub fn authenticate(&self, snapshot: &Snapshot, headers: &[Header<'_>], now: DateTime<Utc>) -> Credential {
        let token = match bearer(headers) {
            Ok(token) => token,
            Err(outcome) => return Credential { token_hash: None, outcome },
        };
        let hash = sha256(token.as_bytes());
        let now = now.timestamp();
        let outcome = match self.verify(snapshot, token, &hash, now) {
            Ok((claims, issuer)) => Outcome::Verified { claims, issuer },
            Err(reason) => Outcome::Refused(reason),
        };
        Credential { token_hash: Some(hex(&hash)), outcome }
    }

    fn verify(
        &self,
        snapshot: &Snapshot,
        token: &str,
        hash: &[u8; 32],
        now: i64,
    ) -> Result<(Arc<Claims>, usize), Reason> {
        let version = snapshot.manifest().version;
        let known = self.cache.get(hash, now);
        if let Some(known) = known.as_ref().filter(|known| known.version == version) {
            in_time(known.claims.exp, Some(known.claims.nbf), now)?;
            return Ok((Arc::clone(&known.claims), known.issuer));
        }
        let verified = verify(snapshot, token, known.as_ref().map(|known| known.print), now)?;
        let claims = Arc::new(verified.claims);
        // A known signature keeps its age, so a token is verified anew every five minutes whatever the bundles do.
        let verified_at = known.map_or(now, |known| known.verified_at);
        let entry =
            Known { claims: Arc::clone(&claims), issuer: verified.issuer, version, print: verified.print, verified_at };
        self.cache.put(*hash, token.len(), entry, now);
        Ok((claims, verified.issuer))
    }
}

/// The token of the only `Authorization`, whose scheme is exactly `Bearer`.
fn bearer<'a>(headers: &[Header<'a>]) -> Result<&'a str, Outcome> {
    let mut found = headers.iter().filter(|header| header.name.eq_ignore_ascii_case("authorization"));
    let Some(one) = found.next() else { return Err(Outcome::Missing) };
    if found.next().is_some() {
        return Err(Outcome::Refused(Reason::TwoCredentials));
    }
    let token = std::str::from_utf8(one.value).ok().and_then(|value| value.strip_prefix("Bearer "));
    match token {
        Some(token) if !token.is_empty() && token.len() <= MAX_TOKEN_BYTES => Ok(token),
        _ => Err(Outcome::Refused(Reason::MalformedToken)),
    }
}

struct Verified {
    claims: Claims,
    issuer: usize,
    print: [u8; 32],
}

/// All of phase 2, in its order. The algorithm is compared before the signature is, because a signature is only
/// ever checked with the key's own algorithm; `print` names a key that has verified this very token before.
fn verify(snapshot: &Snapshot, token: &str, known: Option<[u8; 32]>, now: i64) -> Result<Verified, Reason> {
    let jws = Compact::parse(token, MAX_TOKEN_BYTES).map_err(|_| Reason::MalformedToken)?;
    if !jws.typ.as_deref().is_some_and(|typ| typ.eq_ignore_ascii_case("at+jwt") || typ.eq_ignore_ascii_case("JWT")) {
        return Err(Reason::MalformedToken);
    }
    let parts = snapshot.bundle().parts();
    let read = claims::read(&jws.payload, &parts.settings.patient_claim, parts.service.kind)?;
    in_time(read.exp, read.nbf, now)?;
    let index = snapshot.issuer(&read.iss).ok_or(Reason::WrongIssuer)?;
    let issuer = parts.issuers.get(index).ok_or(Reason::WrongIssuer)?;
    if !read.audience.iter().any(|audience| **audience == *parts.service.base_url) {
        return Err(Reason::WrongAudience);
    }
    let key = jws.kid.as_deref().and_then(|kid| snapshot.key(index, kid)).ok_or(Reason::UnknownKey)?;
    if !key.key.is_for(&jws) {
        return Err(Reason::Algorithm);
    }
    if known != Some(key.print) && !key.key.verifies(&jws) {
        return Err(Reason::BadSignature);
    }
    let claims = read.under(issuer, &parts.service.base_url)?;
    if revocation::revoked(&parts.revocations, &claims) {
        return Err(Reason::Revoked);
    }
    Ok(Verified { claims, issuer: index, print: key.print })
}

fn in_time(exp: i64, nbf: Option<i64>, now: i64) -> Result<(), Reason> {
    if now >= exp.saturating_add(LEEWAY_SECONDS) {
        return Err(Reason::Expired);
    }
    if nbf.is_some_and(|nbf| now < nbf.saturating_sub(LEEWAY_SECONDS)) {
        return Err(Reason::NotYetValid);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
