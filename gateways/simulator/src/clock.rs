//! The simulator's wall clock: real time, plus a skew that can be set so that the outside world disagrees
//! with the desk about what time it is.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime};
use stele_domain::time::Timestamp;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Nanoseconds since 1970-01-01 UTC. Wide enough for any deadline that can be written down.
pub type Nanos = i128;

/// Nanoseconds in a millisecond.
pub const NANOS_PER_MILLI: Nanos = 1_000_000;

/// Time as the simulated world sees it.
#[derive(Debug)]
pub struct Clock {
    started: Instant,
    started_ns: Nanos,
    skew_ms: AtomicI64,
}

impl Clock {
    /// Starts at the machine's wall clock; from then on it runs on the monotonic clock.
    #[must_use]
    pub fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), started_ns: nanos(since_epoch), skew_ms: AtomicI64::new(0) }
    }

    /// Now, skew included.
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.true_now() + Nanos::from(self.skew_ms.load(Ordering::Relaxed)) * NANOS_PER_MILLI
    }

    /// Now, without skew: for the journal, which is our own notebook.
    #[must_use]
    pub fn true_now(&self) -> Nanos {
        self.started_ns + nanos(self.started.elapsed())
    }

    /// Milliseconds since the start, without skew.
    #[must_use]
    pub fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// How far the simulated world's clock is ahead of the machine's, in milliseconds; negative is behind.
    #[must_use]
    pub fn skew_ms(&self) -> i64 {
        self.skew_ms.load(Ordering::Relaxed)
    }

    /// Sets the skew.
    pub fn set_skew_ms(&self, skew_ms: i64) {
        self.skew_ms.store(skew_ms, Ordering::Relaxed);
    }
}

fn nanos(duration: Duration) -> Nanos {
    Nanos::try_from(duration.as_nanos()).unwrap_or(Nanos::MAX)
}

/// RFC 3339 text with microseconds.
#[must_use]
pub fn rfc3339(at: Nanos) -> String {
    timestamp(at).to_string()
}

/// The moment to the microsecond; the ends of the range when it is out of range.
#[must_use]
pub fn timestamp(at: Nanos) -> Timestamp {
    let limit = if at < 0 { i64::MIN } else { i64::MAX };
    Timestamp::from_micros(i64::try_from(at.div_euclid(1_000)).unwrap_or(limit))
}

/// Reads RFC 3339 text to the nanosecond. The domain's timestamp drops what is below a microsecond, which
/// the contract does not.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<Nanos> {
    OffsetDateTime::parse(text, &Rfc3339).ok().map(OffsetDateTime::unix_timestamp_nanos)
}

/// Whole seconds since the epoch.
#[must_use]
pub fn unix_seconds(at: Nanos) -> i64 {
    i64::try_from(at.div_euclid(1_000_000_000)).unwrap_or(i64::MAX)
}
