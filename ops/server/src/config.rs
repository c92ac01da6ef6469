//! The configuration: what may be set, from which layers it comes, and what it means. Nothing is started here.
//!
//! A configuration that loads is one that can be run: every value has been turned into what the parts want.

mod check;
mod layers;
mod limits;
mod print;
mod problem;
mod raw;

pub(crate) use limits::{FIELDS as LIMIT_FIELDS, Field as LimitField};
pub(crate) use problem::Problem;

use layers::Layers;
use std::path::{Path, PathBuf};
use stele_commands::executor::ExecutorOptions;
use stele_domain::ids::AccountId;
use stele_domain::market::reference::Policy;
use stele_domain::money::Decimals;
use stele_domain::pair::Pair;
use stele_domain::trading::limits::Limits;
use stele_domain::trading::pricing::PricingPolicy;
use stele_intents::key::KeySource;

/// The variable that names a configuration file.
const FILE_VARIABLE: &str = "STELE_CONFIG";
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
}

/// A configuration that can be run.
#[derive(Debug)]
pub(crate) struct Config {
    pub instance: String,
    pub data_dir: PathBuf,
    pub socket: PathBuf,
    pub pair: Pair,
    pub decimals: Decimals,
    /// `None` until an operator names one; serving needs it.
    pub account: Option<AccountId>,
    pub signing_key: Option<KeySource>,
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
    pub segment_bytes: u64,
    pub cache_bytes: usize,
    pub batch_records_max: usize,
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
        if let Some(directory) = &sources.data_dir {
            layers = layers.with_flag("desk.data_dir", &directory.to_string_lossy(), "--data")?;
        }
        if let Some(socket) = &sources.socket {
            layers = layers.with_flag("desk.socket", &socket.to_string_lossy(), "--socket")?;
        }
        check::checked(&layers)
    }

    /// The directory of the event log.
    pub(crate) fn log_dir(&self) -> PathBuf {
        self.data_dir.join("log")
    }

    /// Every key with its value and origin, as text that is a configuration file again.
    pub(crate) fn print(&self) -> String {
        print::text(&self.layers)
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

/// The variables that are text; others can't be ours.
fn text_variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

#[cfg(test)]
mod tests;
