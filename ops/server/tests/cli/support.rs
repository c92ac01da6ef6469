//! Runs the binary, and a simulated world to run it against.

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use stele_simulator::{
    AccountOptions, Balance, ChainOptions, EURE, Handle, NBTC, Options, Outcome, RelayOptions, Running,
    ScriptedQuote, Simulator, Traffic,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// The key of the first published NEP-413 vector: known to everybody, worth nothing.
pub const SECRET: &str =
    "65AhN8T9wKtKbSJEp4tw2q6TVdPpZe4Mms4nRq13mbKzAGEsUduRdtqhaUEdWqQr5RGU8ndPNzNYEREdRegz1MQt";
/// Its public half.
pub const PUBLIC: &str = "ed25519:H5LgUS6cYWqYxeZooUfm1W6GYkqVKnzozVTmfDFthhCU";
/// The desk's account.
pub const ACCOUNT: &str = "paper-desk.near";
/// Longest wait for anything. A test that needs it is broken; a slow machine is not.
const PATIENCE: Duration = Duration::from_mins(1);

/// How a run of the binary ended.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// The answer as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }

    /// Whether standard error says all of these.
    #[track_caller]
    pub fn complains(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is missing in {}", self.stderr);
        }
        assert_eq!(self.stdout, "", "answers and complaints are mixed");
        self
    }
}

impl Run {
    /// Whether standard error says all of these, whatever was answered before.
    #[track_caller]
    pub fn complains_of(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is missing in {}", self.stderr);
        }
        self
    }
}

/// The binary with these arguments, in a directory, with nothing of Stele's in its environment.
pub fn command(directory: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stele"));
    command.args(args).current_dir(directory).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("STELE_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs the binary to its end.
pub fn stele(directory: &Path, args: &[&str]) -> Run {
    run(command(directory, args))
}

/// Runs a prepared command to its end.
pub fn run(mut command: Command) -> Run {
    let output = command.output().unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A simulated world and a directory with a configuration that points at it.
pub struct World {
    pub directory: TempDir,
    simulator: Option<Running>,
    runtime: Runtime,
}

impl World {
    /// A quiet world in which the account exists, has coin, and knows the key.
    pub fn quiet() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let balances = vec![Balance::new(NBTC, 100_000_000), Balance::new(EURE, 50_000 * 10_u128.pow(18))];
        let account =
            AccountOptions { account_id: ACCOUNT.to_owned(), public_keys: vec![PUBLIC.to_owned()], balances };
        let options = Options {
            accounts: vec![account],
            traffic: Traffic::quiet(),
            chain: ChainOptions { block_ms: 100, ..ChainOptions::default() },
            relay: RelayOptions { settlement_ms: (50, 100), ..RelayOptions::default() },
            ..Options::default()
        };
        let simulator = runtime.block_on(Simulator::start(options)).unwrap();
        let world = Self { directory: tempfile::tempdir().unwrap(), simulator: Some(simulator), runtime };
        world.configure("");
        world
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn handle(&self) -> Handle {
        self.simulator.as_ref().unwrap().handle()
    }

    /// Writes `stele.toml` with more lines in its `[account]` section.
    pub fn configure(&self, account: &str) {
        let at = self.simulator.as_ref().unwrap().endpoints();
        let text = format!(
            "[account]\nid = \"{ACCOUNT}\"\n{account}\n\
             [desk]\ninstance = \"test\"\n\
             [api]\nlisten = \"127.0.0.1:0\"\n\
             [relay]\nurl = \"{}\"\n\
             [verifier]\nurls = [\"{}\", \"{}\"]\npoll_ms = 300\n\
             [market]\ntick_ms = 100\n\
             [market.kraken]\nws_url = \"{}\"\nrest_url = \"{}\"\n\
             [market.coin_gecko]\nurl = \"{}\"\n",
            at.relay_ws, at.near, at.near2, at.kraken_ws, at.kraken_rest, at.coingecko
        );
        std::fs::write(self.path().join("stele.toml"), text).unwrap();
    }

    /// Writes the key into a file that only its owner can read, and configures it.
    pub fn with_key(self) -> Self {
        self.key_file(&format!("ed25519:{SECRET}"), 0o600);
        self.configure("signing_key_file = \"key\"");
        self
    }

    pub fn key_file(&self, text: &str, mode: u32) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.path().join("key");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    /// Runs the binary in this world.
    pub fn stele(&self, args: &[&str]) -> Run {
        stele(self.path(), args)
    }

    /// Starts a desk and waits until it says that it is ready.
    pub fn serve(&self) -> Desk {
        let mut desk = Desk::start(command(self.path(), &["serve"]));
        desk.logged("desk.ready");
        desk
    }

    /// The same on another data directory.
    pub fn serve_on(&self, data: &Path) -> Desk {
        let mut desk = Desk::start(command(self.path(), &["serve", "--data", data.to_str().unwrap()]));
        desk.logged("desk.ready");
        desk
    }

    /// Makes a key on the desk's own machine; the file that holds it.
    pub fn key(&self, role: &str, owner: &str) -> PathBuf {
        let path = self.path().join(format!("{role}-{owner}.key"));
        let out = path.to_str().unwrap();
        self.stele(&["keys", "create", "--role", role, "--owner", owner, "--out", out]).exits(0);
        path
    }

    /// A taker who gives BTC and takes the desk's offer, whatever it is.
    pub fn taker_gives_btc(&self, satoshi: u128) -> String {
        let _inside = self.runtime.enter();
        let quote = ScriptedQuote::exact_in(NBTC, EURE, satoshi, Outcome::DeskWins);
        self.handle().quote(quote).unwrap()
    }

    /// Limits under which a paper desk can trade.
    pub fn set_limits(&self) {
        let set = [
            "limits",
            "set",
            "--from-config",
            "notional_max=1000",
            "buy_base_open_max=3000",
            "cooldown_ms=0",
        ];
        self.stele(&[&set[..], &["--reason", "paper trading"]].concat()).exits(0);
    }

    /// Waits until the desk hears the relay, knows its balances and has a price.
    pub fn awake(&self) {
        self.until(&["status", "--json"], |run| {
            let status: Value = serde_json::from_str(&run.stdout).unwrap_or_default();
            status["relays"][0]["connected"] == true
                && status["inventory"]["height"].is_number()
                && status["prices"][0]["status"] == "primary"
        });
    }

    /// Asks the desk's door as any HTTP client would; the whole answer.
    pub fn get(&self, path: &str) -> String {
        Self::get_from(&self.path().join("stele-data"), path)
    }

    /// The same of the desk of another data directory.
    pub fn get_from(data: &Path, path: &str) -> String {
        let mut socket = UnixStream::connect(data.join("stele.sock")).unwrap();
        write!(socket, "GET {path} HTTP/1.1\r\nhost: desk\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Waits for an event of a type on the log; the event.
    pub fn event(&self, event_type: &str) -> Value {
        let args = ["log", "tail", "--follow", "--json", "-n", "1", "--type", event_type];
        let mut child =
            command(self.path(), &args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (sender, line) = channel();
        let stdout = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(stdout).read_line(&mut line);
            let _ = sender.send(read.map(|_| line));
        });
        let line = line.recv_timeout(PATIENCE);
        let _ = child.kill();
        let _ = child.wait();
        let line = line.unwrap_or_else(|_| panic!("no {event_type} came")).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// Asks again until the answer is as wanted.
    pub fn until(&self, args: &[&str], wanted: impl Fn(&Run) -> bool) -> Run {
        let began = Instant::now();
        loop {
            let run = self.stele(args);
            if wanted(&run) {
                return run;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "{args:?} never answered as wanted: {}{}",
                run.stdout,
                run.stderr
            );
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(simulator) = self.simulator.take() {
            self.runtime.block_on(simulator.shutdown());
        }
    }
}

/// A running desk. It is killed when it is dropped.
pub struct Desk {
    child: Child,
    lines: Receiver<String>,
    /// Every line so far.
    pub said: Vec<String>,
}

impl Desk {
    /// Starts a prepared command.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let stderr = child.stderr.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines, said: vec![] }
    }

    /// Waits for a log line with this event; the line.
    pub fn logged(&mut self, event: &str) -> Value {
        let began = Instant::now();
        loop {
            let left = PATIENCE.saturating_sub(began.elapsed());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.said.push(line.clone());
                    let line: Value = serde_json::from_str(&line).unwrap_or_default();
                    if line.get("event").and_then(Value::as_str) == Some(event) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("the desk never said {event}; it said:\n{}", self.said.join("\n"));
                }
            }
        }
    }

    /// Where it listens, as it has said.
    pub fn server(&self) -> String {
        let lines = self.said.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut opened = lines.filter(|line| line["event"] == "api.listening");
        let address =
            opened.next().unwrap_or_else(|| panic!("no port was opened:\n{}", self.said.join("\n")));
        format!("http://{}", address["address"].as_str().unwrap())
    }

    /// Runs the binary against the port of this desk, away from its data.
    pub fn remote(&self, args: &[&str], key: Option<&Path>) -> Run {
        let away = tempfile::tempdir().unwrap();
        let server = self.server();
        let mut args = [args, &["--server", &server]].concat();
        if let Some(key) = key {
            args.extend(["--key-file", key.to_str().unwrap()]);
        }
        stele(away.path(), &args)
    }

    /// Sends a signal and waits for the end: the exit code, and how long it took.
    pub fn signalled(&mut self, signal: &str) -> (i32, Duration) {
        let began = Instant::now();
        let sent =
            Command::new("sh").args(["-c", &format!("kill -{signal} {}", self.child.id())]).status().unwrap();
        assert!(sent.success());
        (self.ended(), began.elapsed())
    }

    /// Waits for the end and reads what is left to read; the exit code, -1 after a signal.
    pub fn ended(&mut self) -> i32 {
        // The pipe closes when the process ends, so reading to the end is waiting for it.
        let began = Instant::now();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE.saturating_sub(began.elapsed())) {
            self.said.push(line);
        }
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
