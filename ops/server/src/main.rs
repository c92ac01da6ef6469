//! Stele: one binary, many roles. It reads its arguments, hands over, and says how it ended.

mod amounts;
mod cli;
mod config;
mod demo;
mod exit;
mod observe;
mod offline;
mod render;
mod serve;
mod simulate;
mod telemetry;
mod wiring;

use std::process::ExitCode;

/// The version of this build, as it stands in events, logs and answers.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

fn main() -> ExitCode {
    // Several TLS libraries could be linked in; whoever installs first wins, and that is this line.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    cli::run()
}
