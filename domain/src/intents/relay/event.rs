//! Facts about the relay connection.

use crate::ids::{QuoteHash, QuoteId};
use crate::port::feeds::{ReplyWord, SettlementWord};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A fact on the stream `relay-{venue}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Connected and subscribed.
    RelayConnected(RelayConnected),
    /// The connection is gone.
    RelayDisconnected(RelayDisconnected),
    /// A frame could not be read.
    FrameRejected(FrameRejected),
    /// The relay spoke of one of our own offers.
    SettlementReported(SettlementReported),
    /// The relay replied to one of our own offers that was answered before, or given up.
    ReplyReported(ReplyReported),
}

/// Connected and subscribed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayConnected {
    /// When.
    pub at: Timestamp,
}

/// The connection is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayDisconnected {
    /// When.
    pub at: Timestamp,
    /// Close code, silence or error text.
    pub reason: String,
}

/// A frame could not be read. A storm of them is coalesced: `suppressed` counts those left out before this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameRejected {
    /// Why.
    pub why: String,
    /// The frame, cut to 4 KiB.
    pub frame: String,
    /// Its length before the cut, in bytes.
    pub bytes: u64,
    /// How many were left out since the last recorded one.
    pub suppressed: u64,
    /// Stamped by the socket reader.
    pub received_at: Timestamp,
}

/// The relay spoke of one of our own offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettlementReported {
    /// Which offer.
    pub quote_hash: QuoteHash,
    /// The intent it was executed with.
    pub intent_hash: Option<String>,
    /// The transaction.
    pub tx_hash: Option<String>,
    /// What became of it.
    pub word: SettlementWord,
    /// Stamped by the socket reader.
    pub received_at: Timestamp,
}

/// The relay replied to one of our own offers that was answered before, or given up. What it is worth, the account
/// decides, which knows the answer before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyReported {
    /// The auction that the offer answered.
    pub quote_id: QuoteId,
    /// Which offer.
    pub quote_hash: QuoteHash,
    /// What the relay says of it now.
    pub word: ReplyWord,
    /// Whether it said that the auction was over.
    pub late: bool,
    /// The reply, verbatim.
    pub reply: String,
    /// Stamped by the socket reader.
    pub received_at: Timestamp,
}
