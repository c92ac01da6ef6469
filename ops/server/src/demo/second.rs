//! The demo's hold on the second process: started with a key of its own, asked at the end, and compared with what the files
//! of the log hold.

use super::desk::Desk;
use super::place::Place;
use super::seen::{Seen, Witness};
use crate::exit::{Code, Failure};
use crate::offline;
use crate::wiring::log_failure;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use stele_domain::port::event_log::{EventLog as _, Filter, Position};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Child;

/// How long it may take to see what the desk has written last, and to end.
const ANSWER_MAX: Duration = Duration::from_secs(20);
/// Records of one page.
const PAGE: usize = 4_096;

/// The words of the operator that make its key, without the file.
pub(crate) const KEY: [&str; 11] = [
    "keys",
    "create",
    "--role",
    "service",
    "--owner",
    "reader",
    "--process",
    "projections",
    "--reason",
    "a second process",
    "--out",
];

/// The second process.
pub(crate) struct Second {
    child: Child,
}

/// An address for the desk's door that was free a moment ago.
pub(crate) fn free_address() -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| Failure::error(&error))?;
    listener.local_addr().map_err(|error| Failure::error(&error))
}

impl Second {
    /// Starts it on the log behind an address.
    pub(crate) fn start(desk: &Desk, place: &Place, log: SocketAddr) -> Result<(Self, u32), Failure> {
        let mut command = desk.command();
        command.arg("demo").arg("--follow").arg(format!("http://{log}"));
        command.arg("--key-file").arg(place.second_key_file());
        // A group of its own: Ctrl-C is for the demo, whose end is the end of its standard input.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().map_err(|error| Failure::error(&error))?;
        let pid = child.id().unwrap_or_default();
        Ok((Self { child }, pid))
    }

    /// Asks what it has seen up to a record of the living desk. It ends with its answer.
    pub(crate) async fn asked(mut self, position: u64) -> Result<Seen, Failure> {
        if let Some(mut ask) = self.child.stdin.take() {
            let line = format!("{position}\n");
            ask.write_all(line.as_bytes()).await.map_err(|error| Failure::error(&error))?;
        }
        let output = tokio::time::timeout(ANSWER_MAX, self.child.wait_with_output()).await;
        let output = output.map_err(|_| {
            let seconds = ANSWER_MAX.as_secs();
            Failure::new(
                Code::Unavailable,
                format!("the second process did not see position {position} within {seconds} s"),
            )
        })?;
        let output = output.map_err(|error| Failure::error(&error))?;
        serde_json::from_slice(&output.stdout).map_err(|_| {
            let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Failure::new(Code::Error, format!("the second process ended with {}: {why}", output.status))
        })
    }
}

/// What the files of the log hold up to a record.
pub(crate) async fn kept(log: &Path, position: u64) -> Result<Seen, Failure> {
    offline::alone(log, async |log| {
        let (mut witness, mut next) = (Witness::default(), Position::START);
        while witness.position() < position {
            let page = log.read_all(next, &Filter::all(), PAGE).await.map_err(|error| log_failure(&error))?;
            let wanted = page.records.iter().take_while(|record| record.position.0 <= position);
            wanted.for_each(|record| witness.looks_at(record));
            if page.caught_up() {
                break;
            }
            next = page.next;
        }
        witness.up_to(position)
    })
    .await
}
