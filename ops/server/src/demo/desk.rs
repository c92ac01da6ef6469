//! The desk as a child process: started, killed, told to end, and watched.

use super::place::Place;
use crate::exit::{Code, Failure};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};

/// How long a desk that is told to end may take; it gives itself 25 seconds.
const END_MAX: Duration = Duration::from_secs(30);
/// Bytes of what the desk said last that are shown when it ends by itself.
const LAST_WORDS: usize = 4_096;

/// The only variables of the caller that the desk sees. Any other could point it at a real venue, at a real
/// database, or its connections elsewhere.
const KEPT: [&str; 8] = ["PATH", "HOME", "USER", "TMPDIR", "TZ", "LANG", "LD_LIBRARY_PATH", "RUST_BACKTRACE"];

/// The desk's process.
pub(crate) struct Desk {
    binary: PathBuf,
    config: PathBuf,
    words: PathBuf,
    child: Option<Child>,
}

impl Desk {
    /// A desk that is not running yet.
    pub(crate) fn new(place: &Place) -> Result<Self, Failure> {
        let binary = std::env::current_exe().map_err(|error| Failure::error(&error))?;
        Ok(Self { binary, config: place.config_file(), words: place.desk_log(), child: None })
    }

    /// A command of the same binary that sees nothing of the caller's own configuration.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.env_clear();
        command.envs(KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.kill_on_drop(true).stdin(Stdio::null());
        command
    }

    /// Starts the process; it is ready later.
    pub(crate) fn start(&mut self) -> Result<u32, Failure> {
        let words = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.words);
        let words = words.map_err(|error| Failure::error(&error))?;
        let mut command = self.command();
        // A group of its own: Ctrl-C is for the demo, which ends the desk in good order.
        command.process_group(0).stdout(Stdio::null()).stderr(words);
        command.arg("serve").arg("--config").arg(&self.config);
        // The main thread starts it, and lives as long as the process: a killed demo leaves no desk behind.
        command.arg("--child-of").arg(std::process::id().to_string());
        let child = command.spawn().map_err(|error| Failure::error(&error))?;
        let pid = child.id().unwrap_or_default();
        self.child = Some(child);
        Ok(pid)
    }

    /// Whether it runs, as far as is known.
    pub(crate) fn runs(&self) -> bool {
        self.child.is_some()
    }

    /// Returns when the process has ended by itself; never while none runs.
    pub(crate) async fn ended(&mut self) -> Failure {
        let Some(child) = &mut self.child else { return std::future::pending().await };
        let status = child.wait().await;
        self.child = None;
        self.died(status.ok())
    }

    /// Kills it with SIGKILL: it has no time for anything.
    pub(crate) async fn kill(&mut self) -> Result<(), Failure> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        child.kill().await.map_err(|error| Failure::error(&error))
    }

    /// Tells it to end with SIGTERM, and waits until it has.
    pub(crate) async fn end(&mut self) -> Result<(), Failure> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            kill_process(pid, Signal::TERM).map_err(|error| Failure::error(&error))?;
        }
        match tokio::time::timeout(END_MAX, child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(status) => Err(self.died(status.ok())),
            Err(_) => {
                // It is taken down below, by the drop.
                let seconds = END_MAX.as_secs();
                Err(Failure::new(Code::Error, format!("the desk did not end within {seconds} s of SIGTERM")))
            }
        }
    }

    fn died(&self, status: Option<ExitStatus>) -> Failure {
        let how = status.map_or_else(|| "ended".to_owned(), |status| format!("ended with {status}"));
        Failure::new(
            Code::Error,
            format!("the desk's process {how} by itself. Its last words:\n{}", self.last_words()),
        )
    }

    fn last_words(&self) -> String {
        let bytes = std::fs::read(&self.words).unwrap_or_default();
        let last = bytes.get(bytes.len().saturating_sub(LAST_WORDS)..).unwrap_or_default();
        let text = String::from_utf8_lossy(last);
        // The first line of the piece may be cut.
        let lines: Vec<&str> = text.lines().collect();
        let shown = lines.get(lines.len().saturating_sub(5)..).unwrap_or_default();
        shown.join("\n")
    }
}
