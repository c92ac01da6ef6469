//! What every service of the desk was last told or found to do.

use super::prelude::*;
use stele_domain::operations::event::Event as Operations;
use stele_domain::operations::service::event::{Event as ServiceEvent, Service};

/// Service states.
pub struct Services;

/// What a service does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceState {
    /// It works.
    Running,
    /// It takes no new work.
    Paused,
    /// It finishes what is in flight.
    Draining,
    /// Nothing is in flight any more.
    Drained,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceRow {
    pub service: Service,
    pub position: Position,
    pub last_position: Position,
    pub state: ServiceState,
    pub state_at: Timestamp,
    pub actor: String,
    pub reason: String,
    pub version: Option<String>,
    pub instance: Option<String>,
    pub started_at: Option<Timestamp>,
    pub starts: u64,
}

impl TableRow for ServiceRow {
    const TABLE: Table = Table {
        name: "services",
        doc: "What every service was last told or found to do.",
        columns: &[
            column("service", Kind::Text, "ingest, market, inventory, strategy, executor or projections."),
            column("position", Kind::Int64, "The first event about it."),
            column("last_position", Kind::Int64, "The last event about it."),
            column("state", Kind::Text, "running, paused, draining or drained."),
            column("state_at", Kind::Timestamp, "Since when."),
            column("actor", Kind::Text, "By whom."),
            column("reason", Kind::Text, "Why; empty for a start."),
            optional("version", Kind::Text, "The build that runs it."),
            optional("instance", Kind::Text, "The configured instance."),
            optional("started_at", Kind::Timestamp, "When the process began to run it."),
            column("starts", Kind::Int64, "How often a process began to run it."),
        ],
        key: &["service"],
        indexes: &[],
        retention: Retention::All,
        append_only: false,
    };
}

impl Projection for Services {
    const NAME: &'static str = "services";
    const VERSION: u32 = 2;
    const TABLES: &'static [Table] = &[ServiceRow::TABLE];
    const FOLDS: &'static [&'static str] = &[
        "operations.ServiceStarted",
        "operations.ServicePaused",
        "operations.ServiceResumed",
        "operations.ServiceDraining",
        "operations.ServiceDrained",
        "operations.RefreshAsked",
    ];

    fn touches(event: &Recorded, keys: &mut Keys) {
        if let Event::Operations(Operations::Service(service)) = &event.event {
            keys.add::<ServiceRow>(told(service).0.name());
        }
    }

    fn apply(event: &Recorded, rows: &mut Rows<'_>) -> Result<(), Poison> {
        let Event::Operations(Operations::Service(told_of)) = &event.event else { return Ok(()) };
        let (service, said, at) = told(told_of);
        let (state, reason) = said.unwrap_or((ServiceState::Running, ""));
        let fresh = || ServiceRow {
            service,
            position: event.position,
            last_position: event.position,
            state,
            state_at: at,
            actor: String::new(),
            reason: String::new(),
            version: None,
            instance: None,
            started_at: None,
            starts: 0,
        };
        rows.upsert::<ServiceRow>(service.name(), fresh, |row| {
            row.last_position = event.position;
            // A new process does not undo what a person asked for: the row goes on saying who did, and why.
            let stays =
                matches!(told_of, ServiceEvent::ServiceStarted(_)) && row.state != ServiceState::Running;
            if said.is_some() && !stays {
                (row.state, row.state_at) = (state, at);
                row.actor = event.meta.actor.to_string();
                row.reason = cut(reason, 1_000);
            }
            if let ServiceEvent::ServiceStarted(started) = told_of {
                row.version = Some(started.version.clone());
                row.instance = Some(started.instance.clone());
                row.started_at = Some(started.at);
                row.starts = one_more(row.starts)?;
            }
            Ok(())
        })
    }
}

/// Which service, what it comes to and why, where its state is spoken of, and when.
fn told(event: &ServiceEvent) -> (Service, Option<(ServiceState, &str)>, Timestamp) {
    match event {
        ServiceEvent::ServiceStarted(e) => (e.service, Some((ServiceState::Running, "")), e.at),
        ServiceEvent::ServicePaused(e) => (e.service, Some((ServiceState::Paused, &e.reason)), e.at),
        ServiceEvent::ServiceResumed(e) => (e.service, Some((ServiceState::Running, &e.reason)), e.at),
        ServiceEvent::ServiceDraining(e) => (e.service, Some((ServiceState::Draining, &e.reason)), e.at),
        ServiceEvent::ServiceDrained(e) => (e.service, Some((ServiceState::Drained, "")), e.at),
        // To look is to stay as one is.
        ServiceEvent::RefreshAsked(e) => (e.service, None, e.at),
    }
}
