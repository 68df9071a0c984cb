//! One bundle in force: the engine made of it, and its issuers' keys, parsed once.
//!
//! Invariant: a snapshot never changes. A request takes one at its start and uses it to its end.

use std::collections::HashMap;
use std::fmt;

use decision::Engine;
use policy::bundle::{Bundle, Issuer, IssuerKey};
use policy::manifest::Manifest;

use crate::hash::sha256;
use crate::jws::Key;

/// A key of an issuer, and what tells it from any other: a hash of issuer, `kid`, algorithm and key.
#[derive(Debug)]
pub struct TokenKey {
    /// The parsed key.
    pub key: Key,
    /// Equal only for the same key of the same issuer.
    pub print: [u8; 32],
}

/// One bundle in force.
pub struct Snapshot {
    manifest: Manifest,
    engine: Engine,
    keys: Vec<HashMap<Box<str>, TokenKey>>,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Snapshot").field("manifest", &self.manifest).finish_non_exhaustive()
    }
}

impl Snapshot {
    /// Makes the runtime form; it takes milliseconds for a large bundle, so never on a request's thread.
    ///
    /// A key that cannot be read verifies nothing: its tokens are denied as those of an unknown key.
    #[must_use]
    pub fn new(manifest: Manifest, bundle: Bundle) -> Self {
        let keys = bundle.parts().issuers.iter().map(keys).collect();
        Self { manifest, keys, engine: Engine::new(bundle) }
    }

    /// What decides.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What it was made of.
    #[must_use]
    pub fn bundle(&self) -> &Bundle {
        self.engine.bundle()
    }

    /// What was signed about it.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The index of the issuer with this `iss`, compared as a whole string.
    #[must_use]
    pub fn issuer(&self, iss: &str) -> Option<usize> {
        self.bundle().parts().issuers.binary_search_by(|issuer| (*issuer.issuer).cmp(iss)).ok()
    }

    /// The key of that issuer with this `kid`.
    #[must_use]
    pub fn key(&self, issuer: usize, kid: &str) -> Option<&TokenKey> {
        self.keys.get(issuer)?.get(kid)
    }
}

fn keys(issuer: &Issuer) -> HashMap<Box<str>, TokenKey> {
    let mut parsed = HashMap::new();
    for one in &issuer.keys {
        match Key::from_jwk(one.algorithm, &one.jwk) {
            Ok(key) => {
                parsed.insert(one.kid.clone(), TokenKey { key, print: print(issuer, one) });
            }
            Err(fault) => {
                tracing::warn!(issuer = ?issuer.issuer, kid = ?one.kid, %fault, "an issuer's key cannot be used; its tokens will be refused");
            }
        }
    }
    parsed
}

fn print(issuer: &Issuer, key: &IssuerKey) -> [u8; 32] {
    let text = serde_json::json!([issuer.issuer, key.kid, format!("{:?}", key.algorithm), key.jwk]);
    sha256(text.to_string().as_bytes())
}
