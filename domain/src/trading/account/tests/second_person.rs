//! Where the limits ask for it, one person asks to arm and another approves, bound to the limits that were shown.

use super::story::Story;
use crate::access::same_person;
use crate::ids::Actor;
use crate::testing::given;
use crate::time::Timestamp;
use crate::trading::account::event::{
    ArmApproved, ArmRequested, Armed, DisarmCause, Disarmed, KillConfirmed, Killed, LeaseRenewed, Mode,
    RefusalCode, StandDownAsked,
};
use crate::trading::account::state::{Arming, REQUESTS_MAX};
use crate::trading::account::{Account, Command, Event, REQUEST_MS_MAX, Rejection};
use crate::trading::fixtures::{
    after, alice, asker, at, command, execute, leased, limits, limits_set, ready,
};
use crate::trading::limits::Limits;
use quickcheck::QuickCheck;

const HASH: &str = "hash of 1";

fn two_people() -> Limits {
    Limits { second_person: true, ..limits() }
}

fn with_limits() -> Vec<Event> {
    let lasting = LeaseRenewed { epoch: 1, until: at(7_200_000) };
    let limits = limits_set(1, two_people());
    vec![leased(1), Event::LeaseRenewed(lasting), Event::LimitsSet(Box::new(limits))]
}

fn person(name: &str) -> Actor {
    Actor::try_from(name.to_owned()).unwrap()
}

fn arm(request: u64, ms: i64) -> Command {
    Command::Arm {
        mode: Mode::Full,
        limits_version: Some(1),
        until: at(3_600_000),
        reason: "open".to_owned(),
        strategy_start: 1,
        asker: asker(request, 1),
        at: at(ms),
    }
}

fn asked(request: u64, ms: i64) -> Event {
    Event::ArmRequested(Box::new(ArmRequested {
        request_id: command(request),
        mode: Mode::Full,
        limits_version: 1,
        limits_hash: HASH.to_owned(),
        strategy_start: 1,
        until: at(3_600_000),
        expires_at: at(ms).plus_millis(REQUEST_MS_MAX),
        reason: "open".to_owned(),
        by: alice(),
        at: at(ms),
    }))
}

fn approve(request: u64, by: &str, ms: i64) -> Command {
    approve_with(request, by, &[], ms)
}

/// With a key that these had a hand in.
fn approve_with(request: u64, by: &str, makers: &[&str], ms: i64) -> Command {
    Command::Approve {
        request_id: command(request),
        limits_hash: HASH.to_owned(),
        reason: "seen".to_owned(),
        by: person(by),
        makers: makers.iter().map(|name| person(name)).collect(),
        at: at(ms),
    }
}

fn approved(request: u64, by: &str, ms: i64) -> [Event; 2] {
    [
        Event::ArmApproved(Box::new(ArmApproved {
            request_id: command(request),
            limits_hash: HASH.to_owned(),
            reason: "seen".to_owned(),
            by: person(by),
            at: at(ms),
        })),
        Event::Armed(Armed {
            mode: Mode::Full,
            limits_version: 1,
            strategy_start: 1,
            until: at(3_600_000),
            reason: "open".to_owned(),
            at: at(ms),
        }),
    ]
}

fn waiting() -> Vec<Event> {
    after(with_limits(), [arm(1, 0)])
}

fn disarm(ms: i64) -> Command {
    Command::Disarm { cause: DisarmCause::Operator, reason: "not today".to_owned(), at: at(ms) }
}

#[test]
fn arming_is_asked_for_and_armed_by_another_person() {
    given::<Account>(with_limits()).when(arm(1, 0)).then([asked(1, 0)]);
    given::<Account>(waiting()).when(approve(1, "person:bob", 5)).then(approved(1, "person:bob", 5));
}

#[test]
fn nobody_approves_their_own_request_under_whichever_of_their_names() {
    for name in ["person:alice", "operator:alice", "person:ALICE"] {
        given::<Account>(waiting()).when(approve(1, name, 5)).then_rejected(Rejection::SamePerson(alice()));
    }
}

#[test]
fn nobody_approves_with_a_key_that_the_asker_had_a_hand_in() {
    let with = |makers: &[&str]| approve_with(1, "person:bob", makers, 5);
    for makers in [&["person:alice"][..], &["operator:alice"], &["operator:root", "person:Alice"]] {
        given::<Account>(waiting()).when(with(makers)).then_rejected(Rejection::KeyOfAsker(alice()));
    }
    given::<Account>(waiting()).when(with(&["operator:root"])).then(approved(1, "person:bob", 5));
}

fn killed() -> Vec<Event> {
    after(with_limits(), [Command::Kill { reason: "smoke".to_owned(), at: at(1) }])
}

fn stand_down(request: u64, by: &str, makers: &[&str], ms: i64) -> Command {
    Command::StandDown {
        request_id: command(request),
        reason: "all clear".to_owned(),
        by: person(by),
        makers: makers.iter().map(|name| person(name)).collect(),
        at: at(ms),
    }
}

fn stood_down(ms: i64) -> Event {
    let (cause, reason) = (DisarmCause::Operator, "all clear".to_owned());
    Event::Disarmed(Disarmed { cause, reason, at: at(ms) })
}

#[test]
fn a_killed_account_is_stood_down_by_two_people_where_two_are_asked_for() {
    let first = stand_down(7, "person:alice", &[], 2);
    let asked = Event::StandDownAsked(Box::new(StandDownAsked {
        request_id: command(7),
        expires_at: at(2).plus_millis(REQUEST_MS_MAX),
        reason: "all clear".to_owned(),
        by: alice(),
        at: at(2),
    }));
    given::<Account>(killed()).when(first.clone()).then([asked]);
    let waits = after(killed(), [first.clone()]);
    for again in [first, stand_down(8, "operator:alice", &[], 3)] {
        given::<Account>(waits.clone()).when(again).then_nothing();
    }
    let by_word = stand_down(9, "person:bob", &[], 4);
    given::<Account>(waits.clone()).when(by_word.clone()).then([stood_down(4)]);
    given::<Account>(waits.clone()).when(approve(7, "person:bob", 5)).then([stood_down(5)]);
    given::<Account>(waits.clone())
        .when(approve(7, "operator:alice", 5))
        .then_rejected(Rejection::SamePerson(alice()));
    for with_her_key in [
        stand_down(9, "person:bob", &["person:alice"], 4),
        approve_with(7, "person:bob", &["person:alice"], 4),
    ] {
        given::<Account>(waits.clone()).when(with_her_key).then_rejected(Rejection::KeyOfAsker(alice()));
    }
    given::<Account>(after(waits, [by_word])).when(approve(7, "person:carol", 6)).then_nothing();
}

#[test]
fn the_first_persons_word_runs_out_and_does_not_outlive_another_kill() {
    let end = i64::try_from(REQUEST_MS_MAX).unwrap().saturating_add(2);
    let waits = after(killed(), [stand_down(7, "person:alice", &[], 2)]);
    given::<Account>(waits.clone())
        .when(approve(7, "person:bob", end))
        .then_rejected(Rejection::RequestExpired { request_id: command(7), expired_at: at(end) });
    let late = after(waits.clone(), [stand_down(8, "person:bob", &[], end)]);
    assert!(matches!(late.last(), Some(Event::StandDownAsked(asked)) if asked.by == person("person:bob")));
    let again = Command::Kill { reason: "smoke again".to_owned(), at: at(5) };
    let killed_anew = after(waits, [stand_down(8, "person:bob", &[], 4), again]);
    given::<Account>(killed_anew)
        .when(approve(7, "person:bob", 6))
        .then_rejected(Rejection::UnknownRequest(command(7)));
}

#[test]
fn who_dropped_the_second_person_can_not_stand_down_alone() {
    let drop_it = Command::SetLimits {
        limits: Box::new(limits()),
        shown: None,
        effective_from: at(0),
        reason: "one is enough".to_owned(),
        by: alice(),
        at: at(0),
    };
    let dropped = after(killed(), [drop_it]);
    let alone = after(dropped.clone(), [stand_down(7, "person:alice", &[], 2)]);
    assert!(matches!(alone.last(), Some(Event::StandDownAsked(_))), "{alone:?}");
    given::<Account>(dropped).when(stand_down(7, "person:bob", &[], 2)).then([stood_down(2)]);
}

#[test]
fn two_approvals_by_one_person_arm_once() {
    let done = after(waiting(), [approve(1, "person:bob", 5)]);
    given::<Account>(done.clone()).when(approve(1, "person:bob", 6)).then_nothing();
    let over = after(done, [disarm(7)]);
    given::<Account>(over)
        .when(approve(1, "person:bob", 8))
        .then_rejected(Rejection::AlreadyDecided { request_id: command(1), fate: "approved" });
}

#[test]
fn an_approval_is_bound_to_the_limits_that_were_shown() {
    let Command::Approve { request_id, reason, by, makers, at: now, .. } = approve(1, "person:bob", 5) else {
        panic!("an approval")
    };
    let limits_hash = "hash of 2".to_owned();
    let other = Command::Approve { request_id, limits_hash, reason, by, makers, at: now };
    given::<Account>(waiting()).when(other).then_rejected(Rejection::LimitsChanged(command(1)));
}

#[test]
fn limits_that_changed_after_the_request_are_to_be_asked_for_anew() {
    let mut moved = waiting();
    let tighter = Limits { open_offers_max: 1, ..two_people() };
    moved.push(Event::LimitsSet(Box::new(limits_set(2, tighter))));
    given::<Account>(moved)
        .when(approve(1, "person:bob", 5))
        .then_rejected(Rejection::LimitsChanged(command(1)));
}

#[test]
fn limits_that_moved_between_reading_and_asking_are_to_be_looked_at_again() {
    let Command::Arm { mode, until, reason, at: now, .. } = arm(1, 0) else { panic!("an arming") };
    let (limits_version, strategy_start, asker) = (None, 1, asker(1, 0));
    let late = Command::Arm { mode, limits_version, until, reason, strategy_start, asker, at: now };
    given::<Account>(with_limits()).when(late).then_rejected(Rejection::LimitsMoved { shown: 0, current: 1 });
}

#[test]
fn a_request_runs_out_at_the_exact_moment() {
    let end = i64::try_from(REQUEST_MS_MAX).unwrap();
    given::<Account>(waiting()).when(approve(1, "person:bob", end - 1)).then(approved(
        1,
        "person:bob",
        end - 1,
    ));
    let expired_at = at(end);
    given::<Account>(waiting())
        .when(approve(1, "person:bob", end))
        .then_rejected(Rejection::RequestExpired { request_id: command(1), expired_at });
}

#[test]
fn what_nobody_asked_for_is_not_approved() {
    given::<Account>(waiting())
        .when(approve(2, "person:bob", 5))
        .then_rejected(Rejection::UnknownRequest(command(2)));
}

#[test]
fn asking_twice_for_the_same_is_asking_once() {
    given::<Account>(waiting()).when(arm(1, 1)).then_nothing();
    given::<Account>(waiting()).when(arm(2, 1)).then_nothing();
}

#[test]
fn only_the_newest_request_can_be_approved() {
    let Command::Arm { limits_version, until, reason, strategy_start, asker, at: now, .. } = arm(2, 1) else {
        panic!("an arming")
    };
    let mode = Mode::Reducing;
    let other = Command::Arm { mode, limits_version, until, reason, strategy_start, asker, at: now };
    let history = after(waiting(), [other]);
    given::<Account>(history)
        .when(approve(1, "person:bob", 5))
        .then_rejected(Rejection::AlreadyDecided { request_id: command(1), fate: "superseded" });
}

#[test]
fn stopping_calls_off_what_waits() {
    let off = Disarmed { cause: DisarmCause::Operator, reason: "not today".to_owned(), at: at(2) };
    given::<Account>(waiting()).when(disarm(2)).then([Event::Disarmed(off)]);
    let stops = [
        disarm(2),
        Command::Kill { reason: "smoke".to_owned(), at: at(2) },
        Command::TakeLease { holder: "desk-1".to_owned(), ttl_ms: 30_000, at: at(2) },
    ];
    for stop in stops {
        given::<Account>(after(waiting(), [stop]))
            .when(approve(1, "person:bob", 5))
            .then_rejected(Rejection::AlreadyDecided { request_id: command(1), fate: "withdrawn" });
    }
}

#[test]
fn without_an_executor_an_approval_arms_nothing() {
    let mut history = waiting();
    history.remove(0);
    given::<Account>(history).when(approve(1, "person:bob", 5)).then_rejected(Rejection::NoExecutor);
}

#[test]
fn holding_an_armed_account_shorter_needs_nobody() {
    let armed = after(waiting(), [approve(1, "person:bob", 5)]);
    let to = |mode, until: Timestamp| Command::Arm {
        mode,
        limits_version: None,
        until,
        reason: "winding down".to_owned(),
        strategy_start: 1,
        asker: asker(3, 1),
        at: at(6),
    };
    let narrower = Armed {
        mode: Mode::Reducing,
        limits_version: 1,
        strategy_start: 1,
        until: at(60_000),
        reason: "winding down".to_owned(),
        at: at(6),
    };
    given::<Account>(armed.clone())
        .when(to(Mode::Reducing, at(60_000)))
        .then([Event::Armed(narrower.clone())]);
    let longer = given::<Account>(armed).when(to(Mode::Full, at(3_600_001)));
    longer.then([Event::ArmRequested(Box::new(ArmRequested {
        request_id: command(3),
        mode: Mode::Full,
        limits_version: 1,
        limits_hash: HASH.to_owned(),
        strategy_start: 1,
        until: at(3_600_001),
        expires_at: at(6).plus_millis(REQUEST_MS_MAX),
        reason: "winding down".to_owned(),
        by: alice(),
        at: at(6),
    }))]);
}

#[test]
fn who_drops_the_second_person_can_not_arm_alone_and_others_can() {
    let drop_it = |by: &str, offers| Command::SetLimits {
        limits: Box::new(Limits { open_offers_max: offers, ..limits() }),
        shown: None,
        effective_from: at(0),
        reason: "one is enough".to_owned(),
        by: person(by),
        at: at(0),
    };
    let arm_as = |by: &str, version| {
        let Command::Arm { mode, until, reason, asker, at: now, .. } = arm(1, 1) else { panic!("an arming") };
        let asker =
            crate::trading::account::command::Asker { by: person(by), limits_version: version, ..asker };
        let (limits_version, strategy_start) = (None, 1);
        Command::Arm { mode, limits_version, until, reason, strategy_start, asker, at: now }
    };
    // Another change by somebody else does not wash it away.
    for changes in
        [vec![drop_it("operator:alice", 4)], vec![drop_it("operator:alice", 4), drop_it("person:bob", 3)]]
    {
        let version = u64::try_from(changes.len()).unwrap().saturating_add(1);
        let dropped = after(with_limits(), changes);
        let alone = after(dropped.clone(), [arm_as("person:alice", version)]);
        assert!(matches!(alone.last(), Some(Event::ArmRequested(_))), "{alone:?}");
        let other = after(dropped, [arm_as("person:bob", version)]);
        assert!(matches!(other.last(), Some(Event::Armed(_))), "{other:?}");
    }
}

#[test]
fn other_limits_end_an_arming_that_two_people_approved_when_they_take_effect() {
    let mut history = after(waiting(), [approve(1, "person:bob", 5)]);
    let mut looser = limits_set(2, Limits { open_offers_max: 9, ..two_people() });
    looser.effective_from = at(100);
    history.push(Event::LimitsSet(Box::new(looser)));
    let expire = |ms| Command::ExpireArming { strategy_start: 1, at: at(ms) };
    given::<Account>(history.clone()).when(expire(99)).then_nothing();
    let reason = "two people armed under limits version 1; version 2 is in force".to_owned();
    let over = Event::Disarmed(Disarmed { cause: DisarmCause::Expired, reason, at: at(100) });
    given::<Account>(history.clone()).when(expire(100)).then([over]);
    // Even before anybody has said so, nothing is offered.
    let mut order = execute(1);
    order.order.limits_version = 2;
    order.at = at(100);
    let refused = after(history, [Command::Execute(Box::new(order))]);
    let Some(Event::ExecutionRefused(refused)) = refused.last() else { panic!("{refused:?}") };
    assert_eq!(refused.code, RefusalCode::Disarmed);
}

#[test]
fn an_arming_by_one_person_outlives_other_limits_and_not_those_that_ask_for_two() {
    let under = |changed| {
        let mut history = ready();
        history.push(Event::LimitsSet(Box::new(limits_set(2, changed))));
        given::<Account>(history).when(Command::ExpireArming { strategy_start: 1, at: at(100) })
    };
    under(Limits { open_offers_max: 9, ..limits() }).then_nothing();
    let reason = "one person armed under limits version 1; version 2 asks for a second one".to_owned();
    let over = Event::Disarmed(Disarmed { cause: DisarmCause::Expired, reason, at: at(100) });
    under(two_people()).then([over]);
}

#[test]
fn an_approved_arming_that_is_held_shorter_stays_bound_to_its_limits() {
    let shorter = Command::Arm {
        mode: Mode::Reducing,
        limits_version: None,
        until: at(60_000),
        reason: "winding down".to_owned(),
        strategy_start: 1,
        asker: asker(3, 1),
        at: at(6),
    };
    let mut history = after(waiting(), [approve(1, "person:bob", 5), shorter]);
    history.push(Event::LimitsSet(Box::new(limits_set(2, Limits { open_offers_max: 9, ..two_people() }))));
    let history = after(history, [Command::ExpireArming { strategy_start: 1, at: at(7) }]);
    assert!(matches!(history.last(), Some(Event::Disarmed(_))), "{history:?}");
}

#[test]
fn an_executor_confirms_a_kill_once_and_only_under_its_own_lease() {
    let dead = after(ready(), [Command::Kill { reason: "smoke".to_owned(), at: at(1) }]);
    let confirm = |epoch| Command::ConfirmKill { epoch, at: at(2) };
    let confirmed = Event::KillConfirmed(KillConfirmed { epoch: 1, at: at(2) });
    given::<Account>(dead.clone()).when(confirm(1)).then([confirmed.clone()]);
    given::<Account>(dead.clone()).when(confirm(2)).then_nothing();
    given::<Account>(ready()).when(confirm(1)).then_nothing();
    given::<Account>(after(dead, [confirm(1)])).when(confirm(1)).then_nothing();
    let again = [
        Event::Killed(Killed { reason: "smoke".to_owned(), open: vec![], at: at(1) }),
        confirmed.clone(),
        Event::Disarmed(Disarmed { cause: DisarmCause::Operator, reason: "clear".to_owned(), at: at(3) }),
        Event::Killed(Killed { reason: "smoke".to_owned(), open: vec![], at: at(4) }),
    ];
    given::<Account>(ready().into_iter().chain(again)).when(confirm(1)).then([confirmed]);
}

#[test]
fn requests_that_are_remembered_are_bounded() {
    let mut history = with_limits();
    for n in 0..100_u64 {
        history.push(asked(n, 0));
    }
    let state = crate::decider::fold::<Account>(&history);
    assert_eq!(state.requests().count(), REQUESTS_MAX);
    assert_eq!(state.waiting(at(1)).map(|request| request.asked.request_id), Some(command(99)));
}

/// Whatever roles change hands: names decide, and roles are no part of the account's memory.
#[test]
fn no_story_arms_on_one_persons_word_where_two_are_asked_for() {
    QuickCheck::new().tests(400).quickcheck::<fn(Story) -> bool>(|story| {
        story.steps().all(|step| {
            let events = step.result.as_deref().unwrap_or_default();
            let Some(now_armed) = events
                .iter()
                .find_map(|event| if let Event::Armed(armed) = event { Some(armed) } else { None })
            else {
                return true;
            };
            if let Command::Approve { request_id, by, makers, .. } = step.command {
                let asker = &step.before.request(*request_id).unwrap().asked.by;
                return !same_person(asker, by) && !makers.iter().any(|maker| same_person(asker, maker));
            }
            let Command::Arm { asker, .. } = step.command else { return false };
            let limits = step.before.limits_at(now_armed.at).unwrap();
            let dropped = limits.dropped_by.as_ref().is_some_and(|dropper| same_person(dropper, &asker.by));
            let narrower = matches!(
                step.before.arming(),
                Arming::Armed(known) if now_armed.until <= known.until
                    && now_armed.limits_version == known.limits_version
                    && now_armed.strategy_start == known.strategy_start
                    && (known.mode == Mode::Full || now_armed.mode == Mode::Reducing)
            );
            narrower || !(limits.limits.second_person || dropped)
        })
    });
}
