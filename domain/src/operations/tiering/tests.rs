//! Sentences and laws of tiering.

use super::{Command, Event, PartitionRestored, PartitionTiered, Rejection, Span, State, Tiering};
use crate::decider::{Decider, fold};
use crate::testing::given;
use crate::time::Timestamp;
use quickcheck::{Arbitrary, Gen, quickcheck};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn span(version: u32) -> Span {
    Span { table: "quotes".to_owned(), version, from_position: 3_000_000, to_position: 4_000_000 }
}

fn tiered(version: u32, digest: char, millis: i64) -> PartitionTiered {
    PartitionTiered {
        span: span(version),
        rows: 7,
        digest: digest.to_string().repeat(64),
        lake: "file:///srv/lake".to_owned(),
        files: 1,
        bytes: 900,
        manifest: "history/manifests/quotes.json".to_owned(),
        manifest_hash: "c".repeat(64),
        at: at(millis),
    }
}

fn restored(digest: char, held: i64) -> PartitionRestored {
    let digest = digest.to_string().repeat(64);
    PartitionRestored { span: span(1), rows: 7, digest, held_until: at(held), at: at(9) }
}

#[test]
fn what_is_in_the_lake_is_recorded_once() {
    given::<Tiering>([])
        .when(Command::Tier(tiered(1, 'a', 5)))
        .then([Event::PartitionTiered(tiered(1, 'a', 5))]);
    // Found again later, nothing is new.
    given::<Tiering>([Event::PartitionTiered(tiered(1, 'a', 5))])
        .when(Command::Tier(tiered(1, 'a', 6)))
        .then_nothing();
}

#[test]
fn rows_of_another_definition_or_other_rows_are_news() {
    for other in [tiered(2, 'a', 6), tiered(1, 'b', 6)] {
        given::<Tiering>([Event::PartitionTiered(tiered(1, 'a', 5))])
            .when(Command::Tier(other.clone()))
            .then([Event::PartitionTiered(other)]);
    }
}

#[test]
fn what_comes_back_is_held_until_it_may_leave_again() {
    let put = Event::PartitionTiered(tiered(1, 'a', 5));
    let back = Event::PartitionRestored(restored('a', 50));
    given::<Tiering>([put.clone()]).when(Command::Restore(restored('a', 50))).then([back.clone()]);
    given::<Tiering>([put.clone(), back.clone()]).when(Command::Restore(restored('a', 50))).then_nothing();
    let longer = restored('a', 90);
    given::<Tiering>([put.clone(), back.clone()])
        .when(Command::Restore(longer.clone()))
        .then([Event::PartitionRestored(longer)]);
    let state = fold::<Tiering>(&[put, back]);
    assert_eq!(state.of(&span(1)).unwrap().held_until, Some(at(50)));
    assert_eq!(state.all().count(), 1);
}

#[test]
fn every_refusal_fires() {
    let put = || [Event::PartitionTiered(tiered(1, 'a', 5))];
    given::<Tiering>([]).when(Command::Restore(restored('a', 50))).then_rejected(Rejection::NeverTiered);
    given::<Tiering>(put()).when(Command::Restore(restored('b', 50))).then_rejected(Rejection::OtherRows);
    let fewer = PartitionRestored { rows: 6, ..restored('a', 50) };
    given::<Tiering>(put()).when(Command::Restore(fewer)).then_rejected(Rejection::OtherRows);
    for digest in ["", &"A".repeat(64), &"a".repeat(63)] {
        let bad = PartitionTiered { digest: digest.to_owned(), ..tiered(1, 'a', 5) };
        given::<Tiering>([]).when(Command::Tier(bad)).then_rejected(Rejection::NoHash);
        let bad = PartitionTiered { manifest_hash: digest.to_owned(), ..tiered(1, 'a', 5) };
        given::<Tiering>([]).when(Command::Tier(bad)).then_rejected(Rejection::NoHash);
    }
    let nothing = Span { to_position: 3_000_000, ..span(1) };
    let empty = PartitionTiered { span: nothing.clone(), ..tiered(1, 'a', 5) };
    given::<Tiering>([]).when(Command::Tier(empty)).then_rejected(Rejection::EmptySpan);
    let empty = PartitionRestored { span: nothing, ..restored('a', 50) };
    given::<Tiering>(put()).when(Command::Restore(empty)).then_rejected(Rejection::EmptySpan);
    let codes = [Rejection::EmptySpan, Rejection::NoHash, Rejection::NeverTiered, Rejection::OtherRows]
        .map(|rejection| rejection.code());
    assert_eq!(codes, ["empty_span", "no_hash", "never_tiered", "other_rows"]);
}

impl Arbitrary for Command {
    fn arbitrary(g: &mut Gen) -> Self {
        let digest = if bool::arbitrary(g) { 'a' } else { 'b' };
        let millis = i64::from(u8::arbitrary(g));
        if bool::arbitrary(g) {
            Self::Tier(tiered(if bool::arbitrary(g) { 1 } else { 2 }, digest, millis))
        } else {
            Self::Restore(restored(digest, millis))
        }
    }
}

fn step(state: State, command: Command) -> State {
    let events = Tiering::decide(&state, command).unwrap_or_default();
    events.iter().fold(state, Tiering::evolve)
}

#[test]
fn repeating_a_command_changes_nothing() {
    fn law(story: Vec<Command>, command: Command) -> bool {
        let state = story.into_iter().fold(State::default(), step);
        let after = step(state, command.clone());
        Tiering::decide(&after, command).unwrap_or_default().is_empty()
    }
    let law: fn(Vec<Command>, Command) -> bool = law;
    quickcheck(law);
}
