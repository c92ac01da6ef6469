//! The tables as they were: who keeps their past states, and who answers from them.

use super::core::{Core, own_directory};
use super::parts::Parts;
use crate::config::{Config, DatabaseAt};
use crate::exit::{Code, Failure, chain};
use std::path::PathBuf;
use std::sync::Arc;
use stele_domain::port::read_store::ReadStore;
use stele_domain::port::state_store::{Histories, StateStore};
use stele_projections::models;
use stele_projections::past::{Keeper, KeeperOptions, Opened, Opener, Past, PastOptions};
use stele_read_store::{Orders, RunOptions, RunStore, States};
use tokio::sync::oneshot;

/// Where the states are, in the data directory.
const FOLDER: &str = "states";

/// How much less of the processor the keeper gets than whoever trades, where both want it.
const NICE: i32 = 10;

/// Starts the keeper, where states are kept.
pub(super) fn start(
    config: &Config,
    core: &Core,
    live: &Arc<dyn ReadStore>,
    parts: &mut Parts,
) -> Result<Option<Arc<Past>>, Failure> {
    if config.state_every_events == 0 {
        return Ok(None);
    }
    own_directory(&config.data_dir)?;
    let histories = match config.database.at {
        DatabaseAt::Memory => Histories::Keep,
        DatabaseAt::Private | DatabaseAt::Url { .. } => Histories::PassBy,
    };
    let options = PastOptions {
        cache_bytes_max: usize::try_from(config.state_memory_bytes).unwrap_or(usize::MAX),
        ..PastOptions::default()
    };
    let past = Past::new(Arc::clone(&core.log), Arc::clone(live), histories, models::ALL, options);
    let keeping = KeeperOptions {
        every_events: config.state_every_events,
        states_max: config.states_max,
        disk_bytes_max: config.state_disk_bytes_max,
        ..KeeperOptions::default()
    };
    let (keeper, end) = Keeper::new(Arc::clone(&past), opener(config), keeping);
    let ended = on_its_own_thread(keeper)?;
    let mut stop = parts.stop();
    parts.spawn("the past states", async move {
        stop.requested().await;
        // It may have ended by itself: then nobody listens any more.
        let _ = end.send(true);
        let _ = ended.await;
        Ok(())
    });
    Ok(Some(past))
}

/// Opens the states in the data directory, as they are or anew.
fn opener(config: &Config) -> Opener {
    let directory: PathBuf = config.data_dir.join(FOLDER);
    let options = RunOptions {
        memory_bytes: config.state_memory_bytes,
        histories: Histories::PassBy,
        states: States::Every,
        orders: Orders::All,
    };
    let schemas = stele_projections::schemas(models::ALL);
    Arc::new(move |how| {
        let opened = match how {
            Opened::AsTheyAre => RunStore::open(&directory, &schemas, options),
            Opened::Anew => {
                RunStore::remove(&directory).and_then(|()| RunStore::open(&directory, &schemas, options))
            }
        };
        let opened = opened.map(|store| Arc::new(store) as Arc<dyn StateStore>);
        opened.map_err(|error| (chain(&error), error.is_mended_by_removal()))
    })
}

/// The keeper has a thread and a runtime of its own, which give way to everybody else.
fn on_its_own_thread(keeper: Keeper) -> Result<oneshot::Receiver<()>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::error(&error))?;
    let (tell, ended) = oneshot::channel();
    let work = move || {
        // Threads that are made from here are as patient. Where it is not granted, the rests have to do.
        let _ = rustix::process::nice(NICE);
        runtime.block_on(keeper.run());
        let _ = tell.send(());
    };
    let thread = std::thread::Builder::new().name("past-states".to_owned()).spawn(work);
    thread.map_err(|error| {
        Failure::new(Code::Error, format!("no thread for the past states of the tables: {error}"))
    })?;
    Ok(ended)
}
