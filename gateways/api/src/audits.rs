//! Audits of the desk: one at a time, the newest few remembered with their reports. What an audit looks at, and who signs
//! what it finds, is for the process that runs the desk; here it has a name, a place in a line of one, and an end.

use crate::dto;
use crate::observe;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stele_commands::control::Refused;
use stele_domain::port::PortFuture;
use stele_domain::port::clock::Clock;
use stele_domain::time::Timestamp;
use tokio::task::AbortHandle;
use uuid::Uuid;

/// Audits that are remembered, with their reports. The log remembers that they were asked for.
pub const AUDITS_KEPT: usize = 16;

/// Largest report that is kept, in bytes: 8 MiB. A report names a bounded number of rows.
pub const REPORT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What somebody wants to have looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditWanted {
    /// One projection; all of them without it.
    pub projection: Option<String>,
    /// Up to here; up to where the tables are without it.
    pub position: Option<u64>,
    /// Who asked.
    pub by: String,
}

/// What came of an audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditDone {
    /// The verdict, as the report has it.
    pub verdict: String,
    /// The signed report, byte for byte.
    pub report: String,
}

/// How far an audit is, told by whoever does it.
#[derive(Debug, Default)]
pub struct AuditProgress {
    phase: Mutex<&'static str>,
    done: AtomicU64,
    total: AtomicU64,
}

/// Does an audit; the error is words for people.
pub type Auditor = Arc<
    dyn Fn(AuditWanted, Arc<AuditProgress>) -> PortFuture<'static, Result<AuditDone, String>> + Send + Sync,
>;

/// The audits of one process.
pub struct Audits {
    auditor: Option<Auditor>,
    clock: Arc<dyn Clock>,
    jobs: Mutex<VecDeque<Arc<Job>>>,
}

struct Job {
    id: Uuid,
    wanted: AuditWanted,
    began_at: Timestamp,
    progress: Arc<AuditProgress>,
    ended: Mutex<Option<Ended>>,
    work: Mutex<Option<AbortHandle>>,
}

#[derive(Clone)]
struct Ended {
    at: Timestamp,
    outcome: Result<AuditDone, String>,
}

impl AuditProgress {
    /// Says what is being done, and how far it is.
    pub fn says(&self, phase: &'static str, done: u64, total: u64) {
        *locked(&self.phase) = phase;
        self.total.store(total, Ordering::Relaxed);
        self.done.store(done, Ordering::Relaxed);
        observe::audit_is(done, total);
    }
}

impl Audits {
    /// With whoever does them; `None` in a process that does not own the log.
    #[must_use]
    pub fn new(auditor: Option<Auditor>, clock: Arc<dyn Clock>) -> Self {
        Self { auditor, clock, jobs: Mutex::default() }
    }

    /// Begins an audit under the id of the wish.
    pub(crate) fn begin(&self, id: Uuid, wanted: AuditWanted) -> Result<(), Refused> {
        let rule = |code: &'static str, message: String| Err(Refused::Rule { code: code.into(), message });
        let Some(auditor) = &self.auditor else {
            let what = "the log is another process's, and only its owner can verify it: ask the desk that owns the log";
            return rule("audit_elsewhere", what.to_owned());
        };
        let mut jobs = locked(&self.jobs);
        if let Some(running) = jobs.iter().find(|job| job.is_running()) {
            let what = format!("audit {} is running: wait for its end, there is one at a time", running.id);
            return rule("audit_running", what);
        }
        let job = Arc::new(Job {
            id,
            wanted: wanted.clone(),
            began_at: self.clock.now(),
            progress: Arc::default(),
            ended: Mutex::default(),
            work: Mutex::default(),
        });
        let (done, clock) = (auditor(wanted, Arc::clone(&job.progress)), Arc::clone(&self.clock));
        let ending = Ending { job: Arc::clone(&job), clock };
        observe::audit_begins();
        let work = tokio::spawn(async move {
            let outcome = done.await;
            ending.with(outcome);
        });
        *locked(&job.work) = Some(work.abort_handle());
        jobs.push_front(job);
        jobs.truncate(AUDITS_KEPT);
        Ok(())
    }

    /// The remembered audits, newest first.
    pub(crate) fn list(&self) -> Vec<dto::Audit> {
        locked(&self.jobs).iter().map(|job| job.told()).collect()
    }

    /// One of them.
    pub(crate) fn get(&self, id: Uuid) -> Option<dto::Audit> {
        locked(&self.jobs).iter().find(|job| job.id == id).map(|job| job.told())
    }

    /// The report of one of them.
    pub(crate) fn report(&self, id: Uuid) -> Result<String, NoReport> {
        let job = locked(&self.jobs).iter().find(|job| job.id == id).cloned().ok_or(NoReport::Unknown)?;
        let ended = locked(&job.ended).clone();
        let done = ended.and_then(|ended| ended.outcome.ok());
        done.map(|done| done.report).ok_or(NoReport::None)
    }
}

/// Why there is no report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoReport {
    /// No such audit is remembered.
    Unknown,
    /// The audit goes on, or came to nothing.
    None,
}

impl Drop for Audits {
    fn drop(&mut self) {
        for job in locked(&self.jobs).iter() {
            if let Some(work) = locked(&job.work).take() {
                work.abort();
            }
        }
    }
}

/// Sees to it that a job ends, also one whose work was cut short.
struct Ending {
    job: Arc<Job>,
    clock: Arc<dyn Clock>,
}

impl Ending {
    fn with(&self, outcome: Result<AuditDone, String>) {
        let outcome = outcome.and_then(|done| match done.report.len() {
            bytes if bytes > REPORT_BYTES_MAX => {
                Err(format!("the report has {bytes} bytes, and {REPORT_BYTES_MAX} are kept"))
            }
            _ => Ok(done),
        });
        let (at, wanted) = (self.clock.now(), &self.job.wanted);
        let of_everything = wanted.projection.is_none() && wanted.position.is_none();
        let verdict = outcome.as_ref().ok().map(|done| done.verdict.as_str());
        observe::audit_ended(verdict, of_everything, at);
        *locked(&self.job.ended) = Some(Ended { at, outcome });
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if self.job.is_running() {
            self.with(Err(
                "the audit ended by itself, which is a mistake of this build: begin another".to_owned()
            ));
        }
    }
}

impl Job {
    fn is_running(&self) -> bool {
        locked(&self.ended).is_none()
    }

    fn told(&self) -> dto::Audit {
        let ended = locked(&self.ended).clone();
        let state = match &ended {
            None => dto::AuditState::Running,
            Some(Ended { outcome: Ok(_), .. }) => dto::AuditState::Done,
            Some(Ended { outcome: Err(_), .. }) => dto::AuditState::Failed,
        };
        let (verdict, why) = match ended.as_ref().map(|ended| &ended.outcome) {
            Some(Ok(done)) => (Some(done.verdict.clone()), None),
            Some(Err(why)) => (None, Some(why.clone())),
            None => (None, None),
        };
        dto::Audit {
            id: self.id,
            state,
            verdict,
            why,
            projection: self.wanted.projection.clone(),
            position: self.wanted.position,
            asked_by: self.wanted.by.clone(),
            began_at: self.began_at,
            ended_at: ended.map(|ended| ended.at),
            phase: (*locked(&self.progress.phase)).to_owned(),
            done: self.progress.done.load(Ordering::Relaxed),
            total: self.progress.total.load(Ordering::Relaxed),
        }
    }
}

/// Whoever panicked while it was held left what is in it in order: every change is one assignment.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
