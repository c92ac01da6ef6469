//! What happened in a run, from the two accounts that can't be wrong: the simulator's journal of frames, and the
//! desk's own log. Both stamp with the clock of this machine.

use anyhow::Context;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use stele_bench_drive::SystemClock;
use stele_domain::codec;
use stele_domain::event::Event;
use stele_domain::intents::{self, intake};
use stele_domain::port::event_log::{EventLog, Filter, Position};
use stele_domain::time::Timestamp;
use stele_domain::trading::{self, account, strategy};
use stele_event_log::{EmbeddedLog, Options};
use stele_simulator::{Direction, Door, Handle};

/// Entries of the journal, and records of the log, that are read in one go.
const PAGE: usize = 4_096;

/// One quote's way; each moment is missing when it did not come to that.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Way {
    /// Its frame left the simulator.
    pub out: Option<Timestamp>,
    /// The commit with the request.
    pub received: Option<Timestamp>,
    /// The commit with the decision.
    pub decided: Option<Timestamp>,
    /// The commit that fixes the offer.
    pub started: Option<Timestamp>,
    /// The signed answer's frame reached the simulator.
    pub answered: Option<Timestamp>,
}

/// Every quote of a run, and how many records of each type the log has.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    pub ways: BTreeMap<String, Way>,
    pub records: BTreeMap<String, u64>,
    /// Reasons for not acting, and how often each was given.
    pub skipped: BTreeMap<String, u64>,
}

impl Evidence {
    /// Reads both accounts.
    pub(crate) async fn gather(simulator: &Handle, log: &Path) -> anyhow::Result<Self> {
        let mut evidence = Self::default();
        evidence.read_journal(simulator)?;
        evidence.read_log(log).await?;
        Ok(evidence)
    }

    /// How many records of a type the log has.
    pub(crate) fn count(&self, event_type: &str) -> u64 {
        self.records.get(event_type).copied().unwrap_or(0)
    }

    /// Microseconds from one moment of each way to another, of all that have both.
    pub(crate) fn spans(
        &self,
        from: fn(&Way) -> Option<Timestamp>,
        to: fn(&Way) -> Option<Timestamp>,
    ) -> crate::figures::Micros {
        let span = |way: &Way| Some(to(way)?.micros() - from(way)?.micros());
        self.ways.values().filter_map(span).collect()
    }

    fn way(&mut self, quote: &str) -> &mut Way {
        self.ways.entry(quote.to_owned()).or_default()
    }

    fn read_journal(&mut self, simulator: &Handle) -> anyhow::Result<()> {
        let mut from = 1;
        loop {
            let page = simulator.journal(from, PAGE, Some(Door::Relay));
            anyhow::ensure!(page.not_kept == 0, "the journal is full: {} entries are missing", page.not_kept);
            for entry in &page.entries {
                let Some(frame) = &entry.text else { continue };
                let frame: Value = serde_json::from_str(frame).context("a frame of the journal")?;
                match entry.direction {
                    Direction::Out => {
                        // Replies and statuses name no quote.
                        if let Some(quote) = frame.pointer("/params/data/quote_id").and_then(Value::as_str) {
                            self.way(quote).out.get_or_insert(entry.at);
                        }
                    }
                    Direction::In => {
                        if let Some(quote) = frame.pointer("/params/0/quote_id").and_then(Value::as_str) {
                            self.way(quote).answered.get_or_insert(entry.at);
                        }
                    }
                }
            }
            if page.next == from || page.next > page.written {
                return Ok(());
            }
            from = page.next;
        }
    }

    async fn read_log(&mut self, directory: &Path) -> anyhow::Result<()> {
        let (log, _) = EmbeddedLog::open(directory, Options::new(Arc::new(SystemClock)))?;
        let mut next = Position::START;
        loop {
            let page = log.read_all(next, &Filter::all(), PAGE).await?;
            for record in &page.records {
                *self.records.entry(record.event_type.to_string()).or_default() += 1;
                match codec::recorded(record) {
                    Ok(recorded) => self.note(&recorded.event, record.recorded_at),
                    // A snapshot.
                    Err(error) if error.is_foreign() => {}
                    Err(error) => return Err(error.into()),
                }
            }
            if page.caught_up() {
                return Ok(log.close().await?);
            }
            next = page.next;
        }
    }

    fn note(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::Intents(intents::event::Event::Intake(intake::Event::QuoteReceived(quote))) => {
                self.way(quote.quote_id.as_str()).received.get_or_insert(at);
            }
            Event::Trading(trading::event::Event::Strategy(strategy::Event::Decided(decided))) => {
                self.way(decided.quote_id.as_str()).decided.get_or_insert(at);
                if let strategy::event::Verdict::Skip { reason } = decided.verdict {
                    *self.skipped.entry(format!("{reason:?}")).or_default() += 1;
                }
            }
            Event::Trading(trading::event::Event::Account(account::Event::SubmissionStarted(started))) => {
                self.way(started.quote_id.as_str()).started.get_or_insert(at);
            }
            Event::Market(_)
            | Event::Intents(_)
            | Event::Treasury(_)
            | Event::Trading(_)
            | Event::Operations(_)
            | Event::Access(_) => {}
        }
    }
}
