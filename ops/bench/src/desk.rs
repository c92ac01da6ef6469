//! The desk of a run: `stele serve` as a child process on a directory of its own, with a key of its own.

use crate::door::Door;
use crate::{Place, settings};
use anyhow::Context;
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command as Blocking, Stdio};
use std::time::Duration;
use stele_api::client::Client;
use stele_api::dto::Status;
use stele_bench_drive::SystemClock;
use stele_domain::port::clock::Clock;
use stele_domain::time::Timestamp;
use stele_intents::key::{KeySource, SigningKey};
use stele_intents::nep413;
use stele_simulator::{Endpoints, Options, Running, Simulator};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// How long the desk may take until it is ready, knows prices and balances, or has ended.
const WAIT_MAX: Duration = Duration::from_secs(40);
/// How often it is asked meanwhile.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// Beginnings of the names of what is reported of the desk's own counters.
const COUNTED: [&str; 9] = [
    "commands_conflicts_total",
    "log_append_seconds_count",
    "log_append_seconds_sum",
    "log_fsync_seconds_count",
    "log_fsync_seconds_sum",
    "quotes_lost_total",
    "relay_frames_unreadable_total",
    "relay_news_dropped_total",
    "relay_quotes_dropped_total",
];

/// Wall-clock time, as the simulator's journal and the desk's log have it.
pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}

/// A directory for one run.
pub(crate) struct Ground {
    directory: TempDir,
    /// Apart from the rest, because a socket's path must be short.
    socket: TempDir,
    public_key: String,
    /// Where the desk's TCP door is.
    listen: SocketAddr,
}

impl Ground {
    /// Makes the directory, and a signing key in it.
    pub(crate) fn make(place: &Place) -> anyhow::Result<Self> {
        let made = tempfile::Builder::new().prefix("stele-bench-").tempdir_in(&place.disk);
        let mut directory = made.with_context(|| format!("a directory in {}", place.disk.display()))?;
        directory.disable_cleanup(place.keep);
        let socket =
            tempfile::Builder::new().prefix("stele-").tempdir().context("a directory for the socket")?;
        let key = directory.path().join("signing-key");
        let mut seed = [0; 32];
        File::open("/dev/urandom")?.read_exact(&mut seed)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&key)?;
        file.write_all(nep413::text(&seed).as_bytes())?;
        let public_key = SigningKey::load(&KeySource::File(key))?.public_key().to_owned();
        Ok(Self { directory, socket, public_key, listen: free_address()? })
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    fn data(&self) -> PathBuf {
        self.path().join("desk")
    }

    /// The desk's event log.
    pub(crate) fn log(&self) -> PathBuf {
        self.data().join("log")
    }
}

/// A desk on a simulated market, limits set and armed.
pub(crate) struct Desk {
    child: Child,
    pub client: Client,
    pub simulator: Running,
    pid: u32,
}

impl Desk {
    /// Starts both, waits until the desk sees, and arms it.
    pub(crate) async fn start(place: &Place, ground: &Ground) -> anyhow::Result<Self> {
        let options: Options = settings::world(place.seed, &ground.public_key);
        let simulator = Simulator::start(options).await?;
        let config = ground.write_config(&simulator.endpoints())?;
        let binary = stele(place)?;
        let words = File::create(ground.path().join("desk.jsonl"))?;
        let mut command = bare(&binary);
        command.arg("serve").arg("--config").arg(&config).stdout(Stdio::null()).stderr(words);
        let child = command.spawn().with_context(|| format!("{} does not start", binary.display()))?;
        let pid = child.id().context("the desk has ended")?;
        let client = Client::unix(ground.socket.path().join("s"));
        let desk = Self { child, client, simulator, pid };
        desk.until_it_sees().await.with_context(|| ground.last_words())?;
        let why = ["--reason", "benchmark", "--config"];
        for wish in [&["limits", "set", "--from-config"][..], &["arm", "--for", "1h"][..]] {
            let told = bare(&binary).args(wish).args(why).arg(&config).output().await?;
            let said = String::from_utf8_lossy(&told.stderr).into_owned();
            anyhow::ensure!(told.status.success(), "stele {wish:?}: {said}");
        }
        Ok(desk)
    }

    /// The TCP door, with a fresh operator's key.
    pub(crate) async fn door(&self, place: &Place, ground: &Ground) -> anyhow::Result<Door> {
        let (file, config) = (ground.path().join("operator.key"), ground.path().join("stele.toml"));
        let told = bare(&stele(place)?)
            .args(["keys", "create", "--role", "operator", "--owner", "bench", "--label", "benchmark"])
            .args(["--reason", "benchmark", "--out"])
            .arg(&file)
            .arg("--config")
            .arg(&config)
            .output()
            .await?;
        let said = String::from_utf8_lossy(&told.stderr).into_owned();
        anyhow::ensure!(told.status.success(), "stele keys create: {said}");
        let key = std::fs::read_to_string(&file)?.trim().into();
        Ok(Door { address: ground.listen, key })
    }

    async fn until_it_sees(&self) -> anyhow::Result<()> {
        let sees = async {
            loop {
                let status = self.client.status().await;
                if let Some(seen) = status.as_ref().ok().and_then(Status::from_tables) {
                    let priced = seen.prices.iter().any(|price| price.status == "primary");
                    let listening = seen.relays.iter().any(|relay| relay.connected);
                    if priced && listening && seen.inventory.height.is_some() {
                        return;
                    }
                }
                sleep(ASK_EVERY).await;
            }
        };
        timeout(WAIT_MAX, sees).await.context("the desk does not see prices, balances and the relay")
    }

    /// Memory that the process holds now, in KiB.
    pub(crate) fn resident_kib(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.split_whitespace().next().context("VmRSS is empty")?.parse()?)
    }

    /// Seconds that the process has spent on processors, in hundredths.
    pub(crate) fn cpu_centiseconds(&self) -> anyhow::Result<u64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        // The name in brackets may hold blanks; user and system time are the 12th and 13th after it.
        let (_, rest) = stat.rsplit_once(')').context("stat has no name")?;
        let ticks = rest.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
        ticks.sum::<Result<u64, _>>().context("stat has no times")
    }

    /// What the desk itself counted: what was left out, and what its log took.
    pub(crate) async fn counters(&self) -> anyhow::Result<Value> {
        let text = self.client.metrics().await?;
        let lines = text.lines().filter(|line| COUNTED.iter().any(|name| line.starts_with(name)));
        let pairs = lines.filter_map(|line| line.rsplit_once(' '));
        let numbers = pairs.map(|(name, value)| Ok((name.to_owned(), value.parse::<f64>()?.into())));
        Ok(numbers.collect::<anyhow::Result<serde_json::Map<_, _>>>()?.into())
    }

    /// Ends the desk in good order. The simulator stays, for its journal.
    pub(crate) async fn end(mut self) -> anyhow::Result<Running> {
        ended(&mut self.child).await?;
        Ok(self.simulator)
    }
}

impl Ground {
    fn write_config(&self, endpoints: &Endpoints) -> anyhow::Result<PathBuf> {
        let path = self.path().join("stele.toml");
        let data = std::path::absolute(self.data())?;
        let key = std::path::absolute(self.path().join("signing-key"))?;
        let text = settings::desk(&data, &self.socket.path().join("s"), &key, self.listen, endpoints)?;
        std::fs::write(&path, text)?;
        Ok(path)
    }

    fn last_words(&self) -> String {
        let said = std::fs::read_to_string(self.path().join("desk.jsonl")).unwrap_or_default();
        let lines: Vec<&str> = said.lines().rev().take(5).collect();
        format!("the desk said last:\n{}", lines.join("\n"))
    }
}

/// Ends a process in good order.
pub(crate) async fn ended(child: &mut Child) -> anyhow::Result<()> {
    let pid = child.id().context("the desk has ended before")?;
    // `Child::kill` would leave no time for the last checkpoint.
    Blocking::new("kill").arg("-TERM").arg(pid.to_string()).status()?;
    let ended = timeout(WAIT_MAX, child.wait()).await.context("the desk does not end")??;
    anyhow::ensure!(ended.success(), "the desk ended with {ended}");
    Ok(())
}

/// An address that was free a moment ago.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// A command of the desk's binary that sees nothing of the caller's own configuration.
pub(crate) fn bare(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("STELE") {
            command.env_remove(&name);
        }
    }
    command.kill_on_drop(true).stdin(Stdio::null());
    command
}

pub(crate) fn stele(place: &Place) -> anyhow::Result<PathBuf> {
    let beside = || Some(std::env::current_exe().ok()?.with_file_name("stele"));
    let path = place.stele.clone().or_else(beside).context("where is `stele`? Say it with --stele")?;
    anyhow::ensure!(path.is_file(), "{} is not there: cargo build --release -p stele", path.display());
    Ok(path)
}
