//! Answers that go on: one JSON value per line.

use super::ClientError;
use super::transport::Streaming;
use crate::dto::{FollowLine, ProofLine};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use std::time::Duration;
use stele_domain::port::event_log::Position;
use stele_projections::compare::{Dump, DumpPage, DumpRow};

/// Longest line: 64 MiB. An append has at most 16 MiB, and base64 makes more of it.
const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// A desk that says nothing for this long is gone: it sends a heartbeat every five seconds.
const SILENCE_MAX: Duration = Duration::from_secs(20);

/// Lines as they come in.
#[derive(Debug)]
pub(super) struct Lines {
    streaming: Streaming,
    buffer: Vec<u8>,
    /// Up to here the buffer holds no line break.
    searched: usize,
}

/// A followed log.
#[derive(Debug)]
pub struct Follow {
    lines: Lines,
    ended: bool,
}

impl Follow {
    pub(super) fn new(streaming: Streaming) -> Self {
        Self { lines: Lines::new(streaming), ended: false }
    }

    /// The next line; `None` after the desk has ended the stream in good order. Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// [`ClientError::Lost`] when the desk is gone: follow again from after the last event.
    pub async fn next(&mut self) -> Result<Option<FollowLine>, ClientError> {
        if self.ended {
            return Ok(None);
        }
        let Some(line) = self.lines.next::<FollowLine>().await? else {
            return Err(self.lines.lost("the stream ended without a word".to_owned()));
        };
        self.ended = matches!(line, FollowLine::Closing { .. } | FollowLine::Failed { .. });
        Ok(Some(line))
    }
}

impl Lines {
    pub(super) fn new(streaming: Streaming) -> Self {
        Self { streaming, buffer: Vec::new(), searched: 0 }
    }

    /// The next line as JSON; `None` at the end.
    async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, ClientError> {
        let Some(line) = self.line().await? else { return Ok(None) };
        serde_json::from_slice(&line).map(Some).map_err(|error| self.misunderstood(&error))
    }

    /// The next line as text, without its end; `None` at the end.
    pub(super) async fn text(&mut self) -> Result<Option<String>, ClientError> {
        let Some(line) = self.line().await? else { return Ok(None) };
        let text = String::from_utf8(line).map_err(|error| self.misunderstood(&error))?;
        Ok(Some(text.trim_end_matches(['\n', '\r']).to_owned()))
    }

    async fn line(&mut self) -> Result<Option<Vec<u8>>, ClientError> {
        loop {
            let fresh = self.buffer.get(self.searched..).unwrap_or_default();
            if let Some(at) = fresh.iter().position(|byte| *byte == b'\n') {
                let end = self.searched.saturating_add(at);
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                self.searched = 0;
                return Ok(Some(line));
            }
            self.searched = self.buffer.len();
            if self.buffer.len() > LINE_BYTES_MAX {
                return Err(self.lost(format!("a line has more than {LINE_BYTES_MAX} bytes")));
            }
            match tokio::time::timeout(SILENCE_MAX, self.streaming.body.frame()).await {
                Err(_) => return Err(self.lost(format!("silent for {} s", SILENCE_MAX.as_secs()))),
                Ok(None) => return Ok(None),
                Ok(Some(Err(error))) => return Err(self.lost(error.to_string())),
                Ok(Some(Ok(frame))) => {
                    if let Some(data) = frame.data_ref() {
                        self.buffer.extend_from_slice(data);
                    }
                }
            }
        }
    }

    /// Puts the pages of a proof together.
    pub(super) async fn proof(mut self) -> Result<Dump, ClientError> {
        let mut dump = Dump::default();
        while let Some(line) = self.next::<ProofLine>().await? {
            match line {
                ProofLine::Page(page) => {
                    let rows =
                        page.rows.into_iter().map(|row| DumpRow { key: row.key, row: row.row }).collect();
                    let (table, position) = (page.table, Position(page.position));
                    let page =
                        DumpPage { table, position, cut_rows: page.cut_rows, rows, next: page.next_cursor };
                    dump.add(page).map_err(|error| self.misunderstood(&error))?;
                }
                ProofLine::End { .. } => return Ok(dump),
                ProofLine::Failed { detail } => return Err(self.lost(detail)),
            }
        }
        Err(self.lost("the proof ended without its end".to_owned()))
    }

    pub(super) fn lost(&self, what: String) -> ClientError {
        ClientError::Lost { desk: self.streaming.desk.to_string(), what }
    }

    pub(super) fn misunderstood(&self, error: &dyn std::error::Error) -> ClientError {
        ClientError::Protocol { desk: self.streaming.desk.to_string(), what: error.to_string() }
    }
}
