//! How the relay is remembered.

use super::event::Event;
use super::state::{Connection, Minute, NOTICES_REMEMBERED_MAX, REPLIES_REMEMBERED_MAX, State};
use crate::port::feeds::SettlementNotice;
use crate::time::Timestamp;

const MINUTE_MS: i64 = 60 * 1_000;

pub(super) fn evolve(mut state: State, event: &Event) -> State {
    match event {
        Event::RelayConnected(_) => state.connection = Connection::Up,
        Event::RelayDisconnected(_) => state.connection = Connection::Down,
        Event::FrameRejected(rejected) => {
            let number = minute_of(rejected.received_at);
            let before = if state.minute.number == number { state.minute.recorded } else { 0 };
            state.minute = Minute { number, recorded: before.saturating_add(1) };
        }
        Event::SettlementReported(reported) => {
            state.notices.push_back(SettlementNotice {
                quote_hash: reported.quote_hash.clone(),
                intent_hash: reported.intent_hash.clone(),
                tx_hash: reported.tx_hash.clone(),
                word: reported.word,
            });
            if state.notices.len() > NOTICES_REMEMBERED_MAX {
                state.notices.pop_front();
            }
        }
        Event::ReplyReported(reported) => {
            state.replies.push_back((reported.quote_hash.clone(), reported.word));
            if state.replies.len() > REPLIES_REMEMBERED_MAX {
                state.replies.pop_front();
            }
        }
    }
    state
}

/// Whole minutes since the epoch.
pub(super) fn minute_of(at: Timestamp) -> i64 {
    at.millis().div_euclid(MINUTE_MS)
}
