//! The one way to learn the time. Deciders don't have it; reactors stamp what they send.

use crate::time::Timestamp;

/// Wall-clock time in UTC.
///
/// Real: the operating system's clock. In tests and simulation: a clock that is moved by hand.
pub trait Clock: Send + Sync {
    /// Now. May step backwards when the machine's clock is set; callers treat a negative age as zero
    /// only where they say so.
    fn now(&self) -> Timestamp;

    /// Milliseconds since a moment of the clock's own choosing, which setting the wall clock does not change. Only
    /// the distance between two readings means something. A clock that is never set needs no other.
    fn steady_ms(&self) -> i64 {
        self.now().millis()
    }
}
