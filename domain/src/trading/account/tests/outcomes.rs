//! What is reported of an offer is kept once, and never costs a reservation by mere words.

use crate::decider::fold;
use crate::ids::QuoteHash;
use crate::port::feeds::{ReplyWord, SettlementWord};
use crate::testing::given;
use crate::trading::account::event::{
    ReleaseCause, ReplyContradicted, ReservationReleased, SubmissionAbandoned, SubmissionAccepted,
    SubmissionRejected, SubmissionSettleFailed, SubmissionUncertain,
};
use crate::trading::account::state::Phase;
use crate::trading::account::{Account, Command, Event, Rejection};
use crate::trading::fixtures::{after, at, block, command, hash, leased, open, ready, started};

fn accept(n: u64) -> Command {
    Command::RecordAccepted { command_id: command(n), reply: "OK".to_owned(), at: at(50) }
}

fn accepted(n: u64) -> Event {
    Event::SubmissionAccepted(SubmissionAccepted {
        command_id: command(n),
        reply: "OK".to_owned(),
        at: at(50),
    })
}

fn reject(n: u64) -> Command {
    Command::RecordRejected {
        command_id: command(n),
        reply: "bad signature".to_owned(),
        late: false,
        at: at(50),
    }
}

fn rejected(n: u64) -> Event {
    let reply = "bad signature".to_owned();
    Event::SubmissionRejected(SubmissionRejected { command_id: command(n), reply, late: false, at: at(50) })
}

fn doubt(n: u64) -> Command {
    Command::RecordUncertain { command_id: command(n), why: "no reply".to_owned(), at: at(50) }
}

fn uncertain(n: u64) -> Event {
    let why = "no reply".to_owned();
    Event::SubmissionUncertain(SubmissionUncertain { command_id: command(n), why, at: at(50) })
}

fn word(quote_hash: QuoteHash, word: SettlementWord) -> Command {
    Command::RecordSettlementWord { quote_hash, word, tx_hash: Some("tx".to_owned()), at: at(50) }
}

fn failed(n: u64) -> Event {
    let tx_hash = Some("tx".to_owned());
    Event::SubmissionSettleFailed(SubmissionSettleFailed { command_id: command(n), tx_hash, at: at(50) })
}

fn abandon(n: u64) -> Command {
    Command::Abandon { command_id: command(n), why: "killed before it was sent".to_owned(), at: at(50) }
}

fn phase(history: &[Event], n: u64) -> Option<Phase> {
    fold::<Account>(history).open().get(&command(n)).map(|offer| offer.phase)
}

#[test]
fn a_reply_is_kept_once() {
    given::<Account>(open([1])).when(accept(1)).then([accepted(1)]);
    given::<Account>(after(open([1]), [accept(1)])).when(accept(1)).then_nothing();
    given::<Account>(open([1])).when(reject(1)).then([rejected(1)]);
    given::<Account>(after(open([1]), [reject(1)])).when(reject(1)).then_nothing();
    given::<Account>(open([1])).when(doubt(1)).then([uncertain(1)]);
    given::<Account>(after(open([1]), [doubt(1)])).when(doubt(1)).then_nothing();
}

#[test]
fn acceptance_is_no_fill_and_a_refusal_frees_no_coin() {
    for report in [accept(1), reject(1), doubt(1), word(hash(1), SettlementWord::Failed)] {
        let state = fold::<Account>(&after(open([1]), [report]));
        assert_eq!(state.reserved(&started(1).give.token), started(1).give.amount);
    }
}

#[test]
fn a_reply_that_comes_after_all_ends_the_doubt() {
    given::<Account>(after(open([1]), [doubt(1)])).when(accept(1)).then([accepted(1)]);
    given::<Account>(after(open([1]), [doubt(1)])).when(reject(1)).then([rejected(1)]);
}

#[test]
fn a_known_reply_is_not_doubted() {
    for first in [accept(1), reject(1)] {
        given::<Account>(after(open([1]), [first])).when(doubt(1)).then_nothing();
    }
}

#[test]
fn a_reply_that_contradicts_an_earlier_one_is_on_record_once_and_from_then_on_replies_prove_nothing() {
    let contradicted = |before, reply: &str| {
        let (command_id, reply) = (command(1), reply.to_owned());
        Event::ReplyContradicted(ReplyContradicted { command_id, before, reply, at: at(50) })
    };
    let cases = [
        (reject(1), accept(1), contradicted(ReplyWord::Rejected, "OK")),
        (accept(1), reject(1), contradicted(ReplyWord::Accepted, "bad signature")),
    ];
    for (first, second, fact) in cases {
        let told = after(open([1]), [first]);
        given::<Account>(told.clone()).when(second.clone()).then([fact]);
        let history = after(told, [second]);
        assert_eq!(phase(&history, 1), Some(Phase::Uncertain));
        for more in [accept(1), reject(1), doubt(1)] {
            given::<Account>(history.clone()).when(more).then_nothing();
        }
        let state = fold::<Account>(&history);
        assert_eq!(state.reserved(&started(1).give.token), started(1).give.amount);
    }
}

#[test]
fn a_block_ends_what_the_relay_contradicted() {
    let seen = |block_at, used| Command::ApplyBalances(Box::new(block(101, block_at, &[(1, used)])));
    let history = after(open([1]), [reject(1), accept(1)]);
    let unfilled = after(history.clone(), [seen(at(80_000), false)]);
    assert!(
        unfilled.iter().any(|event| matches!(event, Event::SubmissionExpiredUnfilled(_))),
        "{unfilled:?}"
    );
    assert!(fold::<Account>(&unfilled).open().is_empty());
    let ends = after(history, [seen(at(4_000), true)]);
    assert!(ends.iter().any(|event| matches!(event, Event::SubmissionSettled(_))), "{ends:?}");
}

#[test]
fn a_settlement_is_only_believed_when_a_block_shows_it() {
    for said in [SettlementWord::Settled, SettlementWord::Ready] {
        given::<Account>(open([1])).when(word(hash(1), said)).then_nothing();
    }
}

#[test]
fn a_failed_settlement_is_a_result_from_any_phase_and_kept_once() {
    for before in [vec![], vec![accept(1)], vec![reject(1)], vec![doubt(1)]] {
        let history = after(open([1]), before);
        given::<Account>(history).when(word(hash(1), SettlementWord::Failed)).then([failed(1)]);
    }
    let history = after(open([1]), [word(hash(1), SettlementWord::Failed)]);
    given::<Account>(history.clone()).when(word(hash(1), SettlementWord::Failed)).then_nothing();
    for late in [accept(1), reject(1), doubt(1)] {
        given::<Account>(history.clone()).when(late).then_nothing();
    }
}

#[test]
fn another_makers_settlement_is_none_of_ours() {
    given::<Account>(open([1])).when(word(hash(7), SettlementWord::Failed)).then_nothing();
}

#[test]
fn what_was_never_sent_is_abandoned_and_its_coin_free_at_once() {
    let why = "killed before it was sent".to_owned();
    let abandoned =
        Event::SubmissionAbandoned(SubmissionAbandoned { command_id: command(1), why, at: at(50) });
    let released = Event::ReservationReleased(ReservationReleased {
        command_id: command(1),
        cause: ReleaseCause::NeverSent,
        amount: started(1).give,
        height: None,
        at: at(50),
    });
    given::<Account>(open([1])).when(abandon(1)).then([abandoned, released]);
    given::<Account>(after(open([1]), [abandon(1)])).when(abandon(1)).then_nothing();
    assert_eq!(phase(&after(open([1]), [abandon(1)]), 1), None);
}

#[test]
fn what_may_have_been_sent_is_not_abandoned() {
    for report in [accept(1), reject(1), doubt(1), word(hash(1), SettlementWord::Failed)] {
        given::<Account>(after(open([1]), [report]))
            .when(abandon(1))
            .then_rejected(Rejection::MayBeSent(command(1)));
    }
}

#[test]
fn after_a_restart_an_offer_of_the_lease_before_may_have_been_sent() {
    let mut history = open([1]);
    history.push(leased(2));
    given::<Account>(history).when(abandon(1)).then_rejected(Rejection::MayBeSent(command(1)));
}

#[test]
fn after_a_kill_the_same_executor_can_still_abandon_what_it_has_not_sent() {
    let kill = Command::Kill { reason: "smoke".to_owned(), at: at(20) };
    assert_eq!(phase(&after(open([1]), [kill, abandon(1)]), 1), None);
}

#[test]
fn reports_of_an_offer_that_is_closed_change_nothing() {
    let settled = after(open([1]), [Command::ApplyBalances(Box::new(block(101, at(0), &[(1, true)])))]);
    for late in [accept(1), reject(1), doubt(1), abandon(1), word(hash(1), SettlementWord::Failed)] {
        given::<Account>(settled.clone()).when(late).then_nothing();
    }
}

#[test]
fn a_report_of_an_offer_that_was_never_started_is_a_mistake_that_is_named() {
    for report in [accept(9), reject(9), doubt(9), abandon(9)] {
        given::<Account>(ready()).when(report).then_rejected(Rejection::UnknownSubmission(command(9)));
    }
}

#[test]
fn only_unknown_outcomes_count_as_unknown() {
    let history = after(open([1, 2, 3]), [doubt(1), accept(2), doubt(3), accept(3)]);
    assert_eq!(fold::<Account>(&history).uncertain(), 1);
}
