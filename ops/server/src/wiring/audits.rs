//! Who audits in this process: nobody but the owner of the log, who alone can verify its files and sign for it.

use super::archive::auditing;
use super::core::{Core, Source};
use super::door::Behind;
use crate::audit::job::{Desk, auditor};
use crate::audit::lake::configured;
use crate::audit::{MEMORY_BYTES, Place};
use crate::config::{Config, DatabaseAt};
use crate::exit::Failure;
use std::sync::Arc;
use stele_api::Audits;
use stele_domain::port::event_log::EventLog;
use stele_event_log::Reach;
use stele_projections::audit::Leaving;

/// The audits of this process.
pub(super) fn open(config: &Config, core: &Core, behind: &Behind) -> Result<Audits, Failure> {
    let log: Arc<dyn EventLog> = match &core.source {
        Source::Owned(log) => Arc::<stele_event_log::EmbeddedLog>::clone(log),
        Source::Remote(_) | Source::EventStore(_) => return Ok(Audits::new(None, Arc::clone(&core.clock))),
    };
    let here = behind.projections.is_some();
    let (there, kept_in) = match &config.database.at {
        DatabaseAt::Memory if here => (true, "the memory of the running desk"),
        DatabaseAt::Private if here => (true, "the private PostgreSQL of the running desk"),
        DatabaseAt::Url { .. } if behind.postgres => (true, "the configured PostgreSQL, while the desk ran"),
        DatabaseAt::Url { .. } => (false, "this process has no role that opens the configured PostgreSQL"),
        DatabaseAt::Memory | DatabaseAt::Private => {
            (false, "the tables are another process's, in its memory or its private PostgreSQL")
        }
    };
    let leaving = match &config.database.at {
        DatabaseAt::Memory => Leaving::ByAge,
        DatabaseAt::Private | DatabaseAt::Url { .. } => Leaving::ByTheLog,
    };
    let archive = auditing(config);
    // What is wrong with its configuration is said now, and not to an auditor.
    drop(archive()?);
    let desk = Desk {
        place: Place {
            directory: config.log_dir(),
            archive: Reach::default(),
            spill: config.data_dir.clone(),
            memory_bytes: MEMORY_BYTES,
            clock: Arc::clone(&core.clock),
            lake: configured(config, &core.clock),
            // The other processors are for those who trade.
            at_once: 1,
        },
        log,
        store: there.then(|| Arc::clone(&behind.store)),
        leaving,
        kept_in: kept_in.to_owned(),
        archive,
        witness: config.witness.clone(),
    };
    Ok(Audits::new(Some(auditor(desk)), Arc::clone(&core.clock)))
}
