//! The part of the desk that moves partitions of histories to the lake, in the process that keeps the tables.

use super::core::Core;
use super::lake;
use super::parts::Parts;
use super::tables::Tables;
use crate::config::Config;
use crate::exit::Failure;
use std::sync::Arc;
use stele_commands::tiering::TieringLedger;
use stele_domain::ids::Actor;
use stele_lake::history::HistoryTables;
use stele_projections::tier::{ROWS_MAX, Tierer};

/// The name under which the desk records where partitions are.
const WHO: &str = "service:tiering";

/// Starts it where there are a lake and tables in PostgreSQL, until the stop. Whatever is wrong with either, the desk goes on.
pub(super) fn start(config: &Config, core: &Core, tables: &Tables, parts: &mut Parts) -> Result<(), Failure> {
    let (Some(address), Some(histories), Some(every)) =
        (&config.lake.address, &tables.histories, config.lake.tier_every)
    else {
        return Ok(());
    };
    let store = lake::store(&config.lake, address)?;
    let who = Actor::try_from(WHO.to_owned()).map_err(|error| Failure::error(&error))?;
    let facts = TieringLedger::new(Arc::clone(&core.log), Arc::clone(&core.clock), who);
    let tierer = Tierer {
        tables: Arc::clone(&tables.store),
        histories: Arc::clone(histories),
        lake: Arc::new(HistoryTables::new(store, Arc::clone(&core.clock))),
        facts: Arc::new(facts.map_err(|error| Failure::error(&error))?),
        clock: Arc::clone(&core.clock),
        rows_max: ROWS_MAX,
    };
    let mut stop = parts.stop();
    parts.spawn("tiering", async move {
        tokio::select! {
            biased;
            () = stop.requested() => {}
            () = tierer.stay(every) => {}
        }
        Ok(())
    });
    Ok(())
}
