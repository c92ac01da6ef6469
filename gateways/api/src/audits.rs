//! Audits of the desk: one at a time, the newest few remembered with their reports. What an audit looks at, and who signs
//! what it finds, is for the process that runs the desk; here it has a name, a place in a line of one, and an end.

use crate::dto;
use crate::observe;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stele_commands::control::Refused;
use stele_domain::port::PortFuture;
use stele_domain::port::clock::Clock;
use stele_domain::time::Timestamp;
use tokio::task::AbortHandle;
use uuid::Uuid;

/// What a command ends with that came to nothing for no reason that has a number of its own.
const EXIT_ERROR: u8 = 1;

/// Audits that are remembered, with their reports. The log remembers that they were asked for.
pub const AUDITS_KEPT: usize = 16;

/// Largest report that is kept, in bytes: 8 MiB. A report names a bounded number of rows. Of a larger one only the verdict
/// is kept.
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
    /// Whether it could look at everything that was asked for.
    pub looked_at_all: bool,
    /// The signed report, byte for byte.
    pub report: String,
}

/// Why an audit came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditFailed {
    /// In words for people.
    pub why: String,
    /// What a command ends with that does the same by itself.
    pub exit_code: u8,
}

/// How far an audit is, told by whoever does it.
#[derive(Debug, Default)]
pub struct AuditProgress {
    phase: Mutex<&'static str>,
    done: AtomicU64,
    total: AtomicU64,
}

/// Does an audit.
pub type Auditor = Arc<
    dyn Fn(AuditWanted, Arc<AuditProgress>) -> PortFuture<'static, Result<AuditDone, AuditFailed>>
        + Send
        + Sync,
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

struct Ended {
    at: Timestamp,
    outcome: Result<Found, AuditFailed>,
}

/// What is remembered of an audit that came to its end.
struct Found {
    verdict: String,
    /// The signed report; otherwise why it is not kept.
    report: Result<Bytes, String>,
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
    pub(crate) fn report(&self, id: Uuid) -> Result<Bytes, NoReport> {
        let job = locked(&self.jobs).iter().find(|job| job.id == id).cloned().ok_or(NoReport::Unknown)?;
        let ended = locked(&job.ended);
        let found = ended.as_ref().and_then(|ended| ended.outcome.as_ref().ok());
        let report = found.and_then(|found| found.report.as_ref().ok()).cloned();
        report.ok_or(NoReport::None)
    }
}

/// Why there is no report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoReport {
    /// No such audit is remembered.
    Unknown,
    /// The audit goes on, or came to nothing, or its report is too large to be kept.
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
    fn with(&self, outcome: Result<AuditDone, AuditFailed>) {
        let (at, wanted) = (self.clock.now(), &self.job.wanted);
        let of_everything = wanted.projection.is_none() && wanted.position.is_none();
        let done = outcome.as_ref().ok();
        let saw_everything = of_everything && done.is_some_and(|done| done.looked_at_all);
        observe::audit_ended(done.map(|done| done.verdict.as_str()), saw_everything, at);
        *locked(&self.job.ended) = Some(Ended { at, outcome: outcome.map(Found::of) });
    }
}

impl Found {
    /// The verdict stands whatever the report's size.
    fn of(done: AuditDone) -> Self {
        let AuditDone { verdict, looked_at_all: _, report } = done;
        let bytes = report.len();
        let report = if bytes > REPORT_BYTES_MAX {
            Err(format!(
                "the report is too large to be kept here ({bytes} bytes, and at most {REPORT_BYTES_MAX} are): run \
                 `stele audit` on the machine with the log while no desk runs there, or audit one projection at a time"
            ))
        } else {
            Ok(Bytes::from(report))
        };
        Self { verdict, report }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if self.job.is_running() {
            self.with(Err(AuditFailed {
                why: "the audit ended by itself, which is a mistake of this build: begin another".to_owned(),
                exit_code: EXIT_ERROR,
            }));
        }
    }
}

impl Job {
    fn is_running(&self) -> bool {
        locked(&self.ended).is_none()
    }

    fn told(&self) -> dto::Audit {
        let ended = locked(&self.ended);
        let ended_at = ended.as_ref().map(|ended| ended.at);
        let (state, verdict, why) = match ended.as_ref().map(|ended| &ended.outcome) {
            None => (dto::AuditState::Running, None, None),
            Some(Ok(found)) => {
                (dto::AuditState::Done, Some(found.verdict.clone()), found.report.as_ref().err().cloned())
            }
            Some(Err(failed)) => (dto::AuditState::Failed, None, Some(failed.why.clone())),
        };
        let failed = ended.as_ref().and_then(|ended| ended.outcome.as_ref().err());
        let exit_code = failed.map(|failed| failed.exit_code);
        drop(ended);
        dto::Audit {
            id: self.id,
            state,
            verdict,
            why,
            exit_code,
            projection: self.wanted.projection.clone(),
            position: self.wanted.position,
            asked_by: self.wanted.by.clone(),
            began_at: self.began_at,
            ended_at,
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

#[cfg(test)]
mod tests {
    use super::{AuditDone, AuditWanted, Audits, Ending, Job, NoReport, REPORT_BYTES_MAX, locked};
    use crate::dto::AuditState;
    use metrics::{
        Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit, with_local_recorder,
    };
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, Mutex};
    use stele_domain::port::clock::Clock;
    use stele_domain::time::Timestamp;
    use uuid::Uuid;

    struct Still;

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(1_790_000_000_000)
        }
    }

    /// One gauge.
    #[derive(Default)]
    struct Differs(Arc<AtomicU64>);

    impl Differs {
        fn stands(&self) -> bool {
            f64::from_bits(self.0.load(Ordering::SeqCst)) > 0.0
        }
    }

    impl Recorder for Differs {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
            Counter::noop()
        }
        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            match key.name() {
                "audit_differs" => Gauge::from_arc(Arc::clone(&self.0)),
                _ => Gauge::noop(),
            }
        }
        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    fn done(verdict: &str, looked_at_all: bool) -> AuditDone {
        AuditDone { verdict: verdict.to_owned(), looked_at_all, report: "{}\n".to_owned() }
    }

    /// An audit of one projection, or of everything, that has ended so.
    fn ended(projection: Option<&str>, done: AuditDone) -> (Audits, Uuid) {
        let (id, clock) = (Uuid::from_u128(7), Arc::new(Still));
        let job = Arc::new(Job {
            id,
            wanted: AuditWanted {
                projection: projection.map(str::to_owned),
                position: None,
                by: "person:una".to_owned(),
            },
            began_at: clock.now(),
            progress: Arc::default(),
            ended: Mutex::default(),
            work: Mutex::default(),
        });
        let audits = Audits::new(None, clock.clone());
        Ending { job: Arc::clone(&job), clock }.with(Ok(done));
        locked(&audits.jobs).push_front(job);
        (audits, id)
    }

    #[test]
    fn what_differs_stands_until_an_audit_that_looked_at_everything_agrees() {
        let differs = Differs::default();
        with_local_recorder(&differs, || {
            ended(None, done("differs", true));
            assert!(differs.stands());
            ended(Some("quotes"), done("agrees", true));
            assert!(differs.stands(), "one projection takes nothing back");
            ended(None, done("agrees", false));
            assert!(differs.stands(), "what could not look at everything takes nothing back");
            ended(None, done("not_compared", true));
            assert!(differs.stands(), "what compared nothing takes nothing back");
            ended(None, done("agrees", true));
            assert!(!differs.stands());
        });
    }

    #[test]
    fn the_verdict_of_a_report_that_is_too_large_to_be_kept_stands() {
        let differs = Differs::default();
        with_local_recorder(&differs, || {
            let large = AuditDone { report: "x".repeat(REPORT_BYTES_MAX + 1), ..done("differs", true) };
            let (audits, id) = ended(None, large);
            assert!(differs.stands());
            let audit = audits.get(id).unwrap();
            assert_eq!((audit.state, audit.verdict.as_deref()), (AuditState::Done, Some("differs")));
            assert!(audit.why.unwrap().contains("too large to be kept here"));
            assert_eq!(audits.report(id), Err(NoReport::None));
        });
        let kept = AuditDone { report: "x".repeat(REPORT_BYTES_MAX), ..done("agrees", true) };
        let (audits, id) = ended(None, kept);
        assert_eq!(audits.report(id).map(|report| report.len()), Ok(REPORT_BYTES_MAX));
        assert_eq!(audits.get(id).unwrap().why, None);
    }
}
