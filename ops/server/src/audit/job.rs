//! An audit as a job of the running desk: its own log, and the tables that its runner writes or that it reads.

use super::{Place, Run, Tables, Tell, Wanted};
use crate::exit::Failure;
use crate::wiring::Opens;
use std::sync::Arc;
use stele_api::{AuditDone, AuditProgress, AuditWanted, Auditor};
use stele_domain::port::event_log::EventLog;
use stele_domain::port::read_store::ReadStore;
use stele_projections::audit::{Leaving, Live, Verdict};

/// What the desk has for an audit. The place is without its archive.
#[derive(Clone)]
pub(crate) struct Desk {
    pub place: Place,
    pub log: Arc<dyn EventLog>,
    pub store: Option<Arc<dyn ReadStore>>,
    /// By what right old rows may be missing there.
    pub leaving: Leaving,
    /// In words: where the tables are, or why there are none here.
    pub kept_in: String,
    /// Opens the archive of the log, for each audit anew.
    pub archive: Opens,
}

/// Whoever does the audits of this desk.
pub(crate) fn auditor(desk: Desk) -> Auditor {
    Arc::new(move |wanted: AuditWanted, progress: Arc<AuditProgress>| {
        let desk = desk.clone();
        Box::pin(async move { audited(desk, wanted, progress).await.map_err(|failure| failure.to_string()) })
    })
}

async fn audited(
    desk: Desk,
    wanted: AuditWanted,
    progress: Arc<AuditProgress>,
) -> Result<AuditDone, Failure> {
    let tell: Tell = Arc::new(move |phase, done, total| progress.says(phase, done, total));
    let AuditWanted { projection, position, by } = wanted;
    // Kept until the end: what is fetched lies there.
    let within = (desk.archive)()?;
    let place = Place { archive: within.reach(), ..desk.place };
    let run = Run::begin(place, Wanted { projection, position, by }, tell)?;
    // The tables first: what they are made of is then in what is verified.
    let live = match &desk.store {
        Some(store) => {
            let live = Live::take(&**store, run.projections(), desk.leaving).await;
            Some(live.map_err(|error| super::failed(&error))?)
        }
        None => None,
    };
    let tables = Tables { live, kept_in: desk.kept_in };
    let examined = run.examine().await?;
    let findings = match &examined {
        super::Examined::Whole(_) => Some(run.compare(&desk.log, &tables).await?),
        super::Examined::Faulty(_) => None,
    };
    let signed = run.report(examined, &tables, findings)?;
    crate::observe::audited(&signed.report);
    Ok(AuditDone {
        verdict: word(signed.report.verdict).to_owned(),
        looked_at_all: signed.report.not_looked_at.is_empty(),
        report: signed.text,
    })
}

/// As it stands in the report.
pub(crate) const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Agrees => "agrees",
        Verdict::Differs => "differs",
        Verdict::NotCompared => "not_compared",
    }
}
