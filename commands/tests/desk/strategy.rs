//! The strategy service: one decision on every demand, across restarts.

use crate::desk::{Desk, HandClock, pair, token};
use crate::moody::Moody;
use std::sync::Arc;
use stele_commands::ledger::Ledger;
use stele_commands::service::ServiceError;
use stele_commands::stop::{Stopper, channel};
use stele_commands::strategy::{StrategyReactor, Streams};
use stele_commands::streams;
use stele_domain::codec;
use stele_domain::event::Event;
use stele_domain::ids::QuoteId;
use stele_domain::intents;
use stele_domain::intents::demand::Demand;
use stele_domain::market::reference;
use stele_domain::market::reference::event::Fair;
use stele_domain::money::{BasisPoints, Units};
use stele_domain::operations::service::Command as ServiceCommand;
use stele_domain::operations::service::event::Service;
use stele_domain::pair::Direction;
use stele_domain::port::clock::Clock;
use stele_domain::port::venue::ExactSide;
use stele_domain::trading;
use stele_domain::trading::account::Command as AccountCommand;
use stele_domain::trading::account::event::RefusalCode;
use stele_domain::trading::gate::Reason;
use stele_domain::trading::pricing::PricingPolicy;
use stele_domain::trading::strategy::command::Running;
use stele_domain::trading::strategy::event::{Decided, ExecutionCommanded, Verdict};
use tokio::task::JoinHandle;

/// The first start of the strategy.
pub(crate) fn reactor(desk: &Desk) -> StrategyReactor {
    reactor_of(desk, 1)
}

pub(crate) fn reactor_of(desk: &Desk, start: u64) -> StrategyReactor {
    let account = "solver.near".to_owned().try_into().unwrap();
    StrategyReactor {
        log: desk.log.clone(),
        ledger: Arc::new(Ledger::new(desk.log.clone(), streams::strategy(&pair().id).unwrap())),
        account: desk.account.clone(),
        pair: pair(),
        decimals: pair().decimals().unwrap(),
        pricing: PricingPolicy {
            base: BasisPoints(250),
            per_second_of_age: BasisPoints(0),
            fallback: BasisPoints(100),
            assumed_parity: BasisPoints(0),
        },
        finality_lag_ms: 1_500,
        start,
        streams: Streams {
            quote: streams::quote(&pair().id).unwrap(),
            price: streams::price(&pair().id).unwrap(),
            inventory: streams::inventory(&account).unwrap(),
            account: streams::account(&account).unwrap(),
            service: streams::service(Service::Strategy).unwrap(),
        },
        clock: desk.clock.clone(),
    }
}

pub(crate) async fn demand(desk: &Desk, quote: &str) {
    let at = desk.clock.now();
    let demand = Demand {
        quote_id: QuoteId::try_from(quote.to_owned()).unwrap(),
        pair: pair().id,
        direction: Direction::BuyBase,
        token_in: token(crate::desk::BTC),
        token_out: token(crate::desk::EURE),
        exact: ExactSide::In,
        amount: Units::new(100_000),
        min_deadline_ms: 60_000,
        window_ms: 3_000,
        closes_at: at.plus_millis(3_000),
        router_leg: false,
        partner_id: None,
        quote_type: None,
        probe: false,
        traceparent: None,
        received_at: at,
    };
    let event = intents::intake::Event::DemandNormalised(demand);
    let stream = streams::quote(&pair().id).unwrap();
    desk.append(stream, Event::Intents(intents::event::Event::Intake(event))).await;
}

pub(crate) async fn decisions(desk: &Desk) -> Vec<Decided> {
    let history = desk.history().await;
    let decided = history.into_iter().filter_map(|recorded| {
        if let Event::Trading(trading::event::Event::Strategy(trading::strategy::Event::Decided(decided))) =
            recorded.event
        {
            Some(*decided)
        } else {
            None
        }
    });
    decided.collect()
}

pub(crate) async fn until_decided(desk: &Desk, quote: &str) {
    desk.until(|event| {
        matches!(event, Event::Trading(trading::event::Event::Strategy(
        trading::strategy::Event::Decided(decided))) if decided.quote_id.as_str() == quote)
    })
    .await;
}

#[tokio::test]
async fn every_demand_is_decided_once_even_across_a_restart() {
    let desk = Desk::new();
    desk.board.start(Service::Strategy, "test", "desk-1", desk.clock.as_ref()).await.unwrap();
    for round in 0..3 {
        let (stopper, stop) = channel();
        let task = tokio::spawn(reactor(&desk).run(stop));
        demand(&desk, &format!("q-{round}")).await;
        until_decided(&desk, &format!("q-{round}")).await;
        stopper.stop();
        task.await.unwrap().unwrap();
        // This one waits through the restart.
        demand(&desk, &format!("late-{round}")).await;
    }
    let (stopper, stop) = channel();
    let task = tokio::spawn(reactor(&desk).run(stop));
    until_decided(&desk, "late-2").await;
    stopper.stop();
    task.await.unwrap().unwrap();
    let quotes: Vec<String> = decisions(&desk).await.into_iter().map(|d| d.quote_id.to_string()).collect();
    assert_eq!(quotes, ["q-0", "late-0", "q-1", "late-1", "q-2", "late-2"]);
}

#[tokio::test]
async fn a_fresh_desk_refuses_because_it_is_disarmed() {
    let desk = Desk::new();
    desk.board.start(Service::Strategy, "test", "desk-1", desk.clock.as_ref()).await.unwrap();
    let (stopper, stop) = channel();
    let task = tokio::spawn(reactor(&desk).run(stop));
    demand(&desk, "q-1").await;
    until_decided(&desk, "q-1").await;
    assert_eq!(decisions(&desk).await[0].verdict, Verdict::Skip { reason: Reason::Disarmed });
    stopper.stop();
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_strategy_that_was_never_started_takes_no_work() {
    let desk = Desk::new();
    let (stopper, stop) = channel();
    let task = tokio::spawn(reactor(&desk).run(stop));
    demand(&desk, "q-1").await;
    until_decided(&desk, "q-1").await;
    assert_eq!(decisions(&desk).await[0].verdict, Verdict::Skip { reason: Reason::Paused });
    stopper.stop();
    task.await.unwrap().unwrap();
}

pub(crate) async fn price(desk: &Desk) {
    let rate = |text: &str| text.parse().unwrap();
    let fair = Fair {
        rate: rate("50000"),
        bid: rate("49995"),
        ask: rate("50005"),
        spread: BasisPoints(2),
        as_of: desk.clock.now(),
    };
    desk.prices(reference::event::Verdict::Primary { fair }).await;
}

#[tokio::test]
async fn orders_without_a_word_from_the_account_count_as_open() {
    let desk = Desk::new();
    desk.board.start(Service::Strategy, "test", "desk-1", desk.clock.as_ref()).await.unwrap();
    // The lease is there and its executor is not: nobody answers the orders.
    desk.execute().await.crash().await;
    desk.arm().await;
    desk.balances(100, desk.clock.now(), vec![]).await;
    price(&desk).await;
    let (stopper, stop) = channel();
    let task = tokio::spawn(reactor(&desk).run(stop));
    for n in 0..12 {
        demand(&desk, &format!("q-{n}")).await;
        until_decided(&desk, &format!("q-{n}")).await;
    }
    stopper.stop();
    task.await.unwrap().unwrap();
    let verdicts: Vec<Verdict> = decisions(&desk).await.into_iter().map(|decided| decided.verdict).collect();
    let skip = Verdict::Skip { reason: Reason::TooManyOpen };
    assert_eq!(verdicts[..10], [Verdict::Act; 10], "ten offers may be open");
    assert_eq!(verdicts[10..], [skip; 2]);
}

pub(crate) async fn begin(desk: &Desk) -> u64 {
    desk.clock.advance_ms(1);
    desk.board.start(Service::Strategy, "test", "desk-1", desk.clock.as_ref()).await.unwrap()
}

#[tokio::test]
async fn a_new_start_of_the_strategy_ends_an_arming_whose_executor_lives_on() {
    let desk = Desk::new();
    assert_eq!(begin(&desk).await, 1);
    let executor = desk.execute().await;
    desk.arm().await;
    desk.balances(100, desk.clock.now(), vec![]).await;
    // The pod of the strategy is rescheduled; the executor and its lease know nothing of it.
    assert_eq!(begin(&desk).await, 2);
    let ordered = ExecutionCommanded { strategy_start: 2, ..desk.order("q-1") };
    desk.command(ordered).await;
    desk.until(|event| {
        matches!(event, Event::Trading(trading::event::Event::Account(
        trading::account::Event::ExecutionRefused(refused))) if refused.code == RefusalCode::Disarmed)
    })
    .await;
    let disarmed = desk.until_type("trading.Disarmed").await;
    let said = serde_json::to_string(&format!("{:?}", disarmed.event)).unwrap();
    assert!(said.contains("StrategyStarted") && said.contains("start 2 has followed"), "{said}");
    assert_eq!(desk.venue.sent(), 0);
    desk.arm().await;
    desk.command(ExecutionCommanded { strategy_start: 2, ..desk.order("q-2") }).await;
    desk.until_type("trading.SubmissionAccepted").await;
    executor.stop().await;
}

#[tokio::test]
async fn a_strategy_takes_an_arming_for_another_start_for_none() {
    let desk = Desk::new();
    begin(&desk).await;
    desk.execute().await.crash().await;
    desk.arm().await;
    desk.balances(100, desk.clock.now(), vec![]).await;
    price(&desk).await;
    let second = begin(&desk).await;
    let (stopper, stop) = channel();
    let task = tokio::spawn(reactor_of(&desk, second).run(stop));
    demand(&desk, "q-1").await;
    until_decided(&desk, "q-1").await;
    assert_eq!(decisions(&desk).await[0].verdict, Verdict::Skip { reason: Reason::Disarmed });
    stopper.stop();
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_a_person_paused_is_paused_after_a_restart_too() {
    let desk = Desk::new();
    begin(&desk).await;
    let (service, reason, at) = (Service::Strategy, "looking at it".to_owned(), desk.clock.now());
    let pause = ServiceCommand::Pause { service, reason, at };
    desk.board.switch(service).unwrap().handle(desk.wish(pause)).await.unwrap();
    begin(&desk).await;
    assert_eq!(desk.board.running(service).await, Running::Paused);
}

/// A desk that would act on a demand, on a log that has its moods, and a strategy whose decision it did not take.
async fn a_decision_that_waits() -> (Arc<Moody>, Desk, (Stopper, JoinHandle<Result<(), ServiceError>>)) {
    let clock = HandClock::at(crate::desk::start());
    let log = Arc::new(Moody::new(&clock));
    let desk = Desk::on(log.clone(), clock);
    begin(&desk).await;
    desk.execute().await.crash().await;
    desk.arm().await;
    desk.balances(100, desk.clock.now(), vec![]).await;
    price(&desk).await;
    let (stopper, stop) = channel();
    let task = tokio::spawn(reactor(&desk).run(stop));
    log.shut(Some("strategy"));
    demand(&desk, "q-1").await;
    log.until_shut_out(2).await;
    (log, desk, (stopper, task))
}

async fn ends((stopper, task): (Stopper, JoinHandle<Result<(), ServiceError>>)) {
    stopper.stop();
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_decision_that_waited_for_the_log_is_made_anew_with_the_time_and_the_arming_of_then() {
    let (log, desk, strategy) = a_decision_that_waits().await;
    let at = desk.clock.now();
    let kill = AccountCommand::Kill { reason: "smoke".to_owned(), at };
    desk.account.handle(desk.wish(kill)).await.unwrap();
    desk.clock.advance_ms(60_000);
    log.shut(None);
    until_decided(&desk, "q-1").await;
    ends(strategy).await;
    let decided = decisions(&desk).await;
    assert_eq!(decided.len(), 1);
    assert_eq!(decided[0].decided_at, desk.clock.now(), "a decision of now bears the time of now");
    assert_eq!(decided[0].verdict, Verdict::Skip { reason: Reason::Killed });
    let types: Vec<_> = desk.history().await.iter().map(|fact| codec::type_of(&fact.event)).collect();
    assert!(!types.contains(&"trading.ExecutionCommanded"), "{types:?}");
}

#[tokio::test]
async fn a_decision_that_waited_past_the_close_of_its_auction_is_decided_as_that() {
    let (log, desk, strategy) = a_decision_that_waits().await;
    desk.clock.advance_ms(3_000);
    log.shut(None);
    until_decided(&desk, "q-1").await;
    ends(strategy).await;
    assert_eq!(decisions(&desk).await[0].verdict, Verdict::Skip { reason: Reason::QuoteExpired });
}

#[tokio::test]
async fn a_decision_that_waited_a_moment_sees_the_price_of_then() {
    let (log, desk, strategy) = a_decision_that_waits().await;
    desk.clock.advance_ms(100);
    price(&desk).await;
    log.shut(None);
    until_decided(&desk, "q-1").await;
    ends(strategy).await;
    let decided = &decisions(&desk).await[0];
    assert_eq!(decided.verdict, Verdict::Act);
    assert_eq!(decided.price.as_ref().unwrap().freshness_ms, 0, "{:?}", decided.price);
}

#[tokio::test]
async fn a_strategy_whose_decision_waits_hears_the_stop() {
    let (_log, desk, strategy) = a_decision_that_waits().await;
    ends(strategy).await;
    assert!(decisions(&desk).await.is_empty());
}
