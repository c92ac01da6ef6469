//! Strict tables: what the runner says of itself, for the part that pauses the strategy.

use super::core::Core;
use super::parts::Parts;
use std::sync::Arc;
use std::time::Duration;
use stele_commands::strict::{StrictTables, Tables};
use stele_domain::operations::service::event::Service;
use stele_projections::runner::{Handle, State};
use tokio::sync::watch;

/// How often the runner is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Starts it.
pub(super) fn start(core: &Core, handle: Handle, parts: &mut Parts) {
    let Some(switch) = core.board.switch(Service::Strategy) else { return };
    let (told, tables) = watch::channel(Tables::Kept);
    let service = StrictTables {
        log: Arc::clone(&core.log),
        switch: Arc::clone(switch),
        tables,
        clock: Arc::clone(&core.clock),
    };
    let stop = parts.stop();
    parts.spawn("strict tables", async move { Ok(service.run(stop).await?) });
    let mut stop = parts.stop();
    parts.spawn("the look at the tables", async move {
        let mut ticks = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                biased;
                () = stop.requested() => return Ok(()),
                _ = ticks.tick() => {
                    let now = as_tables(&handle.status().state);
                    told.send_if_modified(|known| match now {
                        Some(now) if now != *known => {
                            *known = now;
                            true
                        }
                        Some(_) | None => false,
                    });
                }
            }
        }
    });
}

/// What the runner's state says of the tables; nothing while a person has paused it or it has only begun.
fn as_tables(state: &State) -> Option<Tables> {
    match state {
        State::CatchingUp | State::Live | State::Draining => Some(Tables::Kept),
        State::Blocked { why } | State::Faulted { why } => Some(Tables::Away { why: why.clone() }),
        State::Starting | State::Paused | State::Ended => None,
    }
}
