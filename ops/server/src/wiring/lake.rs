//! The lake: its store, and the part of the desk that publishes there.

use super::SystemClock;
use super::blobs;
use super::core::Core;
use super::parts::Parts;
use super::remote;
use crate::config::{Config, Lake, LogElsewhere};
use crate::exit::Failure;
use std::sync::Arc;
use stele_blob_store::{Address, Options as BlobOptions, open_changing};
use stele_domain::port::blob_store::ChangingBlobs;
use stele_domain::port::event_log::EventLog;
use stele_lake::facts;
use stele_lake::figures::Figures;
use stele_lake::publish::{Options, run};

/// Starts publishing where that is configured, until the stop. Whatever is wrong with the lake, the desk goes on.
pub(super) fn start(
    config: &Config,
    core: &Core,
    parts: &mut Parts,
) -> Result<Option<Arc<Figures>>, Failure> {
    let Some(address) = &config.lake.address else { return Ok(None) };
    let store = store(&config.lake, address)?;
    let figures = Arc::new(Figures::default());
    let publishing = run(
        store,
        Arc::clone(&core.clock),
        facts::ALL,
        Arc::clone(&core.log),
        options(&config.lake),
        Arc::clone(&figures),
    );
    let mut stop = parts.stop();
    parts.spawn("the lake", async move {
        tokio::select! {
            biased;
            () = stop.requested() => {}
            () = publishing => {}
        }
        Ok(())
    });
    Ok(Some(figures))
}

/// How publishing goes.
pub(crate) fn options(lake: &Lake) -> Options {
    Options { every: lake.every, compact_files: lake.compact_files }
}

/// The store of the lake. What is made in a directory is for whoever the umask lets: a lake is for others to read.
pub(crate) fn store(lake: &Lake, address: &Address) -> Result<Arc<dyn ChangingBlobs>, Failure> {
    let options = BlobOptions { shared: true, ..blobs::options("lake", &lake.bucket)? };
    open_changing(address, &options).map_err(|error| {
        let failure = blobs::not_opened("lake", &error);
        match address {
            // Not made here: where a disk is missing, its place would be filled in its stead.
            Address::Directory(path) => failure.advise(format!(
                "mount the disk that it is on, or make a new one: mkdir -p {}",
                path.display()
            )),
            Address::S3 { .. } => failure,
        }
    })
}

/// The log of another process, where the configuration names one.
pub(crate) async fn log_elsewhere(config: &Config) -> Result<Option<Arc<dyn EventLog>>, Failure> {
    match &config.remote_log {
        None => Ok(None),
        Some(LogElsewhere::Owner(at)) => Ok(Some(Arc::new(remote::connect(at).await?))),
        Some(LogElsewhere::EventStore(at)) => Ok(Some(Arc::new(super::event_store::connect(at).await?))),
    }
}

/// The clock of this machine.
pub(crate) fn clock() -> Arc<SystemClock> {
    Arc::new(SystemClock)
}
