//! The log as the port has it.

use crate::address::Address;
use crate::append::Writing;
use crate::connection::Connection;
use crate::follow::Following;
use crate::observe;
use crate::read;
use crate::readings::Readings;
use eventstore::operations::Features;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::{
    Appended, Direction, EventLog, Expected, Filter, Follow, LogError, MultiStream, NewRecord, Page,
    Position, Record, Revision, StreamId, keepable,
};

/// A log on a KurrentDB or EventStoreDB server.
///
/// Beyond the port: on a cluster positions have gaps (they count bytes), `recorded_at` has whole seconds, and `repeated`
/// is certain only of what this process has offered or read.
#[derive(Clone)]
pub struct EventStoreLog {
    inner: Arc<Inner>,
}

struct Inner {
    connection: Connection,
    writing: Writing,
    readings: Readings,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum CannotConnect {
    /// No thread for the live readings.
    #[error("no thread for the live readings of the log")]
    Thread(#[source] std::io::Error),
}

impl fmt::Debug for EventStoreLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventStoreLog(..)")
    }
}

impl EventStoreLog {
    /// A log behind an address; nothing is connected before the first call. Must be called within a runtime.
    ///
    /// # Errors
    ///
    /// [`CannotConnect`] when the machine gives no thread.
    pub fn new(address: &Address) -> Result<Self, CannotConnect> {
        let readings = Readings::begin(address.clone()).map_err(CannotConnect::Thread)?;
        let connection = Connection::new(address.clone());
        Ok(Self { inner: Arc::new(Inner { connection, writing: Writing::new(), readings }) })
    }

    /// Whether the protocol door of a desk answers, whose log has an owner: it offers no persistent subscriptions, and every
    /// KurrentDB server does.
    ///
    /// # Errors
    ///
    /// When the server does not say what it offers.
    pub async fn is_a_desks(&self) -> Result<bool, LogError> {
        let server = counted("server", read::server(&self.inner.connection)).await?;
        let subscriptions =
            [Features::PERSISTENT_SUBSCRIPTION_LIST, Features::PERSISTENT_SUBSCRIPITON_TO_ALL];
        // A server that is too old to tell what it offers tells no version either.
        let subscribes = subscriptions.into_iter().any(|some| server.contains_features(some));
        Ok(server.version().major() > 0 && !subscribes)
    }

    async fn append_to(
        &self,
        stream: &StreamId,
        expected: Expected,
        records: Vec<NewRecord>,
    ) -> Result<Appended, LogError> {
        keepable(&records)?;
        let Inner { connection, writing, .. } = &*self.inner;
        counted("append", writing.append(connection, stream, expected, records)).await
    }

    async fn log_page(&self, from: Position, filter: &Filter, limit: usize) -> Result<Page, LogError> {
        let page = counted("read_all", read::log_page(&self.inner.connection, from, filter, limit)).await?;
        self.inner.writing.tell(page.head);
        Ok(page)
    }

    async fn last(&self) -> Result<Position, LogError> {
        let head = counted("head", read::head(&self.inner.connection)).await?;
        self.inner.writing.tell(head);
        Ok(head)
    }
}

/// Counts a call, and what came of it.
async fn counted<T>(
    method: &'static str,
    call: impl Future<Output = Result<T, LogError>>,
) -> Result<T, LogError> {
    let began = Instant::now();
    let outcome = call.await;
    observe::called(method, began.elapsed(), outcome.as_ref().err());
    outcome
}

impl EventLog for EventStoreLog {
    fn append<'a>(
        &'a self,
        stream: &'a StreamId,
        expected: Expected,
        records: Vec<NewRecord>,
    ) -> PortFuture<'a, Result<Appended, LogError>> {
        Box::pin(self.append_to(stream, expected, records))
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamId,
        from: Revision,
        direction: Direction,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<Record>, LogError>> {
        let read = read::stream_page(&self.inner.connection, stream, from, direction, limit);
        Box::pin(counted("read_stream", read))
    }

    fn read_all<'a>(
        &'a self,
        from: Position,
        filter: &'a Filter,
        limit: usize,
    ) -> PortFuture<'a, Result<Page, LogError>> {
        Box::pin(self.log_page(from, filter, limit))
    }

    fn head(&self) -> PortFuture<'_, Result<Position, LogError>> {
        Box::pin(self.last())
    }

    fn follow(&self, from: Position, filter: Filter) -> Box<dyn Follow> {
        Box::new(Following::new(self.inner.readings.clone(), from, filter))
    }

    /// The official crate has none, and no rule of safety needs it.
    fn multi_stream(&self) -> Option<&dyn MultiStream> {
        None
    }
}
