//! Puts the desk together, waits, and takes it apart again. It chooses and connects; it decides nothing.

mod clock;
mod core;
mod door;
mod health;
mod parts;
mod projections;
mod roles;
mod services;

pub(crate) use clock::SystemClock;
pub(crate) use core::log_failure;
pub(crate) use roles::{Role, Roles};

use crate::config::Config;
use crate::exit::{Code, Failure, Outcome};
use crate::observe;
use core::Core;
use health::Health;
use metrics_exporter_prometheus::PrometheusHandle;
use parts::Parts;
use std::time::{Duration, Instant};
use stele_commands::service::ServiceError;
use stele_domain::port::event_log::LogError;
use stele_projections::runner::Handle;
use tokio::signal::unix::{SignalKind, signal};

/// How often histograms are tidied; without it they grow.
const UPKEEP: Duration = Duration::from_secs(5);
/// How long the tables may take to show what is in the log at the start. A longer start is not an error: the desk
/// says that it is ready when they do.
const CATCH_UP_SLICE: Duration = Duration::from_mins(1);

/// Runs the roles until a signal, or until a part ends.
pub(crate) async fn serve(config: &Config, roles: &Roles, metrics: PrometheusHandle) -> Outcome {
    let began = Instant::now();
    observe::starting(&config.instance, &roles.names(), crate::VERSION);
    let mut signals = Signals::listen()?;
    let core = Core::open(config).await?;
    let mut parts = Parts::new(Health::default());
    let outcome = match open(config, &core, roles, metrics, &mut parts).await {
        Ok(projections) => live(config, &core, roles, projections, began, &mut parts, &mut signals).await,
        Err(failure) => Err(failure),
    };
    let ended = tokio::select! {
        biased;
        ended = parts.end() => ended,
        why = signals.next() => {
            observe::stopping(why);
            Err(anyhow::anyhow!("{why} came twice: ended at once"))
        }
    };
    core.close().await;
    outcome.and(ended.map_err(|error| failure(&error)))
}

/// Starts everything; the door last, so that whoever gets in meets a desk.
async fn open(
    config: &Config,
    core: &Core,
    roles: &Roles,
    metrics: PrometheusHandle,
    parts: &mut Parts,
) -> Result<Option<Handle>, Failure> {
    let health = parts.health();
    services::start(config, core, roles, &health, parts).await?;
    let store = projections::store()?;
    let projections = roles.has(Role::Projections).then(|| projections::start(config, core, &store, parts));
    tidy(&metrics, parts);
    if roles.has(Role::Api) {
        let behind = door::Behind { store, projections: projections.clone(), health, metrics };
        door::open(config, core, behind, parts).await?;
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
            while projections.reached(head, CATCH_UP_SLICE).await.is_err() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        let socket = roles.has(Role::Api).then_some(config.socket.as_path());
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

fn tidy(metrics: &PrometheusHandle, parts: &mut Parts) {
    let (metrics, mut stop) = (metrics.clone(), parts.stop());
    parts.spawn("the upkeep of the metrics", async move {
        let mut ticks = tokio::time::interval(UPKEEP);
        loop {
            tokio::select! {
                biased;
                () = stop.requested() => return Ok(()),
                _ = ticks.tick() => metrics.run_upkeep(),
            }
        }
    });
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
