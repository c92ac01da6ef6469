//! What is remembered of the relay. Bounded by [`NOTICES_REMEMBERED_MAX`] and [`REPLIES_REMEMBERED_MAX`].

use crate::ids::QuoteHash;
use crate::port::feeds::{ReplyWord, SettlementNotice};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How many settlement notices are remembered, so that a replay of the relay's changes nothing.
pub const NOTICES_REMEMBERED_MAX: usize = 1_024;

/// How many further replies are remembered, so that a relay that repeats itself changes nothing.
pub const REPLIES_REMEMBERED_MAX: usize = 1_024;

/// Most unreadable frames that are recorded of one minute.
pub const FRAMES_REJECTED_PER_MINUTE_MAX: u32 = 30;

/// Whether there is a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Connection {
    /// Nothing was ever said of it.
    #[default]
    Unknown,
    /// Connected and subscribed.
    Up,
    /// Gone.
    Down,
}

/// How many unreadable frames were recorded of one minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Minute {
    /// Whole minutes since the epoch.
    pub(super) number: i64,
    pub(super) recorded: u32,
}

/// What is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct State {
    pub(super) connection: Connection,
    pub(super) minute: Minute,
    /// Oldest first.
    pub(super) notices: VecDeque<SettlementNotice>,
    /// Oldest first.
    pub(super) replies: VecDeque<(QuoteHash, ReplyWord)>,
}

impl State {
    /// Whether there is a connection.
    #[must_use]
    pub fn connection(&self) -> Connection {
        self.connection
    }

    /// Whether a further reply of this word to this offer is on record.
    pub(super) fn has_said(&self, quote_hash: &QuoteHash, word: ReplyWord) -> bool {
        self.replies.iter().any(|(of, said)| of == quote_hash && *said == word)
    }
}
