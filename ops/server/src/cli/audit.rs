//! The audit: the running desk does it as a job of its own, or this process does where no desk runs; looking at one that a desk
//! does or did; and checking the report that somebody hands over.

use super::args::{AuditArgs, AuditCommand};
use super::desk::{ask, wish};
use super::progress::Progress;
use super::prove::verifier;
use super::verify::read_report;
use super::{say, say_json};
use crate::audit::report::Report;
use crate::audit::seen::{Seen, contradicted};
use crate::audit::{FOLDING, READING, Tell, Wanted, check, job, offline as alone};
use crate::config::Config;
use crate::exit::{Code, Failure, Outcome};
use crate::offline;
use crate::render::audit as render;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stele_api::client::{Client, ClientError, new_key};
use stele_api::dto::{Audit, AuditState, StartAudit};
use stele_projections::audit::Verdict;
use uuid::Uuid;

/// How often the desk is asked how far it is.
const LOOK: Duration = Duration::from_millis(200);

/// How long a desk is asked again that does not say how far it is: the audit goes on meanwhile.
const PATIENCE: Duration = Duration::from_secs(30);

/// The wait before it is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// Where a log keeps its public key.
const KEY_FILE: &str = "key.pub";

pub(super) fn run(args: &AuditArgs, config: &Config, json: bool) -> Outcome {
    match &args.command {
        Some(AuditCommand::Check { report, key }) => checked(report, key.as_deref(), config, json),
        Some(AuditCommand::Show { id, report }) => {
            free(report.as_deref())?;
            let text = ask(config, |client| by_id(client, *id, json))?;
            told(&text, report.as_deref(), config, json)
        }
        None => {
            crate::audit::projections(args.projection.as_deref())?;
            free(args.report.as_deref())?;
            let text = match ask(config, |client| by_desk(client, args, config, json))? {
                Some(text) => text,
                None => by_files(args, config, json)?,
            };
            told(&text, args.report.as_deref(), config, json)
        }
    }
}

/// Whether there is a place for the report. An audit takes long: that there is none is said before it begins.
fn free(path: Option<&Path>) -> Outcome {
    let Some(path) = path else { return Ok(()) };
    if path.exists() {
        return Err(Failure::new(Code::Conflict, format!("{} is there already", path.display()))
            .advise("name another file: a report is never overwritten"));
    }
    writable(path)
}

/// Says what a report says, puts it where it was asked for, and ends as it does.
fn told(text: &str, path: Option<&Path>, config: &Config, json: bool) -> Outcome {
    if let Some(path) = path {
        written(path, text)?;
    }
    // What came over a wire is believed as a report of this log only when its key has signed it.
    let beside = config.log_dir().join(KEY_FILE);
    let report = if config.has_the_log() && beside.is_file() {
        check::checked(text, &verifier(&beside)?)?
    } else {
        eprintln!(
            "the signature was not checked here: stele audit check REPORT --key FILE, with the log's public key"
        );
        unchecked(text)?
    };
    let said = if json { raw(text) } else { say(&render::report(&report, path)) };
    said.and_then(|()| ended(&report))
}

/// What the running desk finds; none when no desk runs and the log is at hand.
async fn by_desk(
    client: Client,
    args: &AuditArgs,
    config: &Config,
    json: bool,
) -> Result<Option<String>, Failure> {
    if args.against.is_some() {
        // Whether one answers is all that is asked: what it would do for the answer is nothing.
        return match client.audits().await {
            Err(ClientError::Unreachable { .. }) if offline::possible(config) => Ok(None),
            Err(error @ ClientError::Unreachable { .. }) => Err(error.into()),
            Ok(_) | Err(_) => {
                let why = "--against: a desk runs, and its audit holds its log against its witness alone";
                Err(Failure::usage(why).advise("beside a desk: stele log verify --against FILE"))
            }
        };
    }
    let wanted = StartAudit {
        projection: args.projection.clone(),
        position: args.position,
        reason: "stele audit".to_owned(),
    };
    let id = new_key();
    let begun = match client.start_audit(id, &wanted).await {
        Err(ClientError::Unreachable { .. }) if offline::possible(config) => return Ok(None),
        Err(ClientError::Lost { .. }) => {
            wish(Some(id), async |id| client.start_audit(id, &wanted).await).await?
        }
        told => told?.answer,
    };
    followed(&client, begun, json).await.map(Some)
}

/// What the running desk found, or finds, in an audit that was begun before.
async fn by_id(client: Client, id: Option<Uuid>, json: bool) -> Result<String, Failure> {
    let audit = match id {
        Some(id) => client.audit(id).await?,
        // Newest first, and there is one at a time.
        None => client.audits().await?.audits.into_iter().next().ok_or_else(|| {
            Failure::new(Code::Error, "the desk remembers no audit").advise("to begin one: stele audit")
        })?,
    };
    followed(&client, audit, json).await
}

/// Looks at an audit of the desk until it has ended, and takes its report.
async fn followed(client: &Client, audit: Audit, json: bool) -> Result<String, Failure> {
    let id = audit.id;
    let progress = Progress::of_what("auditing", json);
    let tell = |audit: &Audit| shown(&progress, &audit.phase, audit.done, audit.total);
    let ended = to_its_end(audit, LOOK, async || client.audit(id).await, tell).await;
    drop(progress);
    let audit = ended.map_err(|error| unwatched(error, id))?;
    match audit.state {
        AuditState::Failed => Err(nothing(&audit)),
        AuditState::Done | AuditState::Running => {
            let report = patiently(PATIENCE, AGAIN, async || client.audit_report(id).await).await;
            match (report, audit.why) {
                (Err(error), Some(why)) if error.code() == Some("no-report") => {
                    Err(unkept(audit.verdict.as_deref().unwrap_or_default(), &why))
                }
                (report, _) => report.map_err(|error| unwatched(error, id)),
            }
        }
    }
}

/// Looks at an audit again and again, for as long as it goes on, and tells how far it is.
async fn to_its_end(
    mut audit: Audit,
    pause: Duration,
    look: impl AsyncFn() -> Result<Audit, ClientError>,
    tell: impl Fn(&Audit),
) -> Result<Audit, ClientError> {
    while audit.state == AuditState::Running {
        tokio::time::sleep(pause).await;
        audit = patiently(PATIENCE, AGAIN, async || look().await).await?;
        tell(&audit);
    }
    Ok(audit)
}

/// Asks until there is an answer, or none for so long: what may pass by itself ends no look at an audit that goes on.
async fn patiently<T>(
    within: Duration,
    pause: Duration,
    once: impl AsyncFn() -> Result<T, ClientError>,
) -> Result<T, ClientError> {
    let mut failing_since = None;
    loop {
        match once().await {
            Err(error) if error.is_transient() => {
                let since: &mut Instant = failing_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= within {
                    return Err(error);
                }
                tokio::time::sleep(pause).await;
            }
            told => return told,
        }
    }
}

/// Nobody knows how the audit stands; the desk may go on with it.
fn unwatched(error: ClientError, id: Uuid) -> Failure {
    let transient = error.is_transient();
    let failure = Failure::from(error);
    if !transient {
        return failure;
    }
    failure.advise(format!("a desk that runs on goes on with it; to look at it again: stele audit show {id}"))
}

/// An audit of the desk that came to nothing ends as one would that was done here.
fn nothing(audit: &Audit) -> Failure {
    let why = audit.why.as_deref().unwrap_or_default().trim_start_matches("stele: ");
    let code = audit.exit_code.and_then(Code::told).unwrap_or(Code::Error);
    Failure::new(code, format!("the audit came to nothing: {why}"))
}

/// The desk has a verdict, and not its report.
fn unkept(verdict: &str, why: &str) -> Failure {
    let code = if verdict == job::word(Verdict::Differs) { Code::Mismatch } else { Code::Error };
    Failure::new(code, format!("the audit ended with the verdict {verdict:?}, and {why}"))
}

fn shown(progress: &Progress, phase: &str, done: u64, total: u64) {
    if phase == FOLDING || phase == READING {
        progress.total(total);
    } else {
        progress.total_bytes(total);
    }
    progress.done(done);
}

/// The same by this process, where no desk runs.
fn by_files(args: &AuditArgs, config: &Config, json: bool) -> Result<String, Failure> {
    let seen = Seen::by_witness(config).and_by_file(args.against.as_deref())?;
    eprintln!("no desk answers: auditing the log in {}", config.log_dir().display());
    let progress = Arc::new(Progress::of_what("auditing", json));
    let told = Arc::clone(&progress);
    let tell: Tell = Arc::new(move |phase, done, total| shown(&told, phase, done, total));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::error(&error))?;
    let signed = runtime.block_on(async {
        let by = stele_api::this_user().map_err(|error| Failure::error(&error))?.actor.to_string();
        let wanted = Wanted { projection: args.projection.clone(), position: args.position, by };
        alone::audited(config, wanted, seen, tell).await
    });
    drop(progress);
    Ok(signed?.text)
}

/// Whether a report can be written there. Nothing stays: an audit that comes to nothing leaves no empty file behind.
fn writable(path: &Path) -> Outcome {
    let unwritable = |error: std::io::Error| {
        let code = super::of_disk(&error).unwrap_or(Code::Usage);
        Failure::new(code, format!("--report {}: {error}", path.display()))
            .advise("name a new file in a directory that you may write to: nothing was audited")
    };
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(path).map_err(unwritable)?;
    std::fs::remove_file(path).map_err(unwritable)
}

/// Never over a file that is there.
fn written(path: &Path, text: &str) -> Outcome {
    let unwritten = |error: std::io::Error| {
        let code = super::of_disk(&error).unwrap_or(Code::Error);
        Failure::new(code, format!("the report can't be written to {}: {error}", path.display()))
    };
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o644).open(path).map_err(unwritten)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(unwritten)
}

/// The report as it was signed, so that whoever redirects it can have it checked.
fn raw(text: &str) -> Outcome {
    super::print(text.trim_end_matches('\n'))
}

fn unchecked(text: &str) -> Result<Report, Failure> {
    #[derive(serde::Deserialize)]
    struct File {
        report: Report,
    }
    let file: Result<File, _> = serde_json::from_str(text);
    file.map(|file| file.report).map_err(|error| {
        Failure::new(Code::Error, format!("the desk answered with no report of this build: {error}"))
    })
}

/// What was found, as the end of the run.
fn ended(report: &Report) -> Outcome {
    let Some(code) = report.code() else { return Ok(()) };
    let what = match &report.log.fault {
        Some(fault) if fault.is_contradiction() => return Err(contradicted(fault.words())),
        Some(fault) => fault.words(),
        None => render::accusation(report),
    };
    Err(Failure::new(code, what)
        .advise("change nothing, keep the report, and follow ops/runbooks/audit-failed.md"))
}

fn checked(path: &Path, key: Option<&Path>, config: &Config, json: bool) -> Outcome {
    let beside = config.log_dir().join(KEY_FILE);
    let key = match key {
        Some(key) => key,
        None if config.has_the_log() && beside.is_file() => &beside,
        None => {
            return Err(Failure::usage("name the log's public key, from somebody you believe: --key FILE")
                .advise("the desk's owner has it as key.pub in the directory of the log"));
        }
    };
    let report = check::checked(&read_report(path)?, &verifier(key)?)?;
    let verdict = report.verdict;
    if json {
        return say_json(&serde_json::json!({
            "believed": true,
            "log": report.log.origin,
            "verdict": job::word(verdict),
            "position": report.position.map(|position| position.0),
            "commits": report.log.commits,
            "ended_at": report.ended_at,
        }));
    }
    let words = match verdict {
        Verdict::Agrees | Verdict::NotCompared => String::new(),
        Verdict::Differs => "\nIt is what was signed, and it says that something DIFFERS.".to_owned(),
    };
    say(&format!(
        "The report is signed by {}, and not a byte of it was changed.{words}\n{}",
        report.log.origin,
        render::report(&report, None)
    ))
}

#[cfg(test)]
mod tests {
    use super::{FOLDING, nothing, patiently, to_its_end, unkept, unwatched, writable};
    use crate::exit::Code;
    use std::cell::RefCell;
    use std::time::Duration;
    use stele_api::client::{ClientError, new_key};
    use stele_api::dto::{Audit, AuditState, Problem};
    use stele_domain::time::Timestamp;

    const LONG: Duration = Duration::from_mins(1);

    fn lost() -> ClientError {
        ClientError::Lost { desk: "desk".to_owned(), what: "connection reset".to_owned() }
    }

    fn problem(status: u16, code: &str) -> ClientError {
        let said = serde_json::json!({ "type": "about:blank", "title": "no", "status": status, "detail": "no", "code": code });
        ClientError::Problem(Box::new(serde_json::from_value::<Problem>(said).unwrap()))
    }

    /// Looks at an audit whose desk answers so, one after the other; what came of it, and how many answers are left.
    async fn looked(
        within: Duration,
        answers: impl IntoIterator<Item = Result<u32, ClientError>>,
    ) -> (Result<u32, ClientError>, usize) {
        let answers: RefCell<Vec<_>> = RefCell::new(answers.into_iter().collect());
        let came = patiently(within, Duration::ZERO, async || answers.borrow_mut().remove(0)).await;
        (came, answers.into_inner().len())
    }

    #[tokio::test]
    async fn what_may_pass_by_itself_ends_no_look_at_an_audit() {
        let (came, left) = looked(LONG, [Err(lost()), Err(problem(503, "busy")), Ok(7)]).await;
        assert_eq!((came.unwrap(), left), (7, 0));
    }

    #[tokio::test]
    async fn a_desk_that_does_not_answer_for_long_and_a_no_end_it() {
        let (came, left) = looked(Duration::ZERO, [Err(problem(503, "busy")), Ok(7)]).await;
        assert_eq!((came.unwrap_err().code(), left), (Some("busy"), 1));
        let (came, left) = looked(LONG, [Err(problem(404, "unknown-audit")), Ok(7)]).await;
        assert_eq!((came.unwrap_err().code(), left), (Some("unknown-audit"), 1));
    }

    #[test]
    fn whoever_stops_looking_hears_that_the_audit_may_go_on() {
        let id = new_key();
        let words = unwatched(lost(), id).to_string();
        assert!(words.contains(&format!("stele audit show {id}")), "{words}");
        assert!(!unwatched(problem(404, "unknown-audit"), id).to_string().contains("audit show"));
    }

    /// An audit that stands so.
    fn audit(state: AuditState, done: u64) -> Audit {
        Audit {
            id: new_key(),
            state,
            verdict: None,
            why: None,
            exit_code: None,
            projection: None,
            position: None,
            asked_by: "person:una".to_owned(),
            began_at: Timestamp::from_millis(1_790_000_000_000),
            ended_at: None,
            phase: FOLDING.to_owned(),
            done,
            total: 9,
        }
    }

    #[tokio::test]
    async fn an_audit_that_goes_on_is_looked_at_to_its_end_and_one_that_has_ended_never() {
        let answers = RefCell::new(vec![audit(AuditState::Running, 4), audit(AuditState::Done, 9)]);
        let told: RefCell<Vec<u64>> = RefCell::default();
        let begun = audit(AuditState::Running, 0);
        let ended = to_its_end(
            begun,
            Duration::ZERO,
            async || Ok(answers.borrow_mut().remove(0)),
            |audit| {
                told.borrow_mut().push(audit.done);
            },
        );
        assert_eq!(ended.await.unwrap().state, AuditState::Done);
        assert_eq!(told.into_inner(), [4, 9]);
        let failed = to_its_end(audit(AuditState::Failed, 3), LONG, async || Err(lost()), |_| ());
        assert_eq!(failed.await.unwrap().state, AuditState::Failed);
    }

    #[test]
    fn an_audit_that_came_to_nothing_ends_with_the_code_that_the_desk_tells() {
        let failed = |exit_code: Option<u8>| {
            let why = Some("stele: PostgreSQL does not answer".to_owned());
            nothing(&Audit { why, exit_code, ..audit(AuditState::Failed, 3) })
        };
        let away = failed(Some(7));
        assert_eq!(away.code, Code::Unavailable);
        assert_eq!(away.what, "the audit came to nothing: PostgreSQL does not answer");
        // A desk of before that tells none, and one of later with others.
        assert_eq!([failed(None).code, failed(Some(99)).code], [Code::Error; 2]);
    }

    #[test]
    fn a_verdict_without_its_report_ends_as_the_verdict_does() {
        assert_eq!(unkept("differs", "too large").code, Code::Mismatch);
        assert_eq!(unkept("agrees", "too large").code, Code::Error);
    }

    #[test]
    fn where_no_report_can_be_written_is_said_and_nothing_is_left_behind_or_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.json");
        writable(&path).unwrap();
        assert!(!path.exists());
        let nowhere = writable(&directory.path().join("none/audit.json")).unwrap_err();
        assert_eq!(nowhere.code, Code::Usage);
        assert!(nowhere.to_string().contains("--report"), "{nowhere}");
        std::fs::write(&path, "a report").unwrap();
        writable(&path).unwrap_err();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a report");
    }
}
