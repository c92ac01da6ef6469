//! How many commands ended how, counted as it happens: nobody has to read every result to know.
//!
//! A command that is released, refused or expired never changes again. Until then a row of its own remembers under which
//! state it is counted: the row in `results` may be cut where there is little room.

use super::outcome::{CommandState, OUTCOMES, Outcome, outcome};
use super::prelude::*;
use stele_domain::ids::CommandId;

/// Counts of results.
pub struct ResultCounts;

/// How many commands are in a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultCountRow {
    pub state: CommandState,
    pub position: Position,
    pub last_position: Position,
    pub count: u64,
    pub last_at: Timestamp,
}

/// A command whose state can still change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenResultRow {
    pub command_id: CommandId,
    pub position: Position,
    pub last_position: Position,
    pub state: CommandState,
}

impl TableRow for ResultCountRow {
    const TABLE: Table = Table {
        name: "result_counts",
        doc: "How many commands that the executor took up are in each state now, since the log began.",
        columns: &[
            column("state", Kind::Text, "As in results."),
            column("position", Kind::Int64, "The first event that led to it."),
            column("last_position", Kind::Int64, "The last event that changed the count."),
            column("count", Kind::Int64, "How many commands are in it."),
            column("last_at", Kind::Timestamp, "When the count changed last."),
        ],
        key: &["state"],
        indexes: &[],
        retention: Retention::All,
        append_only: false,
    };
}

impl TableRow for OpenResultRow {
    const TABLE: Table = Table {
        name: "open_results",
        doc: "Commands whose coin is reserved, with the state that they are counted under. A row goes when the coin is free.",
        columns: &[
            column("command_id", Kind::Text, "The command."),
            column("position", Kind::Int64, "Log position of the first event about it."),
            column("last_position", Kind::Int64, "The last event that changed its state."),
            column("state", Kind::Text, "As in results."),
        ],
        key: &["command_id"],
        indexes: &[],
        retention: Retention::All,
        append_only: false,
    };
}

impl Projection for ResultCounts {
    const NAME: &'static str = "result_counts";
    const VERSION: u32 = 1;
    const TABLES: &'static [Table] = &[ResultCountRow::TABLE, OpenResultRow::TABLE];
    const FOLDS: &'static [&'static str] = OUTCOMES;

    fn touches(event: &Recorded, keys: &mut Keys) {
        let Some(outcome) = outcome(&event.event) else { return };
        keys.add::<OpenResultRow>(outcome.command_id);
        // Which state it leaves stands in that row: one of these few.
        for state in CommandState::ALL {
            keys.add::<ResultCountRow>(state.code());
        }
    }

    fn apply(event: &Recorded, rows: &mut Rows<'_>) -> Result<(), Poison> {
        let Some(outcome) = outcome(&event.event) else { return Ok(()) };
        let open = rows.get::<OpenResultRow>(outcome.command_id)?;
        let Some(state) = outcome.state else {
            // Only its coin moved: it was released, and stays what it is.
            rows.delete::<OpenResultRow>(outcome.command_id);
            return Ok(());
        };
        match (state, open) {
            (CommandState::Refused | CommandState::Expired, None) => counted(event, &outcome, state, rows),
            (CommandState::Started, None) => {
                let (position, last_position) = (event.position, event.position);
                rows.insert(&OpenResultRow {
                    command_id: outcome.command_id,
                    position,
                    last_position,
                    state,
                })?;
                counted(event, &outcome, state, rows)
            }
            (_, Some(open)) => {
                changed(event, &outcome, open.state, rows, |count| {
                    count.checked_sub(1).ok_or(Poison::OutOfRange { what: "a count" })
                })?;
                rows.insert(&OpenResultRow { last_position: event.position, state, ..open })?;
                counted(event, &outcome, state, rows)
            }
            // What is said of a command that nobody took up, or that was released before, changes no result.
            (
                CommandState::Commanded
                | CommandState::Abandoned
                | CommandState::Accepted
                | CommandState::Rejected
                | CommandState::Uncertain
                | CommandState::Settled
                | CommandState::SettleFailed
                | CommandState::ExpiredUnfilled,
                None,
            ) => Ok(()),
        }
    }
}

fn counted(
    event: &Recorded,
    outcome: &Outcome<'_>,
    state: CommandState,
    rows: &mut Rows<'_>,
) -> Result<(), Poison> {
    changed(event, outcome, state, rows, one_more)
}

fn changed(
    event: &Recorded,
    outcome: &Outcome<'_>,
    state: CommandState,
    rows: &mut Rows<'_>,
    to: impl FnOnce(u64) -> Result<u64, Poison>,
) -> Result<(), Poison> {
    let fresh = || ResultCountRow {
        state,
        position: event.position,
        last_position: event.position,
        count: 0,
        last_at: outcome.at,
    };
    rows.upsert::<ResultCountRow>(state.code(), fresh, |row| {
        row.count = to(row.count)?;
        (row.last_position, row.last_at) = (event.position, outcome.at);
        Ok(())
    })
}
