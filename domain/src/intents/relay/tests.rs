//! Sentences and laws of the relay.

use super::event::{FrameRejected, RelayConnected, RelayDisconnected, ReplyReported, SettlementReported};
use super::state::{
    Connection, FRAMES_REJECTED_PER_MINUTE_MAX, NOTICES_REMEMBERED_MAX, REPLIES_REMEMBERED_MAX,
};
use super::{Command, Event, Relay, State};
use crate::decider::{Decider, fold};
use crate::port::feeds::{ReplyNotice, ReplyWord, SettlementNotice, SettlementWord};
use crate::testing::{given, is_read_as_it_was_written};
use crate::time::Timestamp;
use quickcheck::{Arbitrary, Gen, quickcheck};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn connected(millis: i64) -> Event {
    Event::RelayConnected(RelayConnected { at: at(millis) })
}

fn disconnected(millis: i64) -> Event {
    Event::RelayDisconnected(RelayDisconnected { at: at(millis), reason: "1006".to_owned() })
}

fn connect(millis: i64) -> Command {
    Command::Connected { at: at(millis) }
}

fn disconnect(millis: i64) -> Command {
    Command::Disconnected { at: at(millis), reason: "1006".to_owned() }
}

fn reject(frame: &str, left_out: u64, millis: i64) -> Command {
    Command::RejectFrame {
        why: "not JSON".to_owned(),
        frame: frame.to_owned(),
        bytes: 70_000,
        left_out,
        received_at: at(millis),
    }
}

fn rejected(frame: &str, suppressed: u64, millis: i64) -> Event {
    Event::FrameRejected(FrameRejected {
        why: "not JSON".to_owned(),
        frame: frame.to_owned(),
        bytes: 70_000,
        suppressed,
        received_at: at(millis),
    })
}

fn notice(hash: &str, word: SettlementWord, tx_hash: Option<&str>) -> SettlementNotice {
    SettlementNotice {
        quote_hash: hash.to_owned().try_into().unwrap(),
        intent_hash: None,
        tx_hash: tx_hash.map(str::to_owned),
        word,
    }
}

fn report(notice: SettlementNotice, millis: i64) -> Command {
    Command::ReportSettlement { notice, received_at: at(millis) }
}

fn reported(notice: SettlementNotice, millis: i64) -> Event {
    let SettlementNotice { quote_hash, intent_hash, tx_hash, word } = notice;
    Event::SettlementReported(SettlementReported {
        quote_hash,
        intent_hash,
        tx_hash,
        word,
        received_at: at(millis),
    })
}

fn reply(hash: &str, word: ReplyWord, text: &str) -> ReplyNotice {
    ReplyNotice {
        quote_id: format!("quote-of-{hash}").try_into().unwrap(),
        quote_hash: hash.to_owned().try_into().unwrap(),
        word,
        late: false,
        reply: text.to_owned(),
    }
}

fn answer(notice: ReplyNotice, millis: i64) -> Command {
    Command::ReportReply { notice, received_at: at(millis) }
}

fn answered(notice: ReplyNotice, millis: i64) -> Event {
    let ReplyNotice { quote_id, quote_hash, word, late, reply } = notice;
    Event::ReplyReported(ReplyReported { quote_id, quote_hash, word, late, reply, received_at: at(millis) })
}

#[test]
fn the_first_connection_is_stated_once() {
    given::<Relay>([]).when(connect(1)).then([connected(1)]);
    given::<Relay>([connected(1)]).when(connect(2)).then_nothing();
}

#[test]
fn a_lost_connection_is_stated_once() {
    given::<Relay>([connected(1)]).when(disconnect(2)).then([disconnected(2)]);
    given::<Relay>([connected(1), disconnected(2)]).when(disconnect(3)).then_nothing();
}

#[test]
fn a_process_that_starts_without_a_connection_says_so() {
    given::<Relay>([]).when(disconnect(1)).then([disconnected(1)]);
}

#[test]
fn a_connection_comes_back() {
    given::<Relay>([connected(1), disconnected(2)]).when(connect(3)).then([connected(3)]);
    assert_eq!(fold::<Relay>(&[connected(1), disconnected(2), connected(3)]).connection(), Connection::Up);
    assert_eq!(fold::<Relay>(&[connected(1), disconnected(2)]).connection(), Connection::Down);
    assert_eq!(fold::<Relay>(&[]).connection(), Connection::Unknown);
}

#[test]
fn an_unreadable_frame_is_kept() {
    given::<Relay>([connected(1)]).when(reject("{oops", 0, 5)).then([rejected("{oops", 0, 5)]);
}

#[test]
fn a_frame_of_4096_bytes_is_kept_whole_and_a_longer_one_is_cut() {
    let whole = "x".repeat(4_096);
    given::<Relay>([]).when(reject(&whole, 0, 5)).then([rejected(&whole, 0, 5)]);
    given::<Relay>([]).when(reject(&format!("{whole}y"), 0, 5)).then([rejected(&whole, 0, 5)]);
}

#[test]
fn a_frame_is_cut_between_two_characters() {
    // 4,095 bytes and a character of three.
    let text = "x".repeat(4_095);
    given::<Relay>([]).when(reject(&format!("{text}€"), 0, 5)).then([rejected(&text, 0, 5)]);
}

#[test]
fn a_storm_of_unreadable_frames_is_coalesced() {
    let storm = |n: u32| (0..n).map(|n| rejected("x", 0, i64::from(n)));
    let last = FRAMES_REJECTED_PER_MINUTE_MAX - 1;
    given::<Relay>(storm(last)).when(reject("x", 0, 59_999)).then([rejected("x", 0, 59_999)]);
    given::<Relay>(storm(last + 1)).when(reject("x", 0, 59_999)).then_nothing();
}

#[test]
fn the_next_minute_says_how_many_were_left_out() {
    let storm = (0..FRAMES_REJECTED_PER_MINUTE_MAX).map(|n| rejected("x", 0, i64::from(n)));
    given::<Relay>(storm).when(reject("x", 812, 60_000)).then([rejected("x", 812, 60_000)]);
}

#[test]
fn a_clock_that_was_set_back_does_not_silence_the_relay() {
    let storm = (0..FRAMES_REJECTED_PER_MINUTE_MAX).map(|n| rejected("x", 0, 600_000 + i64::from(n)));
    given::<Relay>(storm).when(reject("x", 0, 0)).then([rejected("x", 0, 0)]);
}

#[test]
fn a_settlement_is_reported_once() {
    let settled = notice("a", SettlementWord::Settled, Some("tx"));
    given::<Relay>([]).when(report(settled.clone(), 5)).then([reported(settled.clone(), 5)]);
    // The relay replays what it said when the connection comes back.
    given::<Relay>([reported(settled.clone(), 5), disconnected(6), connected(7)])
        .when(report(settled, 8))
        .then_nothing();
}

#[test]
fn another_word_or_another_fact_on_the_same_offer_is_news() {
    let ready = notice("a", SettlementWord::Ready, None);
    for news in [
        notice("a", SettlementWord::Settled, None),
        notice("a", SettlementWord::Failed, None),
        notice("a", SettlementWord::Ready, Some("tx")),
        notice("b", SettlementWord::Ready, None),
    ] {
        given::<Relay>([reported(ready.clone(), 5)]).when(report(news.clone(), 6)).then([reported(news, 6)]);
    }
}

#[test]
fn the_newest_notices_are_remembered_and_older_ones_forgotten() {
    let first = notice("first", SettlementWord::Settled, None);
    let others = |n: usize| {
        let others = (0..n).map(|n| reported(notice(&n.to_string(), SettlementWord::Settled, None), 6));
        std::iter::once(reported(first.clone(), 5)).chain(others)
    };
    given::<Relay>(others(NOTICES_REMEMBERED_MAX - 1)).when(report(first.clone(), 7)).then_nothing();
    given::<Relay>(others(NOTICES_REMEMBERED_MAX))
        .when(report(first.clone(), 7))
        .then([reported(first.clone(), 7)]);
}

#[test]
fn a_further_reply_is_reported_once_however_often_the_relay_says_it() {
    let accepted = reply("a", ReplyWord::Accepted, "\"OK\"");
    given::<Relay>([]).when(answer(accepted.clone(), 5)).then([answered(accepted.clone(), 5)]);
    given::<Relay>([answered(accepted.clone(), 5), disconnected(6), connected(7)])
        .when(answer(accepted, 8))
        .then_nothing();
    // Other words for the same no are no news either, or a relay could fill the log with one offer.
    let refused = reply("a", ReplyWord::Rejected, "expired");
    given::<Relay>([answered(refused, 5)])
        .when(answer(reply("a", ReplyWord::Rejected, "insufficient balance"), 6))
        .then_nothing();
}

#[test]
fn the_opposite_word_and_a_word_on_another_offer_are_news() {
    let accepted = reply("a", ReplyWord::Accepted, "\"OK\"");
    for news in [reply("a", ReplyWord::Rejected, "expired"), reply("b", ReplyWord::Accepted, "\"OK\"")] {
        given::<Relay>([answered(accepted.clone(), 5)])
            .when(answer(news.clone(), 6))
            .then([answered(news, 6)]);
    }
}

#[test]
fn the_newest_replies_are_remembered_and_older_ones_forgotten() {
    let first = reply("first", ReplyWord::Rejected, "no");
    let others = |n: usize| {
        let others = (0..n).map(|n| answered(reply(&n.to_string(), ReplyWord::Rejected, "no"), 6));
        std::iter::once(answered(first.clone(), 5)).chain(others)
    };
    given::<Relay>(others(REPLIES_REMEMBERED_MAX - 1)).when(answer(first.clone(), 7)).then_nothing();
    given::<Relay>(others(REPLIES_REMEMBERED_MAX))
        .when(answer(first.clone(), 7))
        .then([answered(first.clone(), 7)]);
}

impl Arbitrary for Command {
    fn arbitrary(g: &mut Gen) -> Self {
        let millis = i64::from(u32::arbitrary(g) % 600_000);
        match u8::arbitrary(g) % 5 {
            0 => connect(millis),
            1 => disconnect(millis),
            2 => reject("{", u64::from(u8::arbitrary(g)), millis),
            3 => {
                let word = *g.choose(&[ReplyWord::Accepted, ReplyWord::Rejected]).unwrap();
                answer(reply(g.choose(&["a", "b", "c"]).unwrap(), word, "said"), millis)
            }
            _ => {
                let words = [SettlementWord::Settled, SettlementWord::Failed, SettlementWord::Ready];
                let word = *g.choose(&words).unwrap();
                report(notice(g.choose(&["a", "b", "c"]).unwrap(), word, None), millis)
            }
        }
    }
}

fn step(state: State, command: Command) -> (State, Vec<Event>) {
    let events = Relay::decide(&state, command).unwrap();
    (events.iter().fold(state, Relay::evolve), events)
}

/// Each unreadable frame is a fact of its own, however alike; all other reports can be repeated.
#[test]
fn repeating_a_command_changes_nothing() {
    fn law(story: Vec<Command>, command: Command) -> bool {
        let state = story.into_iter().fold(State::default(), |state, command| step(state, command).0);
        let (after, _) = step(state, command.clone());
        match command {
            Command::RejectFrame { .. } => true,
            Command::Connected { .. }
            | Command::Disconnected { .. }
            | Command::ReportSettlement { .. }
            | Command::ReportReply { .. } => step(after.clone(), command) == (after, vec![]),
        }
    }
    let law: fn(Vec<Command>, Command) -> bool = law;
    quickcheck(law);
}

#[test]
fn no_minute_in_a_row_records_more_frames_than_its_share() {
    fn law(gaps: Vec<u8>) -> bool {
        let mut now = 0;
        let mut recorded = std::collections::BTreeMap::<i64, u32>::new();
        gaps.into_iter().fold(State::default(), |state, gap| {
            now += i64::from(gap) * 8;
            let (state, events) = step(state, reject("{", 0, now));
            *recorded.entry(now / 60_000).or_default() += u32::try_from(events.len()).unwrap();
            state
        });
        recorded.values().all(|count| *count <= FRAMES_REJECTED_PER_MINUTE_MAX)
    }
    let law: fn(Vec<u8>) -> bool = law;
    quickcheck::QuickCheck::new().rng(Gen::new(400)).quickcheck(law);
}

#[test]
fn events_in_any_order_lead_to_a_state_that_still_answers() {
    fn law(order: Vec<(u8, i64)>, command: Command) -> bool {
        let event = |(kind, millis): (u8, i64)| match kind % 5 {
            0 => connected(millis),
            1 => disconnected(millis),
            2 => rejected("{", u64::MAX, millis),
            3 => answered(reply("a", ReplyWord::Accepted, "\"OK\""), millis),
            _ => reported(notice("a", SettlementWord::Ready, None), millis),
        };
        let history: Vec<_> = order.into_iter().map(event).collect();
        step(fold::<Relay>(&history), command).1.len() <= 1
    }
    let law: fn(Vec<(u8, i64)>, Command) -> bool = law;
    quickcheck(law);
}

#[test]
fn a_state_is_read_as_it_was_written() {
    fn law(story: Vec<Command>) -> bool {
        let mut state = State::default();
        let history: Vec<_> = story
            .into_iter()
            .flat_map(|command| {
                let (after, events) = step(std::mem::take(&mut state), command);
                state = after;
                events
            })
            .collect();
        is_read_as_it_was_written::<Relay>(&history)
    }
    let law: fn(Vec<Command>) -> bool = law;
    quickcheck(law);
}
