//! The person at the desk. Acts through the command line, as a person does, each with a reason; looks through the
//! typed client.

use super::desk::Desk;
use super::place::Place;
use crate::exit::{Code, Failure};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use stele_api::client::Client;
use stele_api::dto;
use stele_projections::compare::Dump;

/// How long the desk may take to carry out a wish.
const WISH_MAX: Duration = Duration::from_secs(30);

/// The operator.
pub(crate) struct Operator {
    client: Client,
    config: PathBuf,
}

impl Operator {
    /// An operator of the desk at a place.
    pub(crate) fn new(place: &Place) -> Self {
        Self { client: Client::unix(place.socket()), config: place.config_file() }
    }

    /// The desk's client.
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// Runs the command line: `stele` with these words.
    pub(crate) async fn does(&self, desk: &Desk, words: &[&str]) -> Result<(), Failure> {
        let mut command = desk.command();
        command.args(words).arg("--config").arg(&self.config).arg("--json");
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let said = shown(words);
        let output = tokio::time::timeout(WISH_MAX, command.output()).await;
        let output = output.map_err(|_| {
            Failure::new(Code::Unavailable, format!("`{said}` took longer than {} s", WISH_MAX.as_secs()))
        })?;
        let output = output.map_err(|error| Failure::error(&error))?;
        if output.status.success() {
            return Ok(());
        }
        let why = String::from_utf8_lossy(&output.stderr);
        Err(Failure::new(Code::Error, format!("`{said}` ended with {}: {}", output.status, why.trim())))
    }

    /// Whether the desk is ready for work.
    pub(crate) async fn ready(&self) -> bool {
        self.client.ready().await.is_ok_and(|ready| ready.ready)
    }

    /// The desk on one page, with everything up to a position in its tables.
    pub(crate) async fn status(&self, position: u64) -> Result<dto::Status, Failure> {
        Ok(self.client.at_least(position).status().await?)
    }

    /// A checkpoint that the desk signs now.
    pub(crate) async fn checkpoint(&self) -> Result<String, Failure> {
        let answer = self.client.checkpoint().await?;
        Ok(answer.checkpoint)
    }

    /// Every row of every live table at one position, not before `position`.
    pub(crate) async fn tables(&self, position: u64) -> Result<Dump, Failure> {
        Ok(self.client.at_least(position).proof().await?)
    }
}

/// A command line as a person would type it.
pub(crate) fn shown(words: &[&str]) -> String {
    let quoted =
        words.iter().map(|word| if word.contains(' ') { format!("\"{word}\"") } else { (*word).to_owned() });
    format!("stele {}", quoted.collect::<Vec<_>>().join(" "))
}
