//! A rebuild without a desk: this process owns the log and the tables for as long as it takes.

use super::{of_replaced, shown};
use crate::cli::args::RebuildArgs;
use crate::cli::progress::Progress;
use crate::config::Config;
use crate::exit::{Code, Failure, chain};
use crate::offline;
use crate::wiring::{SystemClock, TablesHere, log_failure};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use stele_api::dto::RebuildsAnswer;
use stele_domain::port::read_store::{Rebuilding, StoreError};
use stele_event_log::EmbeddedLog;
use stele_projections::models;
use stele_projections::projection::Registered;
use stele_projections::rebuild::{Asked, Options, RebuildError, Rebuilder};
use tokio::time::{MissedTickBehavior, interval};

/// How often it is shown how far it is.
const LOOK: Duration = Duration::from_millis(300);

/// Folds, compares and swaps here.
pub(super) fn rebuilt(
    args: &RebuildArgs,
    config: &Config,
    name: &str,
    progress: &Progress,
) -> Result<RebuildsAnswer, Failure> {
    let projections = named(name)?;
    let asked = Asked {
        projections,
        by: format!("the command line on {}", config.instance),
        from_zero: args.from_zero,
        despite_difference: args.despite_difference,
    };
    with_tables(config, async |log, tables| {
        let rebuilder = Rebuilder {
            log,
            live: Arc::clone(&tables.store),
            tables: Arc::clone(&tables.rebuilding),
            clock: Arc::new(SystemClock),
            runner: None,
            options: Options::default(),
        };
        let job = rebuilder.begin(asked).await.map_err(|error| not_rebuilt(&error))?;
        let mut running = std::pin::pin!(job.run());
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                ended = &mut running => {
                    ended.map_err(|error| not_rebuilt(&error))?;
                    return known(&*tables.rebuilding, name).await;
                }
                _ = ticks.tick() => {
                    if let Ok(known) = known(&*tables.rebuilding, name).await {
                        shown(&known.rebuilds, progress);
                    }
                }
            }
        }
    })
}

/// Drops the replaced tables of these; the projections that had any.
pub(super) fn drop_old(config: &Config, name: &str) -> Result<Vec<String>, Failure> {
    let projections = named(name)?;
    with_tables(config, async |_, tables| {
        let there = of_replaced(&known(&*tables.rebuilding, name).await?);
        for projection in &projections {
            tables.rebuilding.drop_old(projection.name).await.map_err(|error| of_store(&error))?;
        }
        Ok(there)
    })
}

fn with_tables<T, F>(
    config: &Config,
    work: impl FnOnce(Arc<EmbeddedLog>, TablesHere) -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::error(&error))?;
    runtime.block_on(offline::with(config, &config.log_dir(), |log| async move {
        let (tables, server) = TablesHere::open(config).await?;
        let worked = work(log, tables).await;
        if let Some(server) = server {
            server.stop().await;
        }
        worked
    }))
}

fn named(name: &str) -> Result<Vec<Registered>, Failure> {
    let found = models::ALL.iter().filter(|projection| name == "all" || projection.name == name);
    let found: Vec<Registered> = found.copied().collect();
    if found.is_empty() {
        let names: Vec<&str> = models::ALL.iter().map(|projection| projection.name).collect();
        return Err(Failure::usage(format!("there is no projection {name:?}: {}", names.join(", "))));
    }
    Ok(found)
}

async fn known(tables: &dyn Rebuilding, name: &str) -> Result<RebuildsAnswer, Failure> {
    let rebuilds = tables.rebuilds().await.map_err(|error| of_store(&error))?;
    let old = tables.old_tables().await.map_err(|error| of_store(&error))?;
    let meant = |projection: &str| name == "all" || projection == name;
    let rebuilds: Vec<_> = rebuilds.into_iter().filter(|known| meant(&known.projection)).collect();
    let old: Vec<_> = old.into_iter().filter(|old| meant(&old.projection)).collect();
    Ok(RebuildsAnswer::of(&rebuilds, &old))
}

fn not_rebuilt(error: &RebuildError) -> Failure {
    match error {
        RebuildError::Log(error) => log_failure(error),
        RebuildError::Store(error) => of_store(error),
        RebuildError::Short { .. } => Failure::new(Code::Mismatch, chain(error)),
        RebuildError::Newer(_) => Failure::new(Code::Error, chain(error)),
        RebuildError::Unsettled { .. } => Failure::new(Code::Unavailable, chain(error)),
        RebuildError::Fold(_) | RebuildError::Scan(_) | RebuildError::Lost(_) => {
            let code = if error.is_transient() { Code::Unavailable } else { Code::Error };
            Failure::new(code, chain(error))
        }
    }
}

fn of_store(error: &StoreError) -> Failure {
    let code = match error {
        StoreError::Unavailable(_) => Code::Unavailable,
        StoreError::Damaged(_) => Code::Mismatch,
        StoreError::Rebuilding { .. } | StoreError::OldTables { .. } | StoreError::Conflict { .. } => {
            Code::Conflict
        }
        StoreError::OtherVersion { .. }
        | StoreError::Undigested { .. }
        | StoreError::UnknownProjection(_)
        | StoreError::UnknownTable(_)
        | StoreError::BadQuery { .. }
        | StoreError::Misfit(_)
        | StoreError::Refused { .. }
        | StoreError::Invalid(_)
        | StoreError::Elsewhere(_) => Code::Error,
    };
    Failure::new(code, chain(error))
}
