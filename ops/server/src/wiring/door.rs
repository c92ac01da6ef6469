//! The door: the application state behind the router, and the Unix socket that it is served on.

use super::core::Core;
use super::health::Health;
use super::parts::Parts;
use crate::config::Config;
use crate::exit::{Code, Failure, chain};
use metrics_exporter_prometheus::PrometheusHandle;
use std::sync::Arc;
use stele_api::{Api, Build, DoorError, LogAdmin, LogStat, UnixDoor};
use stele_commands::control::Control;
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::LogError;
use stele_domain::port::read_store::ReadStore;
use stele_event_log::EmbeddedLog;
use stele_projections::runner::Handle;

/// What the door shows besides the core.
pub(crate) struct Behind {
    pub store: Arc<dyn ReadStore>,
    pub projections: Option<Handle>,
    pub health: Health,
    pub metrics: PrometheusHandle,
}

/// Opens the socket and serves until the stop.
pub(crate) async fn open(
    config: &Config,
    core: &Core,
    behind: Behind,
    parts: &mut Parts,
) -> Result<(), Failure> {
    let control = Control {
        log: Arc::clone(&core.log),
        account: Arc::clone(&core.account),
        filter: Arc::clone(&core.filter),
        board: Arc::clone(&core.board),
        fence: core.fence.clone(),
        bells: core.bells.clone(),
        pairs: vec![config.pair.clone()],
        clock: Arc::clone(&core.clock),
    };
    let Behind { store, projections, health, metrics } = behind;
    let api = Api {
        control: Arc::new(control),
        store,
        log: Arc::clone(&core.log),
        log_admin: Arc::new(Owner { log: Arc::clone(&core.owned_log) }),
        projections,
        health: Arc::new(move || health.all()),
        metrics: Arc::new(move || metrics.render()),
        clock: Arc::clone(&core.clock),
        build: Build { version: crate::VERSION.to_owned(), instance: config.instance.clone() },
    };
    let door = UnixDoor::open(&config.socket).await.map_err(|error| not_open(&error))?;
    let (router, stop) = (stele_api::router(api), parts.stop());
    parts.spawn("api", async move {
        door.serve(router, stop).await;
        Ok(())
    });
    Ok(())
}

fn not_open(error: &DoorError) -> Failure {
    let code = match error {
        DoorError::Taken { .. } | DoorError::NotASocket { .. } => Code::Conflict,
        DoorError::TooLong { .. } => Code::Usage,
        DoorError::Io { .. } => Code::Error,
    };
    Failure::new(code, chain(error))
}

/// The log's numbers and checkpoints, from the process that owns it.
struct Owner {
    log: Arc<EmbeddedLog>,
}

impl LogAdmin for Owner {
    fn stat(&self) -> PortFuture<'_, Result<LogStat, LogError>> {
        let stat = self.log.stat();
        let stat = LogStat {
            log: stat.log,
            events: stat.events,
            commits: stat.commits,
            bytes: stat.bytes,
            streams: stat.streams,
            segments: stat.segments,
            head: stat.head,
            categories: stat.categories,
        };
        Box::pin(std::future::ready(Ok(stat)))
    }

    fn checkpoint(&self) -> PortFuture<'_, Result<Option<String>, LogError>> {
        Box::pin(std::future::ready(Ok(Some(self.log.checkpoint()))))
    }
}
