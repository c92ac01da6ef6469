//! How long to wait before the next attempt: twice as long each time, up to a limit, and never in step with others.
//!
//! It is told its jitter, and chance is the caller's: nothing here is random.

use std::hash::{BuildHasher, Hasher as _};
use std::time::Duration;

/// A fresh jitter from the caller's chance. A hasher that is seeded anew each time is all that is asked of it, as those of
/// the standard library's maps are.
#[must_use]
pub fn jitter(chance: &impl BuildHasher) -> u32 {
    u32::try_from(chance.build_hasher().finish() >> 32).unwrap_or(0)
}

/// Waits that double from `min` to `max`; each is shortened by up to half, and never below `min`.
#[derive(Debug)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    /// Starts at `min`. A `max` below `min` counts as `min`.
    #[must_use]
    pub fn new(min: Duration, max: Duration) -> Self {
        Self { min, max: max.max(min), next: min }
    }

    /// The next wait. `jitter` spreads clients that fail together: at 0 the wait is as long as it gets, at
    /// `u32::MAX` as short.
    pub fn wait(&mut self, jitter: u32) -> Duration {
        let full = self.next;
        self.next = full.saturating_mul(2).min(self.max);
        let half = full.checked_div(2).unwrap_or(self.min).max(self.min);
        let spread = full.saturating_sub(half).as_micros();
        let taken = spread.saturating_mul(u128::from(jitter)).checked_div(u128::from(u32::MAX)).unwrap_or(0);
        full.saturating_sub(Duration::from_micros(u64::try_from(taken).unwrap_or(u64::MAX)))
    }

    /// Begins again at `min`: the last attempt held.
    pub fn reset(&mut self) {
        self.next = self.min;
    }
}

#[cfg(test)]
mod tests {
    use super::{Backoff, jitter};
    use std::collections::BTreeSet;
    use std::hash::{BuildHasherDefault, DefaultHasher, RandomState};
    use std::time::Duration;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn waits_double_up_to_the_limit() {
        let mut backoff = Backoff::new(seconds(1), seconds(60));
        let waits: Vec<u64> = (0..8).map(|_| backoff.wait(0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        backoff.reset();
        assert_eq!(backoff.wait(0), seconds(1));
    }

    #[test]
    fn jitter_takes_up_to_half_and_never_goes_below_the_least() {
        let mut backoff = Backoff::new(seconds(1), seconds(60));
        let waits: Vec<Duration> = (0..4).map(|_| backoff.wait(u32::MAX)).collect();
        assert_eq!(waits, [seconds(1), seconds(1), seconds(2), seconds(4)]);
    }

    #[test]
    fn a_jitter_follows_from_the_chance_that_is_brought() {
        let fixed = BuildHasherDefault::<DefaultHasher>::default();
        assert_eq!(jitter(&fixed), jitter(&fixed));
        let fresh: BTreeSet<u32> = (0..8).map(|_| jitter(&RandomState::new())).collect();
        assert!(fresh.len() > 1, "{fresh:?}");
    }

    #[test]
    fn clients_that_fail_together_come_back_apart() {
        let wait = |jitter| {
            let mut backoff = Backoff::new(seconds(1), seconds(60));
            backoff.wait(0);
            backoff.wait(jitter)
        };
        assert!(wait(0) > wait(u32::MAX / 2) && wait(u32::MAX / 2) > wait(u32::MAX));
    }
}
