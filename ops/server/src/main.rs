//! Stele: one binary, many roles. It reads its arguments, hands over, and says how it ended.

mod amounts;
mod audit;
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

/// In place of the C library's: that one keeps a heap for each thread, and what one of them frees the others don't
/// use again, so the process grew with the moods of the machine. This one takes an eighth less processor time, and some
/// 35 MiB more memory (`ops/bench/README.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The version of this build, as it stands in events, logs and answers.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

fn main() -> ExitCode {
    // Several TLS libraries could be linked in; whoever installs first wins, and that is this line.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    cli::run()
}
