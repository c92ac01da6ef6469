//! Reading: what is asked for, and answers that come to an end. They are made page by page as the reader takes them, so
//! that one who takes nothing costs one page.

pub mod ask;
mod links;
mod pages;

use crate::filter::Matcher;
use crate::no::No;
use crate::outward;
use crate::store::{Shown, Store};
use ask::{AllFrom, Ask, From, What};
use futures_util::{Stream, StreamExt, stream};
use pages::Pages;
use std::pin::Pin;
use std::sync::Arc;
use stele_domain::port::event_log::{Direction, Position, Record};
use stele_proto::kurrent::client::AllStreamPosition;
use stele_proto::kurrent::client::streams::read_resp::Content;
use stele_proto::kurrent::client::streams::{ReadResp, read_resp};
use tonic::Status;

pub use links::resolved;
pub use pages::Pace;

/// What a reading sends.
pub type Answers = Pin<Box<dyn Stream<Item = Result<ReadResp, Status>> + Send>>;

/// A batch of answers as a stream of them.
pub fn one_by_one(batches: impl Stream<Item = Result<Vec<Content>, No>> + Send + 'static) -> Answers {
    let answers = batches.flat_map(|batch| {
        let (contents, end) = match batch {
            Ok(contents) => (contents, None),
            Err(no) => (vec![], Some(Err(no.status()))),
        };
        let answers = contents.into_iter().map(|content| Ok(ReadResp { content: Some(content) }));
        stream::iter(answers.chain(end))
    });
    Box::pin(answers)
}

/// Answers an ask that comes to an end.
///
/// # Errors
///
/// [`No::Deleted`] for a stream that is deleted for ever.
pub async fn begin(
    store: Arc<Store>,
    ask: Ask,
    seat: impl Send + 'static,
    allowed: impl Fn() -> Result<(), No> + Send + 'static,
) -> Result<Answers, No> {
    let (pages, matcher) = match ask.what {
        What::Stream { ref stream, from } => match store.shown(stream).await? {
            None => {
                let stream_identifier = Some(crate::no::identifier(stream));
                let missing = Content::StreamNotFound(read_resp::StreamNotFound { stream_identifier });
                return Ok(one_by_one(stream::iter([Ok(vec![missing])])));
            }
            Some(shown) => (Pages::of_stream(stream.clone(), shown, from, ask.direction), None),
        },
        What::All { from, filter } => (Pages::of_all(&store, from, ask.direction).await?, filter),
    };
    let reading = Reading {
        left: ask.count.unwrap_or(u64::MAX),
        form: ask.form,
        links: ask.links,
        tells_ends: ask.tells_ends,
        pages,
        matcher,
        store,
        ended: false,
    };
    let batches = stream::unfold((reading, seat, allowed), async |(mut reading, seat, allowed)| {
        if reading.ended {
            return None;
        }
        let batch = match allowed() {
            Ok(()) => reading.batch().await,
            Err(no) => Err(no),
        };
        reading.ended |= batch.is_err();
        Some((batch, (reading, seat, allowed)))
    });
    Ok(one_by_one(batches))
}

/// A reading that comes to an end.
struct Reading {
    store: Arc<Store>,
    pages: Pages,
    matcher: Option<Matcher>,
    form: outward::IdForm,
    links: bool,
    tells_ends: bool,
    /// How many events may still be told.
    left: u64,
    ended: bool,
}

impl Reading {
    async fn batch(&mut self) -> Result<Vec<Content>, No> {
        let page = if self.left == 0 { None } else { self.pages.next(&self.store, self.left).await? };
        let Some(page) = page else {
            self.ended = true;
            let end = if self.tells_ends && self.left > 0 { self.pages.end() } else { None };
            return Ok(end.into_iter().collect());
        };
        let mut contents = Vec::with_capacity(page.len());
        for record in page {
            if self.left == 0 {
                break;
            }
            if let Some(matcher) = &self.matcher
                && !matcher.wants(&record)?
            {
                continue;
            }
            if let Some(content) = told(&self.store, &record, self.form, self.links).await? {
                contents.push(content);
                self.left -= 1;
            }
        }
        // A reading of which nothing matches must leave others their turn.
        tokio::task::yield_now().await;
        Ok(contents)
    }
}

/// A record as an event; `None` for one whose stream no name leads to.
pub async fn told(
    store: &Store,
    record: &Record,
    form: outward::IdForm,
    links: bool,
) -> Result<Option<Content>, No> {
    let Some(recorded) = outward::recorded(record, form) else { return Ok(None) };
    if links && let Some(target) = resolved(store, record).await? {
        let event = target.as_ref().and_then(|target| outward::recorded(target, form));
        return Ok(Some(outward::event(event, Some(recorded), record.position)));
    }
    Ok(Some(outward::event(Some(recorded), None, record.position)))
}

/// Where a stream ends, as it is told.
fn end_of_stream(shown: &Shown) -> Content {
    Content::LastStreamPosition(shown.last)
}

/// Where the log ends, as it is told.
fn end_of_all(head: Position) -> Content {
    Content::LastAllStreamPosition(AllStreamPosition { commit_position: head.0, prepare_position: head.0 })
}

/// The first place of a direction, as a bound.
fn forward(direction: Direction) -> bool {
    direction == Direction::Forward
}
