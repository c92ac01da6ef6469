//! The command line: every verb, its arguments and their descriptions. What they do is elsewhere.
#![expect(clippy::doc_markdown, reason = "these comments are the help text, which has no backticks")]

mod access;
mod alerts;
mod audit;
mod lake;
mod log;
mod projections;
mod rebuild;
mod tier;
mod whatif;

pub(crate) use access::{ApproveArgs, KeyCreateArgs, KeysCommand};
pub(crate) use alerts::{AlertsArgs, AlertsCommand};
pub(crate) use audit::{AuditArgs, AuditCommand};
pub(crate) use lake::{CompactArgs, DoctorArgs, LakeArgs, LakeCommand, PublishArgs};
pub(crate) use log::{
    ArchiveArgs, BackupArgs, ExportArgs, ImportArgs, LogCommand, RestoreArgs, VerifyArgs, WatchArgs,
};
pub(crate) use projections::{ParkedArgs, ProjectionsCommand};
pub(crate) use rebuild::{RebuildArgs, RebuildCommand, WhichProjections};
pub(crate) use tier::{TierCommand, TierListArgs, TierRestoreArgs, TierRowsArgs, TierRunArgs};
pub(crate) use whatif::{Model, WhatIfArgs};

use crate::amounts;
use crate::wiring::Role;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::net::SocketAddr;
use std::path::PathBuf;
use stele_domain::operations::service::event::Service;
use uuid::Uuid;

const AFTER_HELP: &str = "\
Exit codes:
  0  done                                  7  the desk does not answer, or not in time
  1  an error                              8  what is stored is not what was written
  2  wrong arguments or configuration      9  no room on the disk
  3  refused by a rule of the desk        10  the disk can't be written to
  4  waits for a second person            11  a part of another log is where this one is
  5  somebody else has it, or was first   12  a part of the log is missing
  6  not allowed                          13  the log is not what its witness has seen
                                          14  an archived segment is missing, or is another

Answers go to standard output, everything else to standard error. NO_COLOR is respected.
A key is read from a file (--key-file, STELE_KEY_FILE), never from a flag or a variable.
To see it work with nothing installed and nothing at stake: stele demo";

/// A trading desk that can prove every decision.
#[derive(Debug, Parser)]
#[command(name = "stele", version, after_help = AFTER_HELP, propagate_version = true, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// What every verb understands.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Global {
    /// Configuration file [default: $STELE_CONFIG, else ./stele.toml when it is there]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Data directory: event log and socket [default: desk.data_dir]
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Unix socket of the desk [default: stele.sock in the data directory]
    #[arg(long, global = true, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// The desk to talk to: https://HOST:PORT or http://HOST:PORT [default: the desk behind the socket]
    #[arg(long, global = true, value_name = "URL", conflicts_with = "socket")]
    pub server: Option<String>,
    /// File with the access key for that desk [default: $STELE_KEY_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// Certificates (PEM) of those who may vouch for that desk [default: the system's]
    #[arg(long, global = true, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Your own certificate (PEM), where the desk asks for one
    #[arg(long, global = true, value_name = "FILE")]
    pub cert: Option<PathBuf>,
    /// The private key of that certificate (PEM)
    #[arg(long, global = true, value_name = "FILE")]
    pub cert_key: Option<PathBuf>,
    /// Let the key go to another machine without TLS: only where the network between is yours
    #[arg(long, global = true)]
    pub plain_http: bool,
    /// Answer in JSON, for programs
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the whole loop on this machine: simulated venue, real sockets, a real log, a crash and its proof
    Demo(DemoArgs),
    /// Run the desk
    Serve(ServeArgs),
    /// Run a simulated venue and simulated price sources, to point a desk at
    Simulator(SimulatorArgs),
    /// Show the desk on one page
    Status,
    /// Allow offers for a time
    Arm(ArmArgs),
    /// Agree to what another person has asked for: an arming, or the way back after a kill
    Approve(ApproveArgs),
    /// Allow no more offers; also the way back after a kill
    Disarm(ReasonArgs),
    /// Let a service take no new work
    Pause(ServiceArgs),
    /// Let a service take work again
    Resume(ServiceArgs),
    /// Let a service finish what is in flight and take nothing new
    Drain(ServiceArgs),
    /// Make a reading service look now
    Refresh(RefreshArgs),
    /// Stop all offers at once, from any state, and list the signatures that are still out
    Kill(KillArgs),
    /// Show or change the limits
    #[command(subcommand)]
    Limits(LimitsCommand),
    /// Show or change which requests are listened to
    #[command(subcommand)]
    Filter(FilterCommand),
    /// Show what needs a person now, or clear it
    Alerts(AlertsArgs),
    /// Tell the whole story of one quote
    Trace(TraceArgs),
    /// Show a read model, or which ones there are
    Table(TableArgs),
    /// Show decisions and what becomes of them, as they happen
    Watch(WatchArgs),
    /// Decide on the recorded quotes again, under other limits or margins, and show the offers that differ
    Whatif(WhatIfArgs),
    /// Fold read models anew beside those that serve, compare both, and swap them
    Rebuild(RebuildArgs),
    /// Fold the log from zero, hold the tables beside it, and sign what was found
    Audit(AuditArgs),
    /// Look at the events that read models could not take in, take them in after all, or skip them
    #[command(subcommand)]
    Projections(ProjectionsCommand),
    /// Look at the event log, or verify it
    #[command(subcommand)]
    Log(LogCommand),
    /// Publish facts as Delta tables for others to ask, verify them, or examine their store
    #[command(subcommand)]
    Lake(LakeCommand),
    /// Move old partitions of histories to the lake by proof, verify them there, and bring them back
    #[command(subcommand)]
    Tier(TierCommand),
    /// Make, list and revoke the keys that let persons and processes in
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Say who you are to the desk, and what you may do
    Whoami,
    /// Look at the database of the tables, or bring it up to date
    #[command(subcommand)]
    Db(DbCommand),
    /// Show or check the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct DemoArgs {
    /// How long to trade
    #[arg(long = "for", value_name = "SPAN", default_value = "30s", value_parser = amounts::span_ms)]
    pub for_ms: u64,
    /// Where chance comes from: the same seed is the same market
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Keep the tables in a private PostgreSQL, started from installed binaries
    #[arg(long)]
    pub postgres: bool,
    /// Only compare the copy of live tables in this file with a fold of the log in --data; the demo starts itself
    /// so for its proof
    #[arg(long, value_name = "FILE", hide = true)]
    pub compare: Option<PathBuf>,
    /// Only follow the log at this address with the key in --key-file, and say what was seen; the demo starts itself so as
    /// its second process
    #[arg(long, value_name = "URL", hide = true)]
    pub follow: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ServeArgs {
    /// Run only these parts [default: all]
    #[arg(long, value_delimiter = ',', value_name = "ROLE,…")]
    pub roles: Vec<Role>,
    /// Work on the event log of another process: http://HOST:PORT or https://HOST:PORT. --key-file names the
    /// key of a service for it [default: own the log]
    #[arg(long, value_name = "URL")]
    pub log: Option<String>,
    /// Where gRPC and REST answer over TCP; empty for nowhere [default: api.listen]
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<String>,
    /// Where clients of others find the event log: they speak the KurrentDB protocol; empty for nowhere
    /// [default: kurrent.listen]
    #[arg(long, value_name = "ADDR:PORT")]
    pub kurrent_listen: Option<String>,
    /// Keep the tables in a private PostgreSQL, started from installed binaries
    #[arg(long)]
    pub postgres: bool,
    /// End when this process, which started it, ends however it ends; the demo starts its desk so
    #[arg(long, value_name = "PID", hide = true)]
    pub child_of: Option<i32>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct SimulatorArgs {
    /// Where to listen; loopback only. Port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:4100", value_name = "ADDR:PORT")]
    pub listen: SocketAddr,
    /// Where chance comes from
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Quotes a minute that takers ask for; 0 is quiet
    #[arg(long, default_value_t = 240, value_name = "N")]
    pub quotes_per_minute: u32,
    /// An account at the simulated verifier, funded with 1 BTC and 50,000 EURe
    #[arg(long, default_value = "paper-desk.near", value_name = "ACCOUNT")]
    pub account: String,
    /// Public keys that may sign for the account (`ed25519:…`)
    #[arg(long, value_name = "KEY")]
    pub public_key: Vec<String>,
    /// Make a desk to go with it here: a signing key that the simulated account knows, and a
    /// configuration. What is there already is kept
    #[arg(long, value_name = "DIR")]
    pub desk: Option<PathBuf>,
}

/// Which wish it is.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Again {
    /// Ask for this very wish again, which is done once: the id that an unanswered one has named [default: a new one]
    #[arg(long, value_name = "UUID")]
    pub command_id: Option<Uuid>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ArmArgs {
    /// What: the strategy of the account, the only one there is
    #[arg(value_enum, default_value_t = Armable::Strategy)]
    pub what: Armable,
    /// Why; it is kept for ever beside the act
    #[arg(long)]
    pub reason: String,
    /// For how long, at most a day: 15m, 2h
    #[arg(long = "for", value_name = "SPAN", value_parser = amounts::span_ms)]
    pub for_ms: u64,
    /// How far
    #[arg(long, value_enum, default_value_t = Mode::Full)]
    pub mode: Mode,
    /// Refuse when other limits than these are in force by now
    #[arg(long, value_name = "N")]
    pub limits_version: Option<u64>,
    #[command(flatten)]
    pub again: Again,
}

/// What can be armed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Armable {
    /// Offers for the configured pair
    Strategy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Both directions
    Full,
    /// Only towards the base target
    Reducing,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ReasonArgs {
    /// Why; it is kept for ever beside the act
    #[arg(long)]
    pub reason: String,
    #[command(flatten)]
    pub again: Again,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct KillArgs {
    /// Why; a kill without words is no less a kill
    #[arg(long, default_value = "")]
    pub reason: String,
    #[command(flatten)]
    pub again: Again,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ServiceArgs {
    /// Which
    #[arg(value_enum)]
    pub service: Which,
    /// Why; it is kept for ever beside the act
    #[arg(long)]
    pub reason: String,
    #[command(flatten)]
    pub again: Again,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct RefreshArgs {
    /// Which: market or inventory
    #[arg(value_enum)]
    pub service: Which,
    /// Why
    #[arg(long, default_value = "asked on the command line")]
    pub reason: String,
}

/// A service, or all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Which {
    Ingest,
    Market,
    Inventory,
    Strategy,
    Executor,
    Projections,
    All,
}

impl Which {
    /// The services that are meant.
    pub(crate) fn services(self) -> Vec<Service> {
        match self {
            Self::Ingest => vec![Service::Ingest],
            Self::Market => vec![Service::Market],
            Self::Inventory => vec![Service::Inventory],
            Self::Strategy => vec![Service::Strategy],
            Self::Executor => vec![Service::Executor],
            Self::Projections => vec![Service::Projections],
            Self::All => Service::ALL.to_vec(),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum LimitsCommand {
    /// Show the limits in force
    Get,
    /// Change some limits; the others stay as they are
    Set(LimitsSetArgs),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct LimitsSetArgs {
    /// Limits and their values: notional_max=5 (whole tokens), edge_min_bps=2%, cooldown_ms=10s,
    /// floor.TOKEN=0.001
    #[arg(value_name = "LIMIT=VALUE")]
    pub changes: Vec<String>,
    /// Begin with the limits of the configuration
    #[arg(long)]
    pub from_config: bool,
    /// Begin with the limits in this file: JSON as `limits get --json` prints it. Refused when the limits were changed
    /// after it was printed; without `version` in it nobody can tell
    #[arg(long, value_name = "FILE", conflicts_with = "from_config")]
    pub file: Option<PathBuf>,
    /// Why; it is kept for ever beside the act
    #[arg(long)]
    pub reason: String,
    #[command(flatten)]
    pub again: Again,
}

#[derive(Debug, Subcommand)]
pub(crate) enum FilterCommand {
    /// Show the filter in force
    Get,
    /// Listen only to these
    Set {
        /// A pair (btc-eure), or one token against another (TOKEN_IN->TOKEN_OUT). None: listen to nothing
        #[arg(value_name = "ENTRY")]
        entries: Vec<String>,
        /// Why; it is kept for ever beside the act
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        again: Again,
    },
    /// Listen to the configured pairs again
    Reset(ReasonArgs),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct TraceArgs {
    /// Id of a quote, a decision or a command, or a quote hash
    pub id: String,
    /// As it was when the log ended at this position, or at this time (RFC 3339)
    #[arg(long, value_name = "POSITION|TIME")]
    pub as_of: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct TableArgs {
    /// Its name; without one, all tables are listed
    pub name: Option<String>,
    /// Most rows
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub limit: u32,
    /// Only rows with this value in a column
    #[arg(long = "where", value_name = "COLUMN=VALUE")]
    pub filters: Vec<String>,
    /// Oldest first
    #[arg(long)]
    pub oldest: bool,
    /// As it was when the log ended at this position, or at this time (RFC 3339)
    #[arg(long, value_name = "POSITION|TIME")]
    pub as_of: Option<String>,
    /// Only these columns
    #[arg(long, value_delimiter = ',', value_name = "COLUMN,…")]
    pub columns: Vec<String>,
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum DbCommand {
    /// Say which database would be used, and whether it is in order
    Doctor,
    /// Apply the migrations that are missing. Run it with the address of the owner's role in DATABASE_URL
    Migrate,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print every value in force, and where it comes from when it is no default
    Print {
        /// Also say of the defaults that they are defaults
        #[arg(long)]
        origin: bool,
    },
    /// Say whether the configuration can be run
    Check,
}
