//! Puts the desk together, waits, and takes it apart again. It chooses and connects; it decides nothing.

mod archive;
mod audits;
mod belief;
mod blobs;
mod clock;
mod core;
mod door;
mod elsewhere;
mod event_store;
mod handles;
mod health;
mod kurrent_door;
pub(crate) mod lake;
mod log_door;
mod parts;
mod past;
mod patience;
mod pepper;
mod projections;
mod remote;
mod roles;
mod secret;
mod services;
mod strict;
mod tables;
mod telling;
mod tiering;
mod told_store;
mod witness;

pub(crate) use archive::{Opens, Within, beside as archive_beside, reading as reading_archive};
pub(crate) use blobs::check_stores;
pub(crate) use clock::SystemClock;
pub(crate) use core::{log_failure, lost, own_directory};
pub(crate) use health::Health;
pub(crate) use pepper::{check as check_pepper, load as load_pepper};
pub(crate) use roles::{Role, Roles};
pub(crate) use tables::{TablesHere, database_url};
pub(crate) use witness::refused as unwitnessed;

use crate::config::Config;
use crate::exit::{Code, Failure, Outcome};
use crate::observe;
use core::{Core, Source};
use metrics_exporter_prometheus::PrometheusHandle;
use parts::Parts;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stele_commands::service::ServiceError;
use stele_domain::operations::service::event::Service;
use stele_domain::port::event_log::LogError;
use stele_projections::runner::{Handle, Waited};
use tables::{Starting, Tables};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant as Moment;

/// How often the desk says how far its tables are while they catch up with the log at the start.
const CATCH_UP_SLICE: Duration = Duration::from_secs(2);

/// How long the whole end may take, from the wish on; supervisors are told to wait for 30 seconds. The parts come first,
/// then the log, which nothing is ever waited for in front of, then the database, which is cut off.
const END: Duration = Duration::from_secs(25);

/// Runs the roles until a signal, or until a part ends.
pub(crate) async fn serve(config: &Config, roles: &Roles, metrics: PrometheusHandle) -> Outcome {
    let began = Instant::now();
    handles::make_room();
    observe::starting(&config.instance, &roles.names(), crate::VERSION);
    let mut signals = Signals::listen()?;
    // Whoever waits for another process can be told to stop waiting.
    let core = tokio::select! {
        biased;
        why = signals.next() => {
            observe::stopping(why);
            return Ok(());
        }
        core = Core::open(config) => core?,
    };
    let mut starting = Starting::default();
    let tables = tokio::select! {
        biased;
        why = signals.next() => {
            observe::stopping(why);
            None
        }
        tables = Tables::open(config, roles, &mut starting) => Some(tables),
    };
    match tables {
        Some(Ok(tables)) => with_tables(config, &core, roles, metrics, began, (tables, &mut signals)).await,
        Some(Err(failure)) => {
            core.close().await;
            Err(failure)
        }
        None => {
            let until = Moment::now() + END;
            core.close().await;
            starting.give_up(until).await;
            Ok(())
        }
    }
}

/// The same with the log and the tables at hand; both are closed at the end.
async fn with_tables(
    config: &Config,
    core: &Core,
    roles: &Roles,
    metrics: PrometheusHandle,
    began: Instant,
    (tables, signals): (Tables, &mut Signals),
) -> Outcome {
    let mut parts = Parts::new(Health::default());
    let opened = tokio::select! {
        biased;
        why = signals.next() => {
            observe::stopping(why);
            None
        }
        opened = open(config, core, roles, &tables, metrics, &mut parts) => Some(opened),
    };
    let outcome = match opened {
        Some(Ok(projections)) => live(config, core, roles, projections, began, &mut parts, signals).await,
        Some(Err(failure)) => Err(failure),
        None => Ok(()),
    };
    let until = Moment::now() + END;
    let ended = tokio::select! {
        biased;
        ended = parts.end() => ended,
        why = signals.next() => {
            observe::stopping(why);
            Err(anyhow::anyhow!("{why} came twice: ended at once"))
        }
    };
    core.close().await;
    tokio::select! {
        biased;
        () = tables.close(until) => {}
        why = signals.next() => observe::stopping(why),
    }
    outcome.and(ended.map_err(|error| failure(&error)))
}

/// Starts everything; the doors last, so that whoever gets in meets a desk.
async fn open(
    config: &Config,
    core: &Core,
    roles: &Roles,
    tables: &Tables,
    metrics: PrometheusHandle,
    parts: &mut Parts,
) -> Result<Option<Handle>, Failure> {
    let health = parts.health();
    let store = Arc::clone(&tables.store);
    if let Source::Owned(log) = &core.source {
        core::measure(log, parts);
    }
    if let Some(witness) = &core.witness {
        let (witness, mut stop) = (Arc::clone(witness), parts.stop());
        parts.spawn("the witness", async move {
            witness.run(stop.requested()).await;
            Ok(())
        });
    }
    // Whoever decides and does not keep the tables looks at them by itself.
    let looked_at = (config.database.strict && roles.has(Role::Strategy) && !roles.has(Role::Projections))
        .then(|| strict::by_the_store(core, &store, config.database.strict_age_max, &health, parts));
    services::start(config, core, roles, (&health, looked_at), parts).await?;
    let projections = roles.has(Role::Projections).then(|| projections::start(config, core, &store, parts));
    if let (true, Some(handle)) = (config.database.strict, &projections) {
        strict::by_the_runner(core, handle.clone(), parts);
    }
    if roles.has(Role::Projections) {
        tiering::start(config, core, tables, parts)?;
    }
    let lake = if roles.has(Role::Lake) { lake::start(config, core, parts)? } else { None };
    let shown = telling::Shown { store: Arc::clone(&store), projections: projections.clone(), lake };
    let vitals = telling::start(config, core, roles, shown, metrics, parts);
    let here: BTreeSet<Service> = roles.services().collect();
    let elsewhere = Service::ALL.into_iter().filter(|service| !here.contains(service)).collect();
    let rebuilds = projections::rebuilds(core, tables, projections.as_ref());
    let past = if roles.has(Role::Projections) { past::start(config, core, &store, parts)? } else { None };
    let behind = door::Behind {
        store,
        postgres: tables.histories.is_some(),
        past,
        rebuilds,
        projections: projections.clone(),
        health,
        vitals,
        elsewhere,
    };
    // Whoever owns the log has the doors too: it lets the other processes in.
    if roles.has(Role::Api) || config.remote_log.is_none() {
        door::open(config, core, behind.clone(), parts).await?;
    }
    if let Some(address) = config.doors.probe_listen {
        door::open_probes(config, core, behind, address, parts).await?;
    }
    Ok(projections)
}

/// Says when the desk is ready, then waits for a reason to end.
async fn live(
    config: &Config,
    core: &Core,
    roles: &Roles,
    projections: Option<Handle>,
    began: Instant,
    parts: &mut Parts,
    signals: &mut Signals,
) -> Outcome {
    let ready = async {
        let head = core.log.head().await.unwrap_or_default();
        if let Some(projections) = projections {
            // Not an error, however long it takes: the desk says that it is ready when they do.
            while let Err(waited) = projections.reached(head, CATCH_UP_SLICE).await {
                match waited {
                    Waited::Behind { at, .. } => observe::catching_up(at.0, head.0),
                    // What keeps them from moving speaks for itself.
                    Waited::Unavailable { .. } => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
        }
        let doors = roles.has(Role::Api) || config.remote_log.is_none();
        let socket = doors.then_some(config.socket.as_path());
        let start_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        observe::ready(socket, &config.instance, head.0, start_ms);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        why = signals.next() => {
            observe::stopping(why);
            Ok(())
        }
        ended = parts.first_end() => {
            observe::stopping("a part has ended");
            ended.map_err(|error| failure(&error))
        }
        () = ready => Ok(()),
    }
}

/// How the end of a part ends the process.
fn failure(error: &anyhow::Error) -> Failure {
    let words = format!("{error:#}");
    for cause in error.chain() {
        match cause.downcast_ref::<ServiceError>() {
            Some(ServiceError::Lease(_)) => {
                return Failure::new(Code::Conflict, words)
                    .advise("stop the other instance, or wait until its lease has run out");
            }
            Some(
                ServiceError::Log(_) | ServiceError::Stream(_) | ServiceError::Name(_) | ServiceError::Id(_),
            )
            | None => {}
        }
        if let Some(error) = cause.downcast_ref::<LogError>() {
            return Failure { what: words, ..log_failure(error) };
        }
    }
    Failure::new(Code::Error, words)
}

/// The signals that end the desk.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        let on = |kind| signal(kind).map_err(|error| Failure::error(&error));
        Ok(Self { terminate: on(SignalKind::terminate())?, interrupt: on(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
