//! The operating system's clock: the only one that the desk has.

use std::time::SystemTime;
use stele_domain::port::clock::Clock;
use stele_domain::time::Timestamp;

/// Wall-clock time in UTC.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // A clock before 1970 is wrong by more than any rule here could heal: it counts as 1970.
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}
