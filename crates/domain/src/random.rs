//! Randomness as an argument: the door hands in the system's, a test a seed.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};
use uuid::{Builder, Uuid};

type Fill = dyn Fn(&mut [u8]) + Send + Sync;

/// A source of random bytes. Clones draw from the same source.
#[derive(Clone)]
pub struct Random(Arc<Fill>);

impl fmt::Debug for Random {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Random")
    }
}

impl Random {
    /// Draws from `fill`, which fills the whole slice with bytes that nobody can guess, and never returns otherwise.
    #[must_use]
    pub fn new(fill: impl Fn(&mut [u8]) + Send + Sync + 'static) -> Self {
        Self(Arc::new(fill))
    }

    /// The same bytes for the same seed (SplitMix64). For tests: everybody can guess them.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        let state = AtomicU64::new(seed);
        Self::new(move |bytes| {
            for chunk in bytes.chunks_mut(8) {
                let drawn = state.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
                for (byte, value) in chunk.iter_mut().zip(mixed(drawn).to_le_bytes()) {
                    *byte = value;
                }
            }
        })
    }

    /// `N` fresh bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.0)(&mut bytes);
        bytes
    }

    /// A fresh UUIDv7 of that moment; its order follows time to the microsecond (RFC 9562 section 6.2,
    /// method 3), and 62 bits of it are random.
    #[must_use]
    pub fn uuid(&self, now: DateTime<Utc>) -> Uuid {
        let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
        // A thousand microseconds spread over the 12 bits that follow the milliseconds.
        let fraction = u16::try_from(now.timestamp_subsec_micros() % 1_000 * 4_096 / 1_000).unwrap_or(0);
        let mut tail: [u8; 10] = self.bytes();
        let [high, low] = fraction.to_be_bytes();
        let [first, second, ..] = &mut tail;
        (*first, *second) = (high, low);
        Builder::from_unix_timestamp_millis(millis, &tail).into_uuid()
    }
}

/// The odd constant of SplitMix64.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

fn mixed(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_bytes_again_and_another_seed_others() {
        assert_eq!(Random::seeded(1).bytes::<32>(), Random::seeded(1).bytes::<32>());
        assert_ne!(Random::seeded(1).bytes::<32>(), Random::seeded(2).bytes::<32>());
        let random = Random::seeded(1);
        assert_ne!(random.bytes::<32>(), random.clone().bytes::<32>());
    }

    #[test]
    fn a_later_uuid_sorts_after_an_earlier_one() {
        let random = Random::seeded(3);
        let at = |micros: i64| DateTime::from_timestamp_micros(1_700_000_000_000_000 + micros).unwrap();
        let drawn: Vec<Uuid> = (0..2_000).map(|micros| random.uuid(at(micros))).collect();
        assert!(drawn.is_sorted_by(|one, next| one < next));
        assert!(drawn.iter().all(|uuid| uuid.get_version_num() == 7));
    }
}
