//! A log that this process may read and not write.

use std::sync::Arc;
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::{
    Appended, Direction, EventLog, Expected, Filter, Follow, LogError, MultiStream, NewRecord, Page,
    Position, Record, Revision, StreamId,
};

pub struct Closed(pub Arc<dyn EventLog>);

impl EventLog for Closed {
    fn append<'a>(
        &'a self,
        stream: &'a StreamId,
        _: Expected,
        _: Vec<NewRecord>,
    ) -> PortFuture<'a, Result<Appended, LogError>> {
        Box::pin(async move { Err(LogError::Denied(format!("{stream} is not this process's"))) })
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamId,
        from: Revision,
        direction: Direction,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<Record>, LogError>> {
        self.0.read_stream(stream, from, direction, limit)
    }

    fn read_all<'a>(
        &'a self,
        from: Position,
        filter: &'a Filter,
        limit: usize,
    ) -> PortFuture<'a, Result<Page, LogError>> {
        self.0.read_all(from, filter, limit)
    }

    fn head(&self) -> PortFuture<'_, Result<Position, LogError>> {
        self.0.head()
    }

    fn follow(&self, from: Position, filter: Filter) -> Box<dyn Follow> {
        self.0.follow(from, filter)
    }

    fn multi_stream(&self) -> Option<&dyn MultiStream> {
        None
    }
}
