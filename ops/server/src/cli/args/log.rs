//! The arguments of what looks at the log: pages, proofs, live decisions.

use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// Show the log in numbers
    Stat,
    /// Show the newest events
    Tail {
        /// How many. The whole log is looked through for them, newest first; Ctrl-C says how far
        #[arg(short = 'n', long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        lines: u32,
        /// Go on with what comes, until Ctrl-C
        #[arg(short, long)]
        follow: bool,
        /// Only this category: quote, price, inventory, account, strategy …
        #[arg(long)]
        category: Option<String>,
        /// Only this type: trading.Decided …
        #[arg(long = "type", value_name = "TYPE")]
        event_type: Option<String>,
    },
    /// Show one event
    Get {
        /// Its position
        position: u64,
    },
    /// Prove that an event is in the log, so that anybody with the log's public key can check it
    Prove {
        /// Its position
        position: u64,
        /// The log's public key, to check the proof with [default: key.pub beside the log, on the desk's machine]
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
    /// Check every checksum, every chain and every signature, whether or not a desk is running
    Verify {
        /// Directory of the log [default: log in the data directory]
        directory: Option<PathBuf>,
        /// A checkpoint that was kept elsewhere: the log must still begin with what it signs
        #[arg(long, value_name = "FILE")]
        against: Option<PathBuf>,
    },
    /// Print a freshly signed checkpoint, to be kept where nobody can change it
    Checkpoint,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct WatchArgs {
    /// Begin at this position of the log [default: with what comes]
    #[arg(long, value_name = "POSITION")]
    pub from: Option<u64>,
    /// End after the first settled offer
    #[arg(long)]
    pub until_settled: bool,
}
