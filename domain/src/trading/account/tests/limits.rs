//! Limits have versions, and a moment from which they hold.

use crate::decider::fold;
use crate::testing::given;
use crate::time::Timestamp;
use crate::trading::account::event::LimitsSet;
use crate::trading::account::{
    Account, Command, EFFECTIVE_AHEAD_MS_MAX, EFFECTIVE_PAST_MS_MAX, Event, Rejection,
};
use crate::trading::fixtures::{alice, at, limits, micros_after};
use crate::trading::limits::{InvalidLimits, Limits};

fn with_offers(open_offers_max: u32) -> Limits {
    Limits { open_offers_max, ..limits() }
}

fn set(open_offers_max: u32, effective_from: Timestamp, now: Timestamp) -> Command {
    Command::SetLimits {
        limits: Box::new(with_offers(open_offers_max)),
        shown: None,
        effective_from,
        reason: "quarterly review".to_owned(),
        by: alice(),
        at: now,
    }
}

fn was_set(version: u64, open_offers_max: u32, effective_from: Timestamp, now: Timestamp) -> Event {
    Event::LimitsSet(Box::new(LimitsSet {
        version,
        limits: with_offers(open_offers_max),
        effective_from,
        reason: "quarterly review".to_owned(),
        dropped_by: None,
        at: now,
    }))
}

fn in_force(history: &[Event], moment: Timestamp) -> Option<u64> {
    fold::<Account>(history).limits_at(moment).map(|set| set.version)
}

#[test]
fn the_first_limits_are_version_one() {
    given::<Account>([]).when(set(4, at(0), at(0))).then([was_set(1, 4, at(0), at(0))]);
}

#[test]
fn each_change_is_the_next_version() {
    let history = [was_set(1, 4, at(0), at(0)), was_set(2, 5, at(10), at(10))];
    given::<Account>(history).when(set(4, at(20), at(20))).then([was_set(3, 4, at(20), at(20))]);
}

#[test]
fn the_same_limits_again_change_nothing() {
    let history = [was_set(1, 4, at(0), at(0))];
    given::<Account>(history.clone()).when(set(4, at(0), at(0))).then_nothing();
    given::<Account>(history).when(set(4, at(5), at(5))).then_nothing();
}

#[test]
fn the_same_limits_from_an_earlier_moment_are_a_change() {
    let history = [was_set(1, 4, at(100), at(0))];
    given::<Account>(history).when(set(4, at(50), at(1))).then([was_set(2, 4, at(50), at(1))]);
}

#[test]
fn limits_hold_from_the_moment_they_name_on() {
    let history = [was_set(1, 4, at(0), at(0)), was_set(2, 5, at(100), at(10))];
    let before = micros_after(at(0), -1);
    assert_eq!(in_force(&history, before), None);
    assert_eq!(in_force(&history, at(0)), Some(1));
    assert_eq!(in_force(&history, at(99)), Some(1));
    assert_eq!(in_force(&history, at(100)), Some(2));
}

#[test]
fn a_newer_version_replaces_an_announced_one_that_would_start_later() {
    let history =
        [was_set(1, 4, at(0), at(0)), was_set(2, 9, at(100), at(10)), was_set(3, 2, at(50), at(20))];
    assert_eq!(in_force(&history, at(49)), Some(1));
    assert_eq!(in_force(&history, at(50)), Some(3));
    assert_eq!(in_force(&history, at(100)), Some(3));
}

#[test]
fn limits_that_can_never_hold_again_are_forgotten() {
    let mut history: Vec<Event> = Vec::new();
    for n in 1..=50_i64 {
        let version = u64::try_from(n).unwrap();
        let offers = u32::try_from(n).unwrap();
        history.push(was_set(version, offers, at(10_000_i64.saturating_sub(n)), at(n)));
    }
    assert_eq!(fold::<Account>(&history).limits.len(), 1);
    assert_eq!(fold::<Account>(&history).newest_limits().map(|set| set.version), Some(50));
}

#[test]
fn limits_need_a_reason() {
    let unsaid = Command::SetLimits {
        limits: Box::new(limits()),
        shown: None,
        effective_from: at(0),
        reason: " ".to_owned(),
        by: alice(),
        at: at(0),
    };
    given::<Account>([]).when(unsaid).then_rejected(Rejection::ReasonMissing);
}

#[test]
fn limits_that_make_no_sense_are_refused_with_the_rule_they_break() {
    let refused = Rejection::Limits(InvalidLimits::Zero("open_offers_max"));
    given::<Account>([]).when(set(0, at(0), at(0))).then_rejected(refused);
}

#[test]
fn a_change_of_limits_that_were_not_the_newest_is_refused() {
    let from_version = |shown| {
        let Command::SetLimits { limits, effective_from, reason, at, .. } = set(6, at(20), at(20)) else {
            panic!("another command")
        };
        Command::SetLimits { limits, shown: Some(shown), effective_from, reason, by: alice(), at }
    };
    let two = || [was_set(1, 4, at(0), at(0)), was_set(2, 5, at(10), at(10))];
    given::<Account>(two())
        .when(from_version(1))
        .then_rejected(Rejection::LimitsMoved { shown: 1, current: 2 });
    given::<Account>(two()).when(from_version(2)).then([was_set(3, 6, at(20), at(20))]);
    given::<Account>([]).when(from_version(0)).then([was_set(1, 6, at(20), at(20))]);
}

#[test]
fn limits_hold_from_a_day_ago_to_a_year_ahead() {
    let (past, ahead) = (
        i64::try_from(EFFECTIVE_PAST_MS_MAX).unwrap().saturating_neg(),
        i64::try_from(EFFECTIVE_AHEAD_MS_MAX).unwrap(),
    );
    for from in [at(past), at(ahead)] {
        given::<Account>([]).when(set(4, from, at(0))).then([was_set(1, 4, from, at(0))]);
    }
    // The last of them is what milliseconds make of a field of seconds.
    let beyond = [at(past.saturating_sub(1)), micros_after(at(ahead), 1), Timestamp::MIN, Timestamp::MAX];
    for from in beyond.into_iter().chain([Timestamp::from_millis(1_763_680_000_000_000)]) {
        given::<Account>([]).when(set(4, from, at(0))).then_rejected(Rejection::BadEffectiveFrom { from });
    }
}
