//! The arguments of rebuilds.

use super::Again;
use clap::{Args, Subcommand};

/// Which projections.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct WhichProjections {
    /// Its name, as in stele status
    #[arg(value_name = "PROJECTION")]
    pub projection: Option<String>,
    /// Every projection
    #[arg(long)]
    pub all: bool,
}

impl WhichProjections {
    /// As the desk is asked.
    pub(crate) fn name(&self) -> &str {
        self.projection.as_deref().unwrap_or("all")
    }
}

#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct RebuildArgs {
    #[command(subcommand)]
    pub command: Option<RebuildCommand>,
    #[command(flatten)]
    pub which: Option<WhichProjections>,
    /// Throw away what an interrupted rebuild has left, instead of going on with it
    #[arg(long)]
    pub from_zero: bool,
    /// Swap although the live tables are not what follows from the log, with --reason; the replaced ones are kept
    #[arg(long, requires = "reason")]
    pub despite_difference: bool,
    /// Why; it is kept for ever beside the act [default: asked on the command line]
    #[arg(long)]
    pub reason: Option<String>,
    #[command(flatten)]
    pub again: Again,
    /// Taken so that whoever names several is told what is possible
    #[arg(hide = true)]
    pub others: Vec<String>,
}

impl RebuildArgs {
    /// Why, also where nobody said.
    pub(crate) fn why(&self) -> &str {
        self.reason.as_deref().unwrap_or("asked on the command line")
    }
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum RebuildCommand {
    /// Drop the tables that a rebuild has replaced
    DropOld {
        #[command(flatten)]
        which: WhichProjections,
        /// Why; it is kept for ever beside the act
        #[arg(long, default_value = "asked on the command line")]
        reason: String,
        #[command(flatten)]
        again: Again,
    },
    /// Show the last rebuilds, and replaced tables that are still there
    Status,
}
