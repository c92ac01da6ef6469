//! The arguments of what publishes to the lake and looks at it.

use crate::amounts;
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum LakeCommand {
    /// Publish facts of a log that no desk owns, or of another process's (log.url). A desk that runs publishes by itself
    Publish(PublishArgs),
    /// Read every file, fold the log from its beginning, and say where both differ
    Verify(LakeArgs),
    /// Look at the store before relying on it: rights, clock, tables, and whether of several writers one is the first
    Doctor(DoctorArgs),
    /// Make few large files of many small ones, write checkpoints, and remove what counts no longer where that is asked for
    Compact(CompactArgs),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct LakeArgs {
    /// Where the lake is: file:///a/directory or s3://bucket/prefix [default: lake.url]
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct PublishArgs {
    #[command(flatten)]
    pub lake: LakeArgs,
    /// Publish what is there and end, which is the default
    #[arg(long, conflicts_with = "follow")]
    pub once: bool,
    /// Go on with what comes, until Ctrl-C
    #[arg(short, long)]
    pub follow: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub lake: LakeArgs,
    /// How many writers race for each name
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=64))]
    pub writers: u32,
    /// How many names they race for
    #[arg(long, default_value_t = 25, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub rounds: u32,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct CompactArgs {
    #[command(flatten)]
    pub lake: LakeArgs,
    /// Days with fewer small files are left as they are
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    pub files_min: u32,
    /// Also remove files that count no longer, or never did, and are older than this; at least an hour: 1h, 168h. Whoever reads
    /// an older version of a table loses it
    #[arg(long, value_name = "SPAN", value_parser = amounts::span_ms)]
    pub sweep: Option<u64>,
}
