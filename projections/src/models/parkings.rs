//! What became of events that a projection could not take in: the facts about them, folded.

use super::prelude::*;
use stele_domain::operations::event::Event as Operations;
use stele_domain::operations::parking::Phase;
use stele_domain::operations::parking::event::Event as Fact;
use stele_domain::port::read_store::Key;

/// Parked events and what people said of them.
pub struct Parkings;

/// What is to become of a parked event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParkingState {
    /// It waits for a person.
    Parked,
    /// The next fold takes it in, or parks it again.
    Retried,
    /// It stays out.
    Skipped,
}

impl From<Phase> for ParkingState {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Parked => Self::Parked,
            Phase::Retried => Self::Retried,
            Phase::Skipped => Self::Skipped,
        }
    }
}

impl ParkingState {
    /// The word for it.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Parked => "parked",
            Self::Retried => "retried",
            Self::Skipped => "skipped",
        }
    }
}

/// One event that a projection could not take in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkingRow {
    pub projection: String,
    pub event_position: Position,
    pub position: Position,
    pub last_position: Position,
    pub version: u32,
    pub event_type: String,
    pub why: String,
    pub attempt: u32,
    pub state: ParkingState,
    pub parked_at: Option<Timestamp>,
    pub decided_by: Option<String>,
    pub reason: Option<String>,
    pub decided_at: Option<Timestamp>,
}

impl TableRow for ParkingRow {
    const TABLE: Table = Table {
        name: "parkings",
        doc: "Events that a projection could not take in, and what people said of them.",
        columns: &[
            column("projection", Kind::Text, "The projection."),
            column("event_position", Kind::Int64, "Where the event stands that it could not take in."),
            column("position", Kind::Int64, "Where it was first said that it is parked."),
            column("last_position", Kind::Int64, "The last event about it."),
            column("version", Kind::Int64, "The version of the projection that tried last."),
            column("event_type", Kind::Text, "The type of the event, as stored."),
            column("why", Kind::Text, "What was wrong with it, at the last try."),
            column("attempt", Kind::Int64, "How often it was tried in vain."),
            column(
                "state",
                Kind::Text,
                "parked (a person is to look), retried (the next fold takes it in, or parks it again) or skipped (for good).",
            ),
            optional("parked_at", Kind::Timestamp, "When it was parked last."),
            optional("decided_by", Kind::Text, "Who retried or skipped it."),
            optional("reason", Kind::Text, "Why, in their words."),
            optional("decided_at", Kind::Timestamp, "When."),
        ],
        key: &["projection", "event_position"],
        indexes: &["state"],
        retention: Retention::All,
        append_only: false,
    };
}

impl Projection for Parkings {
    const NAME: &'static str = "parkings";
    const VERSION: u32 = 1;
    const TABLES: &'static [Table] = &[ParkingRow::TABLE];
    const FOLDS: &'static [&'static str] =
        &["operations.EventParked", "operations.ParkedRetried", "operations.ParkedSkipped"];

    fn touches(event: &Recorded, keys: &mut Keys) {
        if let Event::Operations(Operations::Parking(fact)) = &event.event {
            keys.add::<ParkingRow>(key(fact));
        }
    }

    fn apply(event: &Recorded, rows: &mut Rows<'_>) -> Result<(), Poison> {
        let Event::Operations(Operations::Parking(fact)) = &event.event else { return Ok(()) };
        let (projection, version, event_position) = about(fact);
        let fresh = || ParkingRow {
            projection: projection.to_owned(),
            event_position,
            position: event.position,
            last_position: event.position,
            version,
            event_type: String::new(),
            why: String::new(),
            attempt: 0,
            state: ParkingState::Parked,
            parked_at: None,
            decided_by: None,
            reason: None,
            decided_at: None,
        };
        rows.upsert(key(fact), fresh, |row: &mut ParkingRow| {
            (row.last_position, row.version) = (event.position, version);
            match fact {
                Fact::EventParked(parked) => {
                    row.state = ParkingState::Parked;
                    row.event_type = cut(&parked.event_type, 200);
                    row.why = cut(&parked.reason, 1_000);
                    row.attempt = parked.attempt;
                    row.parked_at = Some(parked.at);
                    (row.decided_by, row.reason, row.decided_at) = (None, None, None);
                }
                Fact::ParkedRetried(said) => row.decided(event, ParkingState::Retried, &said.reason, said.at),
                Fact::ParkedSkipped(said) => row.decided(event, ParkingState::Skipped, &said.reason, said.at),
            }
            Ok(())
        })
    }
}

impl ParkingRow {
    fn decided(&mut self, event: &Recorded, state: ParkingState, reason: &str, at: Timestamp) {
        self.state = state;
        self.decided_by = Some(event.meta.actor.as_str().to_owned());
        self.reason = Some(cut(reason, 1_000));
        self.decided_at = Some(at);
    }
}

fn about(fact: &Fact) -> (&str, u32, Position) {
    match fact {
        Fact::EventParked(e) => (&e.projection, e.version, e.position),
        Fact::ParkedRetried(e) => (&e.projection, e.version, e.position),
        Fact::ParkedSkipped(e) => (&e.projection, e.version, e.position),
    }
}

fn key(fact: &Fact) -> Key {
    let (projection, _, position) = about(fact);
    Key::from((projection, position))
}
