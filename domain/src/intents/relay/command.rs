//! What the relay's reader reports.

use crate::port::feeds::{ReplyNotice, SettlementNotice};
use crate::time::Timestamp;

/// A report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Connected and subscribed.
    Connected {
        /// When.
        at: Timestamp,
    },
    /// The connection is gone.
    Disconnected {
        /// When.
        at: Timestamp,
        /// Close code, silence or error text.
        reason: String,
    },
    /// A frame could not be read. Leads to nothing when this minute's share is used up; the reader counts it
    /// then, and starts from zero again when a frame is recorded.
    RejectFrame {
        /// Why.
        why: String,
        /// The frame; cut here.
        frame: String,
        /// Its length before any cut, in bytes.
        bytes: u64,
        /// How many unreadable frames led to nothing since the last one that was recorded.
        left_out: u64,
        /// Stamped by the socket reader.
        received_at: Timestamp,
    },
    /// The relay spoke of an offer. The caller passes on only what is said of our own offers.
    ReportSettlement {
        /// What it said.
        notice: SettlementNotice,
        /// Stamped by the socket reader.
        received_at: Timestamp,
    },
    /// The relay replied again to an offer of ours, or too late. Leads to nothing when the same was said of the same
    /// offer before: an offer leaves two such facts at most, however often the relay repeats itself.
    ReportReply {
        /// What it said.
        notice: ReplyNotice,
        /// Stamped by the socket reader.
        received_at: Timestamp,
    },
}
