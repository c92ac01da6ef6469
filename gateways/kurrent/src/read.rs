//! Reading: what is asked for, and answers that come to an end. They are made page by page as the reader takes them, so
//! that one who takes nothing costs one page.

pub mod ask;
mod links;
mod pages;

use crate::event::{Told, read_event};
use crate::filter::Matcher;
use crate::no::No;
use crate::outward;
use crate::store::{Shown, Store};
use ask::{AllFrom, Ask, From, What};
use futures_util::{Stream, StreamExt, stream};
use pages::Pages;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use stele_domain::port::event_log::{Direction, Position, Record};
use stele_proto::kurrent::client::AllStreamPosition;
use stele_proto::kurrent::client::streams::read_resp::Content;
use stele_proto::kurrent::client::streams::{ReadResp, read_resp};
use tokio::sync::mpsc;
use tonic::Status;

pub use links::resolved;
pub use pages::Pace;

/// What a reading sends.
pub type Answers = Pin<Box<dyn Stream<Item = Result<ReadResp, Status>> + Send>>;

/// Whether whoever reads may go on.
pub trait Allowed: Fn() -> Result<(), No> + Clone + Send + Sync + 'static {}

impl<F: Fn() -> Result<(), No> + Clone + Send + Sync + 'static> Allowed for F {}

/// How often a reading of which nothing is taken looks whether its caller is still let in.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A batch of answers as a stream of them. The batches are made by a task, which ends, and lets go of what it holds, when
/// whoever reads is gone or no longer let in, whether they take anything or not. Each answer goes out to those only who
/// are let in then.
pub fn one_by_one(
    batches: impl Stream<Item = Result<Vec<Content>, No>> + Send + 'static,
    allowed: impl Allowed,
) -> Answers {
    let (teller, told) = mpsc::channel(1);
    tokio::spawn(hand_over(batches, teller, allowed.clone()));
    let batches = stream::unfold(told, async |mut told| told.recv().await.map(|batch| (batch, told)));
    let contents = batches.flat_map(|batch| {
        let (contents, end) = match batch {
            Ok(contents) => (contents, None),
            Err(no) => (vec![], Some(Err(no))),
        };
        stream::iter(contents.into_iter().map(Ok).chain(end))
    });
    let answers =
        stream::unfold((Box::pin(contents), allowed, false), async |(mut contents, allowed, ended)| {
            if ended {
                return None;
            }
            let content = contents.next().await;
            // Also where the task has ended without a word: it does so when nobody is let in any more.
            let answer = match (allowed(), content) {
                (Err(no), _) => Err(no),
                (Ok(()), Some(content)) => content,
                (Ok(()), None) => return None,
            };
            let answer = answer.map(|content| ReadResp { content: Some(content) }).map_err(|no| no.status());
            let ended = answer.is_err();
            Some((answer, (contents, allowed, ended)))
        });
    Box::pin(answers)
}

async fn hand_over(
    batches: impl Stream<Item = Result<Vec<Content>, No>> + Send,
    teller: mpsc::Sender<Result<Vec<Content>, No>>,
    allowed: impl Allowed,
) {
    let mut batches = std::pin::pin!(batches);
    loop {
        let batch = tokio::select! {
            biased;
            () = teller.closed() => return,
            batch = batches.next() => batch,
        };
        let Some(batch) = batch else { return };
        let place = loop {
            tokio::select! {
                biased;
                place = teller.reserve() => break place,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            if allowed().is_err() {
                return;
            }
        };
        let Ok(place) = place else { return };
        place.send(batch);
    }
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
    allowed: impl Allowed,
) -> Result<Answers, No> {
    let (pages, matcher) = match ask.what {
        What::Stream { ref stream, from } => match store.shown(stream).await? {
            None => {
                let stream_identifier = Some(crate::no::identifier(stream));
                let missing = Content::StreamNotFound(read_resp::StreamNotFound { stream_identifier });
                return Ok(one_by_one(stream::iter([Ok(vec![missing])]), allowed));
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
    let batches = stream::unfold((reading, seat), async |(mut reading, seat)| {
        if reading.ended {
            return None;
        }
        let batch = reading.batch().await;
        reading.ended |= batch.is_err();
        Some((batch, (reading, seat)))
    });
    Ok(one_by_one(batches, allowed))
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
            if let Some(matcher) = &mut self.matcher
                && !matcher.wants_in_turn(&record).await?
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
    let Some(recorded) = Told::of(record, form) else { return Ok(None) };
    if links && let Some(target) = resolved(store, record).await? {
        let event = target.as_ref().and_then(|target| Told::of(target, form));
        return Ok(Some(Content::Event(read_event(event.as_ref(), Some(&recorded), record.position))));
    }
    Ok(Some(Content::Event(read_event(Some(&recorded), None, record.position))))
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
