//! Many appends over one call, none waiting for the one before. They reach the log in the order in which they were
//! completed, and are answered as they are kept.

use crate::append::Kept;
use crate::door::requested;
use crate::inward::{self, Offer, Proposed};
use crate::name::Name;
use crate::no::No;
use crate::observe;
use crate::seats::Room;
use crate::streams::{LOOK_EVERY, PATIENCE, Service, unreadable};
use futures_util::{Stream, stream};
use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use stele_domain::access::Caller;
use stele_domain::port::event_log::Expected;
use stele_proto::kurrent::client::streams::batch_append_req::options::ExpectedStreamPosition as Asked;
use stele_proto::kurrent::client::streams::batch_append_resp::success::{
    CurrentRevisionOption, PositionOption,
};
use stele_proto::kurrent::client::streams::batch_append_resp::{self, ExpectedStreamPosition, Success};
use stele_proto::kurrent::client::streams::{BatchAppendReq, BatchAppendResp, batch_append_req};
use stele_proto::kurrent::client::{AllStreamPosition, Empty, StreamIdentifier, Uuid as WireUuid};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tonic::{Status, Streaming};
use uuid::Uuid;

/// Most appends that are on their way to the log; then nothing more is read.
const RUNNING_MAX: usize = 1_024;
/// Most appends of which some parts have come and others not.
const OPEN_MAX: usize = 256;

/// An append of which parts have come.
enum Open {
    Whole(Box<Part>),
    /// Answered already: what still comes of it is passed over.
    Refused,
}

/// What has come of an append.
struct Part {
    answer: Answer,
    stream: Name,
    expected: Expected,
    offer: Offer,
    room: Room,
    began: Instant,
}

/// What an answer repeats.
#[derive(Clone)]
struct Answer {
    correlation_id: Option<WireUuid>,
    stream_identifier: Option<StreamIdentifier>,
    expected: Option<Asked>,
}

impl Answer {
    fn with(self, result: batch_append_resp::Result) -> BatchAppendResp {
        let none = Empty {};
        let expected_stream_position = self.expected.map(|expected| match expected {
            Asked::StreamPosition(revision) => ExpectedStreamPosition::StreamPosition(revision),
            Asked::NoStream(_) => ExpectedStreamPosition::NoStream(none),
            Asked::Any(_) => ExpectedStreamPosition::Any(none),
            Asked::StreamExists(_) => ExpectedStreamPosition::StreamExists(none),
        });
        BatchAppendResp {
            correlation_id: self.correlation_id,
            result: Some(result),
            // Clients rely on a name, also where they sent none.
            stream_identifier: Some(self.stream_identifier.unwrap_or_default()),
            expected_stream_position,
        }
    }

    fn outcome(self, kept: Result<Kept, No>) -> BatchAppendResp {
        match kept {
            Ok(kept) => self.with(batch_append_resp::Result::Success(success(kept))),
            Err(no) => self.with(batch_append_resp::Result::Error(no.in_batch())),
        }
    }
}

fn success(kept: Kept) -> Success {
    let none = Empty {};
    let position = kept.position.map_or(PositionOption::NoPosition(none), |at| {
        PositionOption::Position(AllStreamPosition { commit_position: at.0, prepare_position: at.0 })
    });
    Success {
        current_revision_option: Some(
            kept.revision
                .map_or(CurrentRevisionOption::NoStream(none), CurrentRevisionOption::CurrentRevision),
        ),
        position_option: Some(position),
    }
}

/// The first part of an append, without its events.
fn begin(answer: Answer, room: Room, options: Option<batch_append_req::Options>) -> Result<Part, No> {
    let missing = || No::Malformed("the first part of an append has its options".to_owned());
    let options = options.ok_or_else(missing)?;
    Ok(Part {
        answer,
        stream: inward::stream(options.stream_identifier)?,
        expected: inward::expected_of_batch(options.expected_stream_position)?,
        offer: Offer::default(),
        room,
        began: Instant::now(),
    })
}

/// Adds what came to an append.
fn add(part: &mut Part, messages: Vec<batch_append_req::ProposedMessage>) -> Result<(), No> {
    let before = part.offer.bytes();
    for message in messages {
        part.offer.push(Proposed::from(message).into_record()?)?;
    }
    part.room.more(part.offer.bytes() - before)
}

/// One call.
struct Batch {
    service: Service,
    caller: Caller,
    incoming: Streaming<BatchAppendReq>,
    open: BTreeMap<Uuid, Open>,
    running: JoinSet<BatchAppendResp>,
    /// Answers to appends of which the rest did not come.
    late: VecDeque<BatchAppendResp>,
    stop: watch::Receiver<bool>,
    /// When it is looked again whether the caller is still let in, though nothing is said.
    look: Interval,
    complete: bool,
}

/// Answers a call until it ends. A task makes the answers, so that what is held for it is let go of in time by whoever
/// takes none of them, too.
pub fn answers(
    service: Service,
    caller: Caller,
    incoming: Streaming<BatchAppendReq>,
) -> impl Stream<Item = Result<BatchAppendResp, Status>> + Send {
    let mut look = interval_at(Instant::now() + LOOK_EVERY, LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (access, whose) = (service.access.clone(), Arc::new(caller.clone()));
    let batch = Batch {
        stop: service.stop.clone(),
        look,
        service,
        caller,
        incoming,
        open: BTreeMap::new(),
        running: JoinSet::new(),
        late: VecDeque::new(),
        complete: false,
    };
    let (teller, told) = mpsc::channel(1);
    tokio::spawn(batch.run(teller));
    stream::unfold((told, false), move |(mut told, ended)| {
        let (access, whose) = (access.clone(), Arc::clone(&whose));
        async move {
            if ended {
                return None;
            }
            match told.recv().await {
                Some(Ok(answer)) => Some((Ok(answer), (told, false))),
                Some(Err(no)) => Some((Err(no.status()), (told, true))),
                // The task ends without a word where its caller is let in no more.
                None => access.still(&whose).err().map(|no| (Err(no.status()), (told, true))),
            }
        }
    })
}

impl Batch {
    async fn run(mut self, teller: mpsc::Sender<Result<BatchAppendResp, No>>) {
        loop {
            let answer = tokio::select! {
                biased;
                () = teller.closed() => return,
                answer = self.next() => answer,
            };
            let Some(answer) = answer else { return };
            let place = loop {
                tokio::select! {
                    biased;
                    place = teller.reserve() => break place,
                    _ = self.look.tick() => if self.look_around().is_err() {
                        return;
                    },
                }
            };
            let Ok(place) = place else { return };
            let ended = answer.is_err();
            place.send(answer);
            if ended {
                return;
            }
        }
    }

    /// Whether the caller is still let in; gives up appends of which the rest does not come.
    fn look_around(&mut self) -> Result<(), No> {
        self.service.access.still(&self.caller)?;
        for open in self.open.values_mut() {
            if matches!(open, Open::Whole(part) if part.began.elapsed() > PATIENCE)
                && let Open::Whole(part) = std::mem::replace(open, Open::Refused)
            {
                let words = format!("the append was not complete within {} s", PATIENCE.as_secs());
                self.late.push_back(part.answer.outcome(Err(No::Late(words))));
            }
        }
        Ok(())
    }

    async fn next(&mut self) -> Option<Result<BatchAppendResp, No>> {
        loop {
            if let Some(answer) = self.late.pop_front() {
                return Some(Ok(answer));
            }
            let room = !self.complete && self.running.len() < RUNNING_MAX;
            if self.complete && self.running.is_empty() {
                return None;
            }
            let request = tokio::select! {
                biased;
                Some(answer) = self.running.join_next(), if !self.running.is_empty() => match answer {
                    Ok(answer) => return Some(Ok(answer)),
                    Err(_) => return Some(Err(No::Closing)),
                },
                () = requested(&mut self.stop), if !self.complete => return Some(Err(No::Closing)),
                request = self.incoming.message(), if room => request,
                _ = self.look.tick() => match self.look_around() {
                    Ok(()) => continue,
                    Err(no) => return Some(Err(no)),
                },
            };
            // Nothing that is begun by who is no longer let in is taken up; what is on its way may be kept all the same.
            if let Err(no) = self.service.access.still(&self.caller) {
                return Some(Err(no));
            }
            match request {
                Ok(None) => self.complete = true,
                Err(status) => return Some(Err(unreadable(&status))),
                Ok(Some(request)) => match self.take(request).await {
                    Ok(None) => {}
                    Ok(Some(answer)) => return Some(Ok(answer)),
                    Err(no) => return Some(Err(no)),
                },
            }
        }
    }

    /// Takes a part of an append; an answer when there already is one.
    ///
    /// # Errors
    ///
    /// What ends the whole call: the append that the part belongs to can't be told.
    async fn take(&mut self, request: BatchAppendReq) -> Result<Option<BatchAppendResp>, No> {
        let BatchAppendReq { correlation_id, options, proposed_messages, is_final } = request;
        let id = inward::id(correlation_id.clone())?;
        let opened = match self.open.remove(&id) {
            Some(opened) => opened,
            None if self.open.len() >= OPEN_MAX => {
                let words = format!("{OPEN_MAX} appends are begun and not complete: complete some");
                return Err(No::Busy(words));
            }
            None => {
                let answer = Answer {
                    correlation_id,
                    stream_identifier: options.as_ref().and_then(|options| options.stream_identifier.clone()),
                    expected: options.as_ref().and_then(|options| options.expected_stream_position),
                };
                match begin(answer.clone(), self.service.seats.room(&self.caller), options) {
                    Ok(part) => Open::Whole(Box::new(part)),
                    Err(no) => return Ok(Some(self.refuse(id, is_final, answer, no))),
                }
            }
        };
        let Open::Whole(mut part) = opened else {
            if !is_final {
                self.open.insert(id, Open::Refused);
            }
            return Ok(None);
        };
        if let Err(no) = add(&mut part, proposed_messages) {
            return Ok(Some(self.refuse(id, is_final, part.answer, no)));
        }
        if is_final {
            return Ok(self.commit(*part).await);
        }
        self.open.insert(id, Open::Whole(part));
        Ok(None)
    }

    fn refuse(&mut self, id: Uuid, is_final: bool, answer: Answer, no: No) -> BatchAppendResp {
        if !is_final {
            self.open.insert(id, Open::Refused);
        }
        answer.outcome(Err(no))
    }

    /// Hands an append to the log. It is asked once before anything else is read, so that appends get there in order.
    async fn commit(&mut self, part: Part) -> Option<BatchAppendResp> {
        let Part { answer, stream, expected, offer, room, began } = part;
        let types = offer.records.iter().map(|record| &*record.event_type);
        if let Err(no) = self.service.may_append(&self.caller, &stream, types) {
            return Some(answer.outcome(Err(no)));
        }
        let way = match self.service.store.way(&stream).await {
            Ok(way) => way,
            Err(no) => return Some(answer.outcome(Err(no))),
        };
        let store = Arc::clone(&self.service.store);
        let events = u64::try_from(offer.records.len()).unwrap_or(u64::MAX);
        let mut work: Pin<Box<dyn Future<Output = BatchAppendResp> + Send>> = Box::pin(async move {
            let kept = store.append(way, stream, expected, offer.records).await;
            drop(room);
            if kept.is_ok() {
                observe::appended(events, began.elapsed());
            }
            answer.outcome(kept)
        });
        let asked = std::future::poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await;
        match asked {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => {
                // On its own from here: a client that does not read its answers holds up nobody else.
                self.running.spawn(work);
                None
            }
        }
    }
}
