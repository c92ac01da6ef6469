//! Partitions of histories by hand: into the lake, out of the tables, verified, and back.

mod answers;

use super::args::{LakeArgs, TierCommand, TierListArgs, TierRestoreArgs, TierRowsArgs, TierRunArgs};
use super::lake::{opened, with_log, with_log_read};
use super::progress::Progress;
use crate::config::Config;
use crate::exit::{Code, Failure, Outcome, chain};
use crate::wiring::{TablesHere, lake, log_failure};
use std::io::{BufWriter, Write as _};
use std::sync::Arc;
use stele_commands::tiering::TieringLedger;
use stele_domain::port::blob_store::ChangingBlobs;
use stele_domain::port::event_log::{EventLog, Position};
use stele_domain::port::read_store::StoreError;
use stele_domain::port::tiering::RecordError;
use stele_lake::history::HistoryTables;
use stele_projections::models;
use stele_projections::tier::{Asked, ROWS_MAX, ShelfOf, TierError, Tierer};
use stele_read_store::PrivateServer;

pub(super) fn run(command: &TierCommand, config: &Config, json: bool) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::error(&error))?;
    let outcome = runtime.block_on(async {
        match command {
            TierCommand::Run(args) => ran(args, config, json).await,
            TierCommand::List(args) => listed(args, config, json).await,
            TierCommand::Verify(args) => verified(args, config, json).await,
            TierCommand::Restore(args) => restored(args, config, json).await,
            TierCommand::Rows(args) => rows(args, config).await,
        }
    });
    // A file that is being made when somebody ends it is nobody's any more.
    runtime.shutdown_background();
    outcome
}

/// Works with the tables, the lake and the log, none of which a desk may own meanwhile.
async fn with_parts<T>(
    args: &LakeArgs,
    config: &Config,
    work: impl AsyncFnOnce(Tierer) -> Result<T, TierError>,
) -> Result<T, Failure> {
    let store = opened(args, config)?;
    with_log(config, async |log: Arc<dyn EventLog>| {
        let tables = TablesHere::open(config).await?;
        worked(store, log, tables, work).await
    })
    .await
}

/// The same for whoever only looks, beside a desk that goes on and runs its private PostgreSQL.
async fn with_parts_read<T>(
    args: &LakeArgs,
    config: &Config,
    work: impl AsyncFnOnce(Tierer) -> Result<T, TierError>,
) -> Result<T, Failure> {
    let store = opened(args, config)?;
    with_log_read(config, async |log: Arc<dyn EventLog>| {
        let tables = TablesHere::open_to_read(config).await?;
        worked(store, log, tables, work).await
    })
    .await
}

async fn worked<T>(
    store: Arc<dyn ChangingBlobs>,
    log: Arc<dyn EventLog>,
    (tables, server): (TablesHere, Option<PrivateServer>),
    work: impl AsyncFnOnce(Tierer) -> Result<T, TierError>,
) -> Result<T, Failure> {
    let clock = lake::clock();
    let who = stele_api::this_user().map_err(|error| Failure::error(&error))?.actor;
    let facts = TieringLedger::new(log, clock.clone(), who).map_err(|error| Failure::error(&error))?;
    let tierer = Tierer {
        tables: Arc::clone(&tables.store),
        histories: Arc::clone(&tables.histories),
        lake: Arc::new(HistoryTables::new(store, clock.clone())),
        facts: Arc::new(facts),
        clock,
        rows_max: ROWS_MAX,
    };
    let worked = work(tierer).await;
    if let Some(server) = server {
        server.stop().await;
    }
    worked.map_err(|error| failure(&error))
}

async fn ran(args: &TierRunArgs, config: &Config, json: bool) -> Outcome {
    let asked = Asked {
        table: args.table.clone(),
        older_than_s: args.older_than.map(|ms| ms.div_ceil(1_000)),
        keep: args.keep,
    };
    let progress = Progress::of_what("tiering", json);
    let mut count = 0;
    let told = with_parts(&args.lake, config, async |tierer| {
        tierer
            .run_telling(&asked, |_| {
                count += 1;
                progress.done(count);
            })
            .await
    })
    .await;
    drop(progress);
    answers::ran(&told?, &asked, json)
}

async fn listed(args: &TierListArgs, config: &Config, json: bool) -> Outcome {
    if let Some(name) = &args.table {
        ShelfOf::of(name).map_err(|error| failure(&error))?;
    }
    let told = with_parts_read(&args.lake, config, async |tierer| {
        let live = tierer.histories.partitions(None).await?;
        // What left the tables a moment ago is known to be in the lake then.
        Ok((live, tierer.facts.known().await?, tierer.lake.url().to_owned()))
    })
    .await;
    let (live, known, lake) = told?;
    answers::listed(&live, &known, &lake, args.table.as_deref(), json)
}

async fn verified(args: &TierListArgs, config: &Config, json: bool) -> Outcome {
    let progress = Progress::of_what("verifying tiered rows", json);
    let mut count = 0;
    let told = with_parts_read(&args.lake, config, async |tierer| {
        tierer
            .verify(args.table.as_deref(), |_| {
                count += 1;
                progress.done(count);
            })
            .await
    })
    .await;
    drop(progress);
    answers::verified(&told?, json)
}

async fn restored(args: &TierRestoreArgs, config: &Config, json: bool) -> Outcome {
    let held_ms = i64::try_from(args.held).unwrap_or(i64::MAX);
    let progress = Progress::of_what("bringing rows back", json);
    let mut count = 0;
    let told = with_parts(&args.lake, config, async |tierer| {
        tierer
            .restore(&args.table, Position(args.from), held_ms, |_| {
                count += 1;
                progress.done(count);
            })
            .await
    })
    .await;
    drop(progress);
    answers::restored(&args.table, &told?, json)
}

/// Whoever reads no further ends it.
async fn rows(args: &TierRowsArgs, config: &Config) -> Outcome {
    let Some(table) = models::table(&args.table) else {
        return Err(failure(&TierError::NoHistory(args.table.clone())));
    };
    let (from, to) = (Position(args.from), Position(args.to.saturating_add(1)));
    let told = with_parts_read(&args.lake, config, async |tierer| {
        let mut out = BufWriter::new(std::io::stdout());
        let mut written = Ok(());
        let read = tierer.each_row(&args.table, from, to, |row| {
            written = writeln!(out, "{}", table.json(row));
            written.is_ok()
        });
        read.await?;
        Ok(written.and_then(|()| out.flush()))
    })
    .await;
    match told? {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::error(&error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// How an error ends a command.
fn failure(error: &TierError) -> Failure {
    let words = chain(error);
    match error {
        TierError::Differs(_) => Failure::new(Code::Mismatch, words)
            .advise("nothing was taken away: ops/runbooks/tiering.md says what to look at"),
        TierError::NoHistory(_) | TierError::NotTiered { .. } | TierError::Elsewhere { .. } => {
            Failure::usage(words)
        }
        TierError::Moving(_) => Failure::new(Code::Unavailable, words).advise(
            "nothing is lost: ask again when the desk has moved them, or for fewer rows with --from and --to",
        ),
        TierError::Store(StoreError::Damaged(_)) => Failure::new(Code::Mismatch, words),
        TierError::Log(RecordError::Failed { source, .. }) => match source.downcast_ref() {
            Some(stele_commands::envelope::Failure::<stele_domain::operations::tiering::Rejection>::Log(
                error,
            )) => log_failure(error),
            Some(_) | None => of_kind(error, words),
        },
        TierError::Store(_)
        | TierError::Lake(_)
        | TierError::Log(RecordError::Refused(_))
        | TierError::Manifest(_) => of_kind(error, words),
    }
}

fn of_kind(error: &TierError, words: String) -> Failure {
    if error.is_transient() {
        Failure::new(Code::Unavailable, words)
            .advise("nothing is lost: the same command goes on from where it was")
    } else {
        Failure::new(Code::Error, words)
    }
}
