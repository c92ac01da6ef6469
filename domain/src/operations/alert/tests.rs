//! Sentences and laws of an alert.

use super::event::{AlertCleared, AlertRaised, Kind};
use super::{Alert, Command, Event, State};
use crate::decider::{Decider, fold};
use crate::testing::given;
use crate::time::Timestamp;
use quickcheck::{Arbitrary, Gen, quickcheck};

const KIND: Kind = Kind::PriceBlocked;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn raise(detail: &str, millis: i64) -> Command {
    Command::Raise { kind: KIND, detail: detail.to_owned(), at: at(millis) }
}

fn clear(detail: &str, millis: i64) -> Command {
    Command::Clear { kind: KIND, detail: detail.to_owned(), at: at(millis) }
}

fn raised(detail: &str, millis: i64) -> Event {
    Event::AlertRaised(AlertRaised { kind: KIND, detail: detail.to_owned(), at: at(millis) })
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
    assert_eq!(fold::<Alert>(&[raised("price_stale", 1)]), State::Raised(expected));
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
