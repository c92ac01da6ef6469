//! The arguments of what looks at the log: pages, proofs, live decisions.

use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// Show the log in numbers, and how fast it grows
    Stat {
        /// Directory of a log, which is verified for its numbers and not changed [default: the desk's, as it says]
        directory: Option<PathBuf>,
    },
    /// Show the newest events
    Tail {
        /// How many. The whole log is looked through for them, newest first; Ctrl-C says how far
        #[arg(short = 'n', long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        lines: u32,
        /// Go on with what comes, until Ctrl-C
        #[arg(short, long)]
        follow: bool,
        /// Only this category: quote, price, inventory, account, strategy … May be given often
        #[arg(long = "category", value_name = "CATEGORY")]
        categories: Vec<String>,
        /// Only this type: trading.Decided … May be given often
        #[arg(long = "type", value_name = "TYPE")]
        types: Vec<String>,
        /// Only this stream: account-main …
        #[arg(long, conflicts_with_all = ["categories", "types"])]
        stream: Option<String>,
    },
    /// Show one event
    Get {
        /// Its position
        position: u64,
    },
    /// Prove that an event is in the log, or that the log goes on from an older checkpoint: anybody with the log's public
    /// key can check it (stele log check)
    Prove {
        /// Position of the event
        #[arg(required_unless_present = "consistency")]
        position: Option<u64>,
        /// Prove that the log still begins with what this checkpoint signs. The running desk proves it, else the log's files
        #[arg(long, value_name = "CHECKPOINT-FILE", conflicts_with = "position")]
        consistency: Option<PathBuf>,
        /// The newer checkpoint of that proof [default: a fresh one of the running desk, else the last one in the log]
        #[arg(long, value_name = "CHECKPOINT-FILE", requires = "consistency")]
        to: Option<PathBuf>,
        /// The log's public key, to check the proof with [default: key.pub beside the log, on the desk's machine]
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
    /// Check a proof of stele log prove --json with the log's public key: no log and no desk are needed
    Check {
        /// The proof, - for standard input
        proof: PathBuf,
        /// The log's public key, from somebody you believe
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// Keys of witnesses, one a line: the checkpoint that the proof leads to must be cosigned by each
        #[arg(long, value_name = "FILE")]
        witness_key: Option<PathBuf>,
    },
    /// Check every checksum, every chain and every signature, whether or not a desk is running
    Verify(VerifyArgs),
    /// Print a freshly signed checkpoint, to be kept where nobody can change it. The configured witness gets it, too
    Checkpoint {
        /// The newest one that the witness has cosigned instead, with its cosignatures. On the log's machine
        #[arg(long)]
        cosigned: bool,
    },
    /// Write the log as lines of JSON to standard output, whether or not a desk is running. Nothing is lost
    Export(ExportArgs),
    /// Make a new log of an export: the same events, and another log id and key
    Import(ImportArgs),
    /// Put sealed segments of a log that no desk owns into the archive, or fetch them back. A desk that runs archives by itself
    Archive(ArchiveArgs),
    /// Copy what the desk cannot do without, its log and the secret of its keys, whether or not it is running
    Backup(BackupArgs),
    /// Make a data directory of a backup. Verifies it before and after, and never overwrites
    Restore(RestoreArgs),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ExportArgs {
    /// Directory of the log [default: log in the data directory]
    pub directory: Option<PathBuf>,
    /// The first position [default: the first of the log]
    #[arg(long, value_name = "POSITION", value_parser = clap::value_parser!(u64).range(1..))]
    pub from: Option<u64>,
    /// The last position [default: the last of the log]
    #[arg(long, value_name = "POSITION")]
    pub to: Option<u64>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ImportArgs {
    /// The export, from the first event on; - for standard input
    pub file: PathBuf,
    /// The new data directory: empty, or not there
    #[arg(long, value_name = "NEW")]
    pub data_dir: PathBuf,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ArchiveArgs {
    /// Only segments that end before this position
    #[arg(long, value_name = "POSITION", value_parser = clap::value_parser!(u64).range(1..))]
    pub before: Option<u64>,
    /// All but the newest sealed segments [default: what log.archive.keep_segments and its kin say]
    #[arg(long, value_name = "N", conflicts_with = "before")]
    pub keep_segments: Option<u64>,
    /// Where to: file:///a/directory or s3://bucket/prefix [default: log.archive.url]
    #[arg(long, value_name = "URL")]
    pub to: Option<String>,
    /// Fetch segments back into the directory instead, all of them or those between --from and --before
    #[arg(long, conflicts_with = "keep_segments")]
    pub fetch: bool,
    /// Fetch only segments that hold this position or later ones
    #[arg(long, value_name = "POSITION", requires = "fetch", value_parser = clap::value_parser!(u64).range(1..))]
    pub from: Option<u64>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct BackupArgs {
    /// The new directory: empty, or not there
    pub destination: PathBuf,
    /// Share no file with the log, also where that is possible
    #[arg(long)]
    pub copy: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct RestoreArgs {
    /// The backup
    pub backup: PathBuf,
    /// The new data directory: empty, or not there
    #[arg(long, value_name = "NEW")]
    pub data_dir: PathBuf,
    /// A checkpoint that was kept elsewhere: the backup must begin with what it signs
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
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

#[derive(Debug, Clone, Args)]
pub(crate) struct VerifyArgs {
    /// Directory of the log [default: log in the data directory]
    pub directory: Option<PathBuf>,
    /// Leave out the files that end before this position: what they hold is not looked at
    #[arg(long, value_name = "POSITION", value_parser = clap::value_parser!(u64).range(1..))]
    pub from: Option<u64>,
    /// Leave out the files that begin after this position
    #[arg(long, value_name = "POSITION", value_parser = clap::value_parser!(u64).range(1..))]
    pub to: Option<u64>,
    /// Checkpoints that were kept elsewhere, one or many in a file: the log must still begin with what each signs
    #[arg(long, value_name = "CHECKPOINT-FILE", conflicts_with_all = ["from", "to"])]
    pub against: Option<PathBuf>,
    /// The log's public key, kept elsewhere [default: key.pub in the directory, which vouches for itself only]
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Leave out what is in the archive, and say so: nothing is fetched
    #[arg(long, conflicts_with_all = ["from", "against"])]
    pub local: bool,
    /// Keys of witnesses, one a line: the largest of those checkpoints must be cosigned by each
    #[arg(long, value_name = "FILE", requires = "against")]
    pub witness_key: Option<PathBuf>,
}
