//! Phase 2 for a token: all of its reasons, in their order.
//!
//! Invariant: a token counts only if every check says so; a signature that was verified before stands in for nothing else.

use chrono::{DateTime, Utc};
use policy::Reason;
use policy::claims::{LEEWAY_SECONDS, MAX_TOKEN_BYTES};
use policy::request::Caller;

use super::cache::Verified;
use super::signatures::Signatures;
use super::{claims, revocation};
use crate::engine::Grants;
use crate::jws::Compact;
use crate::snapshot::Snapshot;

/// Verifies a token under this snapshot. `known` is what an earlier look at this very token came to, under another
/// bundle or too long ago; as long as it counts, and the key is the same, the signature is not computed again.
///
/// The algorithm is compared before the signature is, because a signature is only ever checked with the key's own.
pub(super) fn verify(
    snapshot: &Snapshot,
    signatures: &Signatures,
    (token, hash): (&str, &[u8; 32]),
    known: Option<&Verified>,
    now: DateTime<Utc>,
) -> Result<Verified, Reason> {
    let seconds = now.timestamp();
    let mut buffer = Vec::new();
    let jws = Compact::parse(token, MAX_TOKEN_BYTES, &mut buffer).map_err(|_| Reason::MalformedToken)?;
    if !jws.typ.as_deref().is_some_and(|typ| typ.eq_ignore_ascii_case("at+jwt") || typ.eq_ignore_ascii_case("JWT")) {
        return Err(Reason::MalformedToken);
    }
    let parts = snapshot.bundle().parts();
    let read = claims::read(jws.payload, &parts.settings.patient_claim, parts.service.kind)?;
    in_time(read.claims.exp, read.nbf, seconds)?;
    let index = snapshot.issuer(&read.claims.iss).ok_or(Reason::WrongIssuer)?;
    let issuer = parts.issuers.get(index).ok_or(Reason::WrongIssuer)?;
    if !read.audience.iter().any(|audience| **audience == *parts.service.base_url) {
        return Err(Reason::WrongAudience);
    }
    let key = jws.kid.as_deref().and_then(|kid| snapshot.key(index, kid)).ok_or(Reason::UnknownKey)?;
    if !key.key.is_for(&jws) {
        return Err(Reason::Algorithm);
    }
    // A known signature keeps its age, so a token is verified anew every five minutes whatever the bundles do.
    let still = known.filter(|known| known.counts(seconds) && known.print == key.print);
    if still.is_none() {
        signatures.verify(hash, &jws, key, known.is_some(), now.timestamp_millis())?;
    }
    let claims = read.under(issuer, &parts.service.base_url)?;
    if revocation::revoked(&parts.revocations, &claims) {
        return Err(Reason::Revoked);
    }
    let checked_at = still.map_or(seconds, |known| known.checked_at);
    let grants = Grants::new(snapshot.engine(), &Caller::Verified(&claims, issuer));
    Ok(Verified { claims, issuer: index, version: snapshot.manifest().version, print: key.print, checked_at, grants })
}

/// Whether a token with these times is in force.
pub(super) fn in_time(exp: i64, nbf: Option<i64>, now: i64) -> Result<(), Reason> {
    if now >= exp.saturating_add(LEEWAY_SECONDS) {
        return Err(Reason::Expired);
    }
    if nbf.is_some_and(|nbf| now < nbf.saturating_sub(LEEWAY_SECONDS)) {
        return Err(Reason::NotYetValid);
    }
    Ok(())
}
