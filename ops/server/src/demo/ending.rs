//! The end of a demo: nothing new, nothing open, a copy of the live tables, the desk's end in good order, and the
//! proofs by those who were not there, and by a process that followed the log all the while.

use super::place;
use super::proof;
use super::report::{JournalCounts, LogProved, Report, SecondProcess, percentiles};
use super::script::{OFFER_LIFE_MAX, Played, is_resolved};
use super::second;
use super::seen::Seen;
use super::settings::Store;
use super::stage::{Ended, Stage};
use crate::exit::{Code, Failure};
use std::process::Stdio;
use std::time::Duration;
use stele_api::dto::Status;
use stele_event_log::{VerifyError, VerifyOptions, VerifyReport, verify};
use stele_projections::compare::Comparison;

/// How long a fresh process may take to fold the log.
const FOLD_MAX: Duration = Duration::from_mins(2);

/// What the living desk said last.
struct LastWords {
    status: Status,
    checkpoint: String,
    /// Up to where its tables were copied.
    position: u64,
}

/// Ends the run and judges it.
pub(crate) async fn end(stage: &mut Stage, seed: u64, played: Played, store: Store) -> Result<Report, Ended> {
    stage.view.heading(
        5,
        "The end, and the proofs",
        "Nothing new is taken in, and what is open is waited for. Then the desk ends, its log is verified, and a \
         fresh process folds that log from zero and compares every row with the tables of the living desk.",
    );
    let last = quiet(stage).await?;
    let told = seen(stage, last.position).await?;
    stage.desk.end().await?;
    stage.view.note("desk", "ended in good order");
    let (log, problem) = verified(stage, &last).await?;
    let comparison = compared(stage).await?;
    let directory = stage.place.log();
    let kept = stage.during(second::kept(&directory, last.position)).await?;
    let second_process = SecondProcess::of(told, kept)?;
    let summary = stage.world.summary();
    let swallowed_became = stage.story.offer_on(&played.swallowed).filter(|offer| is_resolved(offer));
    let swallowed_became = swallowed_became.map(|offer| offer.fate.name());
    let counters = last.status.counters;
    let counters =
        counters.ok_or_else(|| Failure::new(Code::Unavailable, "the desk's tables could not be read"))?;
    Ok(Report {
        seed,
        quotes: counters.quotes,
        decisions: counters.decisions,
        skipped: counters.skipped,
        commands: counters.commands,
        submissions: counters.submissions,
        results: counters.results,
        lost_to_rival: summary.auctions.lost_to_rival,
        journal: JournalCounts {
            frames: summary.journal.quote_response_frames,
            distinct_nonces: summary.journal.distinct_nonces,
            distinct_commands: summary.journal.distinct_commands,
        },
        open_signatures_at_end: u64::try_from(last.status.account.open_offers.len()).unwrap_or(u64::MAX),
        rows_compared: comparison.rows_compared,
        rows_different: comparison.rows_different,
        read_model_store: store.name(),
        log,
        second_process,
        quote_to_decision: percentiles(stage.story.decision_micros.clone()),
        quote_to_response: percentiles(stage.world.journal().response_micros()),
        restarts: played.restarts,
        elapsed: stage.elapsed(),
        swallowed_became,
        protocol_violations: summary.journal.violations_kept,
        log_problem: problem,
        differences: comparison.differences,
    })
}

/// Takes nothing new, waits until nothing is open, and has the desk say how things stand.
async fn quiet(stage: &mut Stage) -> Result<LastWords, Ended> {
    let reason = "the demo ends";
    stage.operate(&["pause", "ingest", "--reason", reason]).await?;
    stage.operate(&["disarm", "--reason", reason]).await?;
    // Not a failure here: what is still open is counted, and judged with everything else.
    stage.until(OFFER_LIFE_MAX, |story, _| story.open() == 0).await?;
    let position = stage.story.position.0;
    let tables = stage.operator.tables(position).await?;
    let position = tables.position.map_or(position, |position| position.0);
    let bytes = serde_json::to_vec(&tables).map_err(|error| Failure::error(&error))?;
    place::write(&stage.place.tables_file(), &bytes)?;
    let status = stage.operator.status(position).await?;
    let checkpoint = stage.operator.checkpoint().await?;
    place::write(&stage.place.checkpoint_file(), checkpoint.as_bytes())?;
    stage.view.note("tables", &format!("every live row copied, as of position {position} of the log"));
    Ok(LastWords { status, checkpoint, position })
}

/// Asks the second process what it has seen, up to the place of the copy. Nobody who follows is not a failure here: what it
/// could not see is judged with everything else.
async fn seen(stage: &mut Stage, position: u64) -> Result<Result<Seen, Failure>, Ended> {
    let Some(second) = stage.second.take() else {
        return Ok(Err(Failure::new(Code::Error, "there is no second process")));
    };
    let seen = stage.during(second.asked(position)).await?;
    match &seen {
        Ok(seen) => {
            let events = seen.events;
            stage.view.note("second", &format!("has seen {events} events, up to position {position}"));
        }
        Err(failure) => stage.view.note("second", &failure.what),
    }
    Ok(seen)
}

/// Verifies the log against a checkpoint that was taken out of the living desk.
async fn verified(stage: &mut Stage, last: &LastWords) -> Result<(LogProved, Option<String>), Ended> {
    let directory = stage.place.log();
    let options = VerifyOptions { against: Some(last.checkpoint.clone()), ..VerifyOptions::default() };
    let work = tokio::task::spawn_blocking(move || verify(&directory, &options));
    let outcome: Result<VerifyReport, VerifyError> =
        stage.during(work).await?.map_err(|error| Failure::error(&error))?;
    let checkpoint = last.checkpoint.clone();
    Ok(match outcome {
        Ok(report) => {
            let stat = report.stat;
            let text =
                format!("{} events, {} commits: checksums, chains, signatures", stat.events, stat.commits);
            stage.view.note("verified", &text);
            (LogProved { events: stat.events, head: stat.head.0, verified: true, checkpoint }, None)
        }
        Err(error) => {
            let why = crate::exit::chain(&error);
            stage.view.note("DAMAGED", &why);
            let log = &last.status.log;
            (LogProved { events: log.head, head: log.head, verified: false, checkpoint }, Some(why))
        }
    })
}

/// Has a fresh process fold the log and compare.
async fn compared(stage: &mut Stage) -> Result<Comparison, Ended> {
    let mut command = stage.desk.command();
    command.arg("demo").arg("--compare").arg(stage.place.tables_file());
    command.arg("--data").arg(stage.place.directory()).arg("--json");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = stage.during(async { tokio::time::timeout(FOLD_MAX, command.output()).await }).await?;
    let output = output.map_err(|error| Failure::error(&error))?.map_err(|error| Failure::error(&error))?;
    let comparison = serde_json::from_slice::<Comparison>(&output.stdout).map_err(|_| {
        let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Failure::new(
            crate::exit::Code::Error,
            format!("the fresh process ended with {}: {why}", output.status),
        )
    })?;
    let rows: u64 = comparison.rows_compared.values().sum();
    let (tables, different) = (comparison.rows_compared.len(), comparison.rows_different);
    stage.view.note(
        "compared",
        &format!("{rows} rows of {tables} tables, folded by a fresh process: {different} differ"),
    );
    Ok(comparison)
}

/// The comparison alone: what the fresh process does.
pub(crate) async fn compare_only(
    log: &std::path::Path,
    tables: &std::path::Path,
    json: bool,
) -> Result<(), Failure> {
    let comparison = proof::compare(log, tables).await?;
    if json {
        crate::cli::say_json(&comparison)?;
    } else {
        let rows: u64 = comparison.rows_compared.values().sum();
        crate::cli::say(&format!(
            "{rows} rows of {} tables compared at position {}: {} differ",
            comparison.rows_compared.len(),
            comparison.position,
            comparison.rows_different
        ))?;
    }
    proof::verdict(&comparison)
}
