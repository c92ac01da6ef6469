//! The operating system's clock: the only one that the desk has.

use std::sync::LazyLock;
use std::time::{Instant, SystemTime};
use stele_domain::port::clock::Clock;
use stele_domain::time::Timestamp;

/// What steady time is counted from.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Wall-clock time in UTC.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // A clock before 1970 is wrong by more than any rule here could heal: it counts as 1970.
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    fn steady_ms(&self) -> i64 {
        i64::try_from(START.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}
