//! Tokens that verified, so that their signature is not computed again for each request.
//!
//! Invariant: bounded in entries, in the size of a token, and in time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use policy::claims::Claims;

/// How long a verified signature is believed.
const LIFE_SECONDS: i64 = 300;
/// Shards, so that threads seldom wait for one another.
const SHARDS: usize = 16;
/// Entries of one shard: 8,192 tokens in all, at about 1 KiB each.
const SHARD_ENTRIES: usize = 512;
/// The longest token that is remembered; what is longer is verified each time, so memory stays bounded.
const MAX_REMEMBERED_BYTES: usize = 4 * 1024;

/// A token that verified.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) claims: Arc<Claims>,
    /// The issuer's index in that version's bundle.
    pub(super) issuer: usize,
    /// The version of the bundle under which claims and revocation were last looked at.
    pub(super) version: u64,
    /// The key that verified it.
    pub(super) print: [u8; 32],
    pub(super) verified_at: i64,
}

impl Known {
    fn counts(&self, now: i64) -> bool {
        now.saturating_sub(self.verified_at) < LIFE_SECONDS && now < self.claims.exp
    }
}

/// What is known, by SHA-256 of the token.
#[derive(Debug, Default)]
pub(super) struct Cache {
    shards: [Mutex<HashMap<[u8; 32], Known>>; SHARDS],
}

impl Cache {
    pub(super) fn get(&self, hash: &[u8; 32], now: i64) -> Option<Known> {
        let shard = self.shard(hash)?.lock().unwrap_or_else(PoisonError::into_inner);
        shard.get(hash).filter(|known| known.counts(now)).cloned()
    }

    pub(super) fn put(&self, hash: [u8; 32], token_bytes: usize, known: Known, now: i64) {
        if token_bytes > MAX_REMEMBERED_BYTES {
            return;
        }
        let Some(shard) = self.shard(&hash) else { return };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if shard.len() >= SHARD_ENTRIES {
            shard.retain(|_, known| known.counts(now));
        }
        if shard.len() >= SHARD_ENTRIES {
            // Any one goes: the map's order is random to a caller.
            if let Some(any) = shard.keys().next().copied() {
                shard.remove(&any);
            }
        }
        shard.insert(hash, known);
    }

    fn shard(&self, hash: &[u8; 32]) -> Option<&Mutex<HashMap<[u8; 32], Known>>> {
        let [first, ..] = hash;
        self.shards.get(usize::from(*first) % SHARDS)
    }
}
