//! The arguments of what moves partitions of histories between the tables and the lake.

use super::LakeArgs;
use crate::amounts;
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum TierCommand {
    /// Put partitions that are old enough into the lake, and take those out of the tables that retention lets go. A desk that
    /// runs does it by itself
    Run(TierRunArgs),
    /// Show the partitions, how old they are, and which of them are in the lake
    List(TierListArgs),
    /// Read every tiered row in the lake, and say where it is not what was kept
    Verify(TierListArgs),
    /// Bring the partitions of a table back from the lake, from the one with a position on
    Restore(TierRestoreArgs),
    /// Print the rows of a history, a JSON object a line, wherever they are
    Rows(TierRowsArgs),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct TierRunArgs {
    #[command(flatten)]
    pub lake: LakeArgs,
    /// Only this history
    #[arg(long, value_name = "TABLE")]
    pub table: Option<String>,
    /// Everything that is older, whatever the policies of the tables say: 30d
    #[arg(long, value_name = "SPAN", value_parser = amounts::span_ms)]
    pub older_than: Option<u64>,
    /// Put into the lake and take nothing out of the tables
    #[arg(long)]
    pub keep: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct TierListArgs {
    #[command(flatten)]
    pub lake: LakeArgs,
    /// Only this history
    #[arg(long, value_name = "TABLE")]
    pub table: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct TierRestoreArgs {
    #[command(flatten)]
    pub lake: LakeArgs,
    /// The history
    #[arg(value_name = "TABLE")]
    pub table: String,
    /// A log position: its partition comes back, and every later one that has left
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    pub from: u64,
    /// How long retention leaves them
    #[arg(long = "for", value_name = "SPAN", default_value = "7d", value_parser = amounts::span_ms)]
    pub held: u64,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct TierRowsArgs {
    #[command(flatten)]
    pub lake: LakeArgs,
    /// The history
    #[arg(value_name = "TABLE")]
    pub table: String,
    /// The first log position
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    pub from: u64,
    /// The last log position
    #[arg(long, value_name = "POSITION", default_value_t = i64::MAX.unsigned_abs() - 1, hide_default_value = true)]
    pub to: u64,
}
