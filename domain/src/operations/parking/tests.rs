//! Sentences and laws of parked events.

use super::event::{EventParked, ParkedRetried, ParkedSkipped};
use super::{Command, Event, Parking, Phase, Rejection, State};
use crate::decider::Decider;
use crate::port::event_log::Position;
use crate::testing::given;
use crate::time::Timestamp;
use quickcheck::{Arbitrary, Gen, quickcheck};

const NOW: Timestamp = Timestamp::from_millis(1);
const WHY: &str = "the check of the table was wrong";

fn park(version: u32, position: u64) -> Command {
    Command::Park {
        projection: "quotes".to_owned(),
        version,
        position: Position(position),
        event_type: "intents.QuoteReceived".to_owned(),
        reason: "no room".to_owned(),
        at: NOW,
    }
}

fn retry(position: u64, reason: &str) -> Command {
    let (projection, reason) = ("quotes".to_owned(), reason.to_owned());
    Command::Retry { projection, position: Position(position), reason, at: NOW }
}

fn skip(position: u64, reason: &str) -> Command {
    let (projection, reason) = ("quotes".to_owned(), reason.to_owned());
    Command::Skip { projection, position: Position(position), reason, at: NOW }
}

fn parked(version: u32, position: u64, attempt: u32) -> Event {
    Event::EventParked(EventParked {
        projection: "quotes".to_owned(),
        version,
        position: Position(position),
        event_type: "intents.QuoteReceived".to_owned(),
        reason: "no room".to_owned(),
        attempt,
        at: NOW,
    })
}

fn retried(position: u64) -> Event {
    retried_in(1, position)
}

fn retried_in(version: u32, position: u64) -> Event {
    let (projection, reason, position) = ("quotes".to_owned(), WHY.to_owned(), Position(position));
    Event::ParkedRetried(ParkedRetried { projection, version, position, reason, at: NOW })
}

fn skipped(position: u64) -> Event {
    skipped_in(1, position)
}

fn skipped_in(version: u32, position: u64) -> Event {
    let (projection, reason, position) = ("quotes".to_owned(), WHY.to_owned(), Position(position));
    Event::ParkedSkipped(ParkedSkipped { projection, version, position, reason, at: NOW })
}

fn version_of(event: &Event) -> u32 {
    match event {
        Event::EventParked(fact) => fact.version,
        Event::ParkedRetried(fact) => fact.version,
        Event::ParkedSkipped(fact) => fact.version,
    }
}

fn not_parked(position: u64) -> Rejection {
    Rejection::NotParked { projection: "quotes".to_owned(), position: Position(position) }
}

#[test]
fn an_event_is_parked_once_however_often_it_is_met() {
    given::<Parking>([]).when(park(1, 7)).then([parked(1, 7, 1)]);
    given::<Parking>([parked(1, 7, 1)]).when(park(1, 7)).then_nothing();
    given::<Parking>([parked(1, 7, 1), skipped(7)]).when(park(1, 7)).then_nothing();
}

#[test]
fn what_was_tried_again_in_vain_is_parked_again_and_counted() {
    given::<Parking>([parked(1, 7, 1), retried(7)]).when(park(1, 7)).then([parked(1, 7, 2)]);
}

#[test]
fn another_version_of_a_projection_tries_for_itself() {
    given::<Parking>([parked(1, 7, 1), skipped(7)]).when(park(2, 7)).then([parked(2, 7, 1)]);
}

#[test]
fn what_a_version_parked_is_not_forgotten_when_another_one_parks() {
    given::<Parking>([parked(1, 7, 1), parked(2, 9, 1)]).when(park(1, 7)).then_nothing();
    given::<Parking>([parked(1, 7, 1), skipped(7), parked(2, 7, 1)]).when(park(1, 7)).then_nothing();
    given::<Parking>([parked(1, 7, 1), retried(7), parked(2, 7, 1)]).when(park(1, 7)).then([parked(1, 7, 2)]);
    given::<Parking>([parked(2, 7, 1), parked(1, 7, 1)]).when(park(2, 7)).then_nothing();
}

#[test]
fn a_person_speaks_of_every_version_that_lacks_the_event() {
    let both = [parked(1, 7, 1), parked(2, 7, 1)];
    let after = |said: [Event; 2]| given::<Parking>(both.iter().cloned().chain(said));
    given::<Parking>(both.clone()).when(retry(7, WHY)).then([retried_in(1, 7), retried_in(2, 7)]);
    after([retried_in(1, 7), retried_in(2, 7)]).when(retry(7, "again")).then_nothing();
    given::<Parking>(both.clone()).when(skip(7, WHY)).then([skipped_in(1, 7), skipped_in(2, 7)]);
    after([skipped_in(1, 7), skipped_in(2, 7)]).when(skip(7, "again")).then_nothing();
    after([skipped_in(1, 7), skipped_in(2, 7)])
        .when(retry(7, WHY))
        .then([retried_in(1, 7), retried_in(2, 7)]);
    given::<Parking>([parked(1, 7, 1), parked(2, 9, 1)]).when(retry(7, WHY)).then([retried_in(1, 7)]);
    given::<Parking>([parked(1, 7, 1), skipped(7), parked(2, 7, 1)])
        .when(skip(7, WHY))
        .then([skipped_in(2, 7)]);
}

#[test]
fn what_one_version_tries_again_keeps_nobody_from_skipping_what_waits_in_another() {
    let old = [parked(1, 7, 1), retried_in(1, 7), parked(2, 7, 1)];
    given::<Parking>(old.clone()).when(skip(7, WHY)).then([skipped_in(2, 7)]);
    let skipped_there = old.into_iter().chain([skipped_in(2, 7)]);
    given::<Parking>(skipped_there).when(skip(7, "again")).then_nothing();
    let newest = [parked(1, 7, 1), parked(2, 7, 1), retried_in(2, 7)];
    given::<Parking>(newest.clone()).when(skip(7, WHY)).then([skipped_in(1, 7)]);
    let skipped_there = newest.into_iter().chain([skipped_in(1, 7)]);
    given::<Parking>(skipped_there).when(skip(7, "again")).then_nothing();
}

#[test]
fn a_person_has_it_tried_again_and_says_what_was_mended() {
    given::<Parking>([parked(1, 7, 1)]).when(retry(7, WHY)).then([retried(7)]);
    given::<Parking>([parked(1, 7, 1), skipped(7)]).when(retry(7, WHY)).then([retried(7)]);
    given::<Parking>([parked(1, 7, 1), retried(7)]).when(retry(7, "again")).then_nothing();
    given::<Parking>([parked(1, 7, 1)]).when(retry(7, "")).then_rejected(Rejection::ReasonMissing);
    given::<Parking>([parked(1, 7, 1)]).when(retry(8, WHY)).then_rejected(not_parked(8));
}

#[test]
fn a_person_skips_it_for_good_and_says_why() {
    given::<Parking>([parked(1, 7, 1)]).when(skip(7, WHY)).then([skipped(7)]);
    given::<Parking>([parked(1, 7, 1), skipped(7)]).when(skip(7, "again")).then_nothing();
    given::<Parking>([parked(1, 7, 1)]).when(skip(7, "")).then_rejected(Rejection::ReasonMissing);
    given::<Parking>([]).when(skip(7, WHY)).then_rejected(not_parked(7));
}

#[test]
fn what_is_about_to_be_tried_again_is_not_skipped() {
    let no = Rejection::Retried { projection: "quotes".to_owned(), position: Position(7) };
    given::<Parking>([parked(1, 7, 1), retried(7)]).when(skip(7, WHY)).then_rejected(no.clone());
    given::<Parking>([parked(1, 7, 1), retried_in(1, 7), parked(2, 7, 1), retried_in(2, 7)])
        .when(skip(7, WHY))
        .then_rejected(no);
}

#[test]
fn the_state_says_what_a_version_could_not_take_in() {
    let story = [parked(1, 7, 1), parked(1, 9, 1), skipped(9), retried(7)];
    let state = story.iter().fold(State::default(), Parking::evolve);
    let known: Vec<_> = state.of("quotes", 1).map(|(at, entry)| (at.0, entry.phase)).collect();
    assert_eq!(known, [(7, Phase::Retried), (9, Phase::Skipped)]);
    assert_eq!(state.of("quotes", 2).count() + state.of("prices", 1).count(), 0);
}

#[test]
fn the_state_says_it_of_each_version() {
    let story =
        [parked(1, 7, 1), skipped(7), parked(2, 7, 1), parked(2, 9, 1), parked(1, 8, 1), retried_in(2, 9)];
    let state = story.iter().fold(State::default(), Parking::evolve);
    let of = |version| state.of("quotes", version).map(|(at, entry)| (at.0, entry.phase)).collect::<Vec<_>>();
    assert_eq!(of(1), [(7, Phase::Skipped), (8, Phase::Parked)]);
    assert_eq!(of(2), [(7, Phase::Parked), (9, Phase::Retried)]);
    let all: Vec<_> = state.all().map(|(projection, version, at, _)| (projection, version, at.0)).collect();
    assert_eq!(all, [("quotes", 1, 7), ("quotes", 1, 8), ("quotes", 2, 7), ("quotes", 2, 9)]);
}

impl Arbitrary for Command {
    fn arbitrary(g: &mut Gen) -> Self {
        let position = u64::from(u8::arbitrary(g) % 3);
        match u8::arbitrary(g) % 3 {
            0 => park(u32::from(bool::arbitrary(g)), position),
            1 => retry(position, WHY),
            _ => skip(position, WHY),
        }
    }
}

#[test]
fn repeating_a_command_changes_nothing() {
    fn law(story: Vec<Command>, command: Command) -> bool {
        let step = |state: State, command: Command| {
            let events = Parking::decide(&state, command).unwrap_or_default();
            (events.iter().fold(state, Parking::evolve), events)
        };
        let state = story.into_iter().fold(State::default(), |state, command| step(state, command).0);
        // What was taken once is not refused the next time.
        let Ok(events) = Parking::decide(&state, command.clone()) else { return true };
        let after = events.iter().fold(state, Parking::evolve);
        Parking::decide(&after, command) == Ok(vec![])
    }
    let law: fn(Vec<Command>, Command) -> bool = law;
    quickcheck(law);
}

#[test]
fn every_version_is_remembered_as_if_it_were_alone() {
    fn law(story: Vec<Command>) -> bool {
        let (mut state, mut said) = (State::default(), vec![]);
        for command in story {
            let events = Parking::decide(&state, command).unwrap_or_default();
            state = events.iter().fold(state, Parking::evolve);
            said.extend(events);
        }
        [0, 1].into_iter().all(|version| {
            let own = said.iter().filter(|event| version_of(event) == version);
            let alone = own.fold(State::default(), Parking::evolve);
            state.of("quotes", version).eq(alone.of("quotes", version))
        })
    }
    let law: fn(Vec<Command>) -> bool = law;
    quickcheck(law);
}
