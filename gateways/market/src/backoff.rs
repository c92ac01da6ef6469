//! How long to wait before the next attempt: twice as long each time, up to a limit, and never in step with others.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

/// Waits that double from `min` to `max`; each is shortened by up to half, at random.
#[derive(Debug)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    /// Starts at `min`. A `max` below `min` counts as `min`.
    pub fn new(min: Duration, max: Duration) -> Self {
        Self { min, max: max.max(min), next: min }
    }

    /// The next wait, between `min` and `max`.
    pub fn wait(&mut self) -> Duration {
        let full = self.next;
        self.next = full.saturating_mul(2).min(self.max);
        let spread = full.saturating_sub((full / 2).max(self.min));
        full.saturating_sub(spread.mul_f64(random_share()))
    }

    /// Begins again at `min`: the last attempt held.
    pub fn reset(&mut self) {
        self.next = self.min;
    }
}

/// Between 0 and 1. The standard library seeds its hash maps from the operating system, which is all that is asked
/// of a jitter.
fn random_share() -> f64 {
    let bits = RandomState::new().build_hasher().finish();
    f64::from(u32::try_from(bits >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::Backoff;
    use std::time::Duration;

    #[test]
    fn waits_double_up_to_the_limit_and_stay_within_half_of_it() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(1));
        for full in [1, 2, 4, 8, 16, 32, 60, 60] {
            let (least, most) = (Duration::from_secs(full) / 2, Duration::from_secs(full));
            let wait = backoff.wait();
            assert!(wait >= least.max(Duration::from_secs(1)) && wait <= most, "{wait:?} after {full} s");
        }
        backoff.reset();
        assert_eq!(backoff.wait(), Duration::from_secs(1));
    }

    #[test]
    fn two_clients_that_fail_together_do_not_come_back_together() {
        let waits: std::collections::BTreeSet<Duration> = (0..8)
            .map(|_| {
                let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(1));
                for _ in 0..5 {
                    backoff.wait();
                }
                backoff.wait()
            })
            .collect();
        assert!(waits.len() > 1, "eight clients, one wait: {waits:?}");
    }
}
