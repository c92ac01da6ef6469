//! Sentences and laws of a service.

use super::event::{
    RefreshAsked, Service, ServiceDrained, ServiceDraining, ServicePaused, ServiceResumed, ServiceStarted,
};
use super::state::Phase;
use super::{Command, Event, Lifecycle, Rejection, State};
use crate::decider::{Decider, fold};
use crate::testing::given;
use crate::time::Timestamp;
use quickcheck::{Arbitrary, Gen, quickcheck};

const SERVICE: Service = Service::Executor;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn why() -> String {
    "looking at it".to_owned()
}

fn start(millis: i64) -> Command {
    Command::Start {
        service: SERVICE,
        version: "0.1.0".to_owned(),
        instance: "desk-1".to_owned(),
        at: at(millis),
    }
}

fn pause(millis: i64) -> Command {
    Command::Pause { service: SERVICE, reason: why(), at: at(millis) }
}

fn resume(millis: i64) -> Command {
    Command::Resume { service: SERVICE, reason: why(), at: at(millis) }
}

fn drain(millis: i64) -> Command {
    Command::Drain { service: SERVICE, reason: why(), at: at(millis) }
}

fn drained(millis: i64) -> Command {
    Command::Drained { service: SERVICE, at: at(millis) }
}

fn ask_refresh(millis: i64) -> Command {
    Command::AskRefresh { service: SERVICE, reason: why(), at: at(millis) }
}

fn refresh_asked(millis: i64) -> Event {
    Event::RefreshAsked(RefreshAsked { service: SERVICE, reason: why(), at: at(millis) })
}

fn has_started(millis: i64) -> Event {
    start_number(1, millis)
}

fn start_number(start: u64, millis: i64) -> Event {
    let (version, instance) = ("0.1.0".to_owned(), "desk-1".to_owned());
    Event::ServiceStarted(ServiceStarted { service: SERVICE, version, instance, start, at: at(millis) })
}

fn was_paused(millis: i64) -> Event {
    Event::ServicePaused(ServicePaused { service: SERVICE, reason: why(), at: at(millis) })
}

fn was_resumed(millis: i64) -> Event {
    Event::ServiceResumed(ServiceResumed { service: SERVICE, reason: why(), at: at(millis) })
}

fn is_draining(millis: i64) -> Event {
    Event::ServiceDraining(ServiceDraining { service: SERVICE, reason: why(), at: at(millis) })
}

fn has_drained(millis: i64) -> Event {
    Event::ServiceDrained(ServiceDrained { service: SERVICE, at: at(millis) })
}

#[test]
fn a_process_starts_it() {
    given::<Lifecycle>([]).when(start(1)).then([has_started(1)]);
}

#[test]
fn a_new_process_starts_it_and_leaves_paused_or_drained_what_a_person_stopped() {
    for before in [was_paused(2), is_draining(2), has_drained(2)] {
        let history = [has_started(1), before];
        given::<Lifecycle>(history.clone()).when(start(3)).then([start_number(2, 3)]);
        let (stopped, [one, other]) = (fold::<Lifecycle>(&history), history);
        let restarted = fold::<Lifecycle>(&[one, other, start_number(2, 3)]);
        assert_eq!(restarted.phase(), stopped.phase());
        assert!(!restarted.takes_work());
    }
}

#[test]
fn starts_are_counted_also_those_of_builds_that_did_not_count() {
    let old = [start_number(0, 1), start_number(0, 2)];
    assert_eq!(fold::<Lifecycle>(&old).starts(), 2);
    given::<Lifecycle>(old).when(start(3)).then([start_number(3, 3)]);
    assert_eq!(fold::<Lifecycle>(&[]).starts(), 0);
}

#[test]
fn a_start_told_twice_does_not_undo_a_pause() {
    given::<Lifecycle>([has_started(1), was_paused(2)]).when(start(1)).then_nothing();
}

#[test]
fn a_running_service_is_paused_with_a_reason() {
    given::<Lifecycle>([has_started(1)]).when(pause(2)).then([was_paused(2)]);
}

#[test]
fn a_pause_without_a_reason_is_refused() {
    for reason in ["", "   ", "no", &"x".repeat(501)] {
        let command = Command::Pause { service: SERVICE, reason: reason.to_owned(), at: at(2) };
        given::<Lifecycle>([has_started(1)]).when(command).then_rejected(Rejection::ReasonMissing);
    }
}

#[test]
fn the_shortest_and_the_longest_reason_are_taken() {
    for reason in ["why".to_owned(), "x".repeat(500), "ö".repeat(500)] {
        let command = Command::Pause { service: SERVICE, reason: reason.clone(), at: at(2) };
        let paused = ServicePaused { service: SERVICE, reason, at: at(2) };
        given::<Lifecycle>([has_started(1)]).when(command).then([Event::ServicePaused(paused)]);
    }
}

#[test]
fn the_reason_is_asked_for_before_anything_else() {
    let command = Command::Pause { service: SERVICE, reason: String::new(), at: at(2) };
    given::<Lifecycle>([]).when(command).then_rejected(Rejection::ReasonMissing);
}

#[test]
fn a_paused_service_is_not_paused_again() {
    given::<Lifecycle>([has_started(1), was_paused(2)]).when(pause(3)).then_nothing();
}

#[test]
fn a_pause_for_another_reason_is_kept_beside_the_first() {
    let reason = "somebody else looks too".to_owned();
    let command = Command::Pause { service: SERVICE, reason: reason.clone(), at: at(3) };
    let paused = Event::ServicePaused(ServicePaused { service: SERVICE, reason, at: at(3) });
    given::<Lifecycle>([has_started(1), was_paused(2)]).when(command).then([paused]);
}

#[test]
fn a_draining_service_is_not_paused() {
    for before in [is_draining(2), has_drained(2)] {
        given::<Lifecycle>([has_started(1), before]).when(pause(3)).then_rejected(Rejection::Draining);
    }
}

#[test]
fn a_paused_draining_or_drained_service_is_resumed() {
    for before in [was_paused(2), is_draining(2), has_drained(2)] {
        given::<Lifecycle>([has_started(1), before]).when(resume(3)).then([was_resumed(3)]);
    }
}

#[test]
fn a_running_service_is_not_resumed() {
    given::<Lifecycle>([has_started(1)]).when(resume(2)).then_nothing();
}

#[test]
fn a_running_or_paused_service_is_drained() {
    given::<Lifecycle>([has_started(1)]).when(drain(2)).then([is_draining(2)]);
    given::<Lifecycle>([has_started(1), was_paused(2)]).when(drain(3)).then([is_draining(3)]);
}

#[test]
fn a_draining_or_drained_service_is_not_drained_again() {
    for before in [is_draining(2), has_drained(2)] {
        given::<Lifecycle>([has_started(1), before]).when(drain(3)).then_nothing();
    }
}

#[test]
fn a_draining_service_reports_that_it_has_drained() {
    given::<Lifecycle>([has_started(1), is_draining(2)]).when(drained(3)).then([has_drained(3)]);
    given::<Lifecycle>([has_started(1), is_draining(2), has_drained(3)]).when(drained(4)).then_nothing();
}

#[test]
fn a_late_report_of_having_drained_does_not_stop_a_resumed_service() {
    given::<Lifecycle>([has_started(1), is_draining(2), was_resumed(3)])
        .when(drained(4))
        .then_rejected(Rejection::NotDraining);
}

#[test]
fn a_service_is_asked_to_look_as_often_as_somebody_wants_it_and_stays_as_it_is() {
    for before in [vec![], vec![was_paused(2)], vec![has_drained(2)]] {
        let history = [vec![has_started(1)], before].concat();
        let phase = fold::<Lifecycle>(&history).phase().clone();
        given::<Lifecycle>(history.clone()).when(ask_refresh(3)).then([refresh_asked(3)]);
        let asked = [history, vec![refresh_asked(3)]].concat();
        assert_eq!(fold::<Lifecycle>(&asked).phase(), &phase);
        given::<Lifecycle>(asked.clone()).when(ask_refresh(3)).then_nothing();
        // Also when the clock of the next process that asks is behind.
        given::<Lifecycle>(asked).when(ask_refresh(2)).then([refresh_asked(2)]);
    }
}

#[test]
fn what_never_started_takes_no_wishes() {
    for wish in [pause(1), resume(1), drain(1), ask_refresh(1)] {
        given::<Lifecycle>([]).when(wish).then_rejected(Rejection::NeverStarted);
    }
    given::<Lifecycle>([]).when(drained(1)).then_rejected(Rejection::NotDraining);
}

#[test]
fn only_a_running_service_takes_work() {
    let takes_work = |history: &[Event]| fold::<Lifecycle>(history).takes_work();
    assert!(!takes_work(&[]));
    assert!(takes_work(&[has_started(1)]));
    assert!(!takes_work(&[has_started(1), was_paused(2)]));
    assert!(!takes_work(&[has_started(1), is_draining(2)]));
    assert!(!takes_work(&[has_started(1), has_drained(2)]));
    assert!(takes_work(&[has_started(1), was_paused(2), was_resumed(3)]));
}

#[test]
fn the_state_says_why_and_since_when() {
    let state = fold::<Lifecycle>(&[has_started(1), was_paused(2)]);
    assert_eq!(state.phase(), &Phase::Paused { reason: why(), since: at(2) });
    assert_eq!(state.started().map(|started| started.at), Some(at(1)));
}

impl Arbitrary for Command {
    fn arbitrary(g: &mut Gen) -> Self {
        let millis = i64::from(u8::arbitrary(g) % 8);
        match u8::arbitrary(g) % 6 {
            5 => ask_refresh(millis),
            0 => start(millis),
            1 => pause(millis),
            2 => resume(millis),
            3 => drain(millis),
            _ => drained(millis),
        }
    }
}

/// What was answered, and the state after it.
fn step(state: State, command: Command) -> (State, Result<Vec<Event>, Rejection>) {
    let answer = Lifecycle::decide(&state, command);
    let state = answer.iter().flatten().fold(state, Lifecycle::evolve);
    (state, answer)
}

#[test]
fn repeating_a_command_changes_nothing() {
    fn law(story: Vec<Command>, command: Command) -> bool {
        let state = story.into_iter().fold(State::default(), |state, command| step(state, command).0);
        let (after, answer) = step(state, command.clone());
        let again = answer.map(|_| vec![]);
        step(after.clone(), command) == (after, again)
    }
    let law: fn(Vec<Command>, Command) -> bool = law;
    quickcheck(law);
}

#[test]
fn events_in_any_order_lead_to_a_state_that_still_answers() {
    fn law(order: Vec<u8>, command: Command) -> bool {
        let kinds = [has_started(1), was_paused(2), was_resumed(3), is_draining(4), has_drained(5)];
        let history: Vec<_> =
            order.into_iter().map(|n| kinds[usize::from(n) % kinds.len()].clone()).collect();
        let state = fold::<Lifecycle>(&history);
        // A start changes nothing about what a person asked for last.
        let last = history.iter().rfind(|event| !matches!(event, Event::ServiceStarted(_)));
        let running = last.map_or(!history.is_empty(), |last| matches!(last, Event::ServiceResumed(_)));
        let as_said = state.takes_work() == running;
        as_said && step(state, command).1.map_or(0, |events| events.len()) <= 1
    }
    let law: fn(Vec<u8>, Command) -> bool = law;
    quickcheck(law);
}
