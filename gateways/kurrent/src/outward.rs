//! From the log's words to the wire's, where they are not those of an event. Pure.

use prost_types::Timestamp as WireTimestamp;
use stele_domain::time::Timestamp;

/// Ticks of 100 ns in a microsecond.
const TICKS_PER_MICRO: i64 = 10;
const MICROS_PER_SECOND: i64 = 1_000_000;

/// The form in which ids are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdForm {
    /// As two halves.
    Structured,
    /// As text.
    Text,
}

/// A moment in ticks of 100 ns.
pub fn ticks(at: Timestamp) -> i64 {
    at.micros().saturating_mul(TICKS_PER_MICRO)
}

/// A moment as a message.
pub fn timestamp(at: Timestamp) -> WireTimestamp {
    let micros = i32::try_from(at.micros().rem_euclid(MICROS_PER_SECOND)).unwrap_or(0);
    WireTimestamp { seconds: at.micros().div_euclid(MICROS_PER_SECOND), nanos: micros.saturating_mul(1_000) }
}
