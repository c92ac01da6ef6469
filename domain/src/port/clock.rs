//! The one way to learn the time. Deciders don't have it; reactors stamp what they send.

use crate::time::Timestamp;

/// Wall-clock time in UTC.
///
/// Real: the operating system's clock. In tests and simulation: a clock that is moved by hand.
pub trait Clock: Send + Sync {
    /// Now. May step backwards when the machine's clock is set; callers treat a negative age as zero
    /// only where they say so.
    fn now(&self) -> Timestamp;
}
