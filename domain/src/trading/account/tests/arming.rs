//! Who may let offers be made, for how long, and how it ends.

use crate::testing::given;
use crate::time::Timestamp;
use crate::trading::account::event::{Armed, DisarmCause, Disarmed, Killed, LeaseTaken, Mode, OpenSignature};
use crate::trading::account::{ARMING_MS_MAX, Account, Command, Event, Rejection};
use crate::trading::fixtures::{
    after, alice, asker, at, command, execute, hash, leased, limits, limits_set, micros_after, open, ready,
    started,
};
use crate::trading::limits::Limits;
use std::collections::BTreeSet;

fn with_limits() -> Vec<Event> {
    vec![leased(1), Event::LimitsSet(Box::new(limits_set(1, limits())))]
}

fn arm() -> Command {
    arm_until(at(60_000))
}

fn arm_until(until: Timestamp) -> Command {
    arm_for("open", None, until)
}

fn arm_with(reason: &str, limits_version: Option<u64>) -> Command {
    arm_for(reason, limits_version, at(60_000))
}

fn arm_for(reason: &str, limits_version: Option<u64>, until: Timestamp) -> Command {
    let (mode, reason, asker) = (Mode::Full, reason.to_owned(), asker(90, 1));
    Command::Arm { mode, limits_version, until, reason, strategy_start: 1, asker, at: at(0) }
}

fn now_armed(until: Timestamp, reason: &str) -> Event {
    let reason = reason.to_owned();
    Event::Armed(Armed { mode: Mode::Full, limits_version: 1, strategy_start: 1, until, reason, at: at(0) })
}

fn disarm(cause: DisarmCause, reason: &str) -> Command {
    Command::Disarm { cause, reason: reason.to_owned(), at: at(1) }
}

fn disarmed(cause: DisarmCause, reason: &str) -> Event {
    Event::Disarmed(Disarmed { cause, reason: reason.to_owned(), at: at(1) })
}

fn kill() -> Command {
    Command::Kill { reason: "smoke".to_owned(), at: at(1) }
}

fn killed() -> Event {
    Event::Killed(Killed { reason: "smoke".to_owned(), open: vec![], at: at(1) })
}

fn stand_down(reason: &str) -> Command {
    let (by, makers) = (alice(), BTreeSet::new());
    Command::StandDown { request_id: command(80), reason: reason.to_owned(), by, makers, at: at(1) }
}

const CAUSES: [DisarmCause; 5] = [
    DisarmCause::Operator,
    DisarmCause::Expired,
    DisarmCause::UnexpectedDrop,
    DisarmCause::VenueBlocked,
    DisarmCause::StrategyStarted,
];

#[test]
fn an_account_with_a_lease_and_limits_can_be_armed() {
    given::<Account>(with_limits()).when(arm()).then([now_armed(at(60_000), "open")]);
}

#[test]
fn arming_the_same_way_again_changes_nothing() {
    given::<Account>(after(with_limits(), [arm()])).when(arm()).then_nothing();
}

#[test]
fn arming_for_longer_or_for_another_reason_is_a_new_fact() {
    let armed = after(with_limits(), [arm()]);
    given::<Account>(armed.clone()).when(arm_until(at(90_000))).then([now_armed(at(90_000), "open")]);
    given::<Account>(armed).when(arm_with("again", None)).then([now_armed(at(60_000), "again")]);
}

#[test]
fn without_a_reason_nothing_is_armed() {
    for reason in ["", "  ", "ok", "  ok  ", &"x".repeat(501)] {
        given::<Account>(with_limits()).when(arm_with(reason, None)).then_rejected(Rejection::ReasonMissing);
    }
}

#[test]
fn three_characters_are_a_reason_and_so_are_five_hundred() {
    for reason in ["yes", &"ü".repeat(500)] {
        given::<Account>(with_limits()).when(arm_with(reason, None)).then([now_armed(at(60_000), reason)]);
    }
}

#[test]
fn without_limits_nothing_is_armed() {
    given::<Account>([leased(1)]).when(arm()).then_rejected(Rejection::NoLimits);
}

#[test]
fn limits_that_hold_only_later_are_no_limits_yet() {
    let mut later = limits_set(1, limits());
    later.effective_from = micros_after(at(0), 1);
    let history = [leased(1), Event::LimitsSet(Box::new(later.clone()))];
    given::<Account>(history).when(arm()).then_rejected(Rejection::NoLimits);

    later.effective_from = at(0);
    let history = [leased(1), Event::LimitsSet(Box::new(later))];
    given::<Account>(history).when(arm()).then([now_armed(at(60_000), "open")]);
}

#[test]
fn an_arming_names_the_limits_that_the_person_was_shown() {
    given::<Account>(with_limits()).when(arm_with("open", Some(1))).then([now_armed(at(60_000), "open")]);
    let moved = Rejection::LimitsMoved { shown: 2, current: 1 };
    given::<Account>(with_limits()).when(arm_with("open", Some(2))).then_rejected(moved);
}

#[test]
fn limits_that_changed_since_they_were_shown_are_to_be_looked_at_again() {
    let tighter = Limits { open_offers_max: 1, ..limits() };
    let mut history = with_limits();
    history.push(Event::LimitsSet(Box::new(limits_set(2, tighter))));
    let moved = Rejection::LimitsMoved { shown: 1, current: 2 };
    given::<Account>(history).when(arm_with("open", Some(1))).then_rejected(moved);
}

#[test]
fn without_an_executor_nothing_is_armed() {
    let history = [Event::LimitsSet(Box::new(limits_set(1, limits())))];
    given::<Account>(history).when(arm()).then_rejected(Rejection::NoExecutor);
}

#[test]
fn a_lease_that_ends_at_this_moment_is_no_executor() {
    let lease =
        |until| Event::LeaseTaken(LeaseTaken { epoch: 1, holder: "desk-1".to_owned(), at: at(-9), until });
    let history = |until| vec![lease(until), Event::LimitsSet(Box::new(limits_set(1, limits())))];
    given::<Account>(history(at(0))).when(arm()).then_rejected(Rejection::NoExecutor);
    given::<Account>(history(at(1))).when(arm()).then([now_armed(at(60_000), "open")]);
}

#[test]
fn an_arming_ends_after_now_and_within_a_day() {
    let day = at(0).plus_millis(ARMING_MS_MAX);
    let beyond = micros_after(day, 1);
    for until in [at(-1), at(0), beyond] {
        given::<Account>(with_limits()).when(arm_until(until)).then_rejected(Rejection::BadExpiry { until });
    }
    for until in [micros_after(at(0), 1), day] {
        given::<Account>(with_limits()).when(arm_until(until)).then([now_armed(until, "open")]);
    }
}

#[test]
fn the_arming_runs_out_at_the_exact_moment() {
    let expire = |ms| Command::ExpireArming { strategy_start: 1, at: at(ms) };
    given::<Account>(ready()).when(expire(299_999)).then_nothing();
    let reason = format!("armed until {}", at(300_000));
    let over = Event::Disarmed(Disarmed { cause: DisarmCause::Expired, reason, at: at(300_000) });
    given::<Account>(ready()).when(expire(300_000)).then([over]);
    given::<Account>(with_limits()).when(expire(300_000)).then_nothing();
}

#[test]
fn disarming_an_armed_account_is_never_refused() {
    for cause in CAUSES {
        given::<Account>(ready()).when(disarm(cause, "")).then([disarmed(cause, "")]);
    }
}

#[test]
fn words_that_are_too_long_are_cut_when_stopping_and_never_refused() {
    let (long, kept) = ("ü".repeat(501), "ü".repeat(500));
    let stopped = disarmed(DisarmCause::Operator, &kept);
    given::<Account>(ready()).when(disarm(DisarmCause::Operator, &long)).then([stopped]);
    let killed = Event::Killed(Killed { reason: kept, open: vec![], at: at(1) });
    given::<Account>(ready()).when(Command::Kill { reason: long, at: at(1) }).then([killed]);
}

#[test]
fn disarming_a_disarmed_account_changes_nothing() {
    for cause in CAUSES {
        given::<Account>(with_limits()).when(disarm(cause, "stop")).then_nothing();
    }
}

#[test]
fn kill_works_from_any_state() {
    given::<Account>([]).when(kill()).then([killed()]);
    given::<Account>(with_limits()).when(kill()).then([killed()]);
    given::<Account>(ready()).when(kill()).then([killed()]);
    given::<Account>(after(ready(), [kill()])).when(kill()).then_nothing();
}

#[test]
fn kill_lists_every_signature_that_could_still_be_executed() {
    let signature = |n| OpenSignature {
        command_id: command(n),
        quote_hash: hash(n),
        give: started(n).give,
        offer_deadline: at(70_000),
    };
    let listed = vec![signature(1), signature(2)];
    let killed = Event::Killed(Killed { reason: "smoke".to_owned(), open: listed, at: at(1) });
    given::<Account>(open([1, 2])).when(kill()).then([killed]);
}

#[test]
fn a_killed_account_is_not_armed() {
    given::<Account>(after(ready(), [kill()])).when(arm()).then_rejected(Rejection::Killed);
}

#[test]
fn only_a_person_with_a_reason_stands_a_killed_account_down() {
    let dead = after(ready(), [kill()]);
    for cause in CAUSES.into_iter().filter(|cause| *cause != DisarmCause::Operator) {
        given::<Account>(dead.clone()).when(disarm(cause, "automatic")).then_nothing();
    }
    given::<Account>(dead.clone()).when(stand_down("")).then_rejected(Rejection::ReasonMissing);
    given::<Account>(dead)
        .when(stand_down("looked at all three"))
        .then([disarmed(DisarmCause::Operator, "looked at all three")]);
}

#[test]
fn disarming_does_not_undo_a_kill() {
    let dead = after(ready(), [kill()]);
    given::<Account>(dead)
        .when(disarm(DisarmCause::Operator, "looked at all three"))
        .then_rejected(Rejection::KilledMeanwhile);
}

#[test]
fn standing_down_an_account_that_is_not_killed_disarms_it() {
    let stopped = disarmed(DisarmCause::Operator, "enough");
    given::<Account>(ready()).when(stand_down("enough")).then([stopped]);
    given::<Account>(with_limits()).when(stand_down("enough")).then_nothing();
}

#[test]
fn a_new_start_of_the_strategy_disarms_what_was_armed_for_an_earlier_one() {
    let chore = |strategy_start| Command::ExpireArming { strategy_start, at: at(1) };
    for known in [0, 1] {
        given::<Account>(ready()).when(chore(known)).then_nothing();
    }
    let reason = "armed for start 1 of the strategy; start 2 has followed";
    given::<Account>(ready()).when(chore(2)).then([disarmed(DisarmCause::StrategyStarted, reason)]);
    given::<Account>(with_limits()).when(chore(2)).then_nothing();
}

#[test]
fn an_arming_that_is_told_again_for_another_start_of_the_strategy_is_a_new_fact() {
    let again = |strategy_start| {
        let (reason, asker) = ("open".to_owned(), asker(91, 1));
        let (mode, limits_version, until) = (Mode::Full, None, at(60_000));
        Command::Arm { mode, limits_version, until, reason, strategy_start, asker, at: at(0) }
    };
    let armed = after(with_limits(), [arm()]);
    given::<Account>(armed.clone()).when(again(1)).then_nothing();
    let history = after(armed, [again(2)]);
    let Some(Event::Armed(armed)) = history.last() else { panic!("{history:?}") };
    assert_eq!(armed.strategy_start, 2);
}

#[test]
fn after_standing_down_the_account_is_disarmed_and_can_be_armed_again() {
    let stood_down = after(ready(), [kill(), stand_down("all clear")]);
    given::<Account>(stood_down).when(arm()).then([now_armed(at(60_000), "open")]);
}

#[test]
fn a_killed_account_does_not_expire_into_a_disarmed_one() {
    let dead = after(ready(), [kill()]);
    given::<Account>(dead).when(Command::ExpireArming { strategy_start: 2, at: at(900_000) }).then_nothing();
}

#[test]
fn arming_starts_no_offer_that_was_refused_while_disarmed() {
    let refused = after(with_limits(), [Command::Execute(Box::new(execute(1))), arm()]);
    given::<Account>(refused).when(Command::Execute(Box::new(execute(1)))).then_nothing();
}

#[test]
fn how_long_an_arming_holds_is_known_ahead_with_the_limits_that_will_end_it() {
    let state = |history: Vec<Event>| crate::decider::fold::<Account>(&history);
    assert_eq!(state(with_limits()).armed_before(at(0)), None, "disarmed");
    let armed = state(ready());
    assert_eq!(armed.armed_before(at(299_999)), Some(at(300_000)));
    assert_eq!(armed.armed_before(at(300_000)), None, "it has run out");
    let ask_for_two = |from| {
        let mut set = limits_set(2, Limits { second_person: true, ..limits() });
        set.effective_from = from;
        state(ready().into_iter().chain([Event::LimitsSet(Box::new(set))]).collect())
    };
    assert_eq!(ask_for_two(at(5_000)).armed_before(at(0)), Some(at(5_000)));
    assert_eq!(ask_for_two(at(5_000)).armed_before(at(5_000)), None);
    assert_eq!(ask_for_two(at(400_000)).armed_before(at(0)), Some(at(300_000)));
}
