//! How reports from the relay become facts.

use super::command::Command;
use super::event::{
    Event, FrameRejected, RelayConnected, RelayDisconnected, ReplyReported, SettlementReported,
};
use super::evolve::minute_of;
use super::state::{Connection, FRAMES_REJECTED_PER_MINUTE_MAX, State};
use crate::port::feeds::{ReplyNotice, SettlementNotice};

/// How much of an unreadable frame is kept: 4 KiB.
const FRAME_BYTES_MAX: usize = 4 * 1024;
/// How much of the reason is kept, in bytes.
const WHY_BYTES_MAX: usize = 512;

pub(super) fn decide(state: &State, command: Command) -> Vec<Event> {
    match command {
        Command::Connected { at } => match state.connection {
            Connection::Up => vec![],
            Connection::Unknown | Connection::Down => vec![Event::RelayConnected(RelayConnected { at })],
        },
        Command::Disconnected { at, reason } => match state.connection {
            Connection::Down => vec![],
            Connection::Unknown | Connection::Up => {
                vec![Event::RelayDisconnected(RelayDisconnected { at, reason })]
            }
        },
        Command::RejectFrame { why, frame, bytes, left_out, received_at } => {
            let minute = state.minute;
            if minute.number == minute_of(received_at) && minute.recorded >= FRAMES_REJECTED_PER_MINUTE_MAX {
                return vec![];
            }
            vec![Event::FrameRejected(FrameRejected {
                why: cut(why, WHY_BYTES_MAX),
                frame: cut(frame, FRAME_BYTES_MAX),
                bytes,
                suppressed: left_out,
                received_at,
            })]
        }
        Command::ReportSettlement { notice, .. } if state.notices.contains(&notice) => vec![],
        Command::ReportSettlement { notice, received_at } => {
            let SettlementNotice { quote_hash, intent_hash, tx_hash, word } = notice;
            let reported = SettlementReported { quote_hash, intent_hash, tx_hash, word, received_at };
            vec![Event::SettlementReported(reported)]
        }
        Command::ReportReply { notice, .. } if state.has_said(&notice.quote_hash, notice.word) => vec![],
        Command::ReportReply { notice, received_at } => {
            let ReplyNotice { quote_id, quote_hash, word, late, reply } = notice;
            vec![Event::ReplyReported(ReplyReported { quote_id, quote_hash, word, late, reply, received_at })]
        }
    }
}

/// The text cut to at most `bytes_max` bytes, between two characters.
fn cut(mut text: String, bytes_max: usize) -> String {
    let end = text.floor_char_boundary(bytes_max);
    text.truncate(end);
    text
}
