//! Stele's embedded log, with its defaults: one fdatasync for each group, every append's revision checked, records chained,
//! hashed into the tree, and indexed.

use crate::store::Store;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use stele_bench_drive::SystemClock;
use stele_bench_drive::load::{Subject, Writer};
use stele_bench_drive::pace::Following;
use stele_domain::port::event_log::{Direction, EventLog, Filter, Position, Revision, StreamId};
use stele_event_log::{EmbeddedLog, Options};
use tokio::runtime::Runtime;

/// Records of one page.
const PAGE: usize = 1_000;

/// The log, and a runtime for those of its readings that are asynchronous.
pub struct Stele {
    /// The log itself.
    pub log: Arc<EmbeddedLog>,
    runtime: Option<Runtime>,
}

impl Stele {
    /// Around a log that is open.
    pub fn of(log: EmbeddedLog) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        Ok(Self { log: Arc::new(log), runtime: Some(runtime) })
    }
}

impl Subject for Stele {
    type Writer = Writer;

    fn writer(&self, number: u64) -> anyhow::Result<Writer> {
        Writer::new(number)
    }

    async fn keep(&self, writer: &mut Writer, batch: usize) -> anyhow::Result<()> {
        self.log.keep(writer, batch).await
    }
}

impl Store for Stele {
    fn open(directory: &Path) -> anyhow::Result<Self> {
        let (log, _) = EmbeddedLog::open(directory, Options::new(Arc::new(SystemClock)))?;
        Self::of(log)
    }

    fn events(&self) -> anyhow::Result<u64> {
        Ok(self.log.stat().events)
    }

    /// Verifies checksums and decodes envelopes, without copying.
    fn scan(&self) -> anyhow::Result<u64> {
        let mut entries = self.log.entries(Position(1));
        let (mut events, mut bytes) = (0, 0);
        while let Some(chunk) = entries.next_blocking()? {
            for entry in chunk.entries() {
                let entry = entry?;
                events += 1;
                bytes += entry.data.len() + entry.stream.len() + entry.event_type.len();
            }
        }
        std::hint::black_box(bytes);
        Ok(events)
    }

    fn stream(&self, name: &str) -> anyhow::Result<usize> {
        let stream = StreamId::new(name)?;
        let read = self.log.read_stream(&stream, Revision(0), Direction::Forward, PAGE);
        let runtime = self.runtime.as_ref();
        let records = runtime.map(|runtime| runtime.block_on(read)).transpose()?;
        Ok(records.map_or(0, |records| records.len()))
    }

    fn follow(self: &Arc<Self>, events: u64, began: Instant) -> Option<Following> {
        // Positions have no gaps.
        let mut follow = self.log.follow(Position(self.log.stat().events).next(), Filter::all());
        Some(tokio::spawn(async move {
            let mut seen = vec![];
            while u64::try_from(seen.len())? < events {
                let page = follow.next(PAGE).await?;
                let at = began.elapsed();
                seen.extend(page.records.iter().map(|_| at));
            }
            Ok(seen)
        }))
    }
}

impl Drop for Stele {
    /// Closes the log, so that its directory is as a process that ends leaves it.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // What can't be closed has been said by an append before.
            let _ = runtime.block_on(self.log.close());
            runtime.shutdown_background();
        }
    }
}
