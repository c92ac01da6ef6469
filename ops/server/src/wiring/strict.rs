//! Strict tables: how they are, for the part that pauses the strategy. Where the tables are kept the runner says it of
//! itself; a process that decides without keeping them looks at the store by itself, so that it holds, too, when whoever
//! kept them is gone.

mod freshness;

use super::core::Core;
use super::health::Health;
use super::parts::Parts;
use crate::exit::chain;
use crate::observe;
use freshness::Freshness;
use std::sync::Arc;
use std::time::Duration;
use stele_commands::strict::{ACTOR, ACTOR_BESIDE, StrictTables, Tables};
use stele_domain::operations::service::event::Service;
use stele_domain::port::event_log::{EventLog, Position};
use stele_domain::port::read_store::ReadStore;
use stele_projections::runner::{Handle, State};
use tokio::sync::watch;
use tokio::time::{Instant, interval, timeout};

/// How often the runner is looked at, and the store while it was not seen yet to be kept: a desk whose tables are in order
/// is not paused at its start.
const LOOK: Duration = Duration::from_millis(100);
/// How often the store is looked at from then on. It is asked for the checkpoint of every projection.
const LOOK_AT_STORE: Duration = Duration::from_millis(500);
/// Longest look at the store; one that takes longer has seen nothing.
const LOOK_MAX: Duration = Duration::from_secs(2);

/// Starts it where the tables are kept.
pub(super) fn by_the_runner(core: &Core, handle: Handle, parts: &mut Parts) {
    let (told, tables) = watch::channel(Tables::Kept);
    pausing(core, ACTOR, tables, parts);
    let mut stop = parts.stop();
    parts.spawn("the look at the tables", async move {
        let mut ticks = interval(LOOK);
        loop {
            tokio::select! {
                biased;
                () = stop.requested() => return Ok(()),
                _ = ticks.tick() => if let Some(now) = as_tables(&handle.status().state) {
                    tell(&told, now);
                },
            }
        }
    });
}

/// Starts it where the strategy runs and another process keeps the tables. They count as away until they were seen to
/// be kept: the strategy begins when this says so.
pub(super) fn by_the_store(
    core: &Core,
    store: &Arc<dyn ReadStore>,
    age_max: Duration,
    health: &Health,
    parts: &mut Parts,
) -> watch::Receiver<Tables> {
    let why = "nobody has seen yet how far the tables are".to_owned();
    health.blocked_by(Service::Strategy, why.clone());
    let (told, tables) = watch::channel(Tables::Away { why });
    pausing(core, ACTOR_BESIDE, tables.clone(), parts);
    let (log, store, health, mut stop) =
        (Arc::clone(&core.log), Arc::clone(store), health.clone(), parts.stop());
    parts.spawn("the look at the tables", async move {
        let mut freshness = Freshness::new(age_max);
        let mut pause = Duration::ZERO;
        loop {
            let look = async {
                tokio::time::sleep(pause).await;
                let began = Instant::now();
                let seen = timeout(LOOK_MAX, look(&*log, &*store)).await;
                (began, seen.unwrap_or_else(|_| Err("no answer in time".to_owned())))
            };
            let (began, seen) = tokio::select! {
                biased;
                () = stop.requested() => return Ok(()),
                seen = look => seen,
            };
            freshness.saw(began, seen);
            let now = freshness.verdict(Instant::now());
            pause = if now == Tables::Kept { LOOK_AT_STORE } else { LOOK };
            if tell(&told, now.clone()) {
                let why = match now {
                    Tables::Kept => None,
                    Tables::Away { why } => Some(why),
                };
                observe::tables_looked_at(why.as_deref());
                health.blocked_by(Service::Strategy, why.unwrap_or_default());
            }
        }
    });
    tables
}

/// Completes when the tables were seen to be kept.
pub(super) async fn kept(tables: &mut watch::Receiver<Tables>) {
    // Whoever looks has ended; the process ends with it.
    if tables.wait_for(|tables| *tables == Tables::Kept).await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn pausing(core: &Core, actor: &'static str, tables: watch::Receiver<Tables>, parts: &mut Parts) {
    let Some(switch) = core.board.switch(Service::Strategy) else { return };
    let service = StrictTables {
        log: Arc::clone(&core.log),
        switch: Arc::clone(switch),
        tables,
        clock: Arc::clone(&core.clock),
        actor,
    };
    let stop = parts.stop();
    parts.spawn("strict tables", async move { Ok(service.run(stop).await?) });
}

/// Whether it is news.
fn tell(told: &watch::Sender<Tables>, now: Tables) -> bool {
    told.send_if_modified(|known| {
        let news = *known != now;
        *known = now;
        news
    })
}

/// The end of the log, and how much of it is in every table of it.
async fn look(log: &dyn EventLog, store: &dyn ReadStore) -> Result<(Position, Position), String> {
    // The end first: what has come meanwhile is asked for the next time.
    let head = log.head().await.map_err(|error| chain(&error))?;
    let mut reached = head;
    // Tables that projections share have no checkpoint of their own.
    for schema in store.schemas().iter().filter(|schema| !schema.shared) {
        let checkpoint = store.checkpoint(schema.projection).await.map_err(|error| chain(&error))?;
        if checkpoint.version != schema.version {
            return Err(format!(
                "the rows of {} were made by version {} and this is version {}",
                schema.projection, checkpoint.version, schema.version
            ));
        }
        reached = reached.min(checkpoint.position);
    }
    Ok((head, reached))
}

/// What the runner's state says of the tables; nothing while a person has paused it or it has only begun.
fn as_tables(state: &State) -> Option<Tables> {
    match state {
        State::CatchingUp | State::Live | State::Draining => Some(Tables::Kept),
        State::Blocked { why } | State::Faulted { why } => Some(Tables::Away { why: why.clone() }),
        State::Starting | State::Paused | State::Ended => None,
    }
}
