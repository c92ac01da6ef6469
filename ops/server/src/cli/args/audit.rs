//! The arguments of the audit.

use clap::{Args, Subcommand};
use std::path::PathBuf;
use uuid::Uuid;

#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    pub command: Option<AuditCommand>,
    /// Only this projection: quotes, decisions, results … [default: all]
    #[arg(long, value_name = "PROJECTION")]
    pub projection: Option<String>,
    /// Up to this position. Histories are compared up to it, tables whose rows change only when they are there [default: up
    /// to where the tables are]
    #[arg(long, value_name = "POSITION", value_parser = clap::value_parser!(u64).range(1..))]
    pub position: Option<u64>,
    /// Hold the log, on which no desk runs, against a checkpoint that was kept outside, besides what log.witness has seen
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
    /// Write the signed report to this file, which must not be there
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum AuditCommand {
    /// Look at an audit that the running desk does or did, to its end, and take its report
    Show {
        /// Which [default: the newest, which is the one under way while there is one]
        id: Option<Uuid>,
        /// Write the signed report to this file, which must not be there
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
    },
    /// Check a signed report with the log's public key: no log, no desk and no data directory are needed
    ///
    /// Exits with 0 when the report is to be believed, whatever its verdict: also when that is that something DIFFERS. Exits
    /// with 8 when it is not to be believed.
    Check {
        /// The report, - for standard input
        report: PathBuf,
        /// The log's public key, from somebody you believe [default: key.pub beside the log, on the desk's machine]
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
}
