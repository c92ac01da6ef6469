//! What every part of the desk shares: the log, its own or another process's, the streams' ledgers, the fence and the
//! bells.

use super::clock::SystemClock;
use super::parts::Parts;
use super::{archive, event_store, remote, witness};
use crate::cli::{of_error, on_opening};
use crate::config::{Config, LogElsewhere};
use crate::exit::{Code, Failure, chain};
use crate::observe;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use stele_commands::control::Bells;
use stele_commands::fence::Fence;
use stele_commands::ledger::Ledger;
use stele_commands::service::Board;
use stele_commands::{strategy, streams};
use stele_domain::ids::AccountId;
use stele_domain::intents::filter::Filter;
use stele_domain::operations::service::event::Service;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, InvalidStream, LogError};
use stele_domain::trading::account::Account;
use stele_event_log::{ArchiveError, EmbeddedLog, Witness};
use stele_eventstore::EventStoreLog;
use stele_remote_log::RemoteLog;

/// Shared by all parts.
pub(crate) struct Core {
    pub source: Source,
    pub log: Arc<dyn EventLog>,
    pub clock: Arc<dyn Clock>,
    pub account_id: AccountId,
    pub account: Arc<Ledger<Account>>,
    pub filter: Arc<Ledger<Filter>>,
    pub board: Arc<Board>,
    pub fence: Fence,
    pub bells: Bells,
    pub streams: strategy::Streams,
    /// Of a log that is this process's, when one is configured.
    pub witness: Option<Arc<Witness>>,
}

/// How often the owner takes note of how large its log is, for rates.
const MEASURE: Duration = Duration::from_secs(5);

/// Whose log it is.
#[derive(Clone)]
pub(crate) enum Source {
    /// This process's, as long as it runs.
    Owned(Arc<EmbeddedLog>),
    /// Another process's.
    Remote(Box<RemoteLog>),
    /// A KurrentDB server's.
    EventStore(EventStoreLog),
}

impl Source {
    fn log(&self) -> Arc<dyn EventLog> {
        match self {
            Self::Owned(log) => Arc::<EmbeddedLog>::clone(log),
            Self::Remote(log) => Arc::new(RemoteLog::clone(log)),
            Self::EventStore(log) => Arc::new(log.clone()),
        }
    }
}

impl Core {
    /// Opens the log, which this process owns from here on, or waits for the process that does.
    pub(crate) async fn open(config: &Config) -> Result<Self, Failure> {
        let account_id = config.account.clone().ok_or_else(no_account)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let source = match &config.remote_log {
            None => {
                own_directory(&config.data_dir)?;
                Source::Owned(Arc::new(open_log(config, &clock).await?))
            }
            Some(LogElsewhere::Owner(at)) => Source::Remote(Box::new(remote::connect(at).await?)),
            Some(LogElsewhere::EventStore(at)) => Source::EventStore(event_store::connect(at).await?),
        };
        let witness = match &source {
            Source::Owned(log) => witness::begin(config, log).await?,
            Source::Remote(_) | Source::EventStore(_) => None,
        };
        let log = source.log();
        let named = |error: InvalidStream| Failure::usage(format!("configuration: {error}"));
        let streams = strategy::Streams {
            quote: streams::quote(&config.pair.id).map_err(named)?,
            price: streams::price(&config.pair.id).map_err(named)?,
            inventory: streams::inventory(&account_id).map_err(named)?,
            account: streams::account(&account_id).map_err(named)?,
            service: streams::service(Service::Strategy).map_err(named)?,
        };
        let account = Arc::new(Ledger::new(Arc::clone(&log), streams.account.clone()));
        let filter = Arc::new(Ledger::new(Arc::clone(&log), streams::filter().map_err(named)?));
        let board = Arc::new(Board::new(&log).map_err(named)?);
        let (fence, bells) = (Fence::default(), Bells::default());
        Ok(Self { source, log, clock, account_id, account, filter, board, fence, bells, streams, witness })
    }

    /// Leaves a signed checkpoint, with the witness too, and gives the directory up, where it is this process's.
    pub(crate) async fn close(&self) {
        // What the witness cosigns is kept beside the log, which may be another process's as soon as it is closed.
        if let Some(witness) = &self.witness {
            witness::end(witness).await;
        }
        match &self.source {
            Source::Owned(log) => match log.close().await {
                Ok(()) => observe::log_closed(),
                Err(error) => observe::log_not_closed(&error),
            },
            Source::Remote(_) | Source::EventStore(_) => {}
        }
    }
}

/// Takes note of the log's size until the stop.
pub(super) fn measure(log: &Arc<EmbeddedLog>, parts: &mut Parts) {
    let (log, mut stop) = (Arc::clone(log), parts.stop());
    parts.spawn("the pace of the log", async move {
        let mut ticks = tokio::time::interval(MEASURE);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.requested() => return Ok(()),
                _ = ticks.tick() => log.measure(),
            }
        }
    });
}

fn no_account() -> Failure {
    Failure::usage("configuration: `account.id` is empty: the desk does not know whose balances to read")
        .advise("set account.id in your stele.toml, or STELE__ACCOUNT__ID; no key is needed to watch. To try it: stele demo")
}

async fn open_log(config: &Config, clock: &Arc<dyn Clock>) -> Result<EmbeddedLog, Failure> {
    let mut options = stele_event_log::Options::new(Arc::clone(clock))
        .with_segment_bytes(config.segment_bytes)
        .with_room_bytes(config.room_bytes)
        .with_cache_bytes(config.cache_bytes)
        .with_archive(archive::of_owner(config)?);
    if config.archive.automatic && config.archive.address.is_some() {
        options = options.archiving_all_but(config.archive.keep);
    }
    let directory = config.log_dir();
    let opened = tokio::task::spawn_blocking(move || EmbeddedLog::open(&directory, options)).await;
    match opened {
        // The log says itself what it found and what it cut.
        Ok(Ok((log, _report))) => Ok(log),
        Ok(Err(error)) => Err(on_opening(&error, &config.log_dir())),
        Err(error) => Err(Failure::error(&error)),
    }
}

/// A log's no as the end of a run.
pub(crate) fn log_failure(error: &LogError) -> Failure {
    let words = chain(error);
    match error {
        LogError::Owned { .. } | LogError::Conflict { .. } => Failure::new(Code::Conflict, words),
        LogError::Damaged { .. } => Failure::new(Code::Mismatch, words).advise(
            "nothing was changed. Keep the directory as it is, and restore the newest copy that `stele log verify` accepts",
        ),
        LogError::Denied(_) => Failure::new(Code::Unauthorised, words).advise(
            "nothing was done. A key that is refused: give this process one that holds, for its roles (stele keys create --role \
             service --process …, on the machine of the log's owner). Another log, or an older copy of it: `log.url` names \
             another process, or its owner was restored (ops/runbooks/backup.md)",
        ),
        LogError::Full => Failure::new(Code::Full, words).advise("nothing acknowledged is lost"),
        // What its archive says comes from another disk, or from none.
        LogError::Unreachable(source) if let Some(error) = ArchiveError::behind(&**source) => {
            crate::cli::archive_failure(error)
        }
        LogError::Unreachable(source) => match of_error(&**source) {
            Some(Code::Unwritable) => Failure::new(Code::Unwritable, words).advise(
                "make the disk writable, and the directory this user's; to look without writing: stele log stat DIRECTORY",
            ),
            Some(code) => Failure::new(code, words),
            None => Failure::new(Code::Unavailable, words),
        },
        LogError::Lost(_) => lost(words),
        LogError::Invalid(_) | LogError::Stopped(_) => Failure::new(Code::Error, words),
    }
}

/// A part of the log that was archived and is not in the archive any more.
pub(crate) fn lost(words: String) -> Failure {
    Failure::new(Code::Archive, words).advise(
        "nothing was changed, and the rest of the log is served. Put the object back as it was, from a copy of the archive or \
         from a backup that was made before the segment was archived (ops/runbooks/backup.md)",
    )
}

/// Makes the data directory for its owner only, where there is none.
pub(crate) fn own_directory(path: &Path) -> Result<(), Failure> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| {
        Failure::new(Code::Error, format!("the data directory {} can't be made: {error}", path.display()))
            .advise("name another one with --data or desk.data_dir")
    })
}
