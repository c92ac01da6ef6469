//! tephra, in process, as its documentation has it: the coordinator groups appends under one fsync by itself (its defaults:
//! 2,048 requests or 8 MiB), segments of 256 MiB. A stream is a tag; the expected version is an append condition: nothing
//! with that tag after the position of the writer's last event.

use crate::store::Store;
use anyhow::Context;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use stele_bench_drive::load::{EVENT_TYPE, PAYLOAD_BYTES, Subject};
use stele_bench_drive::pace::Following;
use tephra::{
    AppendCondition, Event, EventType, Position, Query, QueryItem, SegmentConfig, SegmentSet, Tag, Tags,
    WriteCoordinator, WriteHandle, WriterConfig,
};

const SEGMENT_BYTES: usize = 256 * 1024 * 1024;

/// The coordinator and its handle.
pub struct Tephra {
    // Before the coordinator, which waits for its writer's end.
    handle: WriteHandle,
    _coordinator: WriteCoordinator,
}

/// One stream.
pub struct Writer {
    event_type: EventType,
    tags: Tags,
    payload: Vec<u8>,
    last: Position,
}

fn tags(stream: &str) -> anyhow::Result<Tags> {
    Ok(Tags::new([Tag::new(format!("stream:{stream}"))?])?)
}

impl Subject for Tephra {
    type Writer = Writer;

    fn writer(&self, number: u64) -> anyhow::Result<Writer> {
        Ok(Writer {
            event_type: EventType::new(EVENT_TYPE)?,
            tags: tags(&format!("bench-{number:04}"))?,
            payload: vec![b'x'; PAYLOAD_BYTES],
            last: Position::ZERO,
        })
    }

    async fn keep(&self, writer: &mut Writer, batch: usize) -> anyhow::Result<()> {
        let events = (0..batch)
            .map(|_| Event::new(&writer.event_type, &writer.tags, &writer.payload))
            .collect::<Result<Vec<_>, _>>()?;
        let query = Query::item(QueryItem::with_tags(writer.tags.clone()));
        let condition = AppendCondition::new(query).after(writer.last);
        writer.last = self.handle.append_async(events, Some(condition)).await?.last;
        Ok(())
    }
}

impl Store for Tephra {
    fn open(directory: &Path) -> anyhow::Result<Self> {
        let set = SegmentSet::open(directory, SegmentConfig::new(SEGMENT_BYTES))?;
        let (coordinator, handle) = WriteCoordinator::start(set, WriterConfig::default())?;
        Ok(Self { handle, _coordinator: coordinator })
    }

    fn events(&self) -> anyhow::Result<u64> {
        Ok(self.handle.head().get())
    }

    fn scan(&self) -> anyhow::Result<u64> {
        let mut reads = self.handle.read(&Query::all(), Position::ZERO, None);
        let (mut events, mut bytes) = (0, 0);
        while let Some(read) = reads.next() {
            let read = read?;
            events += 1;
            bytes += read.event.data().len() + read.event.event_type().len();
            bytes += read.event.tags().map(str::len).sum::<usize>();
        }
        std::hint::black_box(bytes);
        Ok(events)
    }

    fn stream(&self, name: &str) -> anyhow::Result<usize> {
        let query = Query::item(QueryItem::with_tags(tags(name)?));
        Ok(self.handle.read(&query, Position::ZERO, None).collect_owned()?.len())
    }

    /// A subscription on a thread of its own, as it blocks.
    fn follow(self: &Arc<Self>, events: u64, began: Instant) -> Option<Following> {
        let mut subscription = self.handle.subscribe(Query::all(), self.handle.head());
        Some(tokio::task::spawn_blocking(move || {
            let mut seen = vec![];
            while u64::try_from(seen.len())? < events {
                let batch = subscription.next_batch().context("the subscription has ended")??;
                let at = began.elapsed();
                seen.extend(batch.iter().map(|_| at));
            }
            Ok(seen)
        }))
    }
}
