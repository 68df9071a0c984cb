//! Tokens that verified, so that their signature is not computed again for each request.
//!
//! Invariant: bounded in entries, in bytes, and in time. What is remembered is only ever found by the SHA-256 of the whole
//! token, so no other token can use it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use policy::claims::Claims;

use crate::engine::Grants;

/// How long a verified signature is believed.
const LIFE_SECONDS: i64 = 300;
/// Shards, so that threads seldom wait for one another.
const SHARDS: usize = 64;
/// Entries of one shard: 65,536 in all, so that 50,000 tokens fit however unevenly they fall.
const SHARD_ENTRIES: usize = 1_024;
/// Bytes of one shard: 64 MiB in all. A usual token takes less than 1 KiB.
const SHARD_BYTES: usize = 1024 * 1024;
/// The longest token that is remembered; what is longer is verified each time.
pub(super) const MAX_REMEMBERED_BYTES: usize = 4 * 1024;
/// A full shard is looked through for what has ended at most this often.
const SWEEP_SECONDS: i64 = 10;

/// A token that verified, and all that is computed of it once for each version of the bundle.
#[derive(Debug)]
pub struct Verified {
    pub(super) claims: Claims,
    /// The issuer's index in that version's bundle.
    pub(super) issuer: usize,
    /// The version of the bundle under which claims and revocation were last looked at.
    pub(crate) version: u64,
    /// The key that verified it.
    pub(super) print: [u8; 32],
    /// When its signature was last computed.
    pub(super) checked_at: i64,
    /// Its rules under that version's bundle.
    pub(crate) grants: Grants,
}

impl Verified {
    /// Whether its signature need not be computed again.
    pub(super) const fn counts(&self, now: i64) -> bool {
        now.saturating_sub(self.checked_at) < LIFE_SECONDS && now < self.claims.exp
    }

    /// What it takes to remember it, near enough to bound memory by.
    fn bytes(&self) -> usize {
        let Claims { iss, sub, aud, jti, client_id, scope, role_ids, patient, fhir_user, act, tags, clearance, .. } =
            &self.claims;
        let optional = [client_id, scope, patient, fhir_user, clearance].into_iter().flatten();
        let texts: usize = [iss, sub, aud, jti].into_iter().chain(optional).map(String::len).sum();
        let act = act.as_ref().map_or(0, |act| act.sub.len());
        let values = |values: &Vec<String>| values.iter().map(|value| NODE + value.len()).sum::<usize>();
        let tags: usize = tags.iter().map(|(key, list)| 2 * NODE + key.len() + values(list)).sum();
        size_of::<Self>()
            + size_of::<Slot>()
            + self.grants.heap_bytes()
            + 2 * NODE
            + texts
            + act
            + tags
            + size_of_val(role_ids.as_slice())
    }
}

/// What an allocation takes beside its text.
const NODE: usize = 48;

/// One entry of a shard.
#[derive(Debug)]
struct Slot {
    verified: Arc<Verified>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Shard {
    slots: HashMap<[u8; 32], Slot>,
    bytes: usize,
    swept_at: i64,
}

/// What is known, by SHA-256 of the token.
#[derive(Debug)]
pub(super) struct Cache {
    shards: [Mutex<Shard>; SHARDS],
}

impl Default for Cache {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl Cache {
    /// What is known of a token, however long ago it was verified.
    pub(super) fn get(&self, hash: &[u8; 32]) -> Option<Arc<Verified>> {
        self.shard(hash)?.slots.get(hash).map(|slot| Arc::clone(&slot.verified))
    }

    pub(super) fn put(&self, hash: [u8; 32], verified: Arc<Verified>, now: i64) {
        let bytes = verified.bytes();
        if let Some(mut shard) = self.shard(&hash) {
            shard.put(hash, Slot { verified, bytes }, now);
        }
    }

    fn shard(&self, hash: &[u8; 32]) -> Option<MutexGuard<'_, Shard>> {
        let [first, ..] = hash;
        let shard = self.shards.get(usize::from(*first) % SHARDS)?;
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shard {
    fn put(&mut self, hash: [u8; 32], slot: Slot, now: i64) {
        self.remove(&hash);
        if !self.fits(&slot) && now.saturating_sub(self.swept_at) >= SWEEP_SECONDS {
            self.swept_at = now;
            self.slots.retain(|_, slot| slot.verified.counts(now));
            self.bytes = self.slots.values().map(|slot| slot.bytes).sum();
        }
        while !self.fits(&slot) {
            // Any one goes: the map's order is random to a caller.
            let Some(any) = self.slots.keys().next().copied() else { return };
            self.remove(&any);
        }
        self.bytes += slot.bytes;
        self.slots.insert(hash, slot);
    }

    fn fits(&self, slot: &Slot) -> bool {
        self.slots.len() < SHARD_ENTRIES && self.bytes.saturating_add(slot.bytes) <= SHARD_BYTES
    }

    fn remove(&mut self, hash: &[u8; 32]) {
        if let Some(slot) = self.slots.remove(hash) {
            self.bytes = self.bytes.saturating_sub(slot.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verified(text: usize, exp: i64) -> Arc<Verified> {
        let claims = serde_json::json!({
            "iss": "i", "sub": "s".repeat(text), "aud": "a", "exp": exp, "nbf": 0, "iat": 0, "jti": "", "token_kind": "key",
        });
        let claims = serde_json::from_value(claims).unwrap();
        {
            let engine = decision::Engine::new(testkit::ehr::fhir(policy::settings::Settings::default()));
            let grants = Grants::new(&engine, &policy::request::Caller::Missing);
            Arc::new(Verified { claims, issuer: 0, version: 1, print: [0; 32], checked_at: 0, grants })
        }
    }

    /// Names of tokens that all fall into one shard.
    fn hash(number: usize) -> [u8; 32] {
        let mut hash = [0; 32];
        hash[8..16].copy_from_slice(&number.to_be_bytes());
        hash
    }

    fn shard(cache: &Cache) -> MutexGuard<'_, Shard> {
        cache.shard(&hash(0)).unwrap()
    }

    #[test]
    fn entries_are_bounded() {
        let cache = Cache::default();
        for number in 0..3 * SHARD_ENTRIES {
            cache.put(hash(number), verified(1, 100), 0);
            assert!(cache.get(&hash(number)).is_some(), "the newest is remembered");
        }
        assert_eq!(shard(&cache).slots.len(), SHARD_ENTRIES);
    }

    #[test]
    fn bytes_are_bounded_and_counted_right() {
        let cache = Cache::default();
        for number in 0..1_000 {
            cache.put(hash(number), verified(3_000, 100), 0);
            cache.put(hash(number), verified(2_000 + number, 100), 0);
            let shard = shard(&cache);
            assert!(shard.bytes <= SHARD_BYTES);
            assert_eq!(shard.bytes, shard.slots.values().map(|slot| slot.bytes).sum::<usize>());
        }
        assert!(shard(&cache).slots.len() > 200);
        cache.put(hash(5_000), verified(2 * SHARD_BYTES, 100), 0);
        assert!(cache.get(&hash(5_000)).is_none(), "what never fits is not kept");
    }

    #[test]
    fn what_has_ended_goes_first() {
        let cache = Cache::default();
        for number in 0..SHARD_ENTRIES {
            cache.put(hash(number), verified(1, if number % 2 == 0 { 20 } else { 100 }), 0);
        }
        cache.put(hash(9_999), verified(1, 100), 50);
        assert_eq!(shard(&cache).slots.len(), SHARD_ENTRIES / 2 + 1);
        assert!((0..SHARD_ENTRIES).filter(|number| number % 2 == 1).all(|number| cache.get(&hash(number)).is_some()));
    }

    #[test]
    fn fifty_thousand_usual_tokens_fit() {
        let bytes = verified(300, 100).bytes();
        assert!(SHARDS * SHARD_ENTRIES >= 50_000 && bytes * 50_000 * 5 / 4 <= SHARDS * SHARD_BYTES, "{bytes}");
    }
}
