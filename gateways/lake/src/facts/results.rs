//! What became of commands, a row for every step: never changed, so that the last step of a command is its result.

use super::Fact;
use super::common::{maybe, of_account, row, subject, table, text, with_common};
use stele_domain::event::Recorded;
use stele_domain::ids::CommandId;
use stele_domain::port::read_store::table::{Column, ColumnKind as Kind, Table, column, optional};
use stele_domain::port::read_store::{Cell, Row};
use stele_domain::time::Timestamp;
use stele_domain::trading::account::event::{Event as Account, SubmissionStarted};

/// Results.
pub const FACT: Fact = Fact { table: &TABLE, version: 1, rows };

static TABLE: Table = table(
    "fact_result",
    "Every step of every command at the executor. The last one of a command is what became of it.",
    COLUMNS,
    &["position"],
);

const COLUMNS: &[Column] = &with_common::<30>(&[
    column("account", Kind::Text, "The account that signs."),
    column("command_id", Kind::Text, "The command."),
    column(
        "step",
        Kind::Text,
        "refused, expired, started, abandoned, accepted, rejected, uncertain, contradicted, settled, settle_failed, \
         expired_unfilled.",
    ),
    column("at", Kind::Timestamp, "When it came to that."),
    optional("detail", Kind::Text, "The relay's words, or why."),
    optional("refusal", Kind::Text, "Of refused: its stable code."),
    optional("tx_hash", Kind::Text, "The settlement transaction, where the relay named it."),
    optional("proof_event_id", Kind::Text, "The balances that prove it."),
    optional("proof_height", Kind::Int64, "Their block."),
    optional("quote_id", Kind::Text, "The auction; of refused, expired and started."),
    optional("decision_id", Kind::Text, "Of started: the decision."),
    optional("pair", Kind::Text, "Of started: the pair."),
    optional("direction", Kind::Text, "Of started: buy_base or sell_base."),
    optional("receive_token", Kind::Text, "Of started: what the desk receives."),
    optional("receive_amount", Kind::Units, "Of started: how much of it, in base units."),
    optional("give_token", Kind::Text, "Of started: what the desk gives."),
    optional("give_amount", Kind::Units, "Of started: how much of it, in base units."),
    optional("notional", Kind::Units, "Of started: worth in base units of the quote asset."),
    optional("quote_hash", Kind::Text, "Of started: the venue's name for the signed offer."),
    optional("offer_deadline", Kind::Timestamp, "Of started: until when the offer can be executed."),
]);

/// One step, before it is a row.
struct Step<'e> {
    command_id: CommandId,
    word: &'static str,
    at: Timestamp,
    detail: Cell,
    refusal: Cell,
    tx_hash: Option<&'e str>,
    proof: [Cell; 2],
    quote_id: Cell,
    started: Option<&'e SubmissionStarted>,
}

impl Step<'_> {
    fn of(command_id: CommandId, word: &'static str, at: Timestamp, detail: Option<&str>) -> Self {
        let nothing = || Cell::Null;
        Self {
            command_id,
            word,
            at,
            detail: maybe(detail, text),
            refusal: nothing(),
            tx_hash: None,
            proof: [nothing(), nothing()],
            quote_id: nothing(),
            started: None,
        }
    }
}

fn rows(event: &Recorded, rows: &mut Vec<Row>) {
    let Some(step) = of_account(&event.event).and_then(step) else { return };
    let head = [
        subject(event),
        step.command_id.into(),
        text(step.word),
        Cell::Time(step.at),
        step.detail,
        step.refusal,
        maybe(step.tx_hash, text),
    ];
    let own = head.into_iter().chain(step.proof).chain([step.quote_id]).chain(terms(step.started));
    rows.push(row(event, own));
}

fn step(event: &Account) -> Option<Step<'_>> {
    let step = match event {
        Account::ExecutionRefused(e) => Step {
            refusal: text(e.code.code()),
            quote_id: (&e.quote_id).into(),
            ..Step::of(e.command_id, "refused", e.at, Some(&e.detail))
        },
        Account::ExecutionExpired(e) => {
            let detail = format!("{} ms old", e.age_ms);
            let expired = Step::of(e.command_id, "expired", e.at, Some(&detail));
            Step { quote_id: (&e.quote_id).into(), ..expired }
        }
        Account::SubmissionStarted(e) => Step {
            quote_id: (&e.quote_id).into(),
            started: Some(e),
            ..Step::of(e.command_id, "started", e.at, None)
        },
        Account::SubmissionAbandoned(e) => Step::of(e.command_id, "abandoned", e.at, Some(&e.why)),
        Account::SubmissionAccepted(e) => Step::of(e.command_id, "accepted", e.at, Some(&e.reply)),
        Account::SubmissionRejected(e) => Step::of(e.command_id, "rejected", e.at, Some(&e.reply)),
        Account::SubmissionUncertain(e) => Step::of(e.command_id, "uncertain", e.at, Some(&e.why)),
        Account::ReplyContradicted(e) => Step::of(e.command_id, "contradicted", e.at, Some(&e.reply)),
        Account::SubmissionSettled(e) => Step {
            tx_hash: e.tx_hash.as_deref(),
            proof: [e.inventory_event_id.into(), Cell::count(e.height)],
            ..Step::of(e.command_id, "settled", e.at, None)
        },
        Account::SubmissionSettleFailed(e) => {
            Step { tx_hash: e.tx_hash.as_deref(), ..Step::of(e.command_id, "settle_failed", e.at, None) }
        }
        Account::SubmissionExpiredUnfilled(e) => Step {
            proof: [e.inventory_event_id.into(), Cell::count(e.height)],
            ..Step::of(e.command_id, "expired_unfilled", e.at, None)
        },
        Account::LeaseTaken(_)
        | Account::LeaseRenewed(_)
        | Account::LimitsSet(_)
        | Account::Armed(_)
        | Account::ArmRequested(_)
        | Account::ArmApproved(_)
        | Account::Disarmed(_)
        | Account::Killed(_)
        | Account::KillConfirmed(_)
        | Account::StandDownAsked(_)
        | Account::ReservationReleased(_) => return None,
    };
    Some(step)
}

fn terms(started: Option<&SubmissionStarted>) -> [Cell; 10] {
    let Some(e) = started else { return [const { Cell::Null }; 10] };
    [
        e.decision_id.into(),
        e.pair.as_str().into(),
        text(e.direction.name()),
        (&e.receive.token).into(),
        Cell::Units(e.receive.amount),
        (&e.give.token).into(),
        Cell::Units(e.give.amount),
        Cell::Units(e.notional),
        (&e.prepared.quote_hash).into(),
        Cell::Time(e.offer_deadline),
    ]
}
