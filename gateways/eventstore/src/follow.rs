//! A live reading as the port has it: pages out of what a reading tells.

use crate::failure::unreachable;
use crate::readings::{Readings, Telling, Told, hangs};
use crate::record::page_bytes;
use std::time::Duration;
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::{APPEND_BYTES_MAX, Filter, Follow, LogError, Page, Position, Record};
use tokio::time::timeout;

/// Whoever waits looks so often whether there is still somebody who could tell.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// So many looks at which nothing had moved, and there is nobody. A machine that was stopped for a while counts as one look.
const LOOKS_MAX: u32 = 10;

/// A live reading of the server.
pub struct Following {
    readings: Readings,
    filter: Filter,
    telling: Option<Telling>,
    /// Heard, and for the next page.
    held: Option<Result<Told, LogError>>,
    next: Position,
    head: Position,
}

impl Following {
    pub fn new(readings: Readings, from: Position, filter: Filter) -> Self {
        let next = from.max(Position(1));
        Self { readings, filter, telling: None, held: None, next, head: Position::START }
    }

    async fn next_page(&mut self, limit: usize) -> Result<Page, LogError> {
        loop {
            let told = self.hear().await?;
            // Nothing is awaited between the first word of a page and its handing over, so nothing is lost when the
            // caller gives up.
            if let Some(page) = self.page(told, limit.max(1)) {
                return Ok(page);
            }
        }
    }

    /// Waits for the next word.
    async fn hear(&mut self) -> Result<Told, LogError> {
        let (mut beats, mut looks) = (self.readings.beats(), 0);
        loop {
            if let Some(held) = self.held.take() {
                return held;
            }
            let telling = if let Some(telling) = &mut self.telling {
                telling
            } else {
                let telling = self.readings.read(self.next, self.filter.clone()).await?;
                self.telling.insert(telling)
            };
            match timeout(LOOK_EVERY, telling.recv()).await {
                Ok(Some(told)) => return told,
                Ok(None) => {
                    self.telling = None;
                    return Err(unreachable("the reading has ended"));
                }
                Err(_) => {
                    let now = self.readings.beats();
                    looks = if now == beats { looks + 1 } else { 0 };
                    beats = now;
                    if looks == LOOKS_MAX {
                        return Err(hangs());
                    }
                }
            }
        }
    }

    /// A page of what has been told, if that is anything new.
    fn page(&mut self, first: Told, limit: usize) -> Option<Page> {
        let before = self.next;
        let mut records: Vec<Record> = vec![];
        let mut bytes = 0_usize;
        let mut told = Some(first);
        while let Some(news) = told.take() {
            match news {
                Told::Begun(head) => self.head = self.head.max(head),
                Told::Looked(at) => self.look(at),
                Told::CaughtUp(until) => self.look(until.unwrap_or(self.head)),
                Told::Record(record) => {
                    bytes = bytes.saturating_add(page_bytes(&record));
                    if bytes > APPEND_BYTES_MAX && !records.is_empty() {
                        self.held = Some(Ok(Told::Record(record)));
                        break;
                    }
                    self.look(record.position);
                    records.push(*record);
                    if records.len() == limit {
                        break;
                    }
                }
            }
            match self.telling.as_mut().map(Telling::try_recv) {
                Some(Ok(Ok(news))) => told = Some(news),
                Some(Ok(Err(error))) => self.held = Some(Err(error)),
                Some(Err(_)) | None => {}
            }
        }
        let page = Page { records, next: self.next, head: self.head };
        (!page.records.is_empty() || self.next > before).then_some(page)
    }

    /// Everything up to here was looked at.
    fn look(&mut self, at: Position) {
        self.next = self.next.max(at.next());
        self.head = self.head.max(at);
    }
}

impl Follow for Following {
    fn next(&mut self, limit: usize) -> PortFuture<'_, Result<Page, LogError>> {
        Box::pin(self.next_page(limit))
    }
}
