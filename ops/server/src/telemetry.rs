//! What the process says: log lines on stderr, metrics for whoever asks. Standard output is for answers only.

mod json;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Pretty on a terminal, else JSON.
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}

/// How to log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    pub format: Format,
    pub level: String,
    pub namespace: String,
}

/// Upper bounds of latency buckets, in seconds.
const SECONDS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CannotSpeak {
    #[error("the log level can't be read")]
    Level(#[from] ParseError),
    #[error("log lines can't be set up")]
    Lines(#[from] tracing_subscriber::util::TryInitError),
    #[error("metrics can't be set up: {0}")]
    Metrics(String),
}

/// Reads a level or a list of filters.
pub(crate) fn filter(level: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().parse(level)
}

/// Sets up log lines and metrics for the whole process.
pub(crate) fn start(options: &Options) -> Result<PrometheusHandle, CannotSpeak> {
    let filter = filter(&options.level)?;
    let json = match options.format {
        Format::Json => true,
        Format::Pretty => false,
        Format::Auto => !std::io::stderr().is_terminal(),
    };
    let registry = tracing_subscriber::registry().with(filter);
    if json {
        registry.with(json::Lines::new(options.namespace.clone())).try_init()?;
    } else {
        let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let pretty = tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(colours)
            .with_target(false);
        registry.with(pretty).try_init()?;
    }
    let builder = PrometheusBuilder::new().set_buckets(&SECONDS);
    let recorder = builder.map_err(|error| CannotSpeak::Metrics(error.to_string()))?.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|error| CannotSpeak::Metrics(error.to_string()))?;
    Ok(handle)
}
