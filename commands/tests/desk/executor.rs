//! The executor: fixed before sent, sent once, and looked up when nobody told.

use crate::desk::{Desk, eure, someone};
use stele_domain::event::Event;
use stele_domain::ids::CommandId;
use stele_domain::market::reference::event::{Block, Verdict};
use stele_domain::money::Units;
use stele_domain::pair::Direction;
use stele_domain::port::clock::Clock;
use stele_domain::port::venue::{Submission, TokenAmount};
use stele_domain::time::Timestamp;
use stele_domain::trading;
use stele_domain::trading::account::Command;
use stele_domain::trading::account::command::Asker;
use stele_domain::trading::account::event::{DisarmCause, Event as AccountEvent, Mode, RefusalCode};
use stele_domain::trading::strategy::event::ExecutionCommanded;
use stele_domain::treasury::inventory::event::{NonceSeen, VenueBlock};

fn account_event(event: &Event) -> Option<&AccountEvent> {
    if let Event::Trading(trading::event::Event::Account(event)) = event { Some(event) } else { None }
}

fn refused_as(event: &Event, code: RefusalCode) -> bool {
    matches!(account_event(event), Some(AccountEvent::ExecutionRefused(refused)) if refused.code == code)
}

/// The command that an event takes into the auction or refuses.
fn answered(event: &Event) -> Option<CommandId> {
    if let Some(AccountEvent::SubmissionAccepted(fact)) = account_event(event) {
        return Some(fact.command_id);
    }
    if let Some(AccountEvent::ExecutionRefused(fact)) = account_event(event) {
        return Some(fact.command_id);
    }
    None
}

#[tokio::test]
async fn an_order_is_fixed_then_sent_then_its_result_recorded() {
    let desk = Desk::new();
    let running = desk.execute().await;
    desk.arm().await;
    desk.balances(100, desk.clock.now(), vec![]).await;
    desk.command(desk.order("q-1")).await;
    desk.until_type("trading.SubmissionAccepted").await;
    assert_eq!(desk.venue.sent(), 1);
    let types = desk.account_types().await;
    let started = types.iter().position(|name| *name == "trading.SubmissionStarted").unwrap();
    assert_eq!(types[started + 1], "trading.SubmissionAccepted");
    running.stop().await;
}

#[tokio::test]
async fn a_disarmed_desk_sends_nothing_and_says_why() {
    let desk = Desk::new();
    let running = desk.execute().await;
    desk.balances(100, desk.clock.now(), vec![]).await;
    desk.arm().await;
    let at = desk.clock.now();
    let disarm = Command::Disarm { cause: DisarmCause::Operator, reason: "test".to_owned(), at };
    desk.account.handle(desk.wish(disarm)).await.unwrap();
    desk.command(desk.order("q-1")).await;
    desk.until(|event| refused_as(event, RefusalCode::Disarmed)).await;
    assert_eq!(desk.venue.sent(), 0);
    running.stop().await;
}

#[tokio::test]
async fn a_kill_between_started_and_sent_lets_no_frame_follow() {
    let desk = Desk::new();
    let running = desk.execute().await;
    desk.arm().await;
    desk.balances(100, desk.clock.now(), vec![]).await;
    // The closed fence holds the sending exactly between the two.
    let closed = desk.fence.close().await.unwrap();
    desk.command(desk.order("q-1")).await;
    desk.until_type("trading.SubmissionStarted").await;
    let kill = Command::Kill { reason: "test".to_owned(), at: desk.clock.now() };
    desk.account.handle(desk.wish(kill)).await.unwrap();
    drop(closed);
    desk.until_type("trading.SubmissionAbandoned").await;
    assert_eq!(desk.venue.sent(), 0);
    assert_eq!(desk.account.look(|state| state.open().len()).await.unwrap(), 0);
    running.stop().await;
}

#[tokio::test]
async fn an_offer_whose_auction_closes_before_it_is_sent_is_never_sent_and_gives_its_coin_back() {
    let desk = Desk::new();
    let running = desk.execute().await;
    desk.arm().await;
    desk.balances(100, desk.clock.now(), vec![]).await;
    // It waits behind the fence, as it might for a slot or for the log.
    let closed = desk.fence.close().await.unwrap();
    desk.command(desk.order("q-1")).await;
    desk.until_type("trading.SubmissionStarted").await;
    desk.clock.advance_ms(3_000);
    drop(closed);
    let abandoned = desk.until_type("trading.SubmissionAbandoned").await;
    let Some(AccountEvent::SubmissionAbandoned(fact)) = account_event(&abandoned.event) else {
        panic!("another event")
    };
    assert_eq!(fact.why, "its auction was over before it was sent");
    desk.until_type("trading.ReservationReleased").await;
    assert_eq!(desk.venue.sent(), 0);
    running.stop().await;
}

#[tokio::test]
async fn a_frame_may_leave_until_the_auction_closes_or_the_lease_or_the_arming_ends() {
    let desk = Desk::new();
    let running = desk.execute().await;
    desk.arm().await;
    let armed_until = desk.clock.now().plus_millis(3_600_000);
    desk.balances(100, desk.clock.now(), vec![]).await;
    let mut order = desk.order("q-1");
    desk.command(order.clone()).await;
    desk.until(|event| answered(event) == Some(order.command_id)).await;
    assert_eq!(desk.venue.last_sent().send_before, order.closes_at);
    // A taker who asks for minutes gets an offer that is not sent under a lease that has run out.
    let leased_until = desk.account.look(|state| state.lease().map(|lease| lease.until)).await.unwrap();
    order = ExecutionCommanded { closes_at: armed_until.plus_millis(1), ..desk.order("q-2") };
    order.min_deadline_ms = 120_000;
    desk.command(order.clone()).await;
    desk.until(|event| answered(event) == Some(order.command_id)).await;
    let offer_deadline = desk.clock.now().plus_millis(130_000);
    assert_eq!(desk.venue.last_sent().send_before, offer_deadline.min(leased_until.unwrap()));
    let renew = Command::RenewLease { epoch: 1, ttl_ms: 3_600_000, at: desk.clock.now() };
    desk.account.handle(desk.wish(renew)).await.unwrap();
    let shorter = Command::Arm {
        mode: Mode::Full,
        limits_version: None,
        until: desk.clock.now().plus_millis(90_000),
        reason: "not for long".to_owned(),
        strategy_start: 0,
        asker: Asker {
            by: someone(),
            request_id: CommandId(uuid::Uuid::now_v7()),
            limits_version: 1,
            limits_hash: String::new(),
        },
        at: desk.clock.now(),
    };
    desk.account.handle(desk.wish(shorter)).await.unwrap();
    order = ExecutionCommanded { closes_at: armed_until, ..desk.order("q-3") };
    order.min_deadline_ms = 120_000;
    desk.command(order.clone()).await;
    desk.until(|event| answered(event) == Some(order.command_id)).await;
    assert_eq!(desk.venue.last_sent().send_before, desk.clock.now().plus_millis(90_000));
    running.stop().await;
}

#[tokio::test]
async fn an_offer_that_the_venue_was_too_late_to_send_is_recorded_as_never_sent() {
    let desk = Desk::new();
    let reason = "too late: it was to be sent before 12:00, and it is 12:01".to_owned();
    desk.venue.answers(Submission::NotSent { reason: reason.clone() });
    let running = desk.execute().await;
    desk.arm().await;
    desk.balances(100, desk.clock.now(), vec![]).await;
    desk.command(desk.order("q-1")).await;
    let abandoned = desk.until_type("trading.SubmissionAbandoned").await;
    assert!(
        matches!(account_event(&abandoned.event), Some(AccountEvent::SubmissionAbandoned(fact)) if fact.why == reason)
    );
    desk.until_type("trading.ReservationReleased").await;
    assert_eq!(desk.account.look(|state| state.open().len()).await.unwrap(), 0);
    running.stop().await;
}

#[tokio::test]
async fn an_order_that_waited_too_long_expires() {
    let desk = Desk::new();
    let running = desk.execute().await;
    desk.arm().await;
    desk.balances(100, desk.clock.now(), vec![]).await;
    let order = desk.order("q-1");
    desk.clock.advance_ms(2_001);
    desk.command(order).await;
    desk.until_type("trading.ExecutionExpired").await;
    assert_eq!(desk.venue.sent(), 0);
    running.stop().await;
}

#[tokio::test]
async fn a_clock_that_was_set_since_the_last_balances_refuses_to_sign_until_the_next() {
    let desk = Desk::new();
    let running = desk.execute().await;
    desk.arm().await;
    // A block that is final now is a second and a half old where the clocks agree.
    let final_at = || Timestamp::from_millis(desk.clock.now().millis() - 1_500);
    desk.balances(100, final_at(), vec![]).await;
    let is_refused = async |quote: &str| {
        let order = desk.order(quote);
        let command_id = order.command_id;
        desk.command(order).await;
        let answer = desk.until(|event| answered(event) == Some(command_id)).await;
        refused_as(&answer.event, RefusalCode::ClockSkew)
    };
    assert!(!is_refused("q-1").await);
    // As far as clocks may differ, and a millisecond further.
    desk.clock.set_by_ms(2_000);
    assert!(!is_refused("q-2").await);
    desk.clock.set_by_ms(1);
    assert!(is_refused("q-3").await);
    assert_eq!(desk.venue.sent(), 2);
    // The new balances say themselves how the clocks differ.
    desk.balances(101, final_at(), vec![]).await;
    assert!(!is_refused("q-4").await);
    running.stop().await;
}

#[tokio::test]
async fn an_order_that_is_delivered_again_is_not_sent_again() {
    let desk = Desk::new();
    let running = desk.execute().await;
    desk.arm().await;
    desk.balances(100, desk.clock.now(), vec![]).await;
    desk.command(desk.order("q-1")).await;
    desk.until_type("trading.SubmissionAccepted").await;
    desk.command(desk.order("q-1")).await;
    desk.command(desk.order("q-2")).await;
    desk.until(|event| {
        matches!(account_event(event), Some(AccountEvent::SubmissionAccepted(accepted))
        if accepted.command_id == desk.order("q-2").command_id)
    })
    .await;
    assert_eq!(desk.venue.sent(), 2, "q-1 once and q-2 once");
    running.stop().await;
}

#[tokio::test]
async fn two_orders_that_exceed_the_coin_lead_to_one_offer() {
    let desk = Desk::new();
    let running = desk.execute().await;
    desk.arm().await;
    desk.holds(100, 150_000).await;
    for quote in ["q-1", "q-2"] {
        let order = desk.order(quote);
        let (receive, give) = (order.give, order.receive);
        // Of the 150,000 satoshi that are credited each of them takes more than half.
        let give = TokenAmount { amount: Units::new(100_000), ..give };
        let receive = TokenAmount { amount: eure(54), ..receive };
        let direction = Direction::SellBase;
        desk.command(ExecutionCommanded { direction, receive, give, ..order }).await;
    }
    desk.until(|event| refused_as(event, RefusalCode::InsufficientInventory)).await;
    desk.until_type("trading.SubmissionAccepted").await;
    assert_eq!(desk.venue.sent(), 1);
    running.stop().await;
}

/// Brings a desk to the point where an offer is fixed, perhaps sent, and its process dies.
async fn crashed_with_an_open_offer() -> Desk {
    let desk = Desk::new();
    let running = desk.execute().await;
    desk.arm().await;
    desk.balances(100, desk.clock.now(), vec![]).await;
    let closed = desk.fence.close().await.unwrap();
    desk.command(desk.order("q-1")).await;
    desk.until_type("trading.SubmissionStarted").await;
    running.crash().await;
    // The task that would send lives on without its executor; the fence keeps it where a crash would.
    std::mem::forget(closed);
    Desk::on(desk.log.clone(), desk.clock.clone())
}

#[tokio::test]
async fn a_restart_looks_up_what_was_started_and_sends_nothing() {
    let desk = crashed_with_an_open_offer().await;
    let running = desk.execute().await;
    desk.until_type("trading.SubmissionUncertain").await;
    let command_id = desk.order("q-1").command_id;
    desk.balances(101, desk.clock.now(), vec![NonceSeen { command_id, used: true }]).await;
    desk.until_type("trading.SubmissionSettled").await;
    desk.until_type("trading.ReservationReleased").await;
    assert_eq!(desk.venue.sent(), 0);
    running.stop().await;
}

#[tokio::test]
async fn an_unknown_outcome_expires_by_a_later_block_and_only_then() {
    let desk = crashed_with_an_open_offer().await;
    let running = desk.execute().await;
    desk.until_type("trading.SubmissionUncertain").await;
    let command_id = desk.order("q-1").command_id;
    let unused = || vec![NonceSeen { command_id, used: false }];
    // 60 s asked, 10 s margin of the offer, 5 s of the release: at 75 s it is still owed, after it is not.
    let dead_from = desk.clock.now().plus_millis(75_000);
    desk.balances(101, dead_from, unused()).await;
    desk.balances(102, dead_from.plus_millis(1), unused()).await;
    let expired = desk.until_type("trading.SubmissionExpiredUnfilled").await;
    let Some(AccountEvent::SubmissionExpiredUnfilled(expired)) = account_event(&expired.event) else {
        panic!("another event")
    };
    assert_eq!(expired.height, 102);
    running.stop().await;
}

#[tokio::test]
async fn a_restart_starts_disarmed() {
    let desk = Desk::new();
    // One that ends in good order gives its lease back, and nobody can be armed.
    desk.execute().await.crash().await;
    desk.arm().await;
    let running = desk.execute().await;
    desk.balances(100, desk.clock.now(), vec![]).await;
    desk.command(desk.order("q-1")).await;
    desk.until(|event| refused_as(event, RefusalCode::Disarmed)).await;
    running.stop().await;
}

#[tokio::test]
async fn a_lost_reply_is_uncertain_and_a_refused_offer_keeps_its_coin() {
    let desk = Desk::new();
    desk.venue.answers(Submission::Unknown { reason: "no reply in 5000 ms".to_owned() });
    desk.venue
        .answers(Submission::Refused { reply: "quote not found or already finished".to_owned(), late: true });
    let running = desk.execute().await;
    desk.arm().await;
    desk.balances(100, desk.clock.now(), vec![]).await;
    desk.command(desk.order("q-1")).await;
    desk.until_type("trading.SubmissionUncertain").await;
    desk.command(desk.order("q-2")).await;
    desk.until_type("trading.SubmissionRejected").await;
    assert_eq!(desk.account.look(|state| state.open().len()).await.unwrap(), 2);
    running.stop().await;
}

#[tokio::test]
async fn an_account_that_somebody_locked_or_took_our_key_from_is_disarmed_and_a_paused_venue_only_waited_for()
{
    let desk = Desk::new();
    let running = desk.execute().await;
    desk.arm().await;
    let now = desk.clock.now();
    desk.read(100, now, vec![], vec![VenueBlock::ContractPaused]).await;
    for (height, block) in [(101, VenueBlock::KeyNotRegistered), (102, VenueBlock::AccountLocked)] {
        desk.read(height, now, vec![], vec![VenueBlock::ContractPaused, block]).await;
        let disarmed = desk
            .until(|event| {
                matches!(account_event(event), Some(AccountEvent::Disarmed(fact))
                    if fact.cause == DisarmCause::VenueBlocked && fact.reason.contains(block.name()))
            })
            .await;
        assert!(disarmed.position.0 > 0);
        desk.arm().await;
    }
    let types = desk.account_types().await;
    assert_eq!(types.iter().filter(|name| **name == "trading.Disarmed").count(), 2, "{types:?}");
    running.stop().await;
}

#[tokio::test]
async fn an_order_that_the_newest_price_does_not_bear_out_is_refused() {
    let desk = Desk::new();
    let running = desk.execute().await;
    desk.arm().await;
    desk.balances(100, desk.clock.now(), vec![]).await;
    let is_refused = async |quote: &str| {
        let order = desk.order(quote);
        let command_id = order.command_id;
        desk.command(order).await;
        let answer = desk.until(|event| answered(event) == Some(command_id)).await;
        refused_as(&answer.event, RefusalCode::PriceDisagrees)
    };
    assert!(!is_refused("q-1").await);
    // The order goes by 52,000; the price has gone on, and then it is in doubt.
    desk.price("49000").await;
    assert!(is_refused("q-2").await);
    desk.price("52000").await;
    assert!(!is_refused("q-3").await);
    desk.prices(Verdict::Blocked { block: Block::PegOutOfBand }).await;
    assert!(is_refused("q-4").await);
    // What another pair is worth bears nothing out.
    let elsewhere = stele_commands::streams::price(&"eth-eure".to_owned().try_into().unwrap()).unwrap();
    let newest = desk.price("52000").await;
    let fair = desk.history().await.into_iter().find(|recorded| recorded.position == newest).unwrap();
    desk.prices(Verdict::Blocked { block: Block::PriceConflict }).await;
    desk.append(elsewhere, fair.event).await;
    assert!(is_refused("q-5").await);
    running.stop().await;
    assert_eq!(desk.venue.sent(), 2);
}

#[tokio::test]
async fn an_executor_that_starts_anew_knows_the_newest_price() {
    let desk = Desk::new();
    desk.balances(100, desk.clock.now(), vec![]).await;
    desk.price("52000").await;
    let running = desk.execute().await;
    desk.arm().await;
    desk.command(desk.order("q-1")).await;
    let accepted = desk.until_type("trading.SubmissionAccepted").await;
    let started = desk.until_type("trading.SubmissionStarted").await;
    let Some(AccountEvent::SubmissionStarted(fact)) = account_event(&started.event) else {
        panic!("another event")
    };
    let price = desk.until_type("market.ReferencePriced").await;
    assert!(fact.price_event_id.is_some() && price.position < accepted.position);
    running.stop().await;
}
