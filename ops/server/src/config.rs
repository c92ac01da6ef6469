//! The configuration: what may be set, from which layers it comes, and what it means. Nothing is started here.
//!
//! A configuration that loads is one that can be run: every value has been turned into what the parts want.

mod archive;
mod bucket;
mod check;
mod lake;
mod layers;
mod limits;
mod log;
mod print;
mod problem;
mod raw;

pub(crate) use archive::Archive;
pub(crate) use bucket::Bucket;
pub(crate) use lake::Lake;
pub(crate) use limits::{FIELDS as LIMIT_FIELDS, Field as LimitField};
pub(crate) use log::{EventStoreAt, LogElsewhere, RemoteLogAt};
pub(crate) use problem::Problem;

use layers::{Layers, Origin};
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use stele_api::RateOptions;
use stele_api::client::{Server, Trust};
use stele_commands::executor::ExecutorOptions;
use stele_domain::ids::AccountId;
use stele_domain::market::reference::Policy;
use stele_domain::money::Decimals;
use stele_domain::pair::Pair;
use stele_domain::trading::limits::Limits;
use stele_domain::trading::pricing::PricingPolicy;
use stele_event_log::WitnessOptions;
use stele_intents::key::KeySource;
use stele_kurrent::Outside;
use toml::Value;

/// The variable that names a configuration file.
const FILE_VARIABLE: &str = "STELE_CONFIG";
/// What the socket is called in the data directory, where it has no place of its own.
const SOCKET_FILE: &str = "stele.sock";
/// The file that is read when none is named.
const FILE_DEFAULT: &str = "stele.toml";

/// Where to look for a configuration besides the environment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    /// `--config`.
    pub file: Option<PathBuf>,
    /// `--data`.
    pub data_dir: Option<PathBuf>,
    /// `--socket`.
    pub socket: Option<PathBuf>,
    /// `--server`.
    pub server: Option<String>,
    /// `--key-file`.
    pub key_file: Option<PathBuf>,
    /// `--ca-file`.
    pub ca_file: Option<PathBuf>,
    /// `--cert`.
    pub certificate_file: Option<PathBuf>,
    /// `--cert-key`.
    pub certificate_key_file: Option<PathBuf>,
    /// `--plain-http`.
    pub plain_http: bool,
    /// The flags of `serve`.
    pub serve: ServeFlags,
}

/// What `serve` may be told on the command line.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServeFlags {
    /// `--log`.
    pub log: Option<String>,
    /// `--key-file`, which is this process's own key here.
    pub log_key_file: Option<PathBuf>,
    /// `--listen`.
    pub listen: Option<String>,
    /// `--kurrent-listen`.
    pub kurrent_listen: Option<String>,
    /// `--postgres`.
    pub postgres: bool,
}

/// The desk that the command line talks to, and as whom.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// `None` is the desk behind the socket.
    pub server: Option<Server>,
    pub key_file: Option<PathBuf>,
    /// Whether the key file was named on the command line, so that it has to be of use.
    pub key_by_flag: bool,
    pub trust: Trust,
    /// Whether the key may go to another machine in the clear.
    pub plain_key: bool,
}

/// What listens, besides the socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Doors {
    pub listen: Option<SocketAddr>,
    pub probe_listen: Option<SocketAddr>,
    pub tls: Option<Tls>,
    pub rates: RateOptions,
}

/// Files that make TCP safe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tls {
    pub certificate_file: PathBuf,
    pub key_file: PathBuf,
    /// Those who may vouch for callers; without it no certificate is asked for.
    pub client_ca_file: Option<PathBuf>,
    /// Which of those callers' certificates were taken back.
    pub client_crl_file: Option<PathBuf>,
    pub client_required: bool,
}

/// Where the KurrentDB protocol is spoken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kurrent {
    /// `None` for nowhere.
    pub listen: Option<SocketAddr>,
    /// The host and port that clients are told to use.
    pub advertise: Option<(String, u16)>,
    pub tls: Option<KurrentTls>,
    /// What may be written that is not the desk's.
    pub outside: Outside,
}

/// Files that make it safe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KurrentTls {
    pub certificate_file: PathBuf,
    pub key_file: PathBuf,
}

/// Where the tables are kept.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Database {
    pub at: DatabaseAt,
    /// Most connections for questions.
    pub connections: usize,
    /// Whether the strategy pauses while the tables are away.
    pub strict: bool,
    /// How old what stands in them may be for a strict strategy in another process.
    pub strict_age_max: Duration,
}

/// Which store.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum DatabaseAt {
    /// Memory, filled from the log at every start.
    Memory,
    /// A PostgreSQL of our own, in the data directory.
    Private,
    /// Somebody's PostgreSQL. The address may hold a password: it is never shown.
    Url { url: String, password_file: Option<PathBuf> },
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = match &self.at {
            DatabaseAt::Memory => "memory",
            DatabaseAt::Private => "private",
            DatabaseAt::Url { .. } => "url",
        };
        f.debug_struct("Database").field("at", &at).field("strict", &self.strict).finish_non_exhaustive()
    }
}

/// A configuration that can be run.
#[derive(Debug)]
pub(crate) struct Config {
    pub instance: String,
    pub data_dir: PathBuf,
    pub socket: PathBuf,
    pub client: Client,
    pub pair: Pair,
    pub decimals: Decimals,
    /// `None` until an operator names one; serving needs it.
    pub account: Option<AccountId>,
    pub signing_key: Option<KeySource>,
    /// Its public half, where the key is in another process.
    pub public_key: Option<String>,
    pub relay_token: Option<KeySource>,
    pub relay: stele_intents::relay::Options,
    pub default_window_ms: u64,
    pub verifier: stele_intents::verifier::Options,
    pub verifier_poll_ms: u64,
    pub finality_lag_ms: i64,
    pub market: stele_market::Options,
    pub market_tick_ms: u64,
    pub policy: Policy,
    pub pricing: PricingPolicy,
    /// What `limits set --from-config` proposes.
    pub limits: Limits,
    pub executor: ExecutorOptions,
    /// The process that owns the event log; `None` when this one does.
    pub remote_log: Option<LogElsewhere>,
    pub doors: Doors,
    pub kurrent: Kurrent,
    pub pepper_file: PathBuf,
    pub database: Database,
    pub segment_bytes: u64,
    pub room_bytes: u64,
    pub cache_bytes: usize,
    /// Where its sealed segments go.
    pub archive: Archive,
    /// Where its facts are published.
    pub lake: Lake,
    /// Who is told of the log's checkpoints.
    pub witness: Option<WitnessOptions>,
    pub batch_records_max: usize,
    /// How many events lie between two past states of the tables; none are kept when zero.
    pub state_every_events: u64,
    pub states_max: usize,
    pub state_disk_bytes_max: u64,
    pub state_memory_bytes: u64,
    pub telemetry: crate::telemetry::Options,
    layers: Layers,
}

impl Config {
    /// Reads all layers and checks what they come to.
    pub(crate) fn load(sources: &Sources) -> Result<Self, Problem> {
        let named = sources.file.clone().or_else(|| std::env::var_os(FILE_VARIABLE).map(PathBuf::from));
        let file = named.or_else(|| Path::new(FILE_DEFAULT).is_file().then(|| PathBuf::from(FILE_DEFAULT)));
        Self::from_layers(file.as_deref(), text_variables(), sources)
    }

    fn from_layers(
        file: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
        sources: &Sources,
    ) -> Result<Self, Problem> {
        let mut layers = Layers::defaults()?;
        if let Some(file) = file {
            layers = layers.with_file(file)?;
        }
        layers = layers.with_env(env)?;
        let text = |path: &Option<PathBuf>| path.as_ref().map(|path| path.to_string_lossy().into_owned());
        let flags = [
            ("desk.data_dir", text(&sources.data_dir), "--data"),
            ("desk.socket", text(&sources.socket), "--socket"),
            ("client.server", sources.server.clone(), "--server"),
            ("client.key_file", text(&sources.key_file), "--key-file"),
            ("client.ca_file", text(&sources.ca_file), "--ca-file"),
            ("client.certificate_file", text(&sources.certificate_file), "--cert"),
            ("client.certificate_key_file", text(&sources.certificate_key_file), "--cert-key"),
            ("log.url", sources.serve.log.clone(), "--log"),
            ("log.key_file", text(&sources.serve.log_key_file), "--key-file"),
            ("api.listen", sources.serve.listen.clone(), "--listen"),
            ("kurrent.listen", sources.serve.kurrent_listen.clone(), "--kurrent-listen"),
        ];
        for (key, value, flag) in flags {
            if let Some(value) = value {
                layers = layers.with_flag(key, Value::String(value), flag)?;
            }
        }
        if sources.plain_http {
            layers = layers.with_flag("client.plain_http", Value::Boolean(true), "--plain-http")?;
        }
        if sources.serve.postgres {
            layers = layers.with_flag("database.private", Value::Boolean(true), "--postgres")?;
        }
        // Whoever names a socket means the desk behind it, whatever the file says.
        if sources.socket.is_some() {
            layers = layers.with_flag("client.server", Value::String(String::new()), "--socket")?;
        }
        check::checked(&layers)
    }

    /// The directory of the event log.
    pub(crate) fn log_dir(&self) -> PathBuf {
        self.data_dir.join("log")
    }

    /// Whether the log of the desk that is talked to is in this configuration's directory. It is not when that desk is
    /// behind a port, or behind a socket that only the command line names, and not when the log is another process's.
    pub(crate) fn has_the_log(&self) -> bool {
        let by_flag = |key| matches!(self.layers.origin(key), Origin::Flag(_));
        let anothers = by_flag("desk.socket")
            && !by_flag("desk.data_dir")
            && self.socket != self.data_dir.join(SOCKET_FILE);
        self.client.server.is_none() && self.remote_log.is_none() && !anothers
    }

    /// The data directory, where the command line names one that is not there, and the socket of no other.
    pub(crate) fn missing_directory(&self) -> Option<&Path> {
        let named = matches!(self.layers.origin("desk.data_dir"), Origin::Flag(_));
        let asked = self.client.server.is_none() && self.socket == self.data_dir.join(SOCKET_FILE);
        let missing = named && asked && matches!(self.data_dir.try_exists(), Ok(false));
        missing.then_some(self.data_dir.as_path())
    }

    /// Every key with its value, as text that is a configuration file again. Values that are no defaults say where
    /// they come from; with `every_origin` all do.
    pub(crate) fn print(&self, every_origin: bool) -> String {
        print::text(&self.layers, every_origin)
    }

    /// That the secrets of the stores of archive and lake, where there are any, stand in the variables that the configuration
    /// names.
    pub(crate) fn check_secrets(&self) -> Result<(), Problem> {
        check::secrets(&self.layers, self.stores(), |name| std::env::var(name).ok())
    }

    /// The stores of archive and lake that have an address, by their section.
    pub(crate) fn stores(&self) -> impl Iterator<Item = (&'static str, &Bucket)> {
        let archive = self.archive.address.as_ref().map(|_| ("log.archive", &self.archive.bucket));
        let lake = self.lake.address.as_ref().map(|_| ("lake", &self.lake.bucket));
        archive.into_iter().chain(lake)
    }

    /// What an operator should know of a configuration that can be run.
    pub(crate) fn verdict(&self) -> String {
        let account = match &self.account {
            Some(account) => format!("account {account}"),
            None => "no account: set `account.id` before `stele serve`".to_owned(),
        };
        let key = match &self.signing_key {
            Some(source) => format!("signing key in {source}"),
            None => "no signing key: the desk can watch and decide, and not sign".to_owned(),
        };
        format!("The configuration is in order.\n  {account}\n  {key}\n  data in {}", self.data_dir.display())
    }

    /// The same as JSON: key to value and origin.
    pub(crate) fn print_json(&self) -> serde_json::Value {
        print::json(&self.layers)
    }
}

/// Whether what a variable says can be a secret: one that is set to nothing has none.
pub(crate) fn holds_a_secret(text: &str) -> bool {
    !text.trim().is_empty()
}

/// The variables that are text; others can't be ours.
fn text_variables() -> impl Iterator<Item = (String, String)> {
    let text = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    // In the order of their names, so that of two that set one key it is always the same that counts.
    text.collect::<BTreeMap<_, _>>().into_iter()
}

#[cfg(test)]
mod tests;
