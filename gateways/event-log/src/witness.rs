//! The witness: somebody outside to whom the owner of a log hands each checkpoint, so that a log which is cut or rewritten
//! later is contradicted by what it signed itself. A file, or a server that speaks C2SP `tlog-witness`.
//!
//! No append waits for it. One export is under way at a time, always of the newest state; what came meanwhile is one
//! more. It is no backup: a witness knows how much there was, and not what.

mod cosigned;
mod disk;
mod error;
mod file;
mod server;

pub use crate::format::COSIGNED_FILE;
pub use cosigned::cosigned_in;
pub use error::{Contradiction, WitnessError};

use crate::checkpoint::Checkpoint;
use crate::embedded::{EmbeddedLog, root_at};
use crate::errors::storage as failed;
use crate::note::WitnessKey;
use crate::observe;
use crate::storage::DirectoryStorage;
use file::WitnessFile;
use server::Server;
use std::future::Future;
use std::hash::RandomState;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use stele_domain::backoff::{Backoff, jitter};
use stele_domain::port::event_log::LogError;
use tokio::sync::{Mutex, Notify};

/// Shortest time between two exports, however often somebody asks: a witness keeps what it is told for ever.
const APART: Duration = Duration::from_secs(1);

/// Shortest wait after an export that failed. Doubles with each further one.
const BACKOFF_MIN: Duration = Duration::from_secs(1);

/// Longest wait between two exports that failed.
const BACKOFF_MAX: Duration = Duration::from_mins(5);

/// Where checkpoints go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WitnessAt {
    /// A file, on a disk that whoever can write to the log's can't write to. It is only ever added to.
    File(PathBuf),
    /// A server: the prefix of its addresses, without a slash at the end.
    Server {
        /// `https://witness.example/w1`.
        url: String,
        /// Whose cosignatures count; at least one.
        keys: Vec<WitnessKey>,
        /// Certificates (PEM) of those who may vouch for the server; those of the operating system without it.
        ca_file: Option<PathBuf>,
    },
}

/// How checkpoints are exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessOptions {
    /// Where to.
    pub at: WitnessAt,
    /// How often, while there are new commits, besides at every seal, on demand and at the end.
    pub every: Duration,
    /// Longest time of one export.
    pub export_max: Duration,
}

/// Hands the checkpoints of one open log to its witness.
pub struct Witness {
    log: Arc<EmbeddedLog>,
    place: Place,
    /// For messages.
    name: String,
    every: Duration,
    export_max: Duration,
    /// Room for one wish: the next export hands over everything that there is.
    asked: Notify,
    /// The newest checkpoint that the witness is known to have. Held while one is handed over, or is said to be late.
    known: Mutex<Option<Checkpoint>>,
}

/// Where to, ready to be used.
enum Place {
    File(WitnessFile),
    Server(Server),
}

impl Witness {
    /// A witness of the log, which lives in `directory`. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`WitnessError::Unusable`] when no later attempt could do better.
    pub fn new(
        log: Arc<EmbeddedLog>,
        directory: &Path,
        options: &WitnessOptions,
    ) -> Result<Self, WitnessError> {
        let (place, name) = match &options.at {
            WitnessAt::File(path) => {
                (Place::File(WitnessFile::new(path.clone())), path.display().to_string())
            }
            WitnessAt::Server { url, keys, ca_file } => {
                let storage = DirectoryStorage::open(directory).map_err(|error| {
                    let directory = directory.display().to_string();
                    WitnessError::Log(failed("opening", "the directory", &directory, error))
                })?;
                let client = server::client(ca_file.as_deref(), options.export_max)?;
                let server = Server::new(url, client, keys.clone(), Arc::new(storage), log.gate())?;
                (Place::Server(server), url.clone())
            }
        };
        let (every, export_max) = (options.every, options.export_max);
        Ok(Self { log, place, name, every, export_max, asked: Notify::new(), known: Mutex::default() })
    }

    /// Holds the log against what the witness has, and hands over what it lacks: before anything is served.
    ///
    /// # Errors
    ///
    /// What [`WitnessError::contradicts`], also where a server was contradicted by the log's own files. A file that can't
    /// be read, because nothing is known then. One that bears the log out and takes nothing more is told of and tried again,
    /// and so is a server that is away.
    pub async fn begin(&self) -> Result<(), WitnessError> {
        match &self.place {
            Place::File(file) => self.look(file).await?,
            Place::Server(server) => {
                if let Some(cosigned) = server.cosigned(self.log.verifier()) {
                    // The server is asked all the same: whoever puts back an older copy of the log puts back this file, too.
                    self.holds(cosigned.checkpoint.clone(), COSIGNED_FILE).await?;
                    self.log.shared().is_cosigned(cosigned);
                }
            }
        }
        match self.export().await {
            Err(error) if !error.contradicts() => {
                self.ask();
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Hands over a checkpoint soon; does not wait for it.
    pub fn ask(&self) {
        self.asked.notify_one();
    }

    /// Hands checkpoints over until `stop`: at every seal, when asked, and from time to time. A witness that contradicts
    /// the log gets nothing more: somebody has to look.
    pub async fn run(&self, stop: impl Future<Output = ()> + Send) {
        tokio::pin!(stop);
        let mut seals = self.log.shared().watch_seals();
        let mut backoff = Backoff::new(BACKOFF_MIN, BACKOFF_MAX);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => return,
                () = self.asked.notified() => {}
                // The sender lives as long as the log, which this has a share in.
                Ok(()) = seals.changed() => {}
                () = tokio::time::sleep(self.every) => {}
            }
            loop {
                let outcome = tokio::select! {
                    biased;
                    () = &mut stop => return,
                    outcome = self.export() => outcome,
                };
                match outcome {
                    Ok(()) => {
                        backoff.reset();
                        break;
                    }
                    Err(error) if error.contradicts() => return stop.await,
                    Err(_) => {}
                }
                tokio::select! {
                    biased;
                    () = &mut stop => return,
                    () = tokio::time::sleep(backoff.wait(jitter(&RandomState::new()))) => {}
                }
            }
            // What is asked meanwhile is one export more.
            tokio::select! {
                biased;
                () = &mut stop => return,
                () = tokio::time::sleep(APART) => {}
            }
        }
    }

    /// Hands over a checkpoint of everything that is durable, unless the witness is known to have it.
    ///
    /// # Errors
    ///
    /// Why the witness does not have it; also that it lost what it had, after which the next export begins anew.
    pub async fn export(&self) -> Result<(), WitnessError> {
        let mut known = self.known.lock().await;
        match self.in_time(self.hand_over(known.as_ref())).await {
            Ok(taken) => {
                observe::witnessed(&self.name, taken.size, known.as_ref() != Some(&taken));
                *known = Some(taken);
                Ok(())
            }
            Err(error) => {
                observe::not_witnessed(&self.name, &error);
                if let WitnessError::Lost { .. } = error {
                    *known = None;
                }
                Err(error)
            }
        }
    }

    async fn hand_over(&self, known: Option<&Checkpoint>) -> Result<Checkpoint, WitnessError> {
        let shared = self.log.shared();
        // Who lacks what was acknowledged does not call the witness complete.
        let newest = shared.whole_tree()?.size();
        match &self.place {
            // Also when nothing is new: what is there may have been lost.
            Place::File(file) => file.add(shared, known).await,
            Place::Server(server) => match known.filter(|known| known.size == newest) {
                Some(known) => Ok(known.clone()),
                None => server.add(&self.log, known).await,
            },
        }
    }

    /// Holds the log against a file, to which nothing is added.
    async fn look(&self, file: &WitnessFile) -> Result<(), WitnessError> {
        let mut known = self.known.lock().await;
        *known = self.in_time(file.look(self.log.shared())).await.inspect_err(|error| {
            observe::not_witnessed(&self.name, error);
        })?;
        Ok(())
    }

    /// What becomes of it within the longest time of one export.
    async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, WitnessError>>,
    ) -> Result<T, WitnessError> {
        let late = Err(WitnessError::Late { seconds: self.export_max.as_secs() });
        tokio::time::timeout(self.export_max, work).await.unwrap_or(late)
    }

    /// Whether the log still begins with what it once signed.
    async fn holds(&self, signed: Checkpoint, by: &str) -> Result<(), WitnessError> {
        let (shared, by) = (Arc::clone(self.log.shared()), by.to_owned());
        let held = tokio::task::spawn_blocking(move || holds(&shared, &signed, &by)).await;
        let held = held.unwrap_or_else(|error| Err(LogError::Unreachable(Box::new(error)).into()));
        if let Err(error) = &held {
            observe::not_witnessed(&self.name, error);
        }
        held
    }
}

/// Whether a log begins with what a checkpoint of its own key signs. Blocks.
fn holds(shared: &crate::shared::Shared, signed: &Checkpoint, by: &str) -> Result<(), WitnessError> {
    let found = shared.tree().size();
    let contradiction = |kind| WitnessError::Contradicted { by: by.to_owned(), kind };
    if signed.size > found {
        return Err(contradiction(Contradiction::Cut { signed: signed.size, found }));
    }
    if root_at(shared, signed.size)? == signed.root {
        return Ok(());
    }
    Err(contradiction(Contradiction::Rewritten { signed: signed.size }))
}
