//! What signatures cost, bounded: a flood of bad tokens is no lever on the processor.
//!
//! Invariant: only refusals are remembered here, and a signature is computed only while the budget lasts. Whatever goes
//! wrong here can deny a token, and never let one in.

use std::sync::{Mutex, MutexGuard, PoisonError};

use policy::Reason;

use crate::jws::Compact;
use crate::snapshot::TokenKey;

/// Signatures of unknown tokens for each second, once [`BURST`] is used up: at 60 µs, 6 % of one processor.
const PER_SECOND: i64 = 1_000;
/// How many may come at once.
const BURST: i64 = 2_000;
/// Parts that one signature is counted in, so that a millisecond refills a whole number of them.
const PARTS: i64 = 1_000;
/// How many refusals are remembered, at 64 bytes each.
const SLOTS: usize = 4_096;

/// The signatures of one Service.
#[derive(Debug, Default)]
pub(super) struct Signatures {
    bucket: Mutex<Bucket>,
    refused: Mutex<Refused>,
}

impl Signatures {
    /// Verifies a signature; `known` is a token that verified before, which costs no budget.
    ///
    /// Over the budget the reason is `internal`: nothing is said about the token, which was not looked at.
    pub(super) fn verify(
        &self,
        hash: &[u8; 32],
        jws: &Compact<'_>,
        key: &TokenKey,
        known: bool,
        millis: i64,
    ) -> Result<(), Reason> {
        if lock(&self.refused).holds(hash, &key.print) {
            return Err(Reason::BadSignature);
        }
        if !known && !lock(&self.bucket).take(millis) {
            return Err(Reason::Internal);
        }
        if key.key.verifies(jws) {
            return Ok(());
        }
        lock(&self.refused).insert(hash, &key.print);
        Err(Reason::BadSignature)
    }

    /// Gives back what a token cost that is remembered from now on: it costs nothing again.
    pub(super) fn give_back(&self) {
        lock(&self.bucket).give_back();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A token bucket; time is an argument.
#[derive(Debug)]
struct Bucket {
    parts: i64,
    at: i64,
}

impl Default for Bucket {
    fn default() -> Self {
        Self { parts: BURST * PARTS, at: 0 }
    }
}

impl Bucket {
    fn take(&mut self, millis: i64) -> bool {
        // A clock that was set back refills nothing.
        let elapsed = millis.saturating_sub(self.at).max(0);
        self.at = millis;
        let refill = elapsed.saturating_mul(PER_SECOND * PARTS / 1_000);
        self.parts = self.parts.saturating_add(refill).min(BURST * PARTS);
        let has = self.parts >= PARTS;
        if has {
            self.parts -= PARTS;
        }
        has
    }

    fn give_back(&mut self) {
        self.parts = self.parts.saturating_add(PARTS).min(BURST * PARTS);
    }
}

/// A token by its hash, and the key that refused it.
type Refusal = ([u8; 32], [u8; 32]);

/// Tokens whose signature a key refused. Each has one place, by its hash, and a later one takes it.
#[derive(Debug, Default)]
struct Refused {
    /// Empty until the first refusal.
    slots: Vec<Option<Refusal>>,
}

impl Refused {
    fn holds(&self, hash: &[u8; 32], print: &[u8; 32]) -> bool {
        matches!(self.slots.get(place(hash)), Some(Some((token, key))) if token == hash && key == print)
    }

    fn insert(&mut self, hash: &[u8; 32], print: &[u8; 32]) {
        self.slots.resize(SLOTS, None);
        if let Some(slot) = self.slots.get_mut(place(hash)) {
            *slot = Some((*hash, *print));
        }
    }
}

fn place(hash: &[u8; 32]) -> usize {
    let [first, second, ..] = *hash;
    usize::from(u16::from_be_bytes([first, second])) % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(bucket: &mut Bucket, millis: i64) -> i64 {
        std::iter::from_fn(|| bucket.take(millis).then_some(1)).take(100_000).sum()
    }

    #[test]
    fn the_budget_refills_with_time_and_never_beyond_its_burst() {
        let mut bucket = Bucket::default();
        for (millis, expected) in [
            (1_800_000_000_000, BURST),
            (1_800_000_000_000, 0),
            (1_800_000_000_001, 1),
            (1_800_000_000_100, 99),
            (1_800_000_000_050, 0),
            (1_800_000_000_060, 10),
            (1_800_000_001_060, PER_SECOND),
            (1_900_000_000_000, BURST),
            (i64::MIN, 0),
            (i64::MAX, BURST),
        ] {
            assert_eq!(taken(&mut bucket, millis), expected, "{millis}");
        }
    }

    #[test]
    fn what_is_given_back_can_be_taken_again_once() {
        let mut bucket = Bucket::default();
        taken(&mut bucket, 1_000);
        bucket.give_back();
        assert_eq!(taken(&mut bucket, 1_000), 1);
        let mut full = Bucket::default();
        full.give_back();
        assert_eq!(taken(&mut full, 0), BURST);
    }

    #[test]
    fn refusals_are_of_one_token_and_one_key_and_bounded() {
        let mut refused = Refused::default();
        let (token, key) = ([1; 32], [2; 32]);
        assert!(!refused.holds(&token, &key));
        refused.insert(&token, &key);
        assert!(refused.holds(&token, &key) && !refused.holds(&token, &[3; 32]) && !refused.holds(&[4; 32], &key));
        for number in 0..=u16::MAX {
            let mut token = [0; 32];
            token[..2].copy_from_slice(&number.to_be_bytes());
            refused.insert(&token, &key);
            assert!(refused.holds(&token, &key));
        }
        assert_eq!(refused.slots.len(), SLOTS);
    }
}
