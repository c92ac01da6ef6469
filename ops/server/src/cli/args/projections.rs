//! The arguments of projections: the events that they could not take in.

use super::Again;
use clap::{Args, Subcommand};
use std::num::NonZeroU64;

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ProjectionsCommand {
    /// List the events that projections could not take in
    Parked {
        /// Only of this projection
        projection: Option<String>,
    },
    /// Show one of them, and what was said of it
    Show {
        #[command(flatten)]
        which: ParkedArgs,
    },
    /// Take one in after all, now that its cause is mended: the projection is rebuilt with it
    Retry {
        #[command(flatten)]
        which: ParkedArgs,
        /// What was mended; it is kept for ever beside the act
        #[arg(long)]
        reason: String,
        /// Only say so: the next rebuild of the projection takes it in
        #[arg(long)]
        no_rebuild: bool,
        #[command(flatten)]
        again: Again,
    },
    /// Leave one out for good: the tables are right without it
    Skip {
        #[command(flatten)]
        which: ParkedArgs,
        /// Why; it is kept for ever beside the act
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        again: Again,
    },
}

/// Which parked event.
#[derive(Debug, Clone, Args)]
pub(crate) struct ParkedArgs {
    /// The projection that lacks it
    pub projection: String,
    /// Where it stands in the log
    pub position: NonZeroU64,
}
