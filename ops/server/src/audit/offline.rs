//! An audit where no desk runs: the log is opened for as long as it takes, so that none begins meanwhile, and the tables
//! are those of the configured database.

use super::{Examined, Place, Run, Tables, Tell, Wanted};
use crate::audit::report::Signed;
use crate::config::{Config, DatabaseAt};
use crate::exit::{Code, Failure, chain};
use crate::offline;
use crate::wiring::{SystemClock, database_url, reading_archive};
use std::sync::Arc;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::EventLog;
use stele_domain::port::read_store::ReadStore;
use stele_projections::audit::{Leaving, Live};
use stele_projections::models;
use stele_read_store::{Options, PostgresStore, PrivateServer};

/// Where a private server keeps its files, in the data directory.
const FOLDER: &str = "postgres";

/// Audits the log of this machine.
pub(crate) async fn audited(config: &Config, wanted: Wanted, tell: Tell) -> Result<Signed, Failure> {
    let directory = config.log_dir();
    let archive = reading_archive(config, &directory)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let place = Place {
        directory: directory.clone(),
        archive: archive.reach(),
        spill: config.data_dir.clone(),
        memory_bytes: super::MEMORY_BYTES,
        lake: super::lake::configured(config, &clock),
        clock,
        // Nobody trades meanwhile.
        at_once: std::thread::available_parallelism().map_or(1, usize::from),
    };
    let run = Run::begin(place, wanted, tell)?;
    // Before it is opened: opening cuts what an unfinished write left, and this changes nothing.
    let examined = run.examine().await?;
    if let Examined::Faulty(_) = &examined {
        let nothing = Tables { live: None, kept_in: "not looked at".to_owned() };
        return run.report(examined, &nothing, None);
    }
    let kept = Kept::open(config).await?;
    let folded = offline::with(config, &directory, async |log| {
        let log: Arc<dyn EventLog> = log;
        let live = match &kept.store {
            Some(store) => {
                let live = Live::take(&**store, run.projections(), Leaving::ByTheLog).await;
                Some(live.map_err(|error| super::failed(&error))?)
            }
            None => None,
        };
        let tables = Tables { live, kept_in: kept.words.clone() };
        let findings = run.compare(&log, &tables).await?;
        Ok((tables, findings))
    });
    let folded = folded.await;
    kept.close().await;
    let (tables, findings) = folded?;
    run.report(examined, &tables, Some(findings))
}

/// The tables that were kept, and the server that is started for them.
struct Kept {
    store: Option<Arc<dyn ReadStore>>,
    words: String,
    private: Option<PrivateServer>,
}

impl Kept {
    async fn open(config: &Config) -> Result<Self, Failure> {
        let schemas = stele_projections::schemas(models::ALL);
        let reading = |url: &str| {
            let store = PostgresStore::lazy(url, &schemas, Options::default());
            let store = store.map_err(|error| {
                Failure::usage(format!("configuration: `database.url`: {}", chain(&error)))
            })?;
            Ok::<_, Failure>(Some(Arc::new(store) as Arc<dyn ReadStore>))
        };
        match &config.database.at {
            DatabaseAt::Url { .. } => {
                let words = "the configured PostgreSQL, while no desk ran on this log".to_owned();
                Ok(Self { store: reading(&database_url(config)?)?, words, private: None })
            }
            DatabaseAt::Private if config.data_dir.join(FOLDER).is_dir() => {
                let server = PrivateServer::start(&config.data_dir.join(FOLDER)).await;
                let server = server.map_err(|error| Failure::new(Code::Unavailable, chain(&error)))?;
                let words = "the private PostgreSQL in the data directory, while no desk ran".to_owned();
                Ok(Self { store: reading(&server.app_url())?, words, private: Some(server) })
            }
            DatabaseAt::Private => {
                let words = "there is no private PostgreSQL in the data directory yet".to_owned();
                Ok(Self { store: None, words, private: None })
            }
            DatabaseAt::Memory => {
                let words = "the tables are kept in the memory of a desk, and none runs: the log was verified and folded, and \
                             there were no rows and no digests to compare with. Audit while the desk runs"
                    .to_owned();
                Ok(Self { store: None, words, private: None })
            }
        }
    }

    async fn close(self) {
        if let Some(server) = self.private {
            server.stop().await;
        }
    }
}
