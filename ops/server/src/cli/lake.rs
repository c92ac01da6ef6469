//! The lake by hand: publish, verify, examine, compact.

mod answers;

use super::args::{CompactArgs, DoctorArgs, LakeArgs, LakeCommand, PublishArgs};
use super::progress::Progress;
use crate::config::Config;
use crate::exit::{Code, Failure, Outcome, chain};
use crate::offline;
use crate::wiring::{lake, log_failure};
use std::sync::Arc;
use std::time::Duration;
use stele_blob_store::Address;
use stele_domain::port::blob_store::{BlobError, ChangingBlobs};
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, Position};
use stele_lake::figures::Figures;
use stele_lake::publish::{Options, Publisher, run as follow};
use stele_lake::table::{Compacted, LakeTable, Swept};
use stele_lake::{LakeError, doctor, facts, verify};

pub(super) fn run(command: &LakeCommand, config: &Config, json: bool) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::error(&error))?;
    let outcome = runtime.block_on(async {
        match command {
            LakeCommand::Publish(args) => published(args, config, json).await,
            LakeCommand::Verify(args) => verified(args, config, json).await,
            LakeCommand::Doctor(args) => examined(args, config, json).await,
            LakeCommand::Compact(args) => compacted(args, config, json).await,
        }
    });
    // A file that is being made when somebody ends it is nobody's any more.
    runtime.shutdown_background();
    outcome
}

/// The lake that is meant.
pub(super) fn opened(args: &LakeArgs, config: &Config) -> Result<Arc<dyn ChangingBlobs>, Failure> {
    let named = args.url.as_deref().map(Address::parse).transpose();
    let named = named.map_err(|error| Failure::usage(format!("--url: {error}")))?;
    let address = named.or_else(|| config.lake.address.clone()).ok_or_else(|| {
        Failure::usage("nobody said where the lake is")
            .advise("name it: --url file:///a/directory, --url s3://bucket/prefix, or lake.url")
    })?;
    lake::store(&config.lake, &address)
}

fn clock() -> Arc<dyn Clock> {
    lake::clock()
}

/// Works with the log: that of the process that the configuration names, else the one in this directory, which no desk may
/// own meanwhile.
pub(super) async fn with_log<T>(
    config: &Config,
    work: impl AsyncFnOnce(Arc<dyn EventLog>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    if let Some(log) = lake::log_elsewhere(config).await? {
        return work(log).await;
    }
    let done = offline::with(config, &config.log_dir(), async |log| work(log).await).await;
    done.map_err(|failure| match failure.code {
        Code::Conflict => failure.advise(
            "the desk that owns the log publishes by itself where lake.url is set. To look beside it, reach its log as another \
             process does: log.url and log.key_file",
        ),
        Code::Error
        | Code::Usage
        | Code::Refused
        | Code::NeedsApproval
        | Code::Unauthorised
        | Code::Unavailable
        | Code::Mismatch
        | Code::Full
        | Code::Unwritable
        | Code::Foreign
        | Code::Missing
        | Code::Contradicted
        | Code::Archive => failure,
    })
}

/// The same for whoever only reads: beside a desk that owns it, too.
pub(super) async fn with_log_read<T>(
    config: &Config,
    work: impl AsyncFnOnce(Arc<dyn EventLog>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    if let Some(log) = lake::log_elsewhere(config).await? {
        return work(log).await;
    }
    offline::reading(config, &config.log_dir(), async |log| work(log).await).await
}

/// Removes the directory that a blob of the doctor was in, which an examination leaves empty, as publishers once did. One that
/// somebody else has a blob in at this moment is not empty, and stays; one that somebody else has removed is gone.
fn tidied(url: &str) {
    if let Ok(Address::Directory(path)) = Address::parse(url) {
        let _ = std::fs::remove_dir(path.join(doctor::PLACE));
    }
}

async fn published(args: &PublishArgs, config: &Config, json: bool) -> Outcome {
    let store = opened(&args.lake, config)?;
    let options = Options { every: config.lake.every, compact_files: config.lake.compact_files };
    let progress = Progress::of_what("publishing facts", json);
    let told = with_log(config, async |log: Arc<dyn EventLog>| {
        let figures = Arc::new(Figures::default());
        if args.follow {
            let following = follow(store, clock(), facts::ALL, log, options, Arc::clone(&figures));
            tokio::select! {
                biased;
                _ = tokio::signal::ctrl_c() => {}
                () = following => {}
            }
            return Ok(answers::Published { position: figures.position(), rows: None, tables: vec![] });
        }
        let publisher = Publisher::open(store, clock(), facts::ALL, options, figures).await;
        let mut publisher = publisher.map_err(|error| failure(&error))?;
        let done = publisher.catch_up(&*log, |at, head| {
            progress.total(head.0);
            progress.done(at.0);
        });
        let done = done.await.map_err(|error| failure(&error))?;
        let tables = publisher.tables().map(answers::table_of).collect::<Result<Vec<_>, _>>();
        let tables = tables.map_err(|error| failure(&error))?;
        Ok(answers::Published { position: done.position, rows: Some(done.rows), tables })
    })
    .await;
    drop(progress);
    answers::published(&told?, json)
}

async fn verified(args: &LakeArgs, config: &Config, json: bool) -> Outcome {
    let store = opened(args, config)?;
    let progress = Progress::of_what("verifying the lake", json);
    let told = with_log_read(config, async |log: Arc<dyn EventLog>| {
        let clock = clock();
        let tell = |at: Position, last: Position| {
            progress.total(last.0);
            progress.done(at.0);
        };
        let told = verify::verify_patiently(&store, &clock, facts::ALL, &*log, verify::PATIENCE, tell);
        told.await.map_err(|error| failure(&error))
    })
    .await;
    drop(progress);
    answers::verified(store.url(), &told?, json)
}

async fn examined(args: &DoctorArgs, config: &Config, json: bool) -> Outcome {
    let store = opened(&args.lake, config)?;
    let race = (args.writers as usize, args.rounds as usize);
    let progress = Progress::of_what("examining the store of the lake", json);
    let told = doctor::examine(&store, clock(), facts::ALL, race).await;
    drop(progress);
    tidied(store.url());
    answers::examined(store.url(), &told.map_err(|error| failure(&error))?, json)
}

async fn compacted(args: &CompactArgs, config: &Config, json: bool) -> Outcome {
    let store = opened(&args.lake, config)?;
    let progress = Progress::of_what("compacting the lake", json);
    let (mut all, mut swept) = (vec![], None::<Swept>);
    for fact in facts::ALL {
        let table = LakeTable::open(Arc::clone(&store), clock(), fact.table).await;
        let Some(mut table) = table.map_err(|error| failure(&error))? else { continue };
        let mut done = Compacted::default();
        let files_min = args.files_min as usize;
        while let Some(more) = table.compact(files_min).await.map_err(|error| failure(&error))? {
            done.removed = done.removed.saturating_add(more.removed);
            done.added = done.added.saturating_add(more.added);
            done.rows = done.rows.saturating_add(more.rows);
        }
        table.checkpoint().await.map_err(|error| failure(&error))?;
        if let Some(age_ms) = args.sweep {
            let gone = table.sweep(Duration::from_millis(age_ms)).await.map_err(|error| failure(&error))?;
            let sum = swept.get_or_insert_default();
            sum.files = sum.files.saturating_add(gone.files);
            sum.bytes = sum.bytes.saturating_add(gone.bytes);
            sum.young = sum.young.saturating_add(gone.young);
        }
        all.push((table.name(), done, table.files()));
    }
    drop(progress);
    answers::compacted(&all, swept, json)
}

/// How an error of the lake ends a command.
fn failure(error: &LakeError) -> Failure {
    let words = chain(error);
    match error {
        LakeError::Log(error) => log_failure(error),
        LakeError::Store(error) => of_store(error, words),
        LakeError::Damaged { .. } => Failure::new(Code::Mismatch, words)
            .advise("nothing was changed. What the log has is published anew to another place: stele lake publish --url …"),
        LakeError::OtherLog { .. } => Failure::new(Code::Foreign, words),
        LakeError::Superseded { .. }
        | LakeError::Contended { .. }
        | LakeError::Protocol { .. }
        | LakeError::OtherColumns { .. } => Failure::new(Code::Conflict, words),
        LakeError::NotAtomic { .. } => Failure::new(Code::Refused, words)
            .advise("nothing was published. Use a store that knows If-None-Match; stele lake doctor says whether it does"),
        LakeError::Undecodable { .. } => {
            Failure::new(Code::Error, words).advise("publish with the build that wrote it, or a newer one")
        }
        LakeError::Misfit { .. }
        | LakeError::Limit { .. }
        | LakeError::Columns(_)
        | LakeError::Parquet(_)
        | LakeError::Task(_) => Failure::new(Code::Error, words),
    }
}

fn of_store(error: &BlobError, words: String) -> Failure {
    match error {
        BlobError::Full { .. } => Failure::new(Code::Full, words).advise("nothing that was committed is lost"),
        BlobError::Denied { .. } => Failure::new(Code::Unwritable, words)
            .advise("nothing was changed. See that the bucket or directory is there, and that this process may write to it"),
        BlobError::Unreachable { .. } => Failure::new(Code::Unavailable, words)
            .advise("nothing that was committed is lost: run it again when the store answers"),
        BlobError::Missing { .. } | BlobError::Short { .. } => Failure::new(Code::Mismatch, words),
        BlobError::TooLarge { .. } => Failure::new(Code::Error, words),
    }
}
