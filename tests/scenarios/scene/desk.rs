//! The desk's process: the real binary, started, ended and killed.

use super::binary::binary;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Lines of the desk's words that a failure shows.
const LAST_WORDS: usize = 12;

/// The desk's process. It is killed when this is dropped.
pub struct Desk {
    config: PathBuf,
    words: PathBuf,
    child: Option<Child>,
}

impl Desk {
    pub(super) fn new(config: PathBuf, words: PathBuf) -> Self {
        Self { config, words, child: None }
    }

    /// The configuration that it runs on.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Starts the process with these roles; all when none is named.
    pub fn start(&mut self, roles: &[&str]) {
        let words =
            OpenOptions::new().create(true).append(true).open(&self.words).expect("a file for its words");
        let mut command = stele();
        command.arg("serve").arg("--config").arg(&self.config);
        if !roles.is_empty() {
            command.arg("--roles").arg(roles.join(","));
        }
        let child = command.stdout(Stdio::null()).stderr(words).spawn().expect("the binary");
        self.child = Some(child);
    }

    /// Whether the process that was started has not ended.
    pub fn runs(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Waits for it to end by itself; its exit code.
    pub async fn ended(&mut self) -> Option<i32> {
        let mut child = self.child.take().expect("a process");
        let status = timeout(super::DEADLINE, child.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("it did not end\n{}", self.last_words()));
        status.expect("a status").code()
    }

    /// Kills it with SIGKILL.
    pub async fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().await.expect("a process to kill");
        }
    }

    /// Ends it with SIGTERM, in good order.
    pub async fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let pid =
            child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw).expect("its number");
        kill_process(pid, Signal::TERM).expect("a process to end");
        let status = timeout(super::DEADLINE, child.wait()).await.expect("an end in time").expect("a status");
        assert!(status.success(), "it ended with {status}\n{}", self.last_words());
    }

    /// What it said last.
    pub fn last_words(&self) -> String {
        let words = std::fs::read(&self.words).unwrap_or_default();
        let words = String::from_utf8_lossy(&words);
        let lines: Vec<&str> = words.lines().collect();
        lines[lines.len().saturating_sub(LAST_WORDS)..].join("\n")
    }

    /// All that it said.
    pub fn words(&self) -> String {
        std::fs::read_to_string(&self.words).unwrap_or_default()
    }
}

/// Runs the binary with these arguments until it ends by itself.
pub async fn run_to_end(arguments: &[&str]) -> Output {
    let output = stele().args(arguments).output();
    timeout(super::DEADLINE, output).await.expect("an end in time").expect("the binary")
}

/// The binary, which sees nothing of the caller's own settings.
fn stele() -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy().to_ascii_uppercase();
        if text.starts_with("STELE") || text.ends_with("_PROXY") || text == "DATABASE_URL" {
            command.env_remove(&name);
        }
    }
    command.kill_on_drop(true).stdin(Stdio::null());
    command
}
