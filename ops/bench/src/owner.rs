//! A process that owns a log and does nothing else: `stele serve` with its doors open, on a directory that is there
//! already. What a run measures goes through the doors as they are shipped, keys included.

use crate::desk::{bare, ended, free_address, stele};
use crate::{Place, text};
use anyhow::Context;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use stele_api::client::Client;
use tempfile::TempDir;
use tokio::process::Child;
use tokio::time::{sleep, timeout};

/// How long it may take until it is ready.
const WAIT_MAX: Duration = Duration::from_secs(40);
/// How often it is asked meanwhile.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// Whose directory it is, and where its doors will be.
pub(crate) struct Grounds {
    directory: TempDir,
    /// Apart from the rest, because a socket's path must be short.
    socket: TempDir,
    /// `stele.log.v1`, among others.
    pub(crate) api: SocketAddr,
    /// The KurrentDB protocol.
    pub(crate) kurrent: SocketAddr,
}

impl Grounds {
    /// Makes a directory on the disk that is measured.
    pub(crate) fn make(place: &Place) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&place.disk)?;
        let mut directory = tempfile::Builder::new().prefix("bench-doors-").tempdir_in(&place.disk)?;
        directory.disable_cleanup(place.keep);
        let socket = tempfile::Builder::new().prefix("stele-").tempdir()?;
        let grounds = Self { directory, socket, api: free_address()?, kurrent: free_address()? };
        std::fs::write(grounds.config(), grounds.settings()?)?;
        Ok(grounds)
    }

    fn config(&self) -> PathBuf {
        self.directory.path().join("stele.toml")
    }

    /// Where its log is.
    pub(crate) fn log(&self) -> PathBuf {
        self.directory.path().join("desk").join("log")
    }

    fn settings(&self) -> anyhow::Result<String> {
        let data = std::path::absolute(self.directory.path().join("desk"))?;
        let (data, socket) = (text(&data)?, self.socket.path().join("s"));
        let (socket, api, kurrent) = (text(&socket)?, self.api, self.kurrent);
        Ok(format!(
            "[desk]\ninstance = \"bench\"\ndata_dir = '{data}'\nsocket = '{socket}'\n\n\
             [account]\nid = \"bench-desk.near\"\n\n\
             [api]\nlisten = \"{api}\"\n\n\
             [kurrent]\nlisten = \"{kurrent}\"\ncategories = [\"*\"]\n\n\
             [telemetry]\nformat = \"json\"\nlevel = \"warn\"\n",
        ))
    }

    /// A key of a process with these roles, made while nothing runs.
    pub(crate) async fn key(&self, place: &Place, processes: &str) -> anyhow::Result<String> {
        let file = self.directory.path().join(format!("{processes}.key"));
        let told = bare(&stele(place)?)
            .args(["keys", "create", "--role", "service", "--owner", processes, "--process", processes])
            .args(["--label", "benchmark", "--reason", "benchmark", "--out"])
            .arg(&file)
            .arg("--config")
            .arg(self.config())
            .output()
            .await?;
        let said = String::from_utf8_lossy(&told.stderr).into_owned();
        anyhow::ensure!(told.status.success(), "stele keys create: {said}");
        Ok(std::fs::read_to_string(&file)?.trim().to_owned())
    }

    /// Starts it and waits until it answers.
    pub(crate) async fn start(&self, place: &Place) -> anyhow::Result<Owner> {
        let words = self.directory.path().join("desk.jsonl");
        let mut command = bare(&stele(place)?);
        command.args(["serve", "--roles", "alerts", "--config"]).arg(self.config());
        command.stdout(Stdio::null()).stderr(File::create(&words)?);
        let owner = Owner { child: command.spawn().context("stele does not start")? };
        let client = Client::unix(self.socket.path().join("s"));
        let answers = async {
            while client.log_stat().await.is_err() {
                sleep(ASK_EVERY).await;
            }
        };
        timeout(WAIT_MAX, answers).await.with_context(|| last_words(&words))?;
        Ok(owner)
    }
}

/// The process.
pub(crate) struct Owner {
    child: Child,
}

impl Owner {
    /// Ends it in good order.
    pub(crate) async fn end(mut self) -> anyhow::Result<()> {
        ended(&mut self.child).await
    }
}

fn last_words(path: &Path) -> String {
    let said = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = said.lines().rev().take(5).collect();
    format!("the owner of the log does not answer; it said last:\n{}", lines.join("\n"))
}
