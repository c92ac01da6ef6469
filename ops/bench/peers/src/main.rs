//! Stele's log beside others that keep events, and beside what the machine can do at all: one run, one disk, in turns.
//!
//! A benchmark, not a test. What each peer is asked to do stands at the top of its file; what the runs said, in the README
//! of the benchmarks. The product knows nothing of this program.

mod appends;
mod group;
mod peer;
mod protocol;
mod reads;
mod report;
mod servers;
mod store;
mod stores;

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};
use peer::Peer;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The allocator that Stele ships, for everybody who lives in this process.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "stele-peers", about = "Measures Stele's log beside others")]
struct Cli {
    #[command(subcommand)]
    part: Option<Part>,
    /// What to measure
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Section::ALL)]
    only: Vec<Section>,
    /// Whom to measure; raw is always measured
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Peer::ALL)]
    peers: Vec<Peer>,
    /// How long one run of appends lasts, in seconds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// How many runs of appends of each, in turns
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// The disk to measure: a directory for the run is made in here, and removed afterwards
    #[arg(long, default_value = "target")]
    disk: PathBuf,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Section {
    /// Durable appends with 1 to 256 writers, and in batches
    Appends,
    /// Opening, scans, streams, followers and bytes on disk, of a million events
    Reads,
    /// Over sockets: the KurrentDB protocol and the desk's own wire against UmaDB's gRPC
    Protocol,
}

impl Section {
    const ALL: [Self; 3] = [Self::Appends, Self::Reads, Self::Protocol];
}

/// What this program is for itself: the other processes of a run.
#[derive(Subcommand)]
enum Part {
    /// Fills a store and goes on appending until it is killed
    #[command(hide = true)]
    Fill { peer: String, directory: PathBuf },
    /// UmaDB's server
    #[command(hide = true)]
    ServeUmadb { directory: PathBuf, address: SocketAddr },
    /// Stele's doors
    #[command(hide = true)]
    ServeStele { directory: PathBuf, kurrent: SocketAddr, own: SocketAddr },
}

/// How appends are measured.
struct Plan {
    peers: Vec<Peer>,
    span: Duration,
    rounds: u32,
}

impl Plan {
    /// Whom to measure, in the order of the turns.
    fn peers(&self) -> impl Iterator<Item = Peer> {
        let wanted = |peer: &Peer| *peer == Peer::Raw || self.peers.contains(peer);
        Peer::ALL.into_iter().filter(wanted)
    }
}

/// Who could not be measured, and why.
type Refusals = BTreeMap<Peer, String>;

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    match cli.part {
        None => measure(&cli),
        Some(Part::Fill { peer, directory }) => {
            let peer = Peer::ALL.into_iter().find(|one| one.name() == peer).context("who is that?")?;
            reads::fill(peer, &directory)
        }
        Some(Part::ServeUmadb { directory, address }) => {
            stele_bench_drive::runtime()?.block_on(servers::umadb::serve(&directory, address))
        }
        Some(Part::ServeStele { directory, kurrent, own }) => {
            stele_bench_drive::runtime()?.block_on(servers::door::serve(&directory, kurrent, own))
        }
    }
}

fn measure(cli: &Cli) -> anyhow::Result<()> {
    let plan = Plan { peers: cli.peers.clone(), span: Duration::from_secs(cli.seconds), rounds: cli.rounds };
    std::fs::create_dir_all(&cli.disk)?;
    let ground = tempfile::Builder::new().prefix("bench-peers-").tempdir_in(&cli.disk)?;
    // PostgreSQL runs as another account, which has to get to its folder.
    open_to_all(ground.path())?;
    let (mut refusals, mut said) = (Refusals::new(), Map::new());
    let mut rows = vec![];
    for section in &cli.only {
        let place = ground.path().join(format!("{section:?}").to_lowercase());
        std::fs::create_dir_all(&place)?;
        match section {
            Section::Appends => rows = appends::run(&plan, &place, &mut refusals)?,
            Section::Reads => {
                said.insert("reads".to_owned(), reads::run(&plan, &place, &mut refusals)?);
            }
            Section::Protocol => {
                said.insert("protocol".to_owned(), protocol::run(&plan, &place, &mut refusals)?);
            }
        }
        std::fs::remove_dir_all(&place)?;
    }
    said.insert("benchmark".to_owned(), json!("peers"));
    said.insert("seconds".to_owned(), json!(cli.seconds));
    said.insert("rounds".to_owned(), json!(cli.rounds));
    said.insert("payload_bytes".to_owned(), json!(stele_bench_drive::load::PAYLOAD_BYTES));
    said.insert("processors".to_owned(), json!(std::thread::available_parallelism()?.get()));
    said.insert("appends".to_owned(), rows.iter().map(appends::Row::said).collect());
    let void = rows.iter().any(appends::Row::void).then_some(appends::VOID);
    said.insert("void".to_owned(), json!(void));
    let missing: Map<String, Value> =
        refusals.iter().map(|(peer, why)| (peer.name().to_owned(), json!(why))).collect();
    said.insert("not_measured".to_owned(), Value::Object(missing));
    eprintln!("{}", report::table(&rows, &refusals));
    if let Some(void) = void {
        eprintln!("void: {void}");
    }
    println!("{}", serde_json::to_string_pretty(&Value::Object(said))?);
    Ok(())
}

fn open_to_all(directory: &std::path::Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755))?)
}
