//! `stele demo`: the supervisor and the simulator around a desk that runs as a child process.

use crate::cli::args::{DemoArgs, Global};
use crate::exit::{self, Failure};
use std::process::ExitCode;

/// Runs the demo.
pub(crate) fn run(_args: &DemoArgs, _global: &Global) -> ExitCode {
    exit::end(Err(Failure::usage("the demo is not part of this build")))
}
