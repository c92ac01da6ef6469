//! What needs a person now, and what ever did.

use super::prelude::*;
use stele_domain::operations::alert::event::{Event as Alert, Kind as AlertKind};
use stele_domain::operations::event::Event as Operations;

/// Operator alerts.
pub struct Alerts;

/// One kind of alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertRow {
    pub kind: AlertKind,
    pub position: Position,
    pub last_position: Position,
    pub raised: bool,
    pub detail: String,
    pub raised_at: Option<Timestamp>,
    pub cleared_at: Option<Timestamp>,
    pub times_raised: u64,
}

/// One change of one alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertStepRow {
    pub position: Position,
    pub kind: AlertKind,
    pub raised: bool,
    pub detail: String,
    pub at: Timestamp,
    pub recorded_at: Timestamp,
}

impl TableRow for AlertRow {
    const TABLE: Table = Table {
        name: "alerts",
        doc: "Every kind of alert that was ever raised, and whether it is now.",
        columns: &[
            column("kind", Kind::Text, "What needs a person."),
            column("position", Kind::Int64, "The first event about it."),
            column("last_position", Kind::Int64, "The last event about it."),
            column("raised", Kind::Bool, "Whether it needs a person now."),
            column("detail", Kind::Text, "The facts, in a sentence."),
            optional("raised_at", Kind::Timestamp, "When it was last raised."),
            optional("cleared_at", Kind::Timestamp, "When it was last cleared; empty while it is raised."),
            column("times_raised", Kind::Int64, "How often it was raised."),
        ],
        key: &["kind"],
        indexes: &[],
        retention: Retention::All,
        append_only: false,
    };
}

impl TableRow for AlertStepRow {
    const TABLE: Table = Table {
        name: "alert_history",
        doc: "Every time an alert was raised or cleared.",
        columns: &[
            column("position", Kind::Int64, "Log position of the event."),
            column("kind", Kind::Text, "What needed a person."),
            column("raised", Kind::Bool, "Raised, or cleared."),
            column("detail", Kind::Text, "The facts, in a sentence."),
            column("at", Kind::Timestamp, "When."),
            column("recorded_at", Kind::Timestamp, "When the log wrote it down."),
        ],
        key: &["position"],
        indexes: &["kind"],
        retention: newest(5_000, 2),
        append_only: true,
    };
}

impl Projection for Alerts {
    const NAME: &'static str = "alerts";
    const VERSION: u32 = 1;
    const TABLES: &'static [Table] = &[AlertRow::TABLE, AlertStepRow::TABLE];
    const FOLDS: &'static [&'static str] = &["operations.AlertRaised", "operations.AlertCleared"];

    fn touches(event: &Recorded, keys: &mut Keys) {
        if let Event::Operations(Operations::Alert(alert)) = &event.event {
            keys.add::<AlertRow>(said(alert).0.name());
        }
    }

    fn apply(event: &Recorded, rows: &mut Rows<'_>) -> Result<(), Poison> {
        let Event::Operations(Operations::Alert(alert)) = &event.event else { return Ok(()) };
        let (kind, raised, detail, at) = said(alert);
        let detail = cut(detail, 1_000);
        let (position, recorded_at) = (event.position, event.recorded_at);
        rows.insert(&AlertStepRow { position, kind, raised, detail: detail.clone(), at, recorded_at })?;
        let fresh = || AlertRow {
            kind,
            position,
            last_position: position,
            raised,
            detail: String::new(),
            raised_at: None,
            cleared_at: None,
            times_raised: 0,
        };
        rows.upsert::<AlertRow>(kind.name(), fresh, |row| {
            (row.last_position, row.raised, row.detail) = (position, raised, detail);
            if raised {
                (row.raised_at, row.cleared_at) = (Some(at), None);
                row.times_raised = one_more(row.times_raised)?;
            } else {
                row.cleared_at = Some(at);
            }
            Ok(())
        })
    }
}

fn said(alert: &Alert) -> (AlertKind, bool, &str, Timestamp) {
    match alert {
        Alert::AlertRaised(e) => (e.kind, true, &e.detail, e.at),
        Alert::AlertCleared(e) => (e.kind, false, &e.detail, e.at),
    }
}
