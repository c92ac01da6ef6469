//! A quote request in our own words: judged, typed, and with its deadlines worked out.

use crate::ids::{PairId, QuoteId, TokenId};
use crate::money::Units;
use crate::pair::Direction;
use crate::port::venue::ExactSide;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What a taker wants of the desk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demand {
    /// The auction.
    pub quote_id: QuoteId,
    /// The pair it is about.
    pub pair: PairId,
    /// What the desk would do with the base asset.
    pub direction: Direction,
    /// What we would receive.
    pub token_in: TokenId,
    /// What we would give.
    pub token_out: TokenId,
    /// Which side is fixed.
    pub exact: ExactSide,
    /// The fixed amount, in base units of that side's token.
    pub amount: Units,
    /// How long our signed offer must stay valid, in milliseconds.
    pub min_deadline_ms: u64,
    /// How long the auction stays open for us, in milliseconds from `received_at`.
    pub window_ms: u64,
    /// When the auction closes: `received_at` plus the window.
    pub closes_at: Timestamp,
    /// A leg of a routed swap.
    pub router_leg: bool,
    /// Who brought the taker.
    pub partner_id: Option<String>,
    /// The partner's word for the kind of request.
    pub quote_type: Option<String>,
    /// Whether it is a probe: a dry run, or a question for a minimum amount.
    pub probe: bool,
    /// W3C trace context of the request.
    pub traceparent: Option<String>,
    /// Stamped by the socket reader.
    pub received_at: Timestamp,
}
