//! An audit where no desk runs: the log is opened for as long as it takes, so that none begins meanwhile, and the tables
//! are those of the configured database. On a disk that can't be written to it is read, and nothing else.

use super::seen::Seen;
use super::{Examined, Place, Run, Tables, Tell, Wanted};
use crate::audit::report::{Signed, signer};
use crate::cli::of_error;
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

/// Audits the log of this machine, and holds it against what others have seen of it.
pub(crate) async fn audited(
    config: &Config,
    wanted: Wanted,
    seen: Seen,
    tell: Tell,
) -> Result<Signed, Failure> {
    let directory = config.log_dir();
    // An audit takes long: that its report can't be signed is said before it begins.
    drop(signer(&directory)?);
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
    let run = Run::begin(place, wanted, tell)?.held_against(seen);
    // Before it is opened: opening cuts what an unfinished write left, and this changes nothing.
    let examined = run.examine().await?;
    if let Examined::Faulty(_) = &examined {
        let nothing = Tables { live: None, kept_in: "not looked at".to_owned() };
        return run.report(examined, &nothing, None);
    }
    let kept = Kept::open(config).await?;
    let folded = offline::kept_still(config, &directory, async |log: Arc<dyn EventLog>| {
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
                let server = match PrivateServer::start(&config.data_dir.join(FOLDER)).await {
                    Ok(server) => server,
                    Err(error) if of_error(&error) == Some(Code::Unwritable) => {
                        let words = format!(
                            "the private PostgreSQL in the data directory can't be started there: {}. Copy the directory to a \
                             disk that can be written to, and audit the copy",
                            chain(&error)
                        );
                        return Ok(Self { store: None, words, private: None });
                    }
                    Err(error) => return Err(Failure::new(Code::Unavailable, chain(&error))),
                };
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
