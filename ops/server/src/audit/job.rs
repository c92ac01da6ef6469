//! An audit as a job of the running desk: its own log, and the tables that its runner writes or that it reads.

use super::seen::{LOG_END, Seen};
use super::{Place, Run, Tables, Tell, Wanted};
use crate::exit::Failure;
use crate::wiring::Opens;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use stele_api::{AuditDone, AuditFailed, AuditProgress, AuditWanted, Auditor};
use stele_domain::port::event_log::EventLog;
use stele_domain::port::read_store::ReadStore;
use stele_event_log::WitnessOptions;
use stele_projections::audit::{Leaving, Live, Verdict};
use tokio::sync::oneshot;

/// How long a witness has to tell what it has seen.
const WITNESS_PATIENCE: Duration = Duration::from_secs(30);

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
    /// Who has seen the log, where it has a witness.
    pub witness: Option<WitnessOptions>,
}

/// Whoever does the audits of this desk.
pub(crate) fn auditor(desk: Desk) -> Auditor {
    Arc::new(move |wanted: AuditWanted, progress: Arc<AuditProgress>| {
        let desk = desk.clone();
        Box::pin(async move { audited(desk, wanted, progress).await.map_err(|failure| nothing(&failure)) })
    })
}

fn nothing(failure: &Failure) -> AuditFailed {
    AuditFailed { why: failure.to_string(), exit_code: failure.code.number() }
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
    // Before the log is read: what it has been told of is there.
    let seen = seen(desk.witness, place.directory.clone(), WITNESS_PATIENCE).await?;
    let is_missed = seen.is_missed();
    let run = Run::begin(place, Wanted { projection, position, by }, tell)?.held_against(seen);
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
    // Nobody can look at the end of a log without a witness; one that is there has to be read.
    let saw_tables = signed.report.not_looked_at.iter().all(|one| one.what == LOG_END);
    Ok(AuditDone {
        verdict: word(signed.report.verdict).to_owned(),
        looked_at_all: saw_tables && !is_missed,
        report: signed.text,
    })
}

/// What the witness has seen. Its file may lie on the disk of another machine, which does not answer: then the audit goes on
/// without it and says so, and the thread is left.
async fn seen(
    witness: Option<WitnessOptions>,
    directory: PathBuf,
    patience: Duration,
) -> Result<Seen, Failure> {
    let unanswered = Seen::unanswered(witness.as_ref(), patience);
    let (tell, told) = oneshot::channel();
    let look = move || {
        // Nobody waits for it any more when it can't be told.
        let _ = tell.send(Seen::by(witness.as_ref(), &directory));
    };
    let thread = std::thread::Builder::new().name("stele-witness".to_owned()).spawn(look);
    thread.map_err(|error| Failure::error(&error))?;
    match tokio::time::timeout(patience, told).await {
        Ok(seen) => seen.map_err(|error| Failure::error(&error)),
        Err(_) => Ok(unanswered),
    }
}

/// As it stands in the report.
pub(crate) const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Agrees => "agrees",
        Verdict::Differs => "differs",
        Verdict::NotCompared => "not_compared",
    }
}

#[cfg(test)]
mod tests {
    use super::seen;
    use std::process::Command;
    use std::time::Duration;
    use stele_event_log::{WitnessAt, WitnessOptions};

    #[tokio::test]
    async fn a_witness_that_does_not_answer_is_not_waited_for() {
        let place = tempfile::tempdir().unwrap();
        let at = place.path().join("witness");
        // Whoever opens it waits for somebody who writes.
        assert!(Command::new("mkfifo").arg(&at).status().unwrap().success());
        let witness = WitnessOptions {
            at: WitnessAt::File(at),
            every: Duration::from_mins(1),
            export_max: Duration::from_secs(1),
        };
        let seen = seen(Some(witness), place.path().to_owned(), Duration::from_millis(50)).await.unwrap();
        assert!(seen.is_missed());
        assert!(seen.in_words().contains("has not answered"), "{}", seen.in_words());
    }
}
