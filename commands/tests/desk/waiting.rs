//! An executor whose work has to wait: it judges anew what waited, keeps its lease, hears a stop, and loses no word.

use crate::desk::{Desk, HandClock, Running, start};
use crate::moody::Moody;
use std::sync::Arc;
use stele_domain::event::Event;
use stele_domain::ids::{AccountId, PairId};
use stele_domain::money::Units;
use stele_domain::operations::service::Command as ServiceCommand;
use stele_domain::operations::service::event::Service;
use stele_domain::port::clock::Clock as _;
use stele_domain::time::Timestamp;
use stele_domain::trading::account::State;
use stele_domain::trading::account::event::{DisarmCause, Event as AccountEvent, RefusalCode};
use stele_domain::trading::strategy::event::ExecutionCommanded;
use stele_domain::treasury::inventory::event::{BalancesObserved, Drift, DriftDetected};
use stele_domain::{trading, treasury};

const ACCOUNT: Option<&str> = Some("account");

fn account_event(event: &Event) -> Option<&AccountEvent> {
    if let Event::Trading(trading::event::Event::Account(event)) = event { Some(event) } else { None }
}

fn refusal(event: &Event) -> Option<RefusalCode> {
    let Some(AccountEvent::ExecutionRefused(refused)) = account_event(event) else { return None };
    Some(refused.code)
}

/// An armed desk with fresh balances, on a log that has its moods.
async fn armed() -> (Arc<Moody>, Desk, Running) {
    let clock = HandClock::at(start());
    let log = Arc::new(Moody::new(&clock));
    let desk = Desk::on(log.clone(), clock);
    let running = desk.execute().await;
    desk.arm().await;
    desk.balances(100, desk.clock.now(), vec![]).await;
    (log, desk, running)
}

/// The same, with an order that was offered to the account twice, in vain.
async fn with_a_waiting_order() -> (Arc<Moody>, Desk, Running) {
    let (log, desk, running) = armed().await;
    log.shut(ACCOUNT);
    desk.command(desk.order("q-1")).await;
    log.until_shut_out(2).await;
    (log, desk, running)
}

fn inventory_of(account: &str) -> stele_domain::port::event_log::StreamId {
    stele_commands::streams::inventory(&AccountId::try_from(account.to_owned()).unwrap()).unwrap()
}

async fn says(desk: &Desk, account: &str, fact: treasury::inventory::Event) {
    let event = Event::Treasury(treasury::event::Event::Inventory(fact));
    desk.append(inventory_of(account), event).await;
}

/// Balances of nothing at all.
fn poor(desk: &Desk, height: u64) -> treasury::inventory::Event {
    treasury::inventory::Event::BalancesObserved(BalancesObserved {
        height,
        block_hash: format!("block{height}"),
        block_at: desk.clock.now(),
        credited: [].into(),
        pending_in: [].into(),
        pending_out: [].into(),
        salt: "252812b3".to_owned(),
        fee_pips: 1,
        blocked: vec![],
        nonces: vec![],
        providers: 1,
        observed_at: desk.clock.now(),
    })
}

fn drop_of_a_balance(desk: &Desk) -> treasury::inventory::Event {
    treasury::inventory::Event::DriftDetected(DriftDetected {
        token: crate::desk::token(crate::desk::EURE),
        drift: Drift::Drop,
        expected: Units::new(2),
        observed: Units::new(1),
        height: 101,
        at: desk.clock.now(),
    })
}

#[tokio::test]
async fn an_order_that_waited_meets_the_pause_that_came_meanwhile() {
    let (log, desk, running) = with_a_waiting_order().await;
    let (service, reason, at) = (Service::Executor, "looking at it".to_owned(), desk.clock.now());
    let pause = ServiceCommand::Pause { service, reason, at };
    desk.board.switch(service).unwrap().handle(desk.wish(pause)).await.unwrap();
    log.shut(None);
    desk.until(|event| refusal(event) == Some(RefusalCode::Paused)).await;
    assert_eq!(desk.venue.sent(), 0);
    running.stop().await;
}

#[tokio::test]
async fn an_order_that_waited_meets_the_balances_of_now() {
    let (log, desk, running) = with_a_waiting_order().await;
    says(&desk, "solver.near", poor(&desk, 101)).await;
    // The order after it says that the balances were read.
    desk.command(desk.order("q-2")).await;
    log.until_shut_out(4).await;
    log.shut(None);
    desk.until(|event| refusal(event) == Some(RefusalCode::InsufficientInventory)).await;
    assert_eq!(desk.venue.sent(), 0);
    running.stop().await;
}

#[tokio::test]
async fn an_order_that_waited_meets_the_clock_of_now() {
    let (log, desk, running) = armed().await;
    desk.clock.advance_ms(10_000);
    desk.balances(101, Timestamp::from_millis(desk.clock.now().millis() - 1_500), vec![]).await;
    log.shut(ACCOUNT);
    desk.command(desk.order("q-1")).await;
    log.until_shut_out(2).await;
    desk.clock.set_by_ms(-2_001);
    log.shut(None);
    desk.until(|event| refusal(event) == Some(RefusalCode::ClockSkew)).await;
    assert_eq!(desk.venue.sent(), 0);
    running.stop().await;
}

#[tokio::test]
async fn an_order_that_waited_is_sent_once_when_nothing_has_changed() {
    let (log, desk, running) = with_a_waiting_order().await;
    log.shut(None);
    desk.until_type("trading.SubmissionAccepted").await;
    running.stop().await;
    assert_eq!(desk.venue.sent(), 1);
}

#[tokio::test]
async fn a_drop_that_the_log_did_not_take_disarms_before_any_order_that_waits() {
    let (log, desk, running) = armed().await;
    log.shut(ACCOUNT);
    says(&desk, "solver.near", drop_of_a_balance(&desk)).await;
    log.until_shut_out(2).await;
    desk.command(desk.order("q-1")).await;
    log.shut(None);
    desk.until(|event| refusal(event) == Some(RefusalCode::Disarmed)).await;
    let types = desk.account_types().await;
    let place = |name| types.iter().position(|known| *known == name);
    assert!(place("trading.Disarmed") < place("trading.ExecutionRefused"), "{types:?}");
    assert_eq!(desk.venue.sent(), 0);
    running.stop().await;
}

#[tokio::test]
async fn a_stop_is_heard_while_orders_wait_for_the_log() {
    let (_log, desk, running) = with_a_waiting_order().await;
    running.stop().await;
    assert_eq!(desk.venue.sent(), 0);
}

/// Five orders, of which four are sent and one waits for a place, at a venue that says nothing.
async fn five_orders() -> (Desk, Running) {
    let (_log, desk, running) = armed().await;
    desk.venue.falls_silent();
    for n in 1..=5 {
        let order = desk.order(&format!("q-{n}"));
        let command_id = order.command_id;
        desk.command(order).await;
        desk.until(|event| {
            matches!(account_event(event), Some(AccountEvent::SubmissionStarted(started)) if started.command_id == command_id)
        })
        .await;
    }
    let sent = async {
        while desk.venue.sent() < 4 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), sent).await.expect("four are sent");
    (desk, running)
}

#[tokio::test]
async fn an_executor_whose_places_are_all_taken_keeps_its_lease_and_sends_when_one_is_free() {
    let (desk, running) = five_orders().await;
    desk.clock.advance_ms(300_001);
    desk.until_type("trading.LeaseRenewed").await;
    assert_eq!(desk.venue.sent(), 4);
    // Its auction is over by then.
    desk.venue.speaks_again();
    desk.until_type("trading.SubmissionAbandoned").await;
    assert_eq!(desk.venue.sent(), 4);
    running.stop().await;
}

#[tokio::test]
async fn what_was_fixed_and_not_sent_is_called_off_by_a_stop() {
    let (desk, running) = five_orders().await;
    running.is_told_to_stop();
    desk.until_type("trading.SubmissionAbandoned").await;
    desk.venue.speaks_again();
    running.stop().await;
    assert_eq!(desk.venue.sent(), 4);
    assert_eq!(
        desk.account.look(|state| state.open().len()).await.unwrap(),
        4,
        "the fifth gave its coin back"
    );
}

#[tokio::test]
async fn a_drop_of_before_the_lease_does_not_undo_an_arming_of_after_it() {
    let (_log, desk, running) = armed().await;
    says(&desk, "solver.near", drop_of_a_balance(&desk)).await;
    desk.until_type("trading.Disarmed").await;
    running.crash().await;
    // Somebody has looked into it, and arms; the executor reads all that stands behind its last order.
    let running = desk.execute().await;
    desk.arm().await;
    desk.command(desk.order("q-1")).await;
    desk.until_type("trading.SubmissionAccepted").await;
    let disarmed = desk.account_types().await.iter().filter(|name| **name == "trading.Disarmed").count();
    assert_eq!(disarmed, 1, "once, by the drop itself");
    says(&desk, "solver.near", drop_of_a_balance(&desk)).await;
    desk.until(|event| {
        matches!(account_event(event), Some(AccountEvent::Disarmed(fact)) if fact.cause == DisarmCause::UnexpectedDrop)
    })
    .await;
    running.stop().await;
}

#[tokio::test]
async fn orders_of_another_pairs_strategy_and_coin_of_another_account_are_nothing_to_it() {
    let (_log, desk, running) = armed().await;
    let other = PairId::try_from("eth-eure".to_owned()).unwrap();
    let ordered = |order: ExecutionCommanded| {
        let event = trading::strategy::Event::ExecutionCommanded(Box::new(order));
        Event::Trading(trading::event::Event::Strategy(event))
    };
    let elsewhere = stele_commands::streams::strategy(&other).unwrap();
    // Even one that claims to be about this pair.
    desk.append(elsewhere, ordered(desk.order("q-elsewhere"))).await;
    says(&desk, "somebody-else.near", poor(&desk, 200)).await;
    says(&desk, "somebody-else.near", drop_of_a_balance(&desk)).await;
    desk.command(desk.order("q-1")).await;
    desk.until_type("trading.SubmissionAccepted").await;
    assert_eq!(desk.venue.sent(), 1);
    assert_eq!(desk.account.look(|state| state.open().len()).await.unwrap(), 1);
    let types = desk.account_types().await;
    assert!(!types.contains(&"trading.Disarmed"), "{types:?}");
    // In the stream of this pair's strategy an order for another pair is refused, and on record.
    desk.command(ExecutionCommanded { pair: other, ..desk.order("q-2") }).await;
    desk.until(|event| refusal(event) == Some(RefusalCode::TermsDisagree)).await;
    running.stop().await;
}

#[tokio::test]
async fn words_of_another_relay_are_nothing_to_it() {
    let (_log, desk, running) = armed().await;
    desk.command(desk.order("q-1")).await;
    let sent = desk.until_type("trading.SubmissionAccepted").await;
    let hash = desk
        .account
        .look(|state| state.open().values().next().map(|offer| offer.started.prepared.quote_hash.clone()));
    let notice = stele_domain::intents::relay::event::SettlementReported {
        quote_hash: hash.await.unwrap().unwrap(),
        intent_hash: None,
        word: stele_domain::port::feeds::SettlementWord::Failed,
        tx_hash: None,
        received_at: desk.clock.now(),
    };
    let event = stele_domain::intents::relay::Event::SettlementReported(notice);
    let event = Event::Intents(stele_domain::intents::event::Event::Relay(event));
    let elsewhere = stele_domain::port::event_log::StreamId::new("relay-elsewhere").unwrap();
    desk.append(elsewhere, event.clone()).await;
    desk.command(desk.order("q-2")).await;
    desk.until(|event| {
        matches!(account_event(event), Some(AccountEvent::SubmissionAccepted(fact))
            if fact.command_id == desk.order("q-2").command_id)
    })
    .await;
    assert!(!desk.account_types().await.contains(&"trading.SubmissionSettleFailed"), "{sent:?}");
    desk.append(stele_commands::streams::relay().unwrap(), event).await;
    desk.until_type("trading.SubmissionSettleFailed").await;
    running.stop().await;
}

#[tokio::test]
async fn each_of_two_processes_with_one_name_knows_its_own_epoch() {
    let (_log, first, running) = armed().await;
    let second = Desk::on(first.log.clone(), first.clock.clone());
    let other = second.execute().await;
    // The second took the lease of the first, which has one name with it and ends.
    let why = running.ended().await.to_string();
    assert!(why.contains("epoch 2 and not 1"), "{why}");
    assert_eq!(second.account.look(State::epoch).await.unwrap(), 2);
    assert!(first.fence.guards(1) && second.fence.guards(2));
    other.stop().await;
}
