//! An audit from end to end: the log is verified, folded from zero and held beside the tables, and what was found is
//! signed. A running desk does it as a job of its own; where none runs, the command line does it by itself.

pub(crate) mod check;
pub(crate) mod job;
pub(crate) mod lake;
pub(crate) mod offline;
pub(crate) mod report;
pub(crate) mod seen;

mod examined;
mod room;

use crate::exit::{Code, Failure, chain};
use examined::Examined;
use report::{Asked, Build, Compared, Report, Signed};
use seen::Seen;
use std::path::PathBuf;
use std::sync::Arc;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, Position};
use stele_domain::time::Timestamp;
use stele_event_log::Reach;
use stele_projections::audit::{Audit, AuditError, Findings, Lake, Live};
use stele_projections::models;
use stele_projections::projection::Registered;

/// Memory for rows that may change while they are folded: 256 MiB. What an audit needs besides it are some pages of every
/// table and four stretches of the log, so that all of it stays below 1 GiB.
pub(crate) const MEMORY_BYTES: u64 = 256 << 20;

/// What the log's bytes are verified by.
pub(crate) const VERIFYING: &str = "verifying the log";

/// What the rows are compared by.
pub(crate) const FOLDING: &str = "folding the log beside the tables";

/// What the rows that went to the lake are compared by.
pub(crate) const READING: &str = "reading the lake";

/// What somebody wants to have looked at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// One projection; all of them without it.
    pub projection: Option<String>,
    /// Up to here; up to where the tables are without it.
    pub position: Option<u64>,
    /// Who asked.
    pub by: String,
}

/// Told how far it is: what is being done, how much of how much.
pub(crate) type Tell = Arc<dyn Fn(&'static str, u64, u64) + Send + Sync>;

/// The log's place, and how it is read there.
#[derive(Clone)]
pub(crate) struct Place {
    /// The log's directory.
    pub directory: PathBuf,
    /// Where its archived segments are.
    pub archive: Reach,
    /// Where rows are folded that do not fit into memory.
    pub spill: PathBuf,
    /// How much memory they may take before, in bytes.
    pub memory_bytes: u64,
    pub clock: Arc<dyn Clock>,
    /// Where old rows of histories went.
    pub lake: lake::There,
    /// How many projections are folded at once.
    pub at_once: usize,
}

/// The tables that are compared, where there are any.
pub(crate) struct Tables {
    pub live: Option<Live>,
    /// In words.
    pub kept_in: String,
}

/// The projections that are asked for.
pub(crate) fn projections(name: Option<&str>) -> Result<Vec<Registered>, Failure> {
    let Some(name) = name else { return Ok(models::ALL.to_vec()) };
    let found = models::ALL.iter().find(|projection| projection.name == name);
    found.map(|projection| vec![*projection]).ok_or_else(|| {
        let names: Vec<&str> = models::ALL.iter().map(|projection| projection.name).collect();
        Failure::usage(format!("there is no projection {name:?}: {}", names.join(", ")))
    })
}

/// One audit, from when it was asked for.
pub(crate) struct Run {
    place: Place,
    wanted: Wanted,
    projections: Vec<Registered>,
    began_at: Timestamp,
    tell: Tell,
    /// What the log is held against, by whoever knows of it.
    seen: Option<Seen>,
}

impl Run {
    pub(crate) fn begin(place: Place, wanted: Wanted, tell: Tell) -> Result<Self, Failure> {
        let projections = projections(wanted.projection.as_deref())?;
        let began_at = place.clock.now();
        Ok(Self { place, wanted, projections, began_at, tell, seen: None })
    }

    /// The same audit, of a log that others have seen, or that nobody has.
    pub(crate) fn held_against(self, seen: Seen) -> Self {
        Self { seen: Some(seen), ..self }
    }

    pub(crate) fn projections(&self) -> &[Registered] {
        &self.projections
    }

    /// Verifies the log's files, whoever owns them.
    pub(crate) async fn examine(&self) -> Result<Examined, Failure> {
        examined::examine(&self.place, self.seen.clone(), Arc::clone(&self.tell)).await
    }

    /// Folds the log that was verified, and compares.
    pub(crate) async fn compare(
        &self,
        log: &Arc<dyn EventLog>,
        tables: &Tables,
    ) -> Result<Findings, Failure> {
        let room = room::Place::in_folder(&self.place.spill, self.place.memory_bytes)?;
        let open = |schemas: &[_]| room.open(schemas);
        let tell = |at: Position, of: Position| (self.tell)(FOLDING, at.0, of.0);
        let position = self.wanted.position.map(Position);
        let told = |rows: u64, of: u64| (self.tell)(READING, rows, of);
        let there = self.place.lake.as_deref().map_err(String::as_str);
        let lake = Lake { there, tell: &told };
        let at_once = self.place.at_once;
        let audit =
            Audit { log, projections: &self.projections, position, room: &open, tell: &tell, lake, at_once };
        audit.run(tables.live.as_ref()).await.map_err(|error| failed(&error))
    }

    /// The report, signed by the log's key. Without findings there was a fault in the log, and nothing was compared.
    pub(crate) fn report(
        &self,
        log: Examined,
        tables: &Tables,
        findings: Option<Findings>,
    ) -> Result<Signed, Failure> {
        let signer = report::signer(&self.place.directory)?;
        let report = Report::of(
            Asked {
                by: self.wanted.by.clone(),
                projection: self.wanted.projection.clone(),
                position: self.wanted.position,
            },
            Build { version: crate::VERSION.to_owned() },
            [self.began_at, self.place.clock.now()],
            log.said(&signer),
            Compared { kept_in: tables.kept_in.clone(), there: tables.live.is_some() },
            findings,
            self.seen.as_ref().and_then(|seen| seen.unknown.clone()),
        );
        Signed::by(report, &signer)
    }
}

/// Why an audit came to nothing.
pub(crate) fn failed(error: &AuditError) -> Failure {
    let words = chain(error);
    match error {
        AuditError::Log(error) => Failure { what: words, ..crate::wiring::log_failure(error) },
        AuditError::Short { .. } => Failure::usage(words),
        AuditError::Store(error) if error.is_transient() => Failure::new(Code::Unavailable, words),
        AuditError::Fold(_) | AuditError::Store(_) | AuditError::Forgetful { .. } | AuditError::Lost(_) => {
            Failure::new(Code::Error, words)
        }
    }
}
