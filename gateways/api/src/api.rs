//! What the doors stand on: the parts of a running desk that they show and steer. Nothing here decides.

use crate::audits::Audits;
use crate::doors::Doors;
use std::collections::BTreeMap;
use std::sync::Arc;
use stele_commands::access::{Gatekeeper, Keys};
use stele_commands::control::Control;
use stele_commands::stop::Stop;
use stele_domain::access::Caller;
use stele_domain::operations::service::event::Service;
use stele_domain::port::PortFuture;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, LogError, Position};
use stele_domain::port::read_store::ReadStore;
use stele_projections::past::Past;
use stele_projections::rebuild::Rebuilds;
use stele_projections::runner::Handle;
use uuid::Uuid;

/// A running desk, as its doors see it.
pub struct Api {
    /// What persons may ask for.
    pub control: Arc<Control>,
    /// Who is let in.
    pub gatekeeper: Arc<Gatekeeper>,
    /// Who hands out keys.
    pub keys: Arc<Keys>,
    /// What the doors share.
    pub doors: Doors,
    /// The tables.
    pub store: Arc<dyn ReadStore>,
    /// The tables as they were; `None` where no past states are kept.
    pub past: Option<Arc<Past>>,
    /// The log.
    pub log: Arc<dyn EventLog>,
    /// What the log's owner can tell of it.
    pub log_admin: Arc<dyn LogAdmin>,
    /// Who audits, and what came of it.
    pub audits: Audits,
    /// The runner of the projections; `None` when it runs in another process.
    pub projections: Option<Handle>,
    /// Rebuilds of the tables.
    pub rebuilds: Rebuilds,
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

    /// The log's identity, the same in every process that works on it.
    ///
    /// # Errors
    ///
    /// As the log.
    fn identity(&self) -> PortFuture<'_, Result<Uuid, LogError>> {
        Box::pin(async { Ok(self.stat().await?.log) })
    }

    /// A freshly signed checkpoint (a C2SP `tlog-checkpoint` note) over everything that is durable; `None` when
    /// this kind of log signs none.
    ///
    /// # Errors
    ///
    /// As the log.
    fn checkpoint(&self) -> PortFuture<'_, Result<Option<String>, LogError>>;

    /// Proves that the record at `position`, which is not past the head, is in the log as it stands; `None` when this
    /// kind of log has no tree to prove by.
    ///
    /// # Errors
    ///
    /// As the log.
    fn prove(&self, position: Position) -> PortFuture<'_, Result<Option<LogProof>, LogError>> {
        let _ = position;
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Proves that the log goes on from an earlier size, to a later one that is not smaller, or to everything that is
    /// durable; `None` when this kind of log has no tree to prove by.
    ///
    /// # Errors
    ///
    /// [`LogError::Invalid`] when the log has fewer commits; otherwise as the log.
    fn prove_consistency(
        &self,
        old_size: u64,
        new_size: Option<u64>,
    ) -> PortFuture<'_, Result<Option<LogConsistency>, LogError>> {
        let _ = (old_size, new_size);
        Box::pin(std::future::ready(Ok(None)))
    }
}

/// Shows that the tree of a later size begins with that of an earlier one, to anyone who has the log's public key and the
/// earlier checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConsistency {
    /// The earlier size, in commits.
    pub old_size: u64,
    /// The later size, in commits.
    pub new_size: u64,
    /// SHA-256 hashes as RFC 9162 §2.1.4 orders them.
    pub path: Vec<[u8; 32]>,
    /// The signed checkpoint of the later size, a C2SP `tlog-checkpoint` note.
    pub checkpoint: String,
}

/// Shows that a commit is in the tree that a checkpoint signs, to anyone who has the log's public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogProof {
    /// Position of the commit's first record.
    pub first: Position,
    /// How many commits are before it: the leaf's index.
    pub leaf_index: u64,
    /// The commit's payload, as the log's format describes it.
    pub payload: Vec<u8>,
    /// SHA-256 hashes from the leaf up.
    pub path: Vec<[u8; 32]>,
    /// The signed checkpoint, a C2SP `tlog-checkpoint` note.
    pub checkpoint: String,
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
    /// How fast it grows; nothing where nobody measures it.
    pub growth: Vec<LogGrowth>,
    /// What of it is in an archive and not on its owner's disk; nothing where nothing is.
    pub archive: Option<LogArchived>,
}

/// What of a log is in an archive only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogArchived {
    /// Number of segment files.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their records.
    pub events: u64,
}

/// What came into a log in a span of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogGrowth {
    /// The span that is asked about, in milliseconds; `None` for all since the log was opened.
    pub asked_ms: Option<u64>,
    /// What was measured of it, in milliseconds.
    pub measured_ms: u64,
    /// Records.
    pub events: u64,
    /// Bytes of segments.
    pub bytes: u64,
    /// Records per category; those without any are left out.
    pub categories: BTreeMap<String, u64>,
}

/// Who asks. A door that knows puts it into the extensions of every request; at others it is found out from the
/// credential of the request.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// Whom the door vouches for.
    pub caller: Caller,
    /// When it is given, the door closes and streams end.
    pub stop: Stop,
}
