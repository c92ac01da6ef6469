//! Sentences and laws of an alert.

use super::event::{AlertCleared, AlertRaised, Kind};
use super::{Alert, Command, Event, Rejection, Standing, State};
use crate::decider::{Decider, fold};
use crate::port::event_log::Position;
use crate::testing::given;
use crate::time::Timestamp;
use quickcheck::{Arbitrary, Gen, quickcheck};

const KIND: Kind = Kind::PriceBlocked;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn raise(detail: &str, millis: i64) -> Command {
    Command::Raise { kind: KIND, cause: None, detail: detail.to_owned(), at: at(millis) }
}

fn clear(detail: &str, millis: i64) -> Command {
    Command::Clear { kind: KIND, detail: detail.to_owned(), at: at(millis) }
}

fn raised(detail: &str, millis: i64) -> Event {
    Event::AlertRaised(AlertRaised { kind: KIND, detail: detail.to_owned(), cause: None, at: at(millis) })
}

fn cleared(detail: &str, millis: i64) -> Event {
    Event::AlertCleared(AlertCleared { kind: KIND, detail: detail.to_owned(), at: at(millis) })
}

#[test]
fn what_is_quiet_is_raised() {
    given::<Alert>([]).when(raise("price_stale", 1)).then([raised("price_stale", 1)]);
}

#[test]
fn what_is_raised_is_not_raised_again_even_in_other_words() {
    given::<Alert>([raised("price_stale", 1)]).when(raise("price_conflict", 2)).then_nothing();
}

#[test]
fn what_is_raised_is_cleared() {
    given::<Alert>([raised("price_stale", 1)])
        .when(clear("priced again", 3))
        .then([cleared("priced again", 3)]);
}

#[test]
fn what_is_quiet_is_not_cleared() {
    given::<Alert>([]).when(clear("priced again", 1)).then_nothing();
    given::<Alert>([raised("x", 1), cleared("y", 2)]).when(clear("priced again", 3)).then_nothing();
}

#[test]
fn what_was_cleared_can_be_raised_again() {
    given::<Alert>([raised("x", 1), cleared("y", 2)]).when(raise("again", 3)).then([raised("again", 3)]);
}

#[test]
fn the_state_says_what_it_was_raised_for() {
    let Event::AlertRaised(expected) = raised("price_stale", 1) else { panic!("not a raise") };
    let state = fold::<Alert>(&[raised("price_stale", 1)]);
    assert_eq!(state.standing(), &Standing::Raised(expected));
    assert!(state.is_raised() && !fold::<Alert>(&[]).is_raised());
}

const DRIFT: Kind = Kind::UnexpectedDrop;

fn raise_for(position: u64) -> Command {
    Command::Raise { kind: DRIFT, cause: Some(Position(position)), detail: "fell".to_owned(), at: at(1) }
}

fn raised_for(position: u64) -> Event {
    let (detail, cause) = ("fell".to_owned(), Some(Position(position)));
    Event::AlertRaised(AlertRaised { kind: DRIFT, detail, cause, at: at(1) })
}

fn dismiss(kind: Kind, reason: &str) -> Command {
    Command::Dismiss { kind, reason: reason.to_owned(), at: at(2) }
}

fn dismissed() -> Event {
    let detail = "our own withdrawal".to_owned();
    Event::AlertCleared(AlertCleared { kind: DRIFT, detail, at: at(2) })
}

#[test]
fn another_fact_is_raised_also_while_the_last_one_waits() {
    given::<Alert>([raised_for(5)]).when(raise_for(9)).then([raised_for(9)]);
    given::<Alert>([raised_for(5), dismissed()]).when(raise_for(9)).then([raised_for(9)]);
}

#[test]
fn a_fact_that_was_said_is_not_said_again_even_when_a_person_has_looked_since() {
    for known in [4, 5] {
        given::<Alert>([raised_for(5)]).when(raise_for(known)).then_nothing();
        given::<Alert>([raised_for(5), dismissed()]).when(raise_for(known)).then_nothing();
    }
}

#[test]
fn a_person_clears_what_waits_for_a_person_and_says_what_they_found() {
    given::<Alert>([raised_for(5)]).when(dismiss(DRIFT, "our own withdrawal")).then([dismissed()]);
    given::<Alert>([]).when(dismiss(DRIFT, "our own withdrawal")).then_nothing();
    given::<Alert>([raised_for(5)]).when(dismiss(DRIFT, "")).then_rejected(Rejection::ReasonMissing);
}

#[test]
fn nobody_clears_away_what_still_holds() {
    for kind in Kind::ALL.into_iter().filter(|kind| !kind.waits_for_a_person()) {
        given::<Alert>([raised("x", 1)])
            .when(dismiss(kind, "looks fine"))
            .then_rejected(Rejection::ClearsItself(kind));
    }
}

#[test]
fn every_kind_is_found_by_its_name() {
    for kind in Kind::ALL {
        assert_eq!(Kind::named(kind.name()), Some(kind));
    }
    assert_eq!(Kind::named("smoke"), None);
}

impl Arbitrary for Command {
    fn arbitrary(g: &mut Gen) -> Self {
        let millis = i64::from(u8::arbitrary(g));
        if bool::arbitrary(g) { raise("up", millis) } else { clear("down", millis) }
    }
}

fn step(state: State, command: Command) -> (State, Vec<Event>) {
    let events = Alert::decide(&state, command).unwrap();
    (events.iter().fold(state, Alert::evolve), events)
}

#[test]
fn repeating_a_command_changes_nothing() {
    fn law(story: Vec<Command>, command: Command) -> bool {
        let state = story.into_iter().fold(State::default(), |state, command| step(state, command).0);
        let (after, _) = step(state, command.clone());
        step(after.clone(), command) == (after, vec![])
    }
    let law: fn(Vec<Command>, Command) -> bool = law;
    quickcheck(law);
}

#[test]
fn raising_and_clearing_take_turns() {
    fn law(story: Vec<Command>) -> bool {
        let mut events = vec![];
        story.into_iter().fold(State::default(), |state, command| {
            let (state, new) = step(state, command);
            events.extend(new);
            state
        });
        events.iter().enumerate().all(|(index, event)| match event {
            Event::AlertRaised(_) => index.is_multiple_of(2),
            Event::AlertCleared(_) => !index.is_multiple_of(2),
        })
    }
    let law: fn(Vec<Command>) -> bool = law;
    quickcheck(law);
}
