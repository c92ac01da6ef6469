//! What the outside reports unasked: prices, and what the venue's relay says. Feeds reconnect by themselves
//! (jittered backoff) and never end; every change of the connection is reported like any other news.

use super::PortFuture;
use crate::ids::{QuoteHash, QuoteId, TokenId};
use crate::market::reference::event::{PriceObserved, SourceStateChanged};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// One piece of price news.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PriceNews {
    /// A source named a price.
    Observed(PriceObserved),
    /// The connection to a source, or its own word on its health, changed.
    State(SourceStateChanged),
}

/// Reference prices of one pair from all configured sources.
pub trait PriceFeed: Send + Sync {
    /// The next news. Cancelling the future loses nothing.
    fn next(&mut self) -> PortFuture<'_, PriceNews>;

    /// Asks every polled source now, and drops and reopens every stream that has gone silent.
    fn refresh(&mut self);
}

/// A quote request as the relay words it: read, not yet judged. Amounts are the venue's texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuoteRequest {
    /// The auction's id.
    pub quote_id: QuoteId,
    /// What the taker gives.
    pub token_in: TokenId,
    /// What the taker wants.
    pub token_out: TokenId,
    /// Fixed amount in, base units, if the request fixes that side.
    pub exact_amount_in: Option<String>,
    /// Fixed amount out, base units, if the request fixes that side.
    pub exact_amount_out: Option<String>,
    /// How long our signed offer must stay valid, in milliseconds.
    pub min_deadline_ms: Option<u64>,
    /// The auction stays open at least this long, in milliseconds.
    pub min_wait_ms: Option<u64>,
    /// The auction closes after this long, in milliseconds.
    pub max_wait_ms: Option<u64>,
    /// True for a leg of a routed swap, whose window is about 50 ms.
    pub protocol_fee_included: bool,
    /// Who brought the taker.
    pub partner_id: Option<String>,
    /// The partner's word for the kind of request, such as `min_deposit_amount`.
    pub quote_type: Option<String>,
    /// True when the partner says that nothing will be traded.
    pub dry: bool,
    /// W3C trace context of the request.
    pub traceparent: Option<String>,
}

/// What the relay says became of a signed offer. The stream carries other makers' settlements too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettlementWord {
    /// Executed on chain.
    Settled,
    /// The settlement transaction failed; the signature stays valid until its deadline.
    Failed,
    /// About to be sent to the chain.
    Ready,
}

/// A settlement notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettlementNotice {
    /// Which offer, by its own hash.
    pub quote_hash: QuoteHash,
    /// The intent it was executed with.
    pub intent_hash: Option<String>,
    /// The transaction.
    pub tx_hash: Option<String>,
    /// What became of it.
    pub word: SettlementWord,
}

/// What the relay said of an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyWord {
    /// It took the offer into its auction.
    Accepted,
    /// It said no.
    Rejected,
}

impl ReplyWord {
    /// The name in tables and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
        }
    }
}

/// A reply to an offer of ours that nobody waits for any more: the offer was answered before, or given up. It may
/// repeat that answer, contradict it, or be the only one there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyNotice {
    /// The auction that the offer answered.
    pub quote_id: QuoteId,
    /// Which offer, by its own hash.
    pub quote_hash: QuoteHash,
    /// What the relay says of it now.
    pub word: ReplyWord,
    /// Whether it said that the auction was over; never of an accepted one.
    pub late: bool,
    /// The reply, verbatim, cut as the first reply to an offer is.
    pub reply: String,
}

/// What one frame meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelayWord {
    /// A taker asks for a price.
    Quote(Box<QuoteRequest>),
    /// An offer was settled, or failed to.
    Settlement(SettlementNotice),
    /// A further reply to an offer of ours, or one that came too late. Never lost for want of room.
    Reply(ReplyNotice),
    /// The frame could not be read; the text says why.
    Unreadable(String),
}

/// One piece of relay news.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelayNews {
    /// Connected and subscribed.
    Connected {
        /// When.
        at: Timestamp,
    },
    /// The connection is gone; the feed is reconnecting.
    Disconnected {
        /// When.
        at: Timestamp,
        /// Close code, silence or error text.
        reason: String,
    },
    /// A frame came in.
    Frame {
        /// The frame, verbatim; a binary one as base64 after `base64:`; cut at 64 KiB.
        raw: String,
        /// Length before any cut, in bytes.
        bytes: u64,
        /// Stamped by the socket reader.
        received_at: Timestamp,
        /// What it meant.
        word: RelayWord,
    },
}

/// The relay's streams.
pub trait RelayFeed: Send + Sync {
    /// The next news. Cancelling the future loses nothing.
    fn next(&mut self) -> PortFuture<'_, RelayNews>;
}
