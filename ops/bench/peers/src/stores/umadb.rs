//! UmaDB's core, in process: its storage and its own writer thread, fed by a channel as its server feeds it, with the
//! server's limits; no gRPC. It groups what waits under one commit. A stream is a tag; the expected version is an append
//! condition: nothing with that tag after the position of the writer's last event.

use crate::store::Store;
use anyhow::Context;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;
use stele_bench_drive::load::{EVENT_TYPE, PAYLOAD_BYTES, Subject};
use stele_bench_drive::pace::Following;
use tokio::sync::{mpsc, oneshot, watch};
use umadb_core::db::UmaDb;
use umadb_core::mvcc::{Mvcc, StorageOptions};
use umadb_core::writer_thread_blocking::writer_thread_blocking;
use umadb_core::writer_thread_request::WriterThreadRequest;
use umadb_dcb::{DcbAppendCondition, DcbEvent, DcbEventStoreSync, DcbQuery, DcbQueryItem};
use uuid::Uuid;

/// Requests that may wait, and events of one commit, as the server has them.
const QUEUE_MAX: usize = 1_024;
const GROUP_EVENTS_MAX: usize = 2_000;
/// Events of one page of a scan: what the server allows at most.
const PAGE: u32 = 5_000;

/// The storage and its writer.
pub struct UmaCore {
    storage: UmaDb,
    queue: mpsc::Sender<WriterThreadRequest>,
    head: watch::Receiver<Option<u64>>,
    thread: Option<JoinHandle<()>>,
}

/// One stream.
pub struct Writer {
    stream: String,
    number: u64,
    next: u64,
    last: Option<u64>,
}

impl Writer {
    /// At the beginning of stream `bench-NUMBER`.
    pub fn new(number: u64) -> Self {
        Self { stream: format!("bench-{number:04}"), number, next: 0, last: None }
    }

    /// The next events, and the condition that nobody else has written to the stream.
    pub fn offer(&mut self, batch: usize) -> (Vec<DcbEvent>, DcbAppendCondition) {
        let events = (0..batch)
            .map(|_| {
                let id = Uuid::from_u64_pair(self.number, self.next);
                self.next += 1;
                let event = DcbEvent::new().event_type(EVENT_TYPE).tags([self.stream.as_str()]);
                event.data(vec![b'x'; PAYLOAD_BYTES]).uuid(id)
            })
            .collect();
        (events, DcbAppendCondition::new(query(&self.stream)).after(self.last))
    }

    /// Notes where the last event is.
    pub fn kept(&mut self, last: u64) {
        self.last = Some(last);
    }
}

/// All events of a stream.
pub fn query(stream: &str) -> DcbQuery {
    DcbQuery::new().item(DcbQueryItem::new().tags([stream]))
}

impl Subject for UmaCore {
    type Writer = Writer;

    fn writer(&self, number: u64) -> anyhow::Result<Writer> {
        Ok(Writer::new(number))
    }

    async fn keep(&self, writer: &mut Writer, batch: usize) -> anyhow::Result<()> {
        let (events, condition) = writer.offer(batch);
        let (response_tx, answer) = oneshot::channel();
        let (condition, tracking_info, cancel) = (Some(condition), None, None);
        let request = WriterThreadRequest::Append { events, condition, tracking_info, response_tx, cancel };
        self.queue.send(request).await.ok().context("the writer has ended")?;
        writer.kept(answer.await.context("the writer has gone")??);
        Ok(())
    }
}

impl Store for UmaCore {
    fn open(directory: &Path) -> anyhow::Result<Self> {
        let mvcc = Arc::new(Mvcc::new(false, StorageOptions::default().db_path(directory))?);
        let storage = UmaDb::from_arc(Arc::clone(&mvcc));
        let (queue, requests) = mpsc::channel(QUEUE_MAX);
        let (told, head) = watch::channel(storage.head()?);
        let writing = move || writer_thread_blocking(mvcc, requests, told, GROUP_EVENTS_MAX);
        let thread = std::thread::Builder::new().name("umadb".to_owned()).spawn(writing)?;
        Ok(Self { storage, queue, head, thread: Some(thread) })
    }

    fn events(&self) -> anyhow::Result<u64> {
        Ok(self.storage.head()?.unwrap_or(0))
    }

    fn scan(&self) -> anyhow::Result<u64> {
        let (mut events, mut bytes, mut from) = (0, 0, 1);
        loop {
            let mut page = self.storage.read(None, Some(from), false, Some(PAGE))?;
            let page = page.next_batch()?;
            let Some(last) = page.last() else { break };
            from = last.position + 1;
            events += u64::try_from(page.len())?;
            let sizes = page.iter().map(|read| read.event.data.len() + read.event.event_type.len());
            bytes += sizes.sum::<usize>();
        }
        std::hint::black_box(bytes);
        Ok(events)
    }

    fn stream(&self, name: &str) -> anyhow::Result<usize> {
        let (events, _) = self.storage.read_with_head(Some(query(name)), None, false, None)?;
        Ok(events.len())
    }

    /// Waits for the head to move, as its server's subscriptions do, and reads what is new.
    fn follow(self: &Arc<Self>, events: u64, began: Instant) -> Option<Following> {
        let store = Arc::clone(self);
        let mut head = self.head.clone();
        let mut from = head.borrow_and_update().unwrap_or(0) + 1;
        Some(tokio::spawn(async move {
            let mut seen = vec![];
            while u64::try_from(seen.len())? < events {
                head.changed().await?;
                head.borrow_and_update();
                let mut page = store.storage.read(None, Some(from), false, Some(PAGE))?;
                let page = page.next_batch()?;
                let at = began.elapsed();
                seen.extend(page.iter().map(|_| at));
                from = page.last().map_or(from, |last| last.position + 1);
            }
            Ok(seen)
        }))
    }
}

impl Drop for UmaCore {
    /// Waits for the writer's end.
    fn drop(&mut self) {
        let _ = self.queue.try_send(WriterThreadRequest::Shutdown);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
