//! Every command to make an offer, and how far it is.

use super::outcome::{CommandState, outcome};
use super::prelude::*;
use stele_domain::ids::{CommandId, DecisionId, EventId, PairId, QuoteId, TokenId};
use stele_domain::money::Units;
use stele_domain::pair::Direction;
use stele_domain::port::read_store::Row;
use stele_domain::port::venue::ExactSide;
use stele_domain::trading::event::Event as Trading;
use stele_domain::trading::strategy::event::{Event as Strategy, ExecutionCommanded};

/// `cmd.execute_trade` of the trade loop.
pub struct Commands;

/// One command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRow {
    pub command_id: CommandId,
    pub position: Position,
    pub last_position: Position,
    pub event_id: EventId,
    pub decision_id: DecisionId,
    pub quote_id: QuoteId,
    pub pair: PairId,
    pub direction: Direction,
    pub receive_token: TokenId,
    pub receive_amount: Units,
    pub give_token: TokenId,
    pub give_amount: Units,
    pub exact: ExactSide,
    pub notional: Units,
    pub limits_version: u64,
    pub min_deadline_ms: u64,
    pub closes_at: Timestamp,
    pub partner_id: Option<String>,
    pub status: CommandState,
    pub status_at: Timestamp,
    pub commanded_at: Timestamp,
    pub recorded_at: Timestamp,
}

impl TableRow for CommandRow {
    const TABLE: Table = Table {
        name: "commands",
        doc: "Commands to the executor, one per decision to act.",
        columns: &[
            column("command_id", Kind::Text, "Derived from the decision."),
            column("position", Kind::Int64, "Log position of the command."),
            column("last_position", Kind::Int64, "The last event about it."),
            column("event_id", Kind::Text, "The event that commanded it."),
            column("decision_id", Kind::Text, "The decision."),
            column("quote_id", Kind::Text, "The auction."),
            column("pair", Kind::Text, "The pair."),
            column("direction", Kind::Text, "buy_base or sell_base, from the desk's side."),
            column("receive_token", Kind::Text, "What we receive."),
            column("receive_amount", Kind::Units, "How much of it, in base units."),
            column("give_token", Kind::Text, "What we give."),
            column("give_amount", Kind::Units, "How much of it, in base units."),
            column("exact", Kind::Text, "Which side the request fixed: in or out."),
            column("notional", Kind::Units, "Worth in base units of the quote asset."),
            column("limits_version", Kind::Int64, "The limits that allowed it."),
            column("min_deadline_ms", Kind::Int64, "How long the offer must stay valid, in milliseconds."),
            column("closes_at", Kind::Timestamp, "When the auction closes: nothing is sent later."),
            optional("partner_id", Kind::Text, "Who brought the taker."),
            column("status", Kind::Text, "How far it is; a result's state, or commanded."),
            column("status_at", Kind::Timestamp, "Since when."),
            column("commanded_at", Kind::Timestamp, "When it was commanded."),
            column("recorded_at", Kind::Timestamp, "When the log wrote it down."),
        ],
        key: &["command_id"],
        indexes: &["decision_id", "quote_id", "status"],
        retention: newest_rows(COMMANDS_KEPT),
        append_only: false,
    };
}

impl Projection for Commands {
    const NAME: &'static str = "commands";
    const VERSION: u32 = 1;
    const TABLES: &'static [Table] = &[CommandRow::TABLE];
    const FOLDS: &'static [&'static str] = &[
        "trading.ExecutionRefused",
        "trading.ExecutionExpired",
        "trading.SubmissionStarted",
        "trading.SubmissionAbandoned",
        "trading.SubmissionAccepted",
        "trading.SubmissionRejected",
        "trading.SubmissionUncertain",
        "trading.ReplyContradicted",
        "trading.SubmissionSettled",
        "trading.SubmissionSettleFailed",
        "trading.SubmissionExpiredUnfilled",
        "trading.ReservationReleased",
        "trading.ExecutionCommanded",
    ];

    fn touches(event: &Recorded, keys: &mut Keys) {
        if let Some(outcome) = outcome(&event.event) {
            keys.add::<CommandRow>(outcome.command_id);
        }
    }

    fn apply(event: &Recorded, rows: &mut Rows<'_>) -> Result<(), Poison> {
        if let Event::Trading(Trading::Strategy(Strategy::ExecutionCommanded(command))) = &event.event {
            return rows.insert_cells::<CommandRow>(commanded(event, command));
        }
        let Some(outcome) = outcome(&event.event) else { return Ok(()) };
        rows.change_cells::<CommandRow>(outcome.command_id, |row| {
            row.set("last_position", event.position);
            if let Some(state) = outcome.state {
                row.set("status", state.code());
                row.set("status_at", outcome.at);
            }
        })
    }
}

/// What serde would make of a [`CommandRow`].
fn commanded(event: &Recorded, command: &ExecutionCommanded) -> Row {
    Row(vec![
        command.command_id.into(),
        event.position.into(),
        event.position.into(),
        event.event_id.into(),
        command.decision_id.into(),
        (&command.quote_id).into(),
        (&command.pair).into(),
        command.direction.name().into(),
        (&command.receive.token).into(),
        command.receive.amount.into(),
        (&command.give.token).into(),
        command.give.amount.into(),
        command.exact.name().into(),
        command.notional.into(),
        command.limits_version.into(),
        command.min_deadline_ms.into(),
        command.closes_at.into(),
        command.partner_id.as_deref().into(),
        CommandState::Commanded.code().into(),
        command.commanded_at.into(),
        command.commanded_at.into(),
        event.recorded_at.into(),
    ])
}
