//! The read models: the runner, and the switch that a person pauses and resumes them with.

use super::core::Core;
use super::parts::Parts;
use super::tables::Tables;
use crate::config::Config;
use crate::observe;
use std::sync::Arc;
use std::time::Duration;
use stele_commands::service::Board;
use stele_commands::streams;
use stele_domain::operations::service::event::Service;
use stele_domain::operations::service::state::Phase;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, Filter, Position};
use stele_domain::port::read_store::ReadStore;
use stele_projections::models;
use stele_projections::rebuild::{self, Rebuilder, Rebuilds};
use stele_projections::runner::{self, Handle, Runner};

/// Records of switches that are read in one go.
const PAGE: usize = 64;
/// How long a drain waits for the head before it is looked at again.
const DRAIN: Duration = Duration::from_secs(10);

/// Starts the runner.
pub(crate) fn start(config: &Config, core: &Core, store: &Arc<dyn ReadStore>, parts: &mut Parts) -> Handle {
    let options =
        runner::Options { batch_records_max: config.batch_records_max, ..runner::Options::default() };
    let (log, clock) = (Arc::clone(&core.log), Arc::clone(&core.clock));
    let (runner, handle) = Runner::new(log, Arc::clone(store), clock, models::ALL, options);
    let (mut stop, told) = (parts.stop(), handle.clone());
    parts.spawn(Service::Projections.name(), async move {
        // No decision reads a table: whatever is wrong with them, the desk goes on, and says so.
        let mut running = std::pin::pin!(runner.stay());
        tokio::select! {
            biased;
            () = &mut running => return Ok(()),
            () = stop.requested() => told.stop(),
        }
        running.await;
        Ok(())
    });
    let switch = Switch {
        log: Arc::clone(&core.log),
        clock: Arc::clone(&core.clock),
        board: Arc::clone(&core.board),
        handle: handle.clone(),
    };
    let mut stop = parts.stop();
    parts.spawn("the switch of the projections", async move {
        tokio::select! {
            biased;
            () = stop.requested() => Ok(()),
            outcome = switch.run() => outcome,
        }
    });
    handle
}

/// The rebuilds of this process: where the tables are kept here they are done here, under the runner.
pub(crate) fn rebuilds(core: &Core, tables: &Tables, runner: Option<&Handle>) -> Rebuilds {
    let rebuilder = runner.map(|runner| Rebuilder {
        log: Arc::clone(&core.log),
        live: Arc::clone(&tables.store),
        tables: Arc::clone(&tables.rebuilding),
        clock: Arc::clone(&core.clock),
        runner: Some(runner.clone()),
        options: rebuild::Options::default(),
    });
    Rebuilds::new(Arc::clone(&tables.rebuilding), rebuilder)
}

/// Turns what persons asked of the projections into what the runner does.
struct Switch {
    log: Arc<dyn EventLog>,
    clock: Arc<dyn Clock>,
    board: Arc<Board>,
    handle: Handle,
}

impl Switch {
    async fn run(self) -> anyhow::Result<()> {
        let head = self.log.head().await.unwrap_or(Position::START);
        let mut follow = self.log.follow(head.next(), Filter::categories(&[streams::SERVICE]));
        let mut last = None;
        loop {
            let phase = self.phase().await;
            if phase != last {
                if let Some(phase) = &phase {
                    observe::projections_switched(phase.name());
                    self.turn(phase).await?;
                }
                last = phase;
            }
            // A log that does not answer is the runner's to complain of; here the next page is waited for.
            if follow.next(PAGE).await.is_err() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }

    async fn phase(&self) -> Option<Phase> {
        let ledger = self.board.switch(Service::Projections)?;
        ledger.look(|state| state.phase().clone()).await.ok()
    }

    async fn turn(&self, phase: &Phase) -> anyhow::Result<()> {
        match phase {
            Phase::Running => self.handle.resume(),
            Phase::Paused { .. } => self.handle.pause(),
            Phase::Draining { .. } => {
                let head = self.log.head().await?;
                // Too late or not, what could be folded has been.
                let _ = self.handle.reached(head, DRAIN).await;
                self.handle.pause();
                self.board.drained(Service::Projections, self.clock.as_ref()).await?;
            }
            Phase::NeverStarted | Phase::Drained { .. } => {}
        }
        Ok(())
    }
}
