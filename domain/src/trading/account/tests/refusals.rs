//! Every refusal fires with its code, and leaves room exactly at its limit.

use crate::decider::{Decider, fold};
use crate::ids::TokenId;
use crate::money::Units;
use crate::pair::Direction;
use crate::time::Timestamp;
use crate::trading::account::command::Execute;
use crate::trading::account::event::{DisarmCause, Disarmed, Killed, LeaseTaken, Mode, RefusalCode};
use crate::trading::account::{Account, Command, Event, VALIDITY_SLACK_MS};
use crate::trading::fixtures::{
    after, armed, at, block, command, euros, execute, execute_order, hash, leased, limits, limits_set,
    micros_after, open, order, order_for_base, ready, started, started_by, units,
};
use crate::trading::limits::Limits;
use crate::treasury::inventory::event::VenueBlock;
use std::collections::BTreeSet;

/// A history, and a change to the order that follows it.
type Case = (fn() -> Vec<Event>, fn(&mut Execute));

/// One refusal: the case on which it fires, and the nearest one on which the offer starts.
struct Example {
    code: RefusalCode,
    shut: Case,
    open: Case,
}

const fn example(code: RefusalCode, shut: Case, open: Case) -> Example {
    Example { code, shut, open }
}

pub(super) fn under(change: fn(&mut Limits)) -> Vec<Event> {
    let mut changed = limits();
    change(&mut changed);
    vec![leased(1), Event::LimitsSet(Box::new(limits_set(1, changed))), armed(Mode::Full)]
}

pub(super) fn ready_and(event: Event) -> Vec<Event> {
    ready().into_iter().chain([event]).collect()
}

fn reducing() -> Vec<Event> {
    ready_and(armed(Mode::Reducing))
}

fn reducing_with_one_sale_open() -> Vec<Event> {
    let sale = started_by(&execute_order(1, order_for_base(1)));
    reducing().into_iter().chain([Event::SubmissionStarted(Box::new(sale))]).collect()
}

fn killed() -> Vec<Event> {
    ready_and(Event::Killed(Killed { reason: "smoke".to_owned(), open: vec![], at: at(1) }))
}

pub(super) fn disarmed() -> Vec<Event> {
    let cause = DisarmCause::Operator;
    ready_and(Event::Disarmed(Disarmed { cause, reason: "lunch".to_owned(), at: at(1) }))
}

fn second_limits() -> Vec<Event> {
    ready_and(Event::LimitsSet(Box::new(limits_set(2, limits()))))
}

/// Two offers are open, and the outcomes of `n` of them unknown.
fn unknown(n: u64) -> Vec<Event> {
    let report =
        |n| Command::RecordUncertain { command_id: command(n), why: "silence".to_owned(), at: at(20) };
    after(open([1, 2]), (1..=n).map(report))
}

fn settled_at(ms: i64) -> Vec<Event> {
    let mut seen = block(101, at(0), &[(1, true)]);
    seen.at = at(ms);
    after(open([1]), [Command::ApplyBalances(Box::new(seen))])
}

fn sell(execute: &mut Execute) {
    *execute = execute_order(9, order_for_base(9));
    execute.balances.as_mut().unwrap().height = 101;
}

/// The least that must be received for what is worth 50, with an edge of 2.00 %.
fn least_for_50() -> Units {
    units("51_020_408_163_265_306_123")
}

fn sell_for(execute: &mut Execute, received: Units) {
    sell(execute);
    execute.order.receive.amount = received;
}

fn weth() -> TokenId {
    TokenId::try_from("nep141:weth.omft.near".to_owned()).unwrap()
}

fn hold(execute: &mut Execute, base_held: u128) {
    sell(execute);
    execute.balances.as_mut().unwrap().base_held = Units::new(base_held);
}

fn less_one(units: Units) -> Units {
    units.minus(Units::new(1)).unwrap()
}

fn more_one(units: Units) -> Units {
    units.plus(Units::new(1)).unwrap()
}

fn partner(execute: &mut Execute) {
    execute.order.partner_id = Some("one-click".to_owned());
}

fn partners_offers() -> Vec<Event> {
    let offers = [1, 2].map(|n| {
        let mut execute = execute(n);
        partner(&mut execute);
        Event::SubmissionStarted(Box::new(started_by(&execute)))
    });
    ready().into_iter().chain(offers).collect()
}

/// The order under test is the ninth, carried out at 10 ms; balances were read a second before the story.
#[expect(clippy::too_many_lines, reason = "a table: one entry per boundary, nothing to follow")]
fn examples() -> Vec<Example> {
    use RefusalCode as Code;
    vec![
        example(Code::Killed, (killed, |_| {}), (ready, |_| {})),
        example(Code::Disarmed, (disarmed, |_| {}), (ready, |_| {})),
        example(Code::Disarmed, (|| vec![leased(1)], |_| {}), (ready, |_| {})),
        example(
            Code::Disarmed,
            (|| ready_and(ends_at(at(10))), |_| {}),
            (|| ready_and(ends_at(micros_after(at(10), 1))), |_| {}),
        ),
        example(Code::LeaseLost, (ready, |e| e.epoch = 0), (ready, |_| {})),
        example(Code::LeaseLost, (ready, |e| e.epoch = 2), (ready, |_| {})),
        example(
            Code::LeaseLost,
            (|| lease_until(at(10)), |_| {}),
            (|| lease_until(micros_after(at(10), 1)), |_| {}),
        ),
        example(Code::Paused, (ready, |e| e.paused = true), (ready, |_| {})),
        example(
            Code::QuoteTaken,
            (|| open([1]), |e| e.order.quote_id = order(1).quote_id),
            (|| open([1]), |_| {}),
        ),
        example(Code::LimitsChanged, (|| vec![leased(1), armed(Mode::Full)], |_| {}), (ready, |_| {})),
        example(
            Code::LimitsChanged,
            (second_limits, |_| {}),
            (second_limits, |e| e.order.limits_version = 2),
        ),
        example(
            Code::LimitsChanged,
            (ready, |e| e.order.notional = more_one(euros(100, 0))),
            (ready, |e| (e.order.notional, e.order.receive.amount) = (euros(100, 0), Units::new(200_000))),
        ),
        example(
            Code::LimitsChanged,
            (ready, |e| e.order.notional = less_one(euros(1, 0))),
            (ready, |e| {
                (e.order.notional, e.order.give.amount) = (euros(1, 0), euros(0, 98));
                e.order.receive.amount = Units::new(2_000);
            }),
        ),
        example(
            Code::LimitsChanged,
            (ready, |e| e.order.min_deadline_ms = 60_001),
            (ready, |e| e.order.min_deadline_ms = 60_000),
        ),
        example(
            Code::NoRoom,
            (|| with_open(under(|l| l.open_offers_max = 2)), |_| {}),
            (|| with_open(under(|l| l.open_offers_max = 3)), |_| {}),
        ),
        example(
            Code::NoRoom,
            (|| with_open(under(|l| l.buy_base_open_max = less_one(euros(150, 0)))), |_| {}),
            (|| with_open(under(|l| l.buy_base_open_max = euros(150, 0))), |_| {}),
        ),
        example(
            Code::NoRoom,
            (|| under(|l| l.sell_base_open_max = less_one(euros(50, 0))), sell),
            (|| under(|l| l.sell_base_open_max = euros(50, 0)), sell),
        ),
        example(
            Code::TermsDisagree,
            (ready, |e| e.order.pair = "eth-eure".to_owned().try_into().unwrap()),
            (ready, |_| {}),
        ),
        example(Code::TermsDisagree, (ready, |e| e.order.give.token = weth()), (ready, |_| {})),
        example(Code::TermsDisagree, (ready, |e| e.order.receive.token = weth()), (ready, |_| {})),
        example(Code::TermsDisagree, (ready, |e| e.order.direction = Direction::SellBase), (ready, |_| {})),
        // 2.00 % of 50 is 1.
        example(
            Code::TermsDisagree,
            (ready, |e| e.order.give.amount = more_one(euros(49, 0))),
            (ready, |e| e.order.give.amount = euros(49, 0)),
        ),
        example(
            Code::TermsDisagree,
            (ready, |e| sell_for(e, less_one(least_for_50()))),
            (ready, |e| sell_for(e, least_for_50())),
        ),
        example(Code::TermsDisagree, (ready, |e| sell_for(e, Units::ZERO)), (ready, |_| {})),
        example(Code::TermsDisagree, (ready, |e| sell_for(e, Units::new(1))), (ready, |_| {})),
        example(
            Code::Disarmed,
            (ready, |e| e.order.strategy_start = 2),
            (ready, |e| e.order.strategy_start = 1),
        ),
        example(Code::Disarmed, (ready, |e| e.order.strategy_start = 0), (ready, |_| {})),
        example(Code::PriceDisagrees, (ready, |e| e.price = None), (ready, |_| {})),
        example(Code::NoRoom, (partners_offers, partner), (partners_offers, |_| {})),
        example(Code::NoRoom, (|| unknown(2), |_| {}), (|| unknown(1), |_| {})),
        example(
            Code::CoolingDown,
            (|| settled_at(-989), |e| e.balances.as_mut().unwrap().height = 101),
            (|| settled_at(-990), |e| e.balances.as_mut().unwrap().height = 101),
        ),
        example(Code::InventoryStale, (ready, |e| e.balances = None), (ready, |_| {})),
        example(
            Code::InventoryStale,
            (ready, |e| e.balances.as_mut().unwrap().observed_at = at(-19_991)),
            (ready, |e| e.balances.as_mut().unwrap().observed_at = at(-19_990)),
        ),
        example(
            Code::InventoryStale,
            (|| settled_at(-5_000), |e| e.balances.as_mut().unwrap().height = 100),
            (|| settled_at(-5_000), |e| e.balances.as_mut().unwrap().height = 101),
        ),
        example(
            Code::VenueBlocked,
            (ready, |e| e.balances.as_mut().unwrap().blocked = Some(VenueBlock::AccountLocked)),
            (ready, |_| {}),
        ),
        example(
            Code::ClockSkew,
            (ready, |e| e.clock_offset_ms = 1_001),
            (ready, |e| e.clock_offset_ms = 1_000),
        ),
        example(
            Code::ClockSkew,
            (ready, |e| e.clock_offset_ms = -1_001),
            (ready, |e| e.clock_offset_ms = -1_000),
        ),
        example(Code::ClockSkew, (ready, |e| e.clock_offset_ms = i64::MIN), (ready, |_| {})),
        example(
            Code::ClockSkew,
            (ready, |e| e.order.commanded_at = at(1_011)),
            (ready, |e| e.order.commanded_at = at(1_010)),
        ),
        example(
            Code::ClockSkew,
            (ready, |e| e.balances.as_mut().unwrap().observed_at = at(1_011)),
            (ready, |e| e.balances.as_mut().unwrap().observed_at = at(1_010)),
        ),
        // The target is 1,000,000 satoshi and the order sells 100,000.
        example(Code::NotReducing, (reducing, |e| hold(e, 1_099_999)), (reducing, |e| hold(e, 1_100_000))),
        example(
            Code::NotReducing,
            (reducing_with_one_sale_open, |e| hold(e, 1_199_999)),
            (reducing_with_one_sale_open, |e| hold(e, 1_200_000)),
        ),
        example(
            Code::NotReducing,
            (reducing, |e| e.balances.as_mut().unwrap().base_held = Units::new(900_001)),
            (reducing, |e| e.balances.as_mut().unwrap().base_held = Units::new(900_000)),
        ),
        // 48.97 to give, 48.97 reserved, 10.00 floor, 1.00 on its way out.
        example(
            Code::InsufficientInventory,
            (|| open([1]), |e| credit(e, less_one(euros(108, 94)))),
            (|| open([1]), |e| credit(e, euros(108, 94))),
        ),
        example(Code::CannotOffer, (ready, |e| e.offer = Err("no key".to_owned())), (ready, |_| {})),
        example(
            Code::CannotOffer,
            (ready, |e| words(e).offer_deadline = at(10)),
            (ready, |e| words(e).offer_deadline = micros_after(at(10), 1)),
        ),
        example(
            Code::CannotOffer,
            (ready, |e| words(e).offer_deadline = micros_after(longest(), 1)),
            (ready, |e| words(e).offer_deadline = longest()),
        ),
        example(
            Code::CannotOffer,
            (ready, |e| words(e).nonce_deadline = at(70_000)),
            (ready, |e| words(e).nonce_deadline = micros_after(at(70_000), 1)),
        ),
        example(
            Code::CannotOffer,
            (|| open([1]), |e| words(e).prepared.nonce = "nonce 1".to_owned()),
            (|| open([1]), |_| {}),
        ),
        example(
            Code::CannotOffer,
            (|| open([1]), |e| words(e).prepared.quote_hash = hash(1)),
            (|| open([1]), |_| {}),
        ),
        example(
            Code::CannotOffer,
            (ready, |e| e.order.give.amount = Units::ZERO),
            (ready, |e| e.order.give.amount = Units::new(1)),
        ),
        example(
            Code::CannotOffer,
            (ready, |e| sell_for(e, more_one(Units::new(i128::MAX.unsigned_abs())))),
            (ready, |e| sell_for(e, Units::new(i128::MAX.unsigned_abs()))),
        ),
    ]
}

fn ends_at(until: Timestamp) -> Event {
    let Event::Armed(arming) = armed(Mode::Full) else { panic!("the fixture arms") };
    Event::Armed(crate::trading::account::event::Armed { until, ..arming })
}

fn lease_until(until: Timestamp) -> Vec<Event> {
    let lease = LeaseTaken { epoch: 1, holder: "desk-1".to_owned(), at: at(-50_000), until };
    [Event::LeaseTaken(lease)].into_iter().chain(ready().into_iter().skip(1)).collect()
}

fn with_open(history: Vec<Event>) -> Vec<Event> {
    history.into_iter().chain([1, 2].map(|n| Event::SubmissionStarted(Box::new(started(n))))).collect()
}

fn credit(execute: &mut Execute, credited: Units) {
    let balances = execute.balances.as_mut().unwrap();
    balances.credited = credited;
    balances.pending_out = euros(1, 0);
}

fn words(execute: &mut Execute) -> &mut crate::trading::account::command::WordedOffer {
    let worded = execute.offer.as_mut().unwrap();
    worded.nonce_deadline = at(900_000);
    worded
}

/// The limits allow 60 s from the 10th millisecond on, and the way to the chain is on top.
fn longest() -> Timestamp {
    at(10).plus_millis(60_000).plus_millis(VALIDITY_SLACK_MS)
}

fn outcome((history, change): Case) -> Event {
    let mut execute = execute(9);
    change(&mut execute);
    let state = fold::<Account>(&history());
    let mut events = Account::decide(&state, Command::Execute(Box::new(execute))).unwrap();
    assert_eq!(events.len(), 1, "an order leaves one record: {events:?}");
    events.remove(0)
}

#[test]
fn every_refusal_fires_with_its_code() {
    for (index, example) in examples().into_iter().enumerate() {
        let outcome = outcome(example.shut);
        let Event::ExecutionRefused(refused) = outcome else { panic!("example {index}: {outcome:?}") };
        assert_eq!(refused.code, example.code, "example {index}: {}", refused.detail);
        assert!(!refused.detail.is_empty(), "example {index} says nothing");
    }
}

#[test]
fn every_refusal_leaves_room_exactly_at_its_limit() {
    for (index, example) in examples().into_iter().enumerate() {
        let outcome = outcome(example.open);
        assert!(matches!(outcome, Event::SubmissionStarted(_)), "example {index}: {outcome:?}");
    }
}

#[test]
fn every_refusal_code_has_an_example() {
    let shown: BTreeSet<RefusalCode> = examples().iter().map(|example| example.code).collect();
    let missing: Vec<RefusalCode> =
        RefusalCode::ALL.into_iter().filter(|code| !shown.contains(code)).collect();
    assert_eq!(missing, []);
}
