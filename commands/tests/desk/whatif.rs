//! What-if on the logs of small desks that traded: without a change the answer is history, with one it is what the
//! deciders say.

use crate::desk::{Desk, HandClock, Running, eure, limits, pair, someone};
use crate::moody::Moody;
use crate::strategy::{begin, decisions, demand, price, reactor_of, until_decided};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use stele_commands::stop::{Stopper, channel};
use stele_commands::whatif::question::{LimitChanges, PricingChanges};
use stele_commands::whatif::report::{Fate, Kind};
use stele_commands::whatif::{self, Edge, Fills, Question, Replay, Report, WhatIfError};
use stele_domain::event::Event;
use stele_domain::money::BasisPoints;
use stele_domain::operations::service::Command as ServiceCommand;
use stele_domain::operations::service::event::Service;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{Position, Record};
use stele_domain::port::venue::Submission;
use stele_domain::trading;
use stele_domain::trading::account::{Command, Event as AccountEvent};
use stele_domain::trading::gate::{Gate, Measure, Reason};
use stele_domain::trading::limits::Limits;
use stele_domain::trading::pricing::PricingPolicy;
use stele_domain::trading::strategy::event::Verdict;
use stele_domain::treasury::inventory::event::NonceSeen;
use tokio::task::JoinHandle;

/// The desk of these tests, as a question needs to know it.
pub(crate) fn the_desk() -> whatif::Desk {
    whatif::Desk {
        pair: pair(),
        account: "solver.near".to_owned().try_into().unwrap(),
        pricing: PricingPolicy {
            base: BasisPoints(250),
            per_second_of_age: BasisPoints(0),
            fallback: BasisPoints(100),
            assumed_parity: BasisPoints(0),
        },
        finality_lag_ms: 1_500,
        offer_margin_ms: 10_000,
        nonce_margin_ms: 60_000,
        release_margin_ms: 5_000,
    }
}

pub(crate) async fn records(desk: &Desk) -> Vec<Record> {
    desk.log.read_all(Position::START, &whatif::reads(), 10_000).await.unwrap().records
}

pub(crate) fn answer(records: &[Record], question: Question) -> Report {
    between(records, question, (None, None)).unwrap()
}

pub(crate) fn between(
    records: &[Record],
    question: Question,
    edges: (Option<Edge>, Option<Edge>),
) -> Result<Report, WhatIfError> {
    let mut replay = Replay::new(the_desk(), question, edges.0, edges.1)?;
    for record in records {
        if replay.see(record)? == whatif::Flow::Over {
            break;
        }
    }
    replay.finish()
}

/// A question about these limits, by name, with the values that `change` gives them.
pub(crate) fn limited(names: &[&str], change: impl FnOnce(&mut Limits)) -> Question {
    let mut changed = limits();
    change(&mut changed);
    Question { limits: LimitChanges::of(&changed, names.iter().copied()).unwrap(), ..Question::default() }
}

/// A strategy that runs.
struct Trading {
    stopper: Stopper,
    task: JoinHandle<Result<(), stele_commands::service::ServiceError>>,
}

impl Trading {
    async fn start(desk: &Desk) -> Self {
        let start = begin(desk).await;
        let (stopper, stop) = channel();
        Self { stopper, task: tokio::spawn(reactor_of(desk, start).run(stop)) }
    }

    async fn stop(self) {
        self.stopper.stop();
        self.task.await.unwrap().unwrap();
    }
}

/// A block: balances with the nonces of all open offers, of which these are used.
async fn block(desk: &Desk, used: &[&str]) {
    static HEIGHT: AtomicU64 = AtomicU64::new(1_000);
    let height = HEIGHT.fetch_add(1, Ordering::SeqCst);
    let open = desk.account.look(|state| {
        let offer = |offer: &trading::account::state::OpenOffer| NonceSeen {
            command_id: offer.started.command_id,
            used: used.contains(&offer.started.quote_id.as_str()),
        };
        state.open().values().map(offer).collect::<Vec<_>>()
    });
    let open = open.await.unwrap();
    desk.balances(height, desk.clock.now(), open).await;
}

/// A demand that is decided on and, where it is to be offered, whose order is answered by the account.
async fn quoted(desk: &Desk, quote: &str) {
    demand(desk, quote).await;
    until_decided(desk, quote).await;
    let decided = decisions(desk).await.into_iter().find(|decided| decided.quote_id.as_str() == quote);
    if decided.unwrap().verdict == Verdict::Act {
        desk.until(|event| answers(event, quote)).await;
    }
}

fn answers(event: &Event, quote: &str) -> bool {
    let Event::Trading(trading::event::Event::Account(event)) = event else { return false };
    if let AccountEvent::SubmissionStarted(started) = event {
        started.quote_id.as_str() == quote
    } else if let AccountEvent::ExecutionRefused(refused) = event {
        refused.quote_id.as_str() == quote
    } else if let AccountEvent::ExecutionExpired(expired) = event {
        expired.quote_id.as_str() == quote
    } else {
        false
    }
}

/// A desk that trades, with balances and a price.
async fn trading_desk() -> (Desk, Running, Trading) {
    let desk = Desk::new();
    let executor = desk.execute().await;
    let strategy = Trading::start(&desk).await;
    desk.arm().await;
    block(&desk, &[]).await;
    price(&desk).await;
    (desk, executor, strategy)
}

pub(crate) fn is_history(report: &Report) {
    assert_eq!(report.decisions.not_reproduced, 0, "{:?}", report.not_reproduced);
    assert_eq!(report.decisions.identical, report.decisions.all, "{report:#?}");
    assert_eq!(report.before, report.after);
    assert!(report.differences.is_empty() && report.reasons.is_empty());
}

/// Offers, one of which is taken, one whose answer is lost, one that is refused.
async fn a_morning(desk: &Desk) -> (Running, Trading) {
    let executor = desk.execute().await;
    let strategy = Trading::start(desk).await;
    quoted(desk, "q-before").await;
    desk.arm().await;
    block(desk, &[]).await;
    price(desk).await;
    for n in 0..3 {
        quoted(desk, &format!("q-{n}")).await;
    }
    desk.clock.advance_ms(4_000);
    block(desk, &["q-1"]).await;
    desk.until_type("trading.SubmissionSettled").await;
    desk.venue.answers(Submission::Unknown { reason: "the socket closed".to_owned() });
    quoted(desk, "q-lost").await;
    desk.until_type("trading.SubmissionUncertain").await;
    desk.venue.answers(Submission::Refused { reply: "no".to_owned(), late: false });
    quoted(desk, "q-refused").await;
    desk.until_type("trading.SubmissionRejected").await;
    (executor, strategy)
}

/// Other limits, expiries, pauses, a burst.
async fn a_noon(desk: &Desk) {
    // Tighter limits, in the middle.
    let at = desk.clock.now();
    let tight =
        Limits { open_offers_max: 5, notional_max: eure(49), fallback_notional_max: eure(49), ..limits() };
    let set = Command::SetLimits {
        limits: Box::new(tight),
        shown: None,
        effective_from: at,
        reason: "test".to_owned(),
        by: someone(),
        at,
    };
    desk.account.handle(desk.wish(set)).await.unwrap();
    quoted(desk, "q-too-large").await;
    desk.arm().await;
    // Offers expire: a block later than their deadline and the margin.
    desk.clock.advance_ms(100_000);
    block(desk, &[]).await;
    desk.until_type("trading.SubmissionExpiredUnfilled").await;
    price(desk).await;
    quoted(desk, "q-after").await;
    // A person pauses, and lets it go on.
    for (quote, command) in [
        (
            "q-paused",
            ServiceCommand::Pause {
                service: Service::Strategy,
                reason: "looking".to_owned(),
                at: desk.clock.now(),
            },
        ),
        (
            "q-resumed",
            ServiceCommand::Resume {
                service: Service::Strategy,
                reason: "seen".to_owned(),
                at: desk.clock.now(),
            },
        ),
    ] {
        desk.board.switch(Service::Strategy).unwrap().handle(desk.wish(command)).await.unwrap();
        quoted(desk, quote).await;
    }
    // A burst: some are decided on before the account has spoken on those before them.
    for n in 0..12 {
        demand(desk, &format!("q-burst-{n}")).await;
    }
    until_decided(desk, "q-burst-11").await;
}

/// All that can happen to a desk: fills, expiries, refusals, lost replies, pauses, other limits, a kill and restarts.
async fn an_eventful_day(desk: &Desk) {
    let (executor, strategy) = a_morning(desk).await;
    a_noon(desk).await;
    // Restarts: of the strategy while demands wait, of the executor while offers are open.
    strategy.stop().await;
    demand(desk, "q-waits-1").await;
    demand(desk, "q-waits-2").await;
    executor.crash().await;
    let executor = desk.execute().await;
    let strategy = Trading::start(desk).await;
    until_decided(desk, "q-waits-2").await;
    desk.arm().await;
    block(desk, &["q-after"]).await;
    price(desk).await;
    quoted(desk, "q-again").await;
    let at = desk.clock.now();
    desk.account.handle(desk.wish(Command::Kill { reason: "smoke".to_owned(), at })).await.unwrap();
    quoted(desk, "q-killed").await;
    desk.clock.advance_ms(200_000);
    block(desk, &[]).await;
    quoted(desk, "q-last").await;
    strategy.stop().await;
    executor.stop().await;
}

#[tokio::test]
async fn a_question_that_changes_nothing_is_answered_with_history() {
    let desk = Desk::new();
    an_eventful_day(&desk).await;
    let records = records(&desk).await;
    let report = answer(&records, Question::default());
    is_history(&report);
    assert!(report.decisions.all >= 25, "{:?}", report.decisions);
    assert!(report.before.offered["buy_base"].count >= 5, "{:?}", report.before);
    assert!(report.before.settled["buy_base"].count >= 1, "{:?}", report.before);
    // The same under every model: none of them has anything to say.
    for fills in Fills::ALL {
        is_history(&answer(&records, Question { fills, ..Question::default() }));
    }
    // And from any place to any other.
    let last = records.last().unwrap().position.0;
    for (from, to) in [(1, last), (last / 3, last), (last / 2, last * 3 / 4), (last, last)] {
        let edges = (Some(Edge::Position(Position(from))), Some(Edge::Position(Position(to))));
        is_history(&between(&records, Question::default(), edges).unwrap());
    }
}

#[tokio::test]
async fn history_is_answered_also_where_the_log_was_away() {
    let clock = HandClock::at(crate::desk::start());
    let log = Arc::new(Moody::new(&clock));
    let desk = Desk::on(log.clone(), clock);
    let executor = desk.execute().await;
    let strategy = Trading::start(&desk).await;
    desk.arm().await;
    block(&desk, &[]).await;
    price(&desk).await;
    quoted(&desk, "q-1").await;
    log.shut(Some("strategy"));
    demand(&desk, "q-2").await;
    log.until_shut_out(2).await;
    // While its decision waits, the world goes on.
    block(&desk, &["q-1"]).await;
    desk.until_type("trading.SubmissionSettled").await;
    desk.clock.advance_ms(100);
    price(&desk).await;
    log.shut(None);
    until_decided(&desk, "q-2").await;
    quoted(&desk, "q-3").await;
    strategy.stop().await;
    executor.stop().await;
    is_history(&answer(&records(&desk).await, Question::default()));
}

async fn set(desk: &Desk, limits: Limits) {
    let at = desk.clock.now();
    let set = Command::SetLimits {
        limits: Box::new(limits),
        shown: None,
        effective_from: at,
        reason: "test".to_owned(),
        by: someone(),
        at,
    };
    desk.account.handle(desk.wish(set)).await.unwrap();
}

fn offers(side: &whatif::report::Side) -> u64 {
    side.offered.values().map(|volume| volume.count).sum()
}

#[tokio::test]
async fn a_lower_threshold_shows_the_offers_that_would_have_been_made() {
    let (desk, executor, strategy) = trading_desk().await;
    set(&desk, Limits { edge_min: BasisPoints(300), ..limits() }).await;
    for n in 0..3 {
        quoted(&desk, &format!("q-{n}")).await;
    }
    strategy.stop().await;
    executor.stop().await;
    let records = records(&desk).await;
    let report = answer(&records, limited(&["edge_min"], |limits| limits.edge_min = BasisPoints(200)));
    assert_eq!((report.decisions.added, report.decisions.offers_that_differ()), (3, 3), "{report:#?}");
    assert_eq!((offers(&report.before), offers(&report.after)), (0, 3));
    assert_eq!(report.before.skipped["edge_too_small"], 3);
    assert!(report.after.skipped.is_empty());
    let first = &report.differences[0];
    assert_eq!((first.kind, first.quote_id.as_str()), (Kind::Added, "q-0"));
    assert_eq!(first.before.fate, Fate::NotOrdered { reason: Reason::EdgeTooSmall });
    assert_eq!(first.after.fate, Fate::Offered);
    let gates: Vec<_> = first.gates.iter().map(|change| change.gate).collect();
    assert_eq!(gates, [Gate::Edge], "only the gate that was asked about says something else");
    let change = &report.limits[0];
    assert_eq!((change.version, change.name.as_str()), (2, "edge_min"));
    assert_eq!((&change.then, &change.asked), (&300.into(), &200.into()));
}

#[tokio::test]
async fn what_would_have_been_offered_takes_the_room_of_what_came_after() {
    let (desk, executor, strategy) = trading_desk().await;
    set(&desk, Limits { edge_min: BasisPoints(300), ..limits() }).await;
    quoted(&desk, "q-0").await;
    quoted(&desk, "q-1").await;
    set(&desk, limits()).await;
    for n in 2..6 {
        quoted(&desk, &format!("q-{n}")).await;
    }
    strategy.stop().await;
    executor.stop().await;
    let records = records(&desk).await;
    // Room for four: the two that were never made hold the places of the last two that were.
    let question = limited(&["edge_min", "open_offers_max"], |limits| limits.open_offers_max = 4);
    let report = answer(&records, question);
    let kind = |difference: &whatif::report::Difference| (difference.quote_id.to_string(), difference.kind);
    let kinds: Vec<_> = report.differences.iter().map(kind).collect();
    let (added, removed) = (Kind::Added, Kind::Removed);
    let expected = [("q-0", added), ("q-1", added), ("q-4", removed), ("q-5", removed)];
    assert_eq!(kinds, expected.map(|(quote, kind)| (quote.to_owned(), kind)));
    assert_eq!(report.differences[2].after.fate, Fate::NotOrdered { reason: Reason::TooManyOpen });
    assert_eq!(report.decisions.identical + report.decisions.figures, 2);
}

/// Three offers, of which the middle one was taken.
pub(crate) async fn three_of_which_one_was_taken() -> Vec<Record> {
    let (desk, executor, strategy) = trading_desk().await;
    for n in 0..3 {
        quoted(&desk, &format!("q-{n}")).await;
    }
    desk.clock.advance_ms(4_000);
    block(&desk, &["q-1"]).await;
    desk.until_type("trading.SubmissionSettled").await;
    desk.clock.advance_ms(100_000);
    block(&desk, &[]).await;
    desk.until_type("trading.SubmissionExpiredUnfilled").await;
    price(&desk).await;
    quoted(&desk, "q-after").await;
    strategy.stop().await;
    executor.stop().await;
    records(&desk).await
}

fn margin(base: i64, fills: Fills) -> Question {
    let pricing = PricingChanges { base: Some(BasisPoints(base)), ..PricingChanges::default() };
    Question { pricing, fills, ..limited(&["edge_min"], |limits| limits.edge_min = BasisPoints(0)) }
}

#[tokio::test]
async fn an_offer_on_other_terms_is_taken_where_the_record_says_so_and_the_terms_are_no_worse() {
    let records = three_of_which_one_was_taken().await;
    let settled = |base, fills| {
        let report = answer(&records, margin(base, fills));
        assert_eq!(report.decisions.changed, 4, "{:?}", report.decisions);
        assert_eq!(report.before.settled["buy_base"].count, 1);
        assert!(report.after.settled.is_empty(), "no offer was made on these terms");
        report.after.settled_estimated.get("buy_base").map_or(0, |volume| volume.count)
    };
    assert_eq!(settled(200, Fills::Recorded), 1, "the taker gets more");
    assert_eq!(settled(300, Fills::Recorded), 0, "the taker gets less");
    assert_eq!((settled(200, Fills::None), settled(300, Fills::None)), (0, 0));
    // The last one's auction has not closed by the last block.
    assert_eq!((settled(200, Fills::All), settled(300, Fills::All)), (3, 3));
}

#[tokio::test]
async fn what_is_taken_in_one_history_alone_moves_its_balances() {
    let records = three_of_which_one_was_taken().await;
    let seen = |question| {
        let report = answer(&records, question);
        let last =
            report.differences.into_iter().find(|difference| difference.quote_id.as_str() == "q-after");
        let funded = last.unwrap().gates.into_iter().find(|change| change.gate == Gate::Funded).unwrap();
        (funded.before.observed, funded.after.observed)
    };
    // The desk of these tests holds 10,000 EURe at every block, whatever was taken.
    let (before, none) = seen(margin(200, Fills::None));
    assert_eq!(before, Measure::Units(eure(10_000)));
    let Measure::Units(none) = none else { panic!("{none:?}") };
    let given = none.minus(eure(10_000)).unwrap();
    assert!(
        given > eure(48) && given < eure(50),
        "the recorded offer was not made, so its coin is there: {given}"
    );
    let (_, all) = seen(margin(200, Fills::All));
    let Measure::Units(all) = all else { panic!("{all:?}") };
    let paid = none.minus(all).unwrap();
    assert!(paid > eure(146) && paid < eure(148), "three were taken at 2 % less than 50: {paid}");
}

#[tokio::test]
async fn limits_that_are_loosened_do_not_arm_a_desk_or_undo_a_kill() {
    let desk = Desk::new();
    an_eventful_day(&desk).await;
    let records = records(&desk).await;
    let question = limited(&["edge_min", "notional_max", "open_offers_max"], |limits| {
        limits.edge_min = BasisPoints(0);
        limits.notional_max = eure(1_000);
        limits.open_offers_max = 200;
    });
    let report = answer(&records, question);
    assert!(report.decisions.added > 0, "{:?}", report.decisions);
    for reason in ["disarmed", "killed", "paused"] {
        let of = |side: &whatif::report::Side| side.skipped.get(reason).copied();
        assert_eq!(of(&report.before), of(&report.after), "{reason}");
    }
    let of = |quote: &str| report.differences.iter().any(|difference| difference.quote_id.as_str() == quote);
    assert!(of("q-too-large") && !of("q-killed") && !of("q-before") && !of("q-paused"));
}
