//! How fast a principal may ask: a bucket for reads and one for writes, and one per address for strangers.
//!
//! Killing and disarming have no bucket: nobody is ever too fast in stopping.

use crate::problem::Problem;
use axum::http::StatusCode;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use stele_domain::access::Action;

/// Most buckets of one kind that are remembered, idle ones included. Past it, all whose bucket it is share one, those
/// who are remembered too, until idle ones are forgotten. Only strangers can be so many: each kind has buckets of its
/// own, and principals are those whom keys were given.
const BUCKETS_MAX: usize = 65_536;
/// After how many requests idle buckets are forgotten.
const SWEEP_EVERY: u32 = 4_096;
/// The bucket that is shared when there are too many.
const SHARED: &str = "everybody else";

/// A pace: so many a second over time, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Requests per second over time.
    pub per_second: NonZeroU32,
    /// Requests at once after a pause.
    pub burst: NonZeroU32,
}

impl Pace {
    /// A pace; zero counts as one.
    #[must_use]
    pub fn new(per_second: u32, burst: u32) -> Self {
        let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Self { per_second: at_least_one(per_second), burst: at_least_one(burst) }
    }
}

/// How fast callers may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateOptions {
    /// Reads of one principal. Two keys of one owner are one principal.
    pub reads: Pace,
    /// Wishes of one principal, kill and disarm left out.
    pub writes: Pace,
    /// Refused credentials of one address (of one /64 network with IPv6), and its questions after the definitions.
    pub strangers: Pace,
}

impl Default for RateOptions {
    fn default() -> Self {
        Self { reads: Pace::new(500, 1_000), writes: Pace::new(10, 40), strangers: Pace::new(5, 50) }
    }
}

/// Which bucket an action is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Reads,
    Writes,
}

impl Class {
    fn of(action: Action) -> Option<Self> {
        match action {
            Action::Read | Action::ReadLog | Action::Prove => Some(Self::Reads),
            Action::Arm
            | Action::Approve
            | Action::Steer
            | Action::Refresh
            | Action::SetLimits
            | Action::SetFilter
            | Action::ManageKeys => Some(Self::Writes),
            // A process of the desk writes as fast as the market moves.
            Action::Kill | Action::Disarm | Action::AppendLog => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Reads => "reads",
            Self::Writes => "writes",
        }
    }
}

/// What is left in a bucket, for the `RateLimit` headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allowance {
    pub(crate) policy: &'static str,
    pub(crate) pace: Pace,
    pub(crate) left: u32,
}

/// Too fast: whole seconds until the next request may come, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooFast {
    pub(crate) policy: &'static str,
    pub(crate) pace: Pace,
    pub(crate) wait_s: u64,
}

impl TooFast {
    pub(crate) fn problem(self) -> Problem {
        let detail = format!(
            "more than {} {} a second: ask again in {} s",
            self.pace.per_second, self.policy, self.wait_s
        );
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited", detail).retry_after(self.wait_s)
    }
}

type Buckets = RateLimiter<String, DefaultKeyedStateStore<String>, DefaultClock, StateInformationMiddleware>;

#[derive(Debug)]
struct Paced {
    pace: Pace,
    buckets_max: usize,
    buckets: Buckets,
    since_sweep: AtomicU32,
}

/// The buckets.
#[derive(Debug)]
pub(crate) struct Rates {
    reads: Paced,
    writes: Paced,
    strangers: Paced,
}

impl Default for Rates {
    fn default() -> Self {
        Self::new(RateOptions::default())
    }
}

impl Rates {
    pub(crate) fn new(options: RateOptions) -> Self {
        Self {
            reads: Paced::new(options.reads, BUCKETS_MAX),
            writes: Paced::new(options.writes, BUCKETS_MAX),
            strangers: Paced::new(options.strangers, BUCKETS_MAX),
        }
    }

    /// Takes one from the principal's bucket; `None` when the action has none. What the principal may not do at all
    /// is always taken from a bucket.
    pub(crate) fn take(
        &self,
        principal: &str,
        action: Action,
        may: bool,
    ) -> Result<Option<Allowance>, TooFast> {
        let class = Class::of(action).or((!may).then_some(Class::Writes));
        let Some(class) = class else { return Ok(None) };
        let paced = match class {
            Class::Reads => &self.reads,
            Class::Writes => &self.writes,
        };
        paced.take(principal, class.name()).map(Some)
    }

    /// Takes one from the bucket of an address: its credential was refused, or it asks for what needs none.
    pub(crate) fn stranger(&self, address: &str) -> Result<Allowance, TooFast> {
        self.strangers.take(&network(address), "strangers")
    }
}

impl Paced {
    fn new(pace: Pace, buckets_max: usize) -> Self {
        let quota = Quota::per_second(pace.per_second).allow_burst(pace.burst);
        let buckets = RateLimiter::keyed(quota).with_middleware::<StateInformationMiddleware>();
        Self { pace, buckets_max, buckets, since_sweep: AtomicU32::new(0) }
    }

    fn take(&self, key: &str, policy: &'static str) -> Result<Allowance, TooFast> {
        if self.since_sweep.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.buckets.retain_recent();
        }
        let key = if self.buckets.len() < self.buckets_max { key } else { SHARED };
        match self.buckets.check_key(&key.to_owned()) {
            Ok(state) => Ok(Allowance { policy, pace: self.pace, left: state.remaining_burst_capacity() }),
            Err(until) => {
                let wait = until.wait_time_from(DefaultClock::default().now());
                Err(TooFast { policy, pace: self.pace, wait_s: wait.as_secs().saturating_add(1) })
            }
        }
    }
}

/// The address, or the network of a customer with IPv6, who has 2^64 addresses to choose from.
pub(crate) fn network(address: &str) -> String {
    match address.parse() {
        Ok(IpAddr::V6(ip)) => {
            let [a, b, c, d, ..] = ip.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).to_string()
        }
        Ok(IpAddr::V4(_)) | Err(_) => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Pace, Paced, RateOptions, Rates, network};
    use stele_domain::access::Action;

    fn slow() -> Rates {
        let pace = Pace::new(1, 3);
        Rates::new(RateOptions { reads: pace, writes: pace, strangers: pace })
    }

    #[test]
    fn a_principal_has_a_burst_and_then_must_wait_and_nobody_else_pays_for_it() {
        let rates = slow();
        let left: Vec<u32> =
            (0..3).map(|_| rates.take("person:ann", Action::Read, true).unwrap().unwrap().left).collect();
        assert_eq!(left, [2, 1, 0]);
        let no = rates.take("person:ann", Action::ReadLog, true).unwrap_err();
        assert_eq!((no.policy, no.wait_s), ("reads", 1));
        assert!(rates.take("person:ann", Action::SetLimits, true).is_ok(), "writes are apart");
        assert!(rates.take("person:bob", Action::Read, true).is_ok());
    }

    #[test]
    fn nobody_is_too_fast_in_stopping() {
        let rates = slow();
        for _ in 0..1_000 {
            assert_eq!(rates.take("person:ann", Action::Kill, true), Ok(None));
            assert_eq!(rates.take("person:ann", Action::Disarm, true), Ok(None));
        }
        // Unless they may not stop anything: then each try is written down.
        let tries = (0..4).map(|_| rates.take("person:eve", Action::Kill, false).is_ok());
        assert_eq!(tries.collect::<Vec<_>>(), [true, true, true, false]);
    }

    #[test]
    fn a_stranger_does_not_get_a_fresh_bucket_with_each_address_of_their_network() {
        let rates = slow();
        for n in 0..3 {
            assert!(rates.stranger(&format!("2001:db8:1:2::{n}")).is_ok());
        }
        assert!(rates.stranger("2001:db8:1:2:ffff::1").is_err());
        assert!(rates.stranger("2001:db8:1:3::1").is_ok());
        assert_eq!(network("192.0.2.7"), "192.0.2.7");
        assert_eq!(network("unix"), "unix");
    }

    #[test]
    fn past_the_last_bucket_all_share_one_those_who_are_remembered_too() {
        let paced = Paced::new(Pace::new(1, 3), 2);
        let let_in = |name: &str| paced.take(name, "strangers").is_ok();
        assert!(let_in("192.0.2.1") && let_in("192.0.2.2"));
        assert_eq!(["192.0.2.3", "192.0.2.1", "192.0.2.4"].map(let_in), [true; 3]);
        assert_eq!(["192.0.2.5", "192.0.2.1"].map(let_in), [false; 2], "three at once, for all of them");
    }
}
