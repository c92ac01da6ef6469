//! What the doors stand on: the parts of a running desk that they show and steer. Nothing here decides.

use std::collections::BTreeMap;
use std::sync::Arc;
use stele_commands::control::Control;
use stele_commands::stop::Stop;
use stele_domain::ids::Actor;
use stele_domain::operations::service::event::Service;
use stele_domain::port::PortFuture;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, LogError, Position};
use stele_domain::port::read_store::ReadStore;
use stele_projections::runner::Handle;
use uuid::Uuid;

/// A running desk, as its doors see it.
pub struct Api {
    /// What persons may ask for.
    pub control: Arc<Control>,
    /// The tables.
    pub store: Arc<dyn ReadStore>,
    /// The log.
    pub log: Arc<dyn EventLog>,
    /// What the log's owner can tell of it.
    pub log_admin: Arc<dyn LogAdmin>,
    /// The runner of the projections; `None` when it runs in another process.
    pub projections: Option<Handle>,
    /// How the roles of this process are.
    pub health: Arc<dyn Fn() -> Vec<RoleHealth> + Send + Sync>,
    /// The metrics, in the text form that Prometheus reads.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// What runs here.
    pub build: Build,
}

/// What runs in this process.
#[derive(Debug, Clone)]
pub struct Build {
    /// Version of the program.
    pub version: String,
    /// The configured instance.
    pub instance: String,
}

/// How one role of this process is.
#[derive(Debug, Clone)]
pub struct RoleHealth {
    /// Which.
    pub service: Service,
    /// Whether its task runs.
    pub running: bool,
    /// Why it does not, or what it can't do while it runs; empty when nothing is in its way.
    pub why: String,
}

/// What only the owner of a log can tell of it.
pub trait LogAdmin: Send + Sync {
    /// The log in numbers.
    ///
    /// # Errors
    ///
    /// As the log.
    fn stat(&self) -> PortFuture<'_, Result<LogStat, LogError>>;

    /// A freshly signed checkpoint (a C2SP `tlog-checkpoint` note) over everything that is durable; `None` when
    /// this kind of log signs none.
    ///
    /// # Errors
    ///
    /// As the log.
    fn checkpoint(&self) -> PortFuture<'_, Result<Option<String>, LogError>>;
}

/// A log in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogStat {
    /// The log's identity.
    pub log: Uuid,
    /// Number of records; also the last position.
    pub events: u64,
    /// Number of commits.
    pub commits: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Number of streams.
    pub streams: u64,
    /// Number of segment files.
    pub segments: u64,
    /// The last position.
    pub head: Position,
    /// Records per category.
    pub categories: BTreeMap<String, u64>,
}

/// Who asks, as the door found out from the credential. A door puts it into the extensions of every request;
/// without it a request is refused.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// Under this name their acts are recorded.
    pub actor: Actor,
    /// When it is given, the door closes and streams end.
    pub stop: Stop,
}
