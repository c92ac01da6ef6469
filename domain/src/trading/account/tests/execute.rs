//! An order becomes a reservation only while everything that allowed it still holds, and only once.

use super::refusals::{disarmed, ready_and};
use crate::decider::fold;
use crate::money::Units;
use crate::port::event_log::Position;
use crate::testing::given;
use crate::time::Timestamp;
use crate::trading::account::command::Execute;
use crate::trading::account::event::{
    DisarmCause, ExecutionExpired, ExecutionRefused, LimitsSet, Mode, RefusalCode, SubmissionStarted,
};
use crate::trading::account::{Account, Command, Event};
use crate::trading::fixtures::{
    after, armed, asker, at, block, command, euros, execute, execute_order, leased, limits, limits_set,
    micros_after, open, order, order_for_base, ready, started, started_by,
};

fn run(execute: Execute) -> Command {
    Command::Execute(Box::new(execute))
}

fn expired(n: u64, age_ms: i64, now: Timestamp) -> Event {
    Event::ExecutionExpired(ExecutionExpired {
        command_id: command(n),
        quote_id: order(n).quote_id,
        command_position: Position(n),
        age_ms,
        at: now,
    })
}

#[test]
fn an_order_that_holds_is_fixed_word_for_word_and_its_coin_reserved() {
    given::<Account>(ready()).when(run(execute(1))).then([Event::SubmissionStarted(Box::new(started(1)))]);
    let state = fold::<Account>(&open([1]));
    assert_eq!(state.reserved(&order(1).give.token), euros(48, 97));
    assert_eq!(state.reserved(&order(1).receive.token), Units::ZERO);
}

#[test]
fn a_refusal_names_the_order_and_the_moment() {
    let refused = ExecutionRefused {
        command_id: command(1),
        quote_id: order(1).quote_id,
        command_position: Position(1),
        code: RefusalCode::Disarmed,
        detail: "disarmed".to_owned(),
        at: at(10),
    };
    given::<Account>(disarmed()).when(run(execute(1))).then([Event::ExecutionRefused(refused)]);
}

#[test]
fn an_order_of_just_the_longest_age_is_carried_out_and_an_older_one_expires() {
    let aged = |ms| Execute { at: at(ms), ..execute(1) };
    let fresh = started_by(&aged(2_000));
    given::<Account>(ready()).when(run(aged(2_000))).then([Event::SubmissionStarted(Box::new(fresh))]);
    given::<Account>(ready()).when(run(aged(2_001))).then([expired(1, 2_001, at(2_001))]);
}

#[test]
fn an_order_expires_at_exactly_the_moment_its_auction_closes() {
    let closing = |closes_at| {
        let mut execute = execute(1);
        execute.order.closes_at = closes_at;
        execute
    };
    given::<Account>(ready()).when(run(closing(at(10)))).then([expired(1, 10, at(10))]);
    let still_open = closing(micros_after(at(10), 1));
    let open = Event::SubmissionStarted(Box::new(started_by(&still_open)));
    given::<Account>(ready()).when(run(still_open)).then([open]);
}

#[test]
fn a_backlog_found_by_a_fresh_and_disarmed_desk_expires() {
    let days_later = Execute { at: at(86_400_000), ..execute(1) };
    let fresh = vec![leased(1), Event::LimitsSet(Box::new(limits_set(1, limits())))];
    given::<Account>(fresh).when(run(days_later)).then([expired(1, 86_400_000, at(86_400_000))]);
}

#[test]
fn an_order_is_carried_out_once_however_often_it_is_delivered() {
    given::<Account>(open([1])).when(run(execute(1))).then_nothing();
    let refused = after(disarmed(), [run(execute(1))]);
    given::<Account>(refused.into_iter().chain([armed(Mode::Full)])).when(run(execute(1))).then_nothing();
    let expired = after(ready(), [run(Execute { at: at(9_000), ..execute(1) })]);
    given::<Account>(expired).when(run(execute(1))).then_nothing();
    let settled = after(open([1]), [Command::ApplyBalances(Box::new(block(101, at(0), &[(1, true)])))]);
    given::<Account>(settled).when(run(execute(1))).then_nothing();
}

#[test]
fn an_order_that_stands_in_the_log_twice_is_carried_out_once() {
    let again = || run(Execute { command_position: Position(7), ..execute(1) });
    given::<Account>(open([1])).when(again()).then_nothing();
    given::<Account>(after(disarmed(), [run(execute(1))])).when(again()).then_nothing();
    let settled = after(open([1]), [Command::ApplyBalances(Box::new(block(101, at(0), &[(1, true)])))]);
    given::<Account>(settled).when(again()).then_nothing();
}

#[test]
fn an_order_that_stands_before_the_last_one_is_not_carried_out() {
    given::<Account>(open([5])).when(run(execute(4))).then_nothing();
}

#[test]
fn a_second_order_for_a_settled_quote_is_refused() {
    let settled = after(open([1]), [Command::ApplyBalances(Box::new(block(101, at(-9_000), &[(1, true)])))]);
    let mut again = execute(2);
    again.order.quote_id = order(1).quote_id;
    again.balances.as_mut().unwrap().height = 101;
    let events = after(settled.clone(), [run(again)]);
    let Some(Event::ExecutionRefused(refused)) = events.last() else { panic!("{events:?}") };
    assert_eq!(refused.code, RefusalCode::QuoteTaken);
}

#[test]
fn of_two_orders_that_exceed_the_coin_exactly_one_starts() {
    let tight = |n| {
        let mut execute = execute(n);
        // Both fit alone, with the floor of 10.00; not together.
        execute.balances.as_mut().unwrap().credited = euros(107, 93);
        run(execute)
    };
    let history = after(ready(), [tight(1), tight(2)]);
    let [.., Event::SubmissionStarted(first), Event::ExecutionRefused(second)] = history.as_slice() else {
        panic!("{history:?}")
    };
    assert_eq!((first.command_id, second.command_id), (command(1), command(2)));
    assert_eq!(second.code, RefusalCode::InsufficientInventory);
}

#[test]
fn one_direction_can_be_funded_while_the_other_is_not() {
    let poor = |order| {
        let mut execute = execute_order(1, order);
        execute.balances.as_mut().unwrap().credited = Units::new(100_000);
        run(execute)
    };
    let sold = after(ready(), [poor(order_for_base(1))]);
    assert!(matches!(sold.last(), Some(Event::SubmissionStarted(_))));
    let bought = after(ready(), [poor(order(1))]);
    assert!(matches!(bought.last(), Some(Event::ExecutionRefused(_))));
}

#[test]
fn no_offer_starts_after_a_kill_or_a_disarm_or_a_new_lease() {
    let stops = [
        Command::Kill { reason: "smoke".to_owned(), at: at(5) },
        Command::Disarm { cause: DisarmCause::UnexpectedDrop, reason: String::new(), at: at(5) },
        Command::TakeLease { holder: "desk-1".to_owned(), ttl_ms: 30_000, at: at(5) },
    ];
    for stop in stops {
        let history = after(ready(), [stop, run(execute(1))]);
        assert!(matches!(history.last(), Some(Event::ExecutionRefused(_))), "{history:?}");
    }
}

#[test]
fn two_executors_with_two_leases_start_one_offer() {
    let take = Command::TakeLease { holder: "desk-1".to_owned(), ttl_ms: 30_000, at: at(1) };
    let arm = Command::Arm {
        mode: Mode::Full,
        limits_version: None,
        until: at(60_000),
        reason: "after restart".to_owned(),
        strategy_start: 1,
        asker: asker(90, 1),
        at: at(2),
    };
    let mut second = execute(1);
    second.epoch = 2;
    let history = after(ready(), [take, arm, run(second), run(execute(1))]);
    let starts: Vec<u64> = history
        .iter()
        .filter_map(
            |event| if let Event::SubmissionStarted(started) = event { Some(started.epoch) } else { None },
        )
        .collect();
    assert_eq!(starts, [2]);
}

#[test]
fn the_limits_of_the_moment_are_recorded_with_the_offer() {
    let later = LimitsSet { effective_from: at(10), ..limits_set(2, limits()) };
    let history = ready_and(Event::LimitsSet(Box::new(later)));
    let mut execute = execute(1);
    execute.order.limits_version = 2;
    let history = after(history, [run(execute)]);
    let Some(Event::SubmissionStarted(started)) = history.last() else { panic!("{history:?}") };
    assert_eq!(started.limits_version, 2);
}

#[test]
fn an_offer_bears_the_close_of_its_auction_and_those_of_old_builds_are_read_without_one() {
    let history = after(ready(), [run(execute(1))]);
    let Some(Event::SubmissionStarted(started)) = history.last() else { panic!("{history:?}") };
    assert_eq!(started.closes_at, Some(order(1).closes_at));
    let mut stored = serde_json::to_value(started.as_ref()).unwrap();
    assert_eq!(serde_json::from_value::<SubmissionStarted>(stored.clone()).unwrap(), **started);
    stored.as_object_mut().unwrap().remove("closes_at");
    let old = SubmissionStarted { closes_at: None, ..(**started).clone() };
    assert_eq!(serde_json::from_value::<SubmissionStarted>(stored).unwrap(), old);
}
