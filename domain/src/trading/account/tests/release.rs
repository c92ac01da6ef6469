//! Coin is freed by proof only: with the block that shows the settlement, or when the signature is dead.
//!
//! Offers end at 70 s and their nonces at 130 s; a release takes a block later than 75 s.

use crate::decider::fold;
use crate::money::Units;
use crate::port::feeds::SettlementWord;
use crate::testing::given;
use crate::time::Timestamp;
use crate::trading::account::command::ApplyBalances;
use crate::trading::account::event::{
    ReleaseCause, ReservationReleased, SubmissionExpiredUnfilled, SubmissionSettled, SubmissionUncertain,
};
use crate::trading::account::state::RECENT_MAX;
use crate::trading::account::{Account, Command, Event, State};
use crate::trading::fixtures::{
    after, at, block, command, event_id, execute, hash, leased, micros_after, open, order, started,
};
use crate::treasury::inventory::event::NonceSeen;

fn apply(height: u64, block_at: Timestamp, nonces: &[(u64, bool)]) -> Command {
    Command::ApplyBalances(Box::new(block(height, block_at, nonces)))
}

fn settled(n: u64, height: u64, at: Timestamp) -> Event {
    Event::SubmissionSettled(SubmissionSettled {
        command_id: command(n),
        inventory_event_id: event_id(height),
        height,
        tx_hash: None,
        at,
    })
}

fn expired(n: u64, height: u64, at: Timestamp) -> Event {
    let inventory_event_id = event_id(height);
    Event::SubmissionExpiredUnfilled(SubmissionExpiredUnfilled {
        command_id: command(n),
        inventory_event_id,
        height,
        at,
    })
}

fn released(n: u64, cause: ReleaseCause, height: u64, at: Timestamp) -> Event {
    Event::ReservationReleased(ReservationReleased {
        command_id: command(n),
        cause,
        amount: started(n).give,
        height: Some(height),
        at,
    })
}

fn accept(n: u64) -> Command {
    Command::RecordAccepted { command_id: command(n), reply: "OK".to_owned(), at: at(50) }
}

fn reject(n: u64) -> Command {
    Command::RecordRejected { command_id: command(n), reply: "late".to_owned(), late: true, at: at(50) }
}

fn doubt(n: u64) -> Command {
    Command::RecordUncertain { command_id: command(n), why: "no reply".to_owned(), at: at(50) }
}

fn fail(n: u64) -> Command {
    Command::RecordSettlementWord {
        quote_hash: hash(n),
        word: SettlementWord::Failed,
        tx_hash: None,
        at: at(50),
    }
}

/// Every phase in which an offer can be open.
fn phases() -> [Vec<Event>; 5] {
    [vec![], vec![accept(1)], vec![reject(1)], vec![doubt(1)], vec![fail(1)]]
        .map(|reports| after(open([1]), reports))
}

#[test]
fn a_used_nonce_settles_the_offer_and_frees_its_coin_with_that_very_block() {
    for history in phases() {
        given::<Account>(history)
            .when(apply(101, at(4_000), &[(1, true)]))
            .then([settled(1, 101, at(6_000)), released(1, ReleaseCause::Settled, 101, at(6_000))]);
    }
}

#[test]
fn a_settlement_names_the_transaction_that_the_relay_named() {
    let mut seen = block(101, at(4_000), &[(1, true)]);
    seen.tx_hashes.insert(hash(1), "tx-1".to_owned());
    seen.tx_hashes.insert(hash(2), "tx-2".to_owned());
    let history = after(open([1]), [Command::ApplyBalances(Box::new(seen))]);
    let named = history.iter().find_map(|event| {
        if let Event::SubmissionSettled(settled) = event { settled.tx_hash.clone() } else { None }
    });
    assert_eq!(named.as_deref(), Some("tx-1"));
}

#[test]
fn the_same_block_again_settles_and_frees_nothing() {
    let history = after(open([1]), [apply(101, at(4_000), &[(1, true)])]);
    given::<Account>(history.clone()).when(apply(101, at(4_000), &[(1, true)])).then_nothing();
    given::<Account>(history).when(apply(102, at(5_000), &[(1, true)])).then_nothing();
}

#[test]
fn a_nonce_that_is_listed_twice_frees_its_coin_once_and_used_wins() {
    let once = [settled(1, 101, at(92_000)), released(1, ReleaseCause::Settled, 101, at(92_000))];
    for twice in [[(1, true), (1, true)], [(1, false), (1, true)], [(1, true), (1, false)]] {
        given::<Account>(open([1])).when(apply(101, at(90_000), &twice)).then(once.clone());
    }
}

#[test]
fn an_unused_nonce_before_the_deadline_proves_nothing() {
    for history in phases() {
        given::<Account>(history).when(apply(101, at(69_000), &[(1, false)])).then_nothing();
    }
}

#[test]
fn at_exactly_deadline_and_margin_the_coin_is_kept() {
    for history in phases() {
        given::<Account>(history).when(apply(101, at(75_000), &[(1, false)])).then_nothing();
    }
}

#[test]
fn past_deadline_and_margin_an_offer_without_a_result_is_expired_and_its_coin_free() {
    for later in [micros_after(at(75_000), 1), at(75_001)] {
        let now = later.plus_millis(2_000);
        for reports in [vec![], vec![accept(1)], vec![doubt(1)]] {
            given::<Account>(after(open([1]), reports))
                .when(apply(101, later, &[(1, false)]))
                .then([expired(1, 101, now), released(1, ReleaseCause::DeadlinePassed, 101, now)]);
        }
    }
}

#[test]
fn past_deadline_and_margin_an_offer_with_a_result_only_gets_its_coin_back() {
    let freed = released(1, ReleaseCause::DeadlinePassed, 101, at(77_001));
    for report in [reject(1), fail(1)] {
        given::<Account>(after(open([1]), [report]))
            .when(apply(101, at(75_001), &[(1, false)]))
            .then([freed.clone()]);
    }
}

#[test]
fn a_failed_settlement_keeps_the_coin_until_the_signature_is_dead() {
    let history = after(open([1]), [fail(1), apply(101, at(74_000), &[(1, false)])]);
    assert_eq!(fold::<Account>(&history).reserved(&order(1).give.token), order(1).give.amount);
}

#[test]
fn a_nonce_that_is_used_just_before_the_end_is_settled_and_not_expired() {
    given::<Account>(open([1]))
        .when(apply(101, at(75_001), &[(1, true)]))
        .then([settled(1, 101, at(77_001)), released(1, ReleaseCause::Settled, 101, at(77_001))]);
}

#[test]
fn a_nonce_that_the_venue_may_have_forgotten_proves_neither_settlement_nor_expiry() {
    let last = micros_after(at(130_000), -1);
    given::<Account>(open([1])).when(apply(101, last, &[(1, false)])).then([
        expired(1, 101, last.plus_millis(2_000)),
        released(1, ReleaseCause::DeadlinePassed, 101, last.plus_millis(2_000)),
    ]);

    let freed = released(1, ReleaseCause::DeadlinePassed, 101, at(132_000));
    for reports in [vec![], vec![accept(1)]] {
        let why = format!("its nonce could be asked about until {} only", at(130_000));
        let unknown =
            Event::SubmissionUncertain(SubmissionUncertain { command_id: command(1), why, at: at(132_000) });
        given::<Account>(after(open([1]), reports))
            .when(apply(101, at(130_000), &[(1, false)]))
            .then([unknown, freed.clone()]);
    }
    for report in [doubt(1), reject(1), fail(1)] {
        given::<Account>(after(open([1]), [report]))
            .when(apply(101, at(130_000), &[(1, false)]))
            .then([freed.clone()]);
    }
}

#[test]
fn only_the_offers_that_were_asked_about_are_touched() {
    let history = after(open([1, 2]), [apply(101, at(75_001), &[(2, false), (9, true)])]);
    let state = fold::<Account>(&history);
    assert_eq!(state.open().keys().copied().collect::<Vec<_>>(), [command(1)]);
    assert_eq!(state.reserved(&order(1).give.token), order(1).give.amount);
}

#[test]
fn one_block_closes_several_offers_each_for_its_own_reason() {
    given::<Account>(open([1, 2])).when(apply(101, at(75_001), &[(2, true), (1, false)])).then([
        expired(1, 101, at(77_001)),
        released(1, ReleaseCause::DeadlinePassed, 101, at(77_001)),
        settled(2, 101, at(77_001)),
        released(2, ReleaseCause::Settled, 101, at(77_001)),
    ]);
}

#[test]
fn offers_are_closed_while_killed_and_by_a_later_lease() {
    let kill = Command::Kill { reason: "smoke".to_owned(), at: at(20) };
    let mut history = after(open([1]), [kill]);
    history.push(leased(2));
    given::<Account>(history)
        .when(apply(101, at(4_000), &[(1, true)]))
        .then([settled(1, 101, at(6_000)), released(1, ReleaseCause::Settled, 101, at(6_000))]);
}

#[test]
fn a_late_block_does_not_make_the_newest_release_older() {
    let history =
        after(open([1, 2]), [apply(105, at(4_000), &[(1, true)]), apply(103, at(3_000), &[(2, true)])]);
    assert_eq!(fold::<Account>(&history).last_release_height(), 105);
}

#[test]
fn the_last_settlement_is_the_latest_and_not_the_last_reported() {
    let history =
        after(open([1, 2]), [apply(105, at(4_000), &[(1, true)]), apply(103, at(3_000), &[(2, true)])]);
    assert_eq!(fold::<Account>(&history).last_settled_at(), Some(at(6_000)));
}

#[test]
fn coin_that_a_settlement_took_is_not_counted_twice_with_balances_from_before_it() {
    // The block of the settlement holds 48.97 less; the balances of block 100 still show it.
    let history = after(open([1]), [apply(101, at(-9_000), &[(1, true)])]);
    let stale = Command::Execute(Box::new(execute(2)));
    let events = after(history.clone(), [stale]);
    assert!(matches!(events.last(), Some(Event::ExecutionRefused(_))), "{events:?}");

    let mut fresh = execute(2);
    fresh.balances.as_mut().unwrap().height = 101;
    let events = after(history, [Command::Execute(Box::new(fresh))]);
    assert!(matches!(events.last(), Some(Event::SubmissionStarted(_))), "{events:?}");
}

#[test]
fn an_abandoned_offer_asks_for_no_newer_balances() {
    let abandon = Command::Abandon { command_id: command(1), why: "not sent".to_owned(), at: at(50) };
    let events = after(open([1]), [abandon, Command::Execute(Box::new(execute(2)))]);
    assert!(matches!(events.last(), Some(Event::SubmissionStarted(_))), "{events:?}");
}

#[test]
fn a_released_reservation_holds_nothing() {
    let history = after(open([1]), [apply(101, at(75_001), &[(1, false)])]);
    assert_eq!(fold::<Account>(&history).reserved(&order(1).give.token), Units::ZERO);
}

#[test]
fn a_margin_beyond_all_time_keeps_the_coin() {
    let endless = ApplyBalances { release_margin_ms: u64::MAX, ..block(101, at(900_000), &[(1, false)]) };
    given::<Account>(open([1])).when(Command::ApplyBalances(Box::new(endless))).then_nothing();
}

#[test]
fn a_snapshot_without_our_nonces_changes_nothing() {
    let silent = ApplyBalances { nonces: Vec::<NonceSeen>::new(), ..block(101, at(900_000), &[]) };
    given::<Account>(open([1])).when(Command::ApplyBalances(Box::new(silent))).then_nothing();
}

/// A history in which offers up to `last` were started and released, each before the next.
fn one_after_the_other(last: u64) -> Vec<Event> {
    let closed = |n| {
        let started = Event::SubmissionStarted(Box::new(started(n)));
        [started, released(n, ReleaseCause::Settled, n, at(60))]
    };
    (1..=last).flat_map(closed).collect()
}

#[test]
fn an_offer_that_was_closed_is_known_by_its_hash_until_so_many_others_were_closed_since() {
    let most = u64::try_from(RECENT_MAX).unwrap();
    let quote = started(1).quote_id;
    let open = fold::<Account>(&one_after_the_other(1)[..1]);
    assert_eq!(open.answered_with(&hash(1)), Some(&quote));
    assert_eq!(open.answered_with(&hash(2)), None);
    assert_eq!(fold::<Account>(&one_after_the_other(most)).answered_with(&hash(1)), Some(&quote));
    assert_eq!(fold::<Account>(&one_after_the_other(most + 1)).answered_with(&hash(1)), None);
}

#[test]
fn what_is_forgotten_is_forgotten_on_paper_too() {
    let most = u64::try_from(RECENT_MAX).unwrap();
    let state = fold::<Account>(&one_after_the_other(most + 3));
    let paper = serde_json::to_vec(&state).unwrap();
    assert_eq!(serde_json::from_slice::<State>(&paper).unwrap(), state);
}
