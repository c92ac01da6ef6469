//! What the process says: log lines on stderr, metrics for whoever asks, traces for a collector that is named.
//! Standard output is for answers only.

mod certificates;
mod json;
mod process;
mod traces;
mod vitals;

pub(crate) use certificates::of as certificates_of;
pub(crate) use traces::{Tracing, trace};
pub(crate) use vitals::{Subject, Vitals};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{ParseError, filter_fn};
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
    pub instance: String,
    /// Where traces go; `None` is nowhere.
    pub traces: Option<Traces>,
}

/// How to trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Traces {
    /// A collector that speaks OTLP over gRPC.
    pub endpoint: String,
    /// Whether skipped quotes are traced too.
    pub skipped: bool,
}

/// Upper bounds of latency buckets, in seconds.
const SECONDS: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.0, 5.0, 30.0];

/// Upper bounds of buckets that count records.
const RECORDS: [f64; 8] = [1.0, 2.0, 5.0, 10.0, 25.0, 100.0, 500.0, 2_500.0];

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

/// Libraries that tell their steps where others tell what matters; a level of their own can still be asked for.
const QUIET: &str = "fjall=warn,lsm_tree=warn";

/// Reads a level or a list of filters.
pub(crate) fn filter(level: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().parse(format!("{QUIET},{level}"))
}

/// Libraries write whole requests with their credentials where they trace, so below `info` only our own crates are
/// heard, whatever was asked for.
fn may_be_heard(line: &tracing::Metadata<'_>) -> bool {
    let part = line.target().split("::").next().unwrap_or_default();
    // Its lines say nothing that the adapter does not say, and after some failures there is no end of them.
    if part == "kurrentdb" {
        return false;
    }
    *line.level() <= tracing::Level::INFO || part == "stele" || part.starts_with("stele_")
}

/// Sets up log lines and metrics for the whole process.
pub(crate) fn start(options: &Options) -> Result<PrometheusHandle, CannotSpeak> {
    let filter = filter(&options.level)?;
    let json = match options.format {
        Format::Json => true,
        Format::Pretty => false,
        Format::Auto => !std::io::stderr().is_terminal(),
    };
    let registry = tracing_subscriber::registry().with(filter).with(filter_fn(may_be_heard));
    if json {
        registry.with(json::Lines::new(options.namespace.clone(), options.instance.clone())).try_init()?;
    } else {
        let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let pretty = tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(colours)
            .with_target(false);
        registry.with(pretty).try_init()?;
    }
    let unfit = |error: metrics_exporter_prometheus::BuildError| CannotSpeak::Metrics(error.to_string());
    let builder = PrometheusBuilder::new().set_buckets(&SECONDS).map_err(unfit)?;
    let counted = Matcher::Full("log_group_records".to_owned());
    let recorder = builder.set_buckets_for_metric(counted, &RECORDS).map_err(unfit)?.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|error| CannotSpeak::Metrics(error.to_string()))?;
    announce();
    Ok(handle)
}

/// Every metric is there from the start, with its meaning: `ops/prometheus/README.md` lists them all.
fn announce() {
    metrics::describe_counter!(
        "subscription_reconnects_total",
        "Times a subscription was lost, or not to be had, and is opened again."
    );
    stele_api::announce();
    stele_commands::announce();
    stele_event_log::announce();
    stele_lake::announce();
    stele_eventstore::announce();
    stele_intents::announce();
    stele_kurrent::announce();
    stele_market::announce();
    stele_projections::announce();
    stele_read_store::announce();
    stele_remote_log::announce();
    traces::announce();
    vitals::announce();
}
