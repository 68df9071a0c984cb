//! The one place of the control plane that reads the clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};

/// Microseconds: as fine as the databases keep time.
const DIGITS: u16 = 6;

/// Tells the time: the system's, or one that a test sets.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// Microseconds to add to the system's time.
    shift: Arc<AtomicI64>,
}

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// Now, in whole microseconds.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        #[expect(clippy::disallowed_methods, reason = "the door reads the clock")]
        let now = Utc::now();
        let shift = TimeDelta::microseconds(self.shift.load(Ordering::Relaxed));
        now.checked_add_signed(shift).unwrap_or(now).trunc_subsecs(DIGITS)
    }

    /// Moves this clock (and its clones) ahead, so that a test need not wait for an expiry.
    pub fn advance(&self, by: TimeDelta) {
        self.shift.fetch_add(by.num_microseconds().unwrap_or(0), Ordering::Relaxed);
    }
}
