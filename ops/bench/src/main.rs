//! Figures, measured: what a decision costs, how fast the desk answers, what it withstands.
//!
//! Benchmarks, not tests: nothing here passes or fails. How to run them and what they said stands in the README.

mod cpu;
mod decide;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "stele-bench", about = "Measures Stele")]
struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Pricing, all gates and the decision's events, in memory, on one core.
    Decide {
        /// How many decisions.
        #[arg(long, default_value_t = 200_000)]
        decisions: u32,
    },
}

fn main() -> anyhow::Result<()> {
    match Args::parse().what {
        What::Decide { decisions } => decide::run(decisions),
    }
}
