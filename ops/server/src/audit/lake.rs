//! The lake that an audit reads: the one that is configured, or the reason why none can be read.

use crate::config::Config;
use crate::wiring::lake;
use std::sync::Arc;
use stele_domain::port::clock::Clock;
use stele_domain::port::tiering::HistoryLake;
use stele_lake::history::HistoryTables;

/// The lake, or why there is none, for the report.
pub(crate) type There = Result<Arc<dyn HistoryLake>, String>;

/// The configured one. That it can't be opened is no reason to audit nothing.
pub(crate) fn configured(config: &Config, clock: &Arc<dyn Clock>) -> There {
    let Some(address) = &config.lake.address else {
        return Err("no lake is configured here: set lake.url and audit again".to_owned());
    };
    let store = lake::store(&config.lake, address).map_err(|failure| failure.to_string())?;
    Ok(Arc::new(HistoryTables::new(store, Arc::clone(clock))))
}
