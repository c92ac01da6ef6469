//! Figures, measured: what a decision costs, how fast the desk answers, what it withstands.
//!
//! Benchmarks, not tests: nothing here passes or fails. How to run them and what they said stands in the README.

mod asof;
mod audit;
mod cpu;
mod decide;
mod desk;
mod disk;
mod door;
mod doors;
mod evidence;
mod fold;
mod lake;
mod load;
mod loading;
mod log;
mod owner;
mod rebuild;
mod respond;
mod settings;
mod tables;
mod traffic;
mod watchers;
mod whatif;

use clap::{Args, Parser, Subcommand};
use std::path::{Path, PathBuf};
use stele_bench_drive::{figures, runtime};

/// The allocator that is shipped, so that memory and time are those of the product.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "stele-bench", about = "Measures Stele")]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Pricing, all gates and the decision's events, in memory, on one core
    Decide {
        /// How many decisions
        #[arg(long, default_value_t = 200_000)]
        decisions: u32,
    },
    /// From a quote's frame out of the simulator to the signed answer's frame in, with a durable log
    Respond {
        #[command(flatten)]
        place: Place,
        /// Quotes a second, each of which the desk should answer
        #[arg(long, default_value_t = 50)]
        quotes_per_second: u32,
        /// How long, in seconds
        #[arg(long, default_value_t = 30)]
        seconds: u64,
    },
    /// A desk under heavy traffic, armed: how far it is behind at the end, and how much memory it takes
    Load {
        #[command(flatten)]
        place: Place,
        /// Quotes a second
        #[arg(long, default_value_t = 2_000)]
        quotes_per_second: u32,
        /// How long, in seconds; the first memory figure is taken after 10
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// PostgreSQL's tables behind the log: as fast as they can, and at an even pace
    Tables {
        #[command(flatten)]
        place: Place,
    },
    /// Folding the log into tables in memory on one thread, beside decoding alone and digesting alone
    Fold {
        #[command(flatten)]
        place: Place,
    },
    /// Facts published as Delta tables into a directory, and a table of thousands of commits opened
    Lake {
        #[command(flatten)]
        place: Place,
    },
    /// Rows and pages as of random positions of a large log, from past states kept every 10,000 events
    Asof {
        #[command(flatten)]
        place: Place,
        /// Events in the log
        #[arg(long, default_value_t = 1_000_000)]
        events: u64,
        /// Positions that are asked for
        #[arg(long, default_value_t = 300)]
        questions: u64,
    },
    /// Rebuilding every projection into PostgreSQL, beside COPY of the same rows; what a swap costs those who read
    Rebuild {
        #[command(flatten)]
        place: Place,
    },
    /// The event log in process, in turns with the machine's limit
    Log {
        #[command(flatten)]
        place: Place,
        /// How long one run lasts, in seconds
        #[arg(long, default_value_t = 3)]
        seconds: u64,
        /// How many runs of each, in turns
        #[arg(long, default_value_t = 3)]
        rounds: u32,
        /// Only this row of the table, from 0
        #[arg(long)]
        row: Option<usize>,
    },
    /// Reading the log in process: scans, streams, followers, opening, verifying
    LogReads {
        #[command(flatten)]
        place: Place,
    },
    /// The log over sockets: the KurrentDB protocol and the wire between processes, keys and write lists included
    LogDoors {
        #[command(flatten)]
        place: Place,
    },
    /// How long a start reads the account's stream, with and without a snapshot
    Loading {
        #[command(flatten)]
        place: Place,
        /// Records of the stream
        #[arg(long, default_value_t = 1_000_000)]
        events: u64,
    },
    /// Verifying a log of a million events, in turns with SHA-256 alone on as many cores
    LogVerify {
        #[command(flatten)]
        place: Place,
        /// How many turns
        #[arg(long, default_value_t = 5)]
        rounds: u32,
    },
    /// A large log: writing, opening, reading and verifying it, in time and in memory
    LogScale {
        #[command(flatten)]
        place: Place,
        /// Events, one to a commit
        #[arg(long, default_value_t = 10_000_000)]
        events: u64,
        /// Streams
        #[arg(long, default_value_t = 1_000_000)]
        streams: u64,
    },
    /// One phase of log-scale, in a process of its own
    #[command(hide = true)]
    LogScalePhase {
        #[arg(long)]
        directory: PathBuf,
        #[arg(long, value_enum)]
        phase: log::scale::Phase,
        #[arg(long)]
        events: u64,
        #[arg(long)]
        streams: u64,
    },
    /// What-if over a log of quotes, in turns with decoding alone
    Whatif {
        #[command(flatten)]
        place: Place,
        /// Quotes in the log
        #[arg(long, default_value_t = 300_000)]
        quotes: u64,
        /// How many turns
        #[arg(long, default_value_t = 3)]
        rounds: u32,
    },
    /// Auditing a log and the PostgreSQL that holds its tables, by the binary
    Audit {
        #[command(flatten)]
        place: Place,
        /// For how long a desk trades first, in seconds: some 7,000 events each
        #[arg(long, default_value_t = 150)]
        seconds: u64,
        /// How many audits
        #[arg(long, default_value_t = 3)]
        rounds: u32,
    },
    /// Reads, commands and watchers at the doors of a desk that trades
    Doors {
        #[command(flatten)]
        place: Place,
    },
}

/// Where a run takes place.
#[derive(Debug, Args)]
struct Place {
    /// The disk to measure: a directory for the run is made in here, and removed afterwards
    #[arg(long, default_value = "target")]
    disk: PathBuf,
    /// The `stele` binary [default: the one beside this one]
    #[arg(long)]
    stele: Option<PathBuf>,
    /// Where chance comes from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Leave the run's directory where it is
    #[arg(long)]
    keep: bool,
}

fn main() -> anyhow::Result<()> {
    let said = match Cli::parse().what {
        What::Decide { decisions } => decide::run(decisions)?,
        What::Respond { place, quotes_per_second, seconds } => {
            runtime()?.block_on(respond::run(&place, quotes_per_second, seconds))?
        }
        What::Load { place, quotes_per_second, seconds } => {
            runtime()?.block_on(load::run(&place, quotes_per_second, seconds))?
        }
        What::Asof { place, events, questions } => {
            runtime()?.block_on(asof::run(&place, events, questions))?
        }
        What::Rebuild { place } => runtime()?.block_on(rebuild::run(&place))?,
        What::Tables { place } => runtime()?.block_on(tables::run(&place))?,
        What::Fold { place } => runtime()?.block_on(fold::run(&place))?,
        What::Lake { place } => runtime()?.block_on(lake::run(&place))?,
        What::Audit { place, seconds, rounds } => runtime()?.block_on(audit::run(&place, seconds, rounds))?,
        What::Log { place, seconds, rounds, row } => {
            log::appends(&place, log::Plan { seconds, rounds, row })?
        }
        What::LogReads { place } => log::reads::run(&place)?,
        What::LogDoors { place } => runtime()?.block_on(log::doors::run(&place))?,
        What::Loading { place, events } => runtime()?.block_on(loading::run(&place, events))?,
        What::LogVerify { place, rounds } => log::verify::run(&place, rounds)?,
        What::LogScale { place, events, streams } => {
            log::scale::run(&place, log::scale::Size { events, streams })?
        }
        What::LogScalePhase { directory, phase, events, streams } => {
            log::scale::phase(phase, &directory, log::scale::Size { events, streams })?
        }
        What::Whatif { place, quotes, rounds } => whatif::run(&place, quotes, rounds)?,
        What::Doors { place } => runtime()?.block_on(doors::run(&place))?,
    };
    println!("{}", serde_json::to_string_pretty(&said)?);
    Ok(())
}

/// The path as text, which configuration files need.
fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().ok_or_else(|| anyhow::anyhow!("{} is no readable text", path.display()))
}
