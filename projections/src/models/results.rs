//! What became of every command: one row with its latest state, and a history that forgets nothing.

use super::outcome::{CommandState, OUTCOMES, Outcome, outcome};
use super::prelude::*;
use crate::row::Fields;
use stele_domain::ids::{CommandId, DecisionId, EventId, PairId, QuoteHash, QuoteId, TokenId};
use stele_domain::money::Units;
use stele_domain::pair::Direction;
use stele_domain::port::read_store::Row;
use stele_domain::trading::account::event::{Event as Desk, RefusalCode, ReleaseCause, SubmissionStarted};
use stele_domain::trading::event::Event as Trading;

/// `exec.trade_result` of the trade loop.
pub struct Results;

/// Taken up, answered, ended, released.
const STEPS_PER_COMMAND: usize = 4;

/// Where the coin of an offer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reservation {
    /// None was made.
    None,
    /// It is reserved.
    Held,
    /// It is free again, or gone with the settlement.
    Released,
}

/// The result of one command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultRow {
    pub command_id: CommandId,
    pub position: Position,
    pub last_position: Position,
    pub account: String,
    pub quote_id: QuoteId,
    pub decision_id: Option<DecisionId>,
    pub pair: Option<PairId>,
    pub direction: Option<Direction>,
    pub state: CommandState,
    pub state_at: Timestamp,
    pub answer: Option<CommandState>,
    pub answered_at: Option<Timestamp>,
    pub detail: String,
    pub refusal: Option<RefusalCode>,
    pub tx_hash: Option<String>,
    pub quote_hash: Option<QuoteHash>,
    pub nonce: Option<String>,
    pub salt: Option<String>,
    pub message: Option<String>,
    pub epoch: Option<u64>,
    pub receive_token: Option<TokenId>,
    pub receive_amount: Option<Units>,
    pub give_token: Option<TokenId>,
    pub give_amount: Option<Units>,
    pub notional: Option<Units>,
    pub offer_deadline: Option<Timestamp>,
    pub nonce_deadline: Option<Timestamp>,
    pub limits_version: Option<u64>,
    pub inventory_event_id: Option<EventId>,
    pub inventory_height: Option<u64>,
    pub proof_event_id: Option<EventId>,
    pub proof_height: Option<u64>,
    pub reservation: Reservation,
    pub release_cause: Option<ReleaseCause>,
    pub released_at: Option<Timestamp>,
    pub started_at: Option<Timestamp>,
    pub recorded_at: Timestamp,
}

/// One step of one command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultStepRow {
    pub position: Position,
    pub event_id: EventId,
    pub command_id: CommandId,
    pub step: String,
    pub detail: String,
    pub refusal: Option<RefusalCode>,
    pub tx_hash: Option<String>,
    pub at: Timestamp,
    pub recorded_at: Timestamp,
}

impl TableRow for ResultRow {
    const TABLE: Table = Table {
        name: "results",
        doc: "What became of every command that the executor took up: its latest state.",
        columns: RESULT_COLUMNS,
        key: &["command_id"],
        indexes: &["quote_id", "decision_id", "quote_hash", "tx_hash", "state"],
        retention: newest_rows(COMMANDS_KEPT),
        append_only: false,
    };
}

const RESULT_COLUMNS: &[Column] = &[
    column("command_id", Kind::Text, "The command."),
    column("position", Kind::Int64, "Log position of the first event about it."),
    column("last_position", Kind::Int64, "The last event about it."),
    column("account", Kind::Text, "The account that signs."),
    column("quote_id", Kind::Text, "The auction."),
    optional("decision_id", Kind::Text, "The decision; empty when nothing was submitted."),
    optional("pair", Kind::Text, "The pair; empty when nothing was submitted."),
    optional("direction", Kind::Text, "buy_base or sell_base; empty when nothing was submitted."),
    column(
        "state",
        Kind::Text,
        "refused, expired, started, abandoned, accepted, rejected, uncertain, settled, settle_failed, expired_unfilled.",
    ),
    column("state_at", Kind::Timestamp, "Since when."),
    optional(
        "answer",
        Kind::Text,
        "What the relay said: accepted, rejected or uncertain, whatever came after.",
    ),
    optional("answered_at", Kind::Timestamp, "When it said so."),
    column("detail", Kind::Text, "The relay's reply word for word (cut to 2,000 bytes), or why."),
    optional("refusal", Kind::Text, "Stable code of a refusal."),
    optional("tx_hash", Kind::Text, "The settlement transaction, when the relay named it."),
    optional("quote_hash", Kind::Text, "Base58 digest of what was signed."),
    optional("nonce", Kind::Text, "The nonce, 32 bytes in base64."),
    optional("salt", Kind::Text, "The salt in the nonce."),
    optional("message", Kind::Text, "The text that is signed, cut to 2,000 bytes."),
    optional("epoch", Kind::Int64, "The lease under which it was signed."),
    optional("receive_token", Kind::Text, "What we receive."),
    optional("receive_amount", Kind::Units, "How much of it, in base units."),
    optional("give_token", Kind::Text, "What we give."),
    optional("give_amount", Kind::Units, "How much of it, in base units; this much was reserved."),
    optional("notional", Kind::Units, "Worth in base units of the quote asset."),
    optional("offer_deadline", Kind::Timestamp, "The offer can be executed until then."),
    optional("nonce_deadline", Kind::Timestamp, "The nonce can be asked about until then."),
    optional("limits_version", Kind::Int64, "The limits in force when it was submitted."),
    optional("inventory_event_id", Kind::Text, "The balances that covered it."),
    optional("inventory_height", Kind::Int64, "Their block."),
    optional("proof_event_id", Kind::Text, "The balances that prove the end: settled, or expired unfilled."),
    optional("proof_height", Kind::Int64, "Their block."),
    column("reservation", Kind::Text, "none, held or released."),
    optional("release_cause", Kind::Text, "settled, deadline_passed or never_sent."),
    optional("released_at", Kind::Timestamp, "When the coin was free again."),
    optional("started_at", Kind::Timestamp, "When the submission was fixed."),
    column("recorded_at", Kind::Timestamp, "When the log wrote the first event down."),
];

impl TableRow for ResultStepRow {
    const TABLE: Table = Table {
        name: "result_history",
        doc: "Every step of every command that the executor took up, releases included.",
        columns: &[
            column("position", Kind::Int64, "Log position of the event."),
            column("event_id", Kind::Text, "The event."),
            column("command_id", Kind::Text, "The command."),
            column("step", Kind::Text, "A result's state, or released."),
            column("detail", Kind::Text, "The reply, why, or the cause of the release."),
            optional("refusal", Kind::Text, "Stable code of a refusal."),
            optional("tx_hash", Kind::Text, "The transaction, when the relay named it."),
            column("at", Kind::Timestamp, "When it happened."),
            column("recorded_at", Kind::Timestamp, "When the log wrote it down."),
        ],
        key: &["position"],
        indexes: &["command_id", "step"],
        retention: newest(COMMANDS_KEPT * STEPS_PER_COMMAND, 4),
        append_only: true,
    };
}

impl Projection for Results {
    const NAME: &'static str = "results";
    const VERSION: u32 = 1;
    const TABLES: &'static [Table] = &[ResultRow::TABLE, ResultStepRow::TABLE];
    const FOLDS: &'static [&'static str] = OUTCOMES;

    fn touches(event: &Recorded, keys: &mut Keys) {
        if let Some(outcome) = outcome(&event.event) {
            keys.add::<ResultRow>(outcome.command_id);
        }
    }

    fn apply(event: &Recorded, rows: &mut Rows<'_>) -> Result<(), Poison> {
        let Some(outcome) = outcome(&event.event) else { return Ok(()) };
        let Event::Trading(Trading::Account(desk)) = &event.event else { return Ok(()) };
        rows.insert_cells::<ResultStepRow>(step(event, &outcome))?;
        match desk {
            Desk::ExecutionRefused(refused) => rows.insert(&first(event, &outcome, &refused.quote_id)),
            Desk::ExecutionExpired(expired) => rows.insert(&first(event, &outcome, &expired.quote_id)),
            Desk::SubmissionStarted(started) => rows.insert(&submitted(event, &outcome, started)),
            Desk::SubmissionAccepted(_) | Desk::SubmissionRejected(_) | Desk::SubmissionUncertain(_) => {
                later(event, rows, &outcome, |row| {
                    row.set("answer", outcome.state.map(CommandState::code));
                    row.set("answered_at", outcome.at);
                })
            }
            Desk::SubmissionSettled(settled) => later(event, rows, &outcome, |row| {
                row.set("proof_event_id", settled.inventory_event_id);
                row.set("proof_height", settled.height);
            }),
            Desk::SubmissionExpiredUnfilled(expired) => later(event, rows, &outcome, |row| {
                row.set("proof_event_id", expired.inventory_event_id);
                row.set("proof_height", expired.height);
            }),
            Desk::ReservationReleased(released) => later(event, rows, &outcome, |row| {
                row.set("reservation", word(&Reservation::Released));
                row.set("release_cause", word(&released.cause));
                row.set("released_at", released.at);
            }),
            // The first answer stays the answer.
            Desk::SubmissionAbandoned(_) | Desk::SubmissionSettleFailed(_) | Desk::ReplyContradicted(_) => {
                later(event, rows, &outcome, |_| {})
            }
            Desk::LeaseTaken(_)
            | Desk::LeaseRenewed(_)
            | Desk::LimitsSet(_)
            | Desk::Armed(_)
            | Desk::ArmRequested(_)
            | Desk::ArmApproved(_)
            | Desk::Disarmed(_)
            | Desk::Killed(_)
            | Desk::KillConfirmed(_)
            | Desk::StandDownAsked(_) => Ok(()),
        }
    }
}

/// What serde would make of a [`ResultStepRow`]: there are several for every command.
fn step(event: &Recorded, outcome: &Outcome<'_>) -> Row {
    Row(vec![
        event.position.into(),
        event.event_id.into(),
        outcome.command_id.into(),
        outcome.state.map_or("released", CommandState::code).into(),
        (&*outcome.detail).into(),
        outcome.refusal.map(RefusalCode::code).into(),
        outcome.tx_hash.into(),
        outcome.at.into(),
        event.recorded_at.into(),
    ])
}

/// A later event about a command. What an earlier one said and this one doesn't, stays.
fn later(
    event: &Recorded,
    rows: &mut Rows<'_>,
    outcome: &Outcome<'_>,
    change: impl FnOnce(&mut Fields<'_>),
) -> Result<(), Poison> {
    rows.change_cells::<ResultRow>(outcome.command_id, |row| {
        row.set("last_position", event.position);
        if let Some(state) = outcome.state {
            row.set("state", state.code());
            row.set("state_at", outcome.at);
            if !outcome.detail.is_empty() {
                row.set("detail", &*outcome.detail);
            }
        }
        if let Some(tx_hash) = outcome.tx_hash {
            row.set("tx_hash", tx_hash);
        }
        change(row);
    })
}

/// A command about which there is nothing but its end.
fn first(event: &Recorded, outcome: &Outcome<'_>, quote_id: &QuoteId) -> ResultRow {
    ResultRow {
        command_id: outcome.command_id,
        position: event.position,
        last_position: event.position,
        account: subject(event),
        quote_id: quote_id.clone(),
        decision_id: None,
        pair: None,
        direction: None,
        state: outcome.state.unwrap_or(CommandState::Started),
        state_at: outcome.at,
        answer: None,
        answered_at: None,
        detail: outcome.detail.to_string(),
        refusal: outcome.refusal,
        tx_hash: None,
        quote_hash: None,
        nonce: None,
        salt: None,
        message: None,
        epoch: None,
        receive_token: None,
        receive_amount: None,
        give_token: None,
        give_amount: None,
        notional: None,
        offer_deadline: None,
        nonce_deadline: None,
        limits_version: None,
        inventory_event_id: None,
        inventory_height: None,
        proof_event_id: None,
        proof_height: None,
        reservation: Reservation::None,
        release_cause: None,
        released_at: None,
        started_at: None,
        recorded_at: event.recorded_at,
    }
}

fn submitted(event: &Recorded, outcome: &Outcome<'_>, started: &SubmissionStarted) -> ResultRow {
    ResultRow {
        decision_id: Some(started.decision_id),
        pair: Some(started.pair.clone()),
        direction: Some(started.direction),
        quote_hash: Some(started.prepared.quote_hash.clone()),
        nonce: Some(started.prepared.nonce.clone()),
        salt: Some(started.salt.clone()),
        message: Some(cut(&started.prepared.message, 2_000)),
        epoch: Some(started.epoch),
        receive_token: Some(started.receive.token.clone()),
        receive_amount: Some(started.receive.amount),
        give_token: Some(started.give.token.clone()),
        give_amount: Some(started.give.amount),
        notional: Some(started.notional),
        offer_deadline: Some(started.offer_deadline),
        nonce_deadline: Some(started.nonce_deadline),
        limits_version: Some(started.limits_version),
        inventory_event_id: Some(started.inventory_event_id),
        inventory_height: Some(started.height),
        reservation: Reservation::Held,
        started_at: Some(started.at),
        ..first(event, outcome, &started.quote_id)
    }
}
