//! Facts about requests for one pair.

use crate::ids::QuoteId;
use crate::intents::demand::Demand;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A fact on the stream `quote-{pair}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A request came in; kept word for word.
    QuoteReceived(QuoteReceived),
    /// It makes sense, and this is what it means.
    DemandNormalised(Demand),
    /// It makes no sense.
    RequestRejected(RequestRejected),
    /// Its id has been seen before. The first one counts.
    DuplicateReceived(DuplicateReceived),
}

/// A request came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuoteReceived {
    /// The auction.
    pub quote_id: QuoteId,
    /// The frame, word for word.
    pub frame: String,
    /// Stamped by the socket reader.
    pub received_at: Timestamp,
}

/// Why a request makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Both sides are fixed.
    BothExact,
    /// Neither side is fixed.
    NeitherExact,
    /// The amount is zero.
    ZeroAmount,
    /// The amount is not a whole number of base units.
    NotANumber,
    /// The amount is more than the venue can carry.
    TooLarge,
    /// The wait times contradict each other, or are out of range.
    BadWindow,
}

impl Fault {
    /// The stable code, as stored.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::BothExact => "both_exact",
            Self::NeitherExact => "neither_exact",
            Self::ZeroAmount => "zero_amount",
            Self::NotANumber => "not_a_number",
            Self::TooLarge => "too_large",
            Self::BadWindow => "bad_window",
        }
    }
}

/// It makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRejected {
    /// The auction.
    pub quote_id: QuoteId,
    /// Why.
    pub fault: Fault,
    /// The offending text, cut to 200 characters.
    pub detail: String,
    /// Stamped by the socket reader.
    pub received_at: Timestamp,
}

/// Its id has been seen before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DuplicateReceived {
    /// The auction.
    pub quote_id: QuoteId,
    /// Whether it asked for the same thing.
    pub same_content: bool,
    /// The frame, word for word.
    pub frame: String,
    /// Stamped by the socket reader.
    pub received_at: Timestamp,
}
