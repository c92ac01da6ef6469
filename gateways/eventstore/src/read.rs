//! Reading pages of a stream, and of the one order of all of them.

use crate::connection::{Connection, Lent};
use crate::failure::{failed, unreachable};
use crate::record::{page_bytes, position, recorded};
use eventstore::operations::ServerInfo;
use eventstore::{
    Error, Position as Place, ReadAllOptions, ReadStream, ReadStreamOptions, StreamPosition,
    SubscriptionFilter,
};
use std::time::Duration;
use stele_domain::port::event_log::{
    APPEND_BYTES_MAX, Direction, Filter, LogError, Page, Position, Record, Revision, StreamId,
};
use tokio::time::timeout;

/// Longest time for a page of 16 MiB.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Most records of a page, whatever was asked for.
const PAGE_RECORDS_MAX: usize = 16_384;
/// The server counts revisions and positions in signed numbers.
const NUMBER_MAX: u64 = i64::MAX as u64;
/// The server tells how far it has looked after so many records that are not wanted.
const WINDOW: u32 = 1_000;

/// One call, with an end, whose outcome the connection hears.
async fn call<T>(
    connection: &Connection,
    work: impl AsyncFnOnce(&Lent) -> Result<T, Error>,
) -> Result<Result<T, Error>, LogError> {
    let lent = connection.lend()?;
    let Ok(outcome) = timeout(ANSWER_MAX, work(&lent)).await else {
        connection.silent(lent.generation);
        return Err(unreachable(format!("no answer within {} s", ANSWER_MAX.as_secs())));
    };
    match &outcome {
        Ok(_) => connection.held(lent.generation),
        Err(error) => connection.failed(lent.generation, error),
    }
    Ok(outcome)
}

/// What the server says of itself.
pub async fn server(connection: &Connection) -> Result<ServerInfo, LogError> {
    call(connection, async |lent| lent.client.server_info().await).await?.map_err(failed)
}

/// A page of one stream.
pub async fn stream_page(
    connection: &Connection,
    stream: &StreamId,
    from: Revision,
    direction: Direction,
    limit: usize,
) -> Result<Vec<Record>, LogError> {
    let limit = limit.min(PAGE_RECORDS_MAX);
    let beyond = from.0 > NUMBER_MAX;
    let options = ReadStreamOptions::default().max_count(limit);
    let options = match direction {
        _ if limit == 0 => return Ok(vec![]),
        Direction::Forward if beyond => return Ok(vec![]),
        Direction::Forward => options.position(StreamPosition::Position(from.0)).forwards(),
        Direction::Backward if beyond => options.position(StreamPosition::End),
        Direction::Backward => options.position(StreamPosition::Position(from.0)).backwards(),
    };
    let read = call(connection, async |lent| {
        let mut page = Filling::default();
        let options = lent.signed(options, ReadStreamOptions::authenticated);
        let mut events = lent.client.read_stream(stream.as_str(), &options).await?;
        while let Some(event) = events.next().await? {
            let Some(record) = recorded(event.get_original_event()) else { continue };
            if !page.takes(record) {
                break;
            }
        }
        Ok(page.records)
    });
    match read.await? {
        Ok(records) => Ok(records),
        Err(Error::ResourceNotFound) => Ok(vec![]),
        Err(error) => Err(failed(error)),
    }
}

/// A page that fills.
#[derive(Default)]
struct Filling {
    records: Vec<Record>,
    bytes: usize,
}

impl Filling {
    /// Takes a record unless the page would get too large; one always fits.
    fn takes(&mut self, record: Record) -> bool {
        let bytes = self.bytes.saturating_add(page_bytes(&record));
        if bytes > APPEND_BYTES_MAX && !self.records.is_empty() {
            return false;
        }
        self.bytes = bytes;
        self.records.push(record);
        true
    }
}

/// The last position of the server.
pub async fn head(connection: &Connection) -> Result<Position, LogError> {
    let options = ReadAllOptions::default().position(StreamPosition::End).max_count(1);
    let last = call(connection, async |lent| {
        let options = lent.signed(options, ReadAllOptions::authenticated);
        lent.client.read_all(&options).await?.next().await
    });
    let last = last.await?.map_err(failed)?;
    Ok(last.map_or(Position::START, |event| position(event.get_original_event())))
}

/// A page of everything.
pub async fn log_page(
    connection: &Connection,
    from: Position,
    filter: &Filter,
    limit: usize,
) -> Result<Page, LogError> {
    // Before the reading: what is found to be at the end later was looked at.
    let head = head(connection).await?;
    let from = from.max(Position(1));
    if from > head || limit == 0 {
        return Ok(Page { records: vec![], next: from, head });
    }
    let limit = limit.min(PAGE_RECORDS_MAX);
    let mut looking = Looking { page: Filling::default(), next: from, head, end: false };
    while !looking.end && looking.page.records.len() < limit {
        let looked = call(connection, async |lent| {
            let mut events = begin(lent, after(looking.next), filter, limit).await;
            if let Err(error) = &events
                && refuses_the_place(error)
            {
                // Where positions have gaps, the place before this one is none. It may be a record's own.
                events = begin(lent, place(looking.next), filter, limit).await;
            }
            looking.take(events?, filter, limit).await
        });
        looked.await?.map_err(failed)?;
    }
    Ok(Page { records: looking.page.records, next: looking.next, head: looking.head })
}

/// Just after the record before this one: where a reader that saw that record goes on.
pub fn after(from: Position) -> StreamPosition<Place> {
    if from.0 <= 1 { StreamPosition::Start } else { place(Position(from.0 - 1)) }
}

fn place(at: Position) -> StreamPosition<Place> {
    StreamPosition::Position(Place { commit: at.0, prepare: at.0 })
}

/// What the server says of a position that is no record's is not documented; nothing that may pass is meant.
fn refuses_the_place(error: &Error) -> bool {
    matches!(error, Error::Grpc { .. } | Error::ServerError(_))
}

async fn begin(
    lent: &Lent,
    at: StreamPosition<Place>,
    filter: &Filter,
    limit: usize,
) -> Result<ReadStream, Error> {
    // One more, for the record that stands at the place itself.
    let options = ReadAllOptions::default().position(at).max_count(limit.saturating_add(1));
    let options = options.filter(narrowed(filter));
    let options = lent.signed(options, ReadAllOptions::authenticated);
    lent.client.read_all(&options).await
}

/// What the server can leave out. It looks at either names or types, so the rest is left out here.
pub fn narrowed(filter: &Filter) -> SubscriptionFilter {
    let narrow = if filter.categories.is_empty() {
        let types = filter.event_types.iter();
        let narrow = SubscriptionFilter::on_event_type();
        if filter.event_types.is_empty() {
            narrow.exclude_system_events()
        } else {
            types.fold(narrow, SubscriptionFilter::add_prefix)
        }
    } else {
        let prefixes = filter.categories.iter().map(|name| format!("{name}-"));
        prefixes.fold(SubscriptionFilter::on_stream_name(), SubscriptionFilter::add_prefix)
    };
    narrow.max(WINDOW)
}

/// A page of everything, as far as it has come.
struct Looking {
    page: Filling,
    next: Position,
    head: Position,
    /// Nothing more fits, or is there.
    end: bool,
}

impl Looking {
    /// Takes what one reading brings.
    async fn take(&mut self, mut events: ReadStream, filter: &Filter, limit: usize) -> Result<(), Error> {
        let mut came = 0;
        while self.page.records.len() < limit {
            let Some(event) = events.next().await? else {
                if came <= limit {
                    // Fewer than were asked for: whatever was there when the head was asked for has been looked at.
                    self.next = self.next.max(self.head.next());
                    self.end = true;
                }
                return Ok(());
            };
            came += 1;
            let event = event.get_original_event();
            let at = position(event);
            if at < self.next {
                continue;
            }
            let wanted = recorded(event).filter(|record| filter.wants(&record.stream, &record.event_type));
            if let Some(record) = wanted
                && !self.page.takes(record)
            {
                self.end = true;
                return Ok(());
            }
            self.next = at.next();
            self.head = self.head.max(at);
        }
        Ok(())
    }
}
