//! From the raw headers to the caller: which credentials count, and why others do not.
//!
//! Invariant: the reasons of phase 2 are tried in one fixed order, and whatever is not understood is
//! refused. A token that is remembered is checked against the bundle of the request, never that of the day it was verified.

mod basic;
mod cache;
mod claims;
mod header;
mod revocation;
mod signatures;
mod token;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use policy::Reason;
use policy::basic::BasicKey;
use policy::bundle::Bundle;
use policy::claims::Claims;
use policy::request::{Caller, Header};

use crate::hash::sha256;
use crate::snapshot::Snapshot;
use cache::Cache;
pub use cache::Verified;
use header::Sent;
use signatures::Signatures;

/// What the credentials of one request came to.
#[derive(Clone, Debug)]
pub struct Credential {
    /// SHA-256 of the token, whether it counts or not; none without a token. Basic credentials leave none.
    pub token_hash: Option<[u8; 32]>,
    outcome: Outcome,
}

/// Keys are indexes into the bundle's list.
#[derive(Clone, Debug)]
enum Outcome {
    Missing,
    Refused(Reason),
    Token(Arc<Verified>),
    Basic(usize),
    Both(Arc<Verified>, usize),
}

impl Credential {
    /// As the decision point wants it; the bundle must be that of the snapshot that verified it.
    #[must_use]
    pub fn caller<'a>(&'a self, bundle: &'a Bundle) -> Caller<'a> {
        let (claims, key) = (self.claims(), self.basic_key(bundle));
        let issuer = self.verified().and_then(|verified| bundle.parts().issuers.get(verified.issuer));
        match (&self.outcome, claims, issuer, key) {
            (Outcome::Missing, ..) => Caller::Missing,
            (Outcome::Refused(reason), ..) => Caller::Refused(*reason),
            (Outcome::Token(_), Some(claims), Some(issuer), _) => Caller::Verified(claims, issuer),
            (Outcome::Basic(_), _, _, Some(key)) => Caller::Basic(key),
            (Outcome::Both(..), Some(claims), Some(issuer), Some(key)) => Caller::Both(claims, issuer, key),
            // The bundle is another one: nothing that was verified counts under it.
            (Outcome::Token(_) | Outcome::Both(..), _, None, _) => Caller::Refused(Reason::WrongIssuer),
            (Outcome::Token(_) | Outcome::Basic(_) | Outcome::Both(..), ..) => Caller::Refused(Reason::UnknownKey),
        }
    }

    /// The token, when it counts, with all that is computed of it once.
    #[must_use]
    pub fn verified(&self) -> Option<&Verified> {
        match &self.outcome {
            Outcome::Token(verified) | Outcome::Both(verified, _) => Some(verified),
            Outcome::Missing | Outcome::Refused(_) | Outcome::Basic(_) => None,
        }
    }

    /// The claims, when there is a token and it counts.
    #[must_use]
    pub fn claims(&self) -> Option<&Claims> {
        self.verified().map(|verified| &verified.claims)
    }

    /// The Key, when there are Basic credentials and they count.
    #[must_use]
    pub fn basic_key<'a>(&self, bundle: &'a Bundle) -> Option<&'a BasicKey> {
        match &self.outcome {
            Outcome::Basic(index) | Outcome::Both(_, index) => bundle.parts().basic_keys.get(*index),
            Outcome::Missing | Outcome::Refused(_) | Outcome::Token(_) => None,
        }
    }

    /// Why the request has no caller, when it has none.
    #[must_use]
    pub const fn refusal(&self) -> Option<Reason> {
        match &self.outcome {
            Outcome::Missing => Some(Reason::NoToken),
            Outcome::Refused(reason) => Some(*reason),
            Outcome::Token(_) | Outcome::Basic(_) | Outcome::Both(..) => None,
        }
    }

    /// No credential at all, as when no bundle says whose would count.
    #[must_use]
    pub const fn none() -> Self {
        Self { token_hash: None, outcome: Outcome::Missing }
    }
}

/// Verifies credentials, and remembers for five minutes which tokens verified.
#[derive(Debug, Default)]
pub struct Authenticator {
    cache: Cache,
    signatures: Signatures,
}

impl Authenticator {
    /// What the `Authorization` of a request comes to under this snapshot.
    pub fn authenticate(&self, snapshot: &Snapshot, headers: &[Header<'_>], now: DateTime<Utc>) -> Credential {
        let parts = snapshot.bundle().parts();
        let sent = match header::sent(headers, parts.settings.basic.is_some()) {
            Ok(sent) => sent,
            Err(reason) => return Credential { token_hash: None, outcome: Outcome::Refused(reason) },
        };
        let (token_hash, outcome) = match sent {
            Sent::Nothing => (None, Ok(Outcome::Missing)),
            Sent::Basic(credentials) => (None, basic::verify(parts, credentials).map(Outcome::Basic)),
            Sent::Token(token) => {
                let hash = sha256(token.as_bytes());
                (Some(hash), self.token(snapshot, token, &hash, now).map(Outcome::Token))
            }
            Sent::Both(token, credentials) => {
                let hash = sha256(token.as_bytes());
                let token = self.token(snapshot, token, &hash, now);
                let both = token.and_then(|token| Ok(Outcome::Both(token, basic::verify(parts, credentials)?)));
                (Some(hash), both)
            }
        };
        Credential { token_hash, outcome: outcome.unwrap_or_else(Outcome::Refused) }
    }

    /// A token that was seen before costs its hash and one look-up, and allocates nothing.
    fn token(
        &self,
        snapshot: &Snapshot,
        token: &str,
        hash: &[u8; 32],
        now: DateTime<Utc>,
    ) -> Result<Arc<Verified>, Reason> {
        let seconds = now.timestamp();
        let known = self.cache.get(hash);
        match known {
            Some(known) if known.version == snapshot.manifest().version && known.counts(seconds) => {
                token::in_time(known.claims.exp, Some(known.claims.nbf), seconds)?;
                return Ok(known);
            }
            _ => {}
        }
        let verified = token::verify(snapshot, &self.signatures, (token, hash), known.as_deref(), now)?;
        let verified = Arc::new(verified);
        if token.len() <= cache::MAX_REMEMBERED_BYTES {
            self.cache.put(*hash, Arc::clone(&verified), seconds);
            if known.is_none() {
                self.signatures.give_back();
            }
        }
        Ok(verified)
    }
}

#[cfg(test)]
mod tests;
