//! A log that is away when a test says so: for its readers, those included who follow it.

use std::sync::Arc;
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::{
    Appended, Direction, EventLog, Expected, Filter, Follow, LogError, MultiStream, NewRecord,
    Page as LogPage, Position, Record, Revision, StreamId,
};
use tokio::sync::watch;

/// A log that is away when the test says so.
pub struct Distant {
    pub log: Arc<dyn EventLog>,
    pub away: watch::Sender<bool>,
    /// How often a reading was interrupted.
    pub interrupted: watch::Sender<u32>,
}

impl Distant {
    fn here(&self) -> Result<(), LogError> {
        if *self.away.borrow() { Err(LogError::Unreachable("the line is dead".into())) } else { Ok(()) }
    }
}

impl EventLog for Distant {
    fn append<'a>(
        &'a self,
        stream: &'a StreamId,
        expected: Expected,
        records: Vec<NewRecord>,
    ) -> PortFuture<'a, Result<Appended, LogError>> {
        self.log.append(stream, expected, records)
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamId,
        from: Revision,
        direction: Direction,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<Record>, LogError>> {
        Box::pin(async move {
            self.here()?;
            self.log.read_stream(stream, from, direction, limit).await
        })
    }

    fn read_all<'a>(
        &'a self,
        from: Position,
        filter: &'a Filter,
        limit: usize,
    ) -> PortFuture<'a, Result<LogPage, LogError>> {
        Box::pin(async move {
            self.here()?;
            self.log.read_all(from, filter, limit).await
        })
    }

    fn head(&self) -> PortFuture<'_, Result<Position, LogError>> {
        Box::pin(async move {
            self.here()?;
            self.log.head().await
        })
    }

    fn follow(&self, from: Position, filter: Filter) -> Box<dyn Follow> {
        let interrupted = self.interrupted.clone();
        Box::new(Interrupted {
            follow: self.log.follow(from, filter),
            away: self.away.subscribe(),
            times: interrupted,
        })
    }

    fn multi_stream(&self) -> Option<&dyn MultiStream> {
        None
    }
}

struct Interrupted {
    follow: Box<dyn Follow>,
    away: watch::Receiver<bool>,
    times: watch::Sender<u32>,
}

impl Follow for Interrupted {
    fn next(&mut self, limit: usize) -> PortFuture<'_, Result<LogPage, LogError>> {
        Box::pin(async move {
            tokio::select! {
                biased;
                _ = self.away.wait_for(|away| *away) => {}
                page = self.follow.next(limit) => return page,
            }
            self.times.send_modify(|times| *times += 1);
            Err(LogError::Unreachable("the line is dead".into()))
        })
    }
}
