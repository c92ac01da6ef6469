//! What can be told to the intake.

use crate::pair::Pair;
use crate::port::feeds::QuoteRequest;
use crate::time::Timestamp;

/// A report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A request came in.
    Receive {
        /// The request as it was read.
        request: Box<QuoteRequest>,
        /// The frame, word for word.
        frame: String,
        /// Stamped by the socket reader.
        received_at: Timestamp,
        /// The pair of this intake.
        pair: Box<Pair>,
        /// How long an auction stays open that does not say, in milliseconds.
        default_window_ms: u64,
    },
}
