//! The gateway's clock, and the ids and random bytes that its door draws.
//!
//! Invariant: the time of a [`Clock`] never goes back, not even when the machine's clock is set
//! back: what has expired stays expired, and what is stale stays stale.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use chrono::{DateTime, Duration, Utc};
use policy::id::{AuditId, RequestId};

/// Reads the time as the larger of the wall clock, what has passed since the start, and the newest time that a signed head proved.
#[derive(Debug)]
pub struct Clock {
    wall_at_start: DateTime<Utc>,
    started: Instant,
    floor_micros: AtomicI64,
}

impl Default for Clock {
    fn default() -> Self {
        Self::start()
    }
}

impl Clock {
    /// Starts at the wall clock's time.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the gateway's one reading of the wall clock")]
    pub fn start() -> Self {
        Self { wall_at_start: Utc::now(), started: Instant::now(), floor_micros: AtomicI64::new(0) }
    }

    /// The time now, to the microsecond.
    #[expect(clippy::disallowed_methods, reason = "this is the gateway's one reading of the wall clock")]
    pub fn now(&self) -> DateTime<Utc> {
        self.read(Utc::now(), self.started.elapsed())
    }

    /// Takes note that it is at least this late, because somebody trusted signed it.
    pub fn raise(&self, proven: DateTime<Utc>) {
        self.floor_micros.fetch_max(proven.timestamp_micros(), Ordering::Relaxed);
    }

    fn read(&self, wall: DateTime<Utc>, passed: std::time::Duration) -> DateTime<Utc> {
        let passed = Duration::from_std(passed).unwrap_or(Duration::zero());
        let monotonic = self.wall_at_start.checked_add_signed(passed).unwrap_or(wall);
        let latest = wall.max(monotonic).timestamp_micros();
        let micros = self.floor_micros.fetch_max(latest, Ordering::Relaxed).max(latest);
        DateTime::from_timestamp_micros(micros).unwrap_or(wall)
    }
}

/// Random bytes from the operating system's generator.
#[must_use]
pub fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).ok().map(|()| bytes)
}

fn uuid(now: DateTime<Utc>) -> uuid::Uuid {
    // An entry is named by (gateway, boot, seq); its id stays unique enough even if no random bytes are to be had.
    let random = random::<10>().unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(now.timestamp_millis().unsigned_abs(), &random).into_uuid()
}

/// A new id for a request.
#[must_use]
pub fn request_id(now: DateTime<Utc>) -> RequestId {
    RequestId::new(uuid(now))
}

/// A new id for an entry of the audit.
#[must_use]
pub fn audit_id(now: DateTime<Utc>) -> AuditId {
    AuditId::new(uuid(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn clock() -> Clock {
        Clock { wall_at_start: at(1_000), started: Instant::now(), floor_micros: AtomicI64::new(0) }
    }

    #[test]
    fn a_clock_that_is_set_back_goes_on_by_what_has_passed() {
        assert_eq!(clock().read(at(10), std::time::Duration::from_mins(1)), at(1_060));
    }

    #[test]
    fn a_clock_that_is_set_forward_counts() {
        let clock = clock();
        assert_eq!(clock.read(at(5_000), std::time::Duration::from_secs(1)), at(5_000));
        assert_eq!(clock.read(at(1_002), std::time::Duration::from_secs(2)), at(5_000), "and it never goes back");
    }

    #[test]
    fn a_signed_time_is_a_floor() {
        let clock = clock();
        clock.raise(at(2_000));
        assert_eq!(clock.read(at(1_001), std::time::Duration::from_secs(1)), at(2_000));
    }
}
