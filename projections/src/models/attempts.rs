//! People's commands that a rule refused.

use super::outcome::REPLY_BYTES_MAX;
use super::prelude::*;
use stele_domain::ids::CommandId;
use stele_domain::operations::event::Event as Operations;

/// Refused wishes.
pub struct Attempts;

/// One refused wish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptRow {
    pub position: Position,
    pub command_id: CommandId,
    pub actor: String,
    pub action: String,
    pub code: String,
    pub detail: String,
    pub reason: String,
    pub at: Timestamp,
    pub recorded_at: Timestamp,
}

impl TableRow for AttemptRow {
    const TABLE: Table = Table {
        name: "refused_commands",
        doc: "People's commands that a rule refused.",
        columns: &[
            column("position", Kind::Int64, "Log position of the event."),
            column("command_id", Kind::Text, "The command."),
            column("actor", Kind::Text, "Who wanted it."),
            column("action", Kind::Text, "What was asked."),
            column("code", Kind::Text, "The rule's stable code."),
            column("detail", Kind::Text, "The rule's words."),
            column("reason", Kind::Text, "The reason that the person gave."),
            column("at", Kind::Timestamp, "When."),
            column("recorded_at", Kind::Timestamp, "When the log wrote it down."),
        ],
        key: &["position"],
        indexes: &["command_id", "actor"],
        retention: newest(5_000, 4),
        append_only: true,
    };
}

impl Projection for Attempts {
    const NAME: &'static str = "attempts";
    const VERSION: u32 = 1;
    const TABLES: &'static [Table] = &[AttemptRow::TABLE];
    const FOLDS: &'static [&'static str] = &["operations.CommandRefused"];

    fn touches(_: &Recorded, _: &mut Keys) {}

    fn apply(event: &Recorded, rows: &mut Rows<'_>) -> Result<(), Poison> {
        let Event::Operations(Operations::CommandRefused(refused)) = &event.event else { return Ok(()) };
        rows.insert(&AttemptRow {
            position: event.position,
            command_id: refused.command_id,
            actor: event.meta.actor.to_string(),
            action: refused.action.clone(),
            code: refused.code.clone(),
            detail: cut(&refused.detail, REPLY_BYTES_MAX),
            reason: cut(&refused.reason, 1_000),
            at: refused.at,
            recorded_at: event.recorded_at,
        })
    }
}
