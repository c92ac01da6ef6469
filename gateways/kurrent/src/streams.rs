//! The service of the first generation: it takes requests apart, asks whether the caller may, and hands them on.

use crate::access::{Access, caller};
use crate::append::Kept;
use crate::batch;
use crate::inward::{self, Offer, Proposed};
use crate::name::Name;
use crate::no::No;
use crate::observe;
use crate::read::{self, Answers, ask};
use crate::seats::Seats;
use crate::store::Store;
use crate::subscription;
use futures_util::Stream;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stele_domain::access::{Action, Caller};
use stele_domain::port::event_log::{Expected, Position};
use stele_proto::kurrent::client::Empty;
use stele_proto::kurrent::client::streams::append_resp::success::{CurrentRevisionOption, PositionOption};
use stele_proto::kurrent::client::streams::append_resp::wrong_expected_version as wrong;
use stele_proto::kurrent::client::streams::append_resp::{self, Success, WrongExpectedVersion};
use stele_proto::kurrent::client::streams::streams_server;
use stele_proto::kurrent::client::streams::{
    AppendReq, AppendResp, BatchAppendReq, BatchAppendResp, DeleteReq, DeleteResp, ReadReq, TombstoneReq,
    TombstoneResp, append_req, delete_resp, tombstone_resp,
};
use tokio::sync::watch;
use tonic::{Request, Response, Status, Streaming};

/// How long an append may wait for its next event, and how long the parts of one of a batch may take together.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How often a call that waits for its next part looks whether its caller is still let in.
pub const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Answers for a log.
#[derive(Clone)]
pub struct Service {
    pub store: Arc<Store>,
    pub access: Access,
    pub seats: Seats,
    pub stop: watch::Receiver<bool>,
}

/// What a batch sends.
type BatchAnswers = Pin<Box<dyn Stream<Item = Result<BatchAppendResp, Status>> + Send>>;

impl Service {
    /// Whether the caller may append events of these types there; a no is kept.
    pub fn may_append<'t>(
        &self,
        caller: &Caller,
        stream: &Name,
        types: impl IntoIterator<Item = &'t str>,
    ) -> Result<(), No> {
        // Who began long ago may be let in no more.
        self.access.still(caller)?;
        let may = self.store.writes.append(caller, stream, types);
        may.map_err(|what| self.access.deny(caller, Action::AppendLog, what))
    }

    fn may_delete(&self, caller: &Caller, stream: &Name) -> Result<(), No> {
        self.access.still(caller)?;
        let may = self.store.writes.delete(caller, stream);
        may.map_err(|what| self.access.deny(caller, Action::AppendLog, what))
    }

    async fn read_for(&self, request: Request<ReadReq>) -> Result<Answers, No> {
        let caller = caller(&request)?;
        self.access.admit(&caller, Action::ReadLog)?;
        let ask = ask::ask(request.into_inner())?;
        let seat = self.seats.reading(&caller)?;
        let (access, store) = (self.access.clone(), Arc::clone(&self.store));
        let allowed = move || access.still(&caller);
        match ask.count {
            Some(_) => read::begin(store, ask, seat, allowed).await,
            None => subscription::begin(store, ask, self.stop.clone(), seat, allowed).await,
        }
    }

    /// The next part of what comes in parts, from somebody who is still let in; `None` at its end.
    pub async fn part<T>(&self, caller: &Caller, incoming: &mut Streaming<T>) -> Result<Option<T>, No> {
        let until = tokio::time::Instant::now() + PATIENCE;
        let message = loop {
            tokio::select! {
                biased;
                message = incoming.message() => break message.map_err(|status| unreadable(&status))?,
                () = tokio::time::sleep_until(until) => {
                    return Err(No::Late(format!("the next part did not come within {} s", PATIENCE.as_secs())));
                }
                () = tokio::time::sleep(LOOK_EVERY) => self.access.still(caller)?,
            }
        };
        self.access.still(caller)?;
        Ok(message)
    }

    async fn next(
        &self,
        caller: &Caller,
        incoming: &mut Streaming<AppendReq>,
    ) -> Result<Option<append_req::Content>, No> {
        let Some(message) = self.part(caller, incoming).await? else { return Ok(None) };
        let content = message.content;
        content.map(Some).ok_or_else(|| No::Malformed("a part of the append is empty".to_owned()))
    }

    async fn append_for(&self, request: Request<Streaming<AppendReq>>) -> Result<AppendResp, No> {
        let caller = caller(&request)?;
        self.access.admit(&caller, Action::AppendLog)?;
        let began = Instant::now();
        let mut incoming = request.into_inner();
        let Some(append_req::Content::Options(options)) = self.next(&caller, &mut incoming).await? else {
            return Err(No::Malformed("an append begins with its options".to_owned()));
        };
        let stream = inward::stream(options.stream_identifier)?;
        let expected = inward::expected_of_append(options.expected_stream_revision)?;
        let (mut offer, mut room) = (Offer::default(), self.seats.room(&caller));
        while let Some(content) = self.next(&caller, &mut incoming).await? {
            let append_req::Content::ProposedMessage(message) = content else {
                return Err(No::Malformed("an append has its options once".to_owned()));
            };
            let before = offer.bytes();
            offer.push(Proposed::from(message).into_record()?)?;
            room.more(offer.bytes() - before)?;
        }
        let types = offer.records.iter().map(|record| &*record.event_type);
        self.may_append(&caller, &stream, types)?;
        let events = u64::try_from(offer.records.len()).unwrap_or(u64::MAX);
        let way = self.store.way(&stream).await?;
        match self.store.append(way, stream, expected, offer.records).await {
            Ok(kept) => {
                observe::appended(events, began.elapsed());
                Ok(AppendResp { result: Some(append_resp::Result::Success(success(kept))) })
            }
            Err(No::WrongVersion { expected, actual, .. }) => Ok(AppendResp {
                result: Some(append_resp::Result::WrongExpectedVersion(wrong_version(expected, actual))),
            }),
            Err(no) => Err(no),
        }
    }
}

/// A message that did not come whole.
pub fn unreadable(status: &Status) -> No {
    match status.code() {
        tonic::Code::OutOfRange | tonic::Code::ResourceExhausted => No::TooLarge,
        // What comes in is held up by these where there is no room for it.
        tonic::Code::Unavailable => No::Busy(status.message().to_owned()),
        tonic::Code::Aborted => No::Late(status.message().to_owned()),
        tonic::Code::Ok
        | tonic::Code::Cancelled
        | tonic::Code::Unknown
        | tonic::Code::InvalidArgument
        | tonic::Code::DeadlineExceeded
        | tonic::Code::NotFound
        | tonic::Code::AlreadyExists
        | tonic::Code::PermissionDenied
        | tonic::Code::FailedPrecondition
        | tonic::Code::Unimplemented
        | tonic::Code::Internal
        | tonic::Code::DataLoss
        | tonic::Code::Unauthenticated => {
            No::Malformed(format!("the request can't be read: {}", status.message()))
        }
    }
}

fn success(kept: Kept) -> Success {
    let none = Empty {};
    let position = kept.position.map_or(PositionOption::NoPosition(none), |position| {
        PositionOption::Position(append_resp::Position {
            commit_position: position.0,
            prepare_position: position.0,
        })
    });
    Success {
        current_revision_option: Some(
            kept.revision
                .map_or(CurrentRevisionOption::NoStream(none), CurrentRevisionOption::CurrentRevision),
        ),
        position_option: Some(position),
    }
}

/// In both generations of fields.
fn wrong_version(expected: Expected, actual: Option<u64>) -> WrongExpectedVersion {
    use wrong::CurrentRevisionOption as Current;
    use wrong::CurrentRevisionOption2060 as OldCurrent;
    use wrong::ExpectedRevisionOption as Believed;
    use wrong::ExpectedRevisionOption2060 as OldBelieved;
    let none = Empty {};
    WrongExpectedVersion {
        current_revision_option_20_6_0: Some(
            actual.map_or(OldCurrent::NoStream2060(none), OldCurrent::CurrentRevision2060),
        ),
        expected_revision_option_20_6_0: match expected {
            Expected::Any => Some(OldBelieved::Any2060(none)),
            Expected::Exists => Some(OldBelieved::StreamExists2060(none)),
            Expected::Exactly(revision) => Some(OldBelieved::ExpectedRevision2060(revision.0)),
            // The old words have none for it.
            Expected::NoStream => None,
        },
        current_revision_option: Some(
            actual.map_or(Current::CurrentNoStream(none), Current::CurrentRevision),
        ),
        expected_revision_option: Some(match expected {
            Expected::Any => Believed::ExpectedAny(none),
            Expected::Exists => Believed::ExpectedStreamExists(none),
            Expected::Exactly(revision) => Believed::ExpectedRevision(revision.0),
            Expected::NoStream => Believed::ExpectedNoStream(none),
        }),
    }
}

#[tonic::async_trait]
impl streams_server::Streams for Service {
    type ReadStream = Answers;

    async fn read(&self, request: Request<ReadReq>) -> Result<Response<Answers>, Status> {
        self.read_for(request).await.map(Response::new).map_err(|no| no.status())
    }

    async fn append(&self, request: Request<Streaming<AppendReq>>) -> Result<Response<AppendResp>, Status> {
        self.append_for(request).await.map(Response::new).map_err(|no| no.status())
    }

    async fn delete(&self, request: Request<DeleteReq>) -> Result<Response<DeleteResp>, Status> {
        let deleted = async {
            let caller = caller(&request)?;
            self.access.admit(&caller, Action::AppendLog)?;
            let options = request.into_inner().options.ok_or_else(no_options)?;
            let stream = inward::stream(options.stream_identifier)?;
            let expected = inward::expected_of_delete(options.expected_stream_revision)?;
            self.may_delete(&caller, &stream)?;
            self.store.delete(stream, expected).await
        };
        let position = deleted.await.map_err(|no| no.status())?;
        let Position(at) = position;
        let position = delete_resp::Position { commit_position: at, prepare_position: at };
        Ok(Response::new(DeleteResp {
            position_option: Some(delete_resp::PositionOption::Position(position)),
        }))
    }

    async fn tombstone(&self, request: Request<TombstoneReq>) -> Result<Response<TombstoneResp>, Status> {
        let deleted = async {
            let caller = caller(&request)?;
            self.access.admit(&caller, Action::AppendLog)?;
            let options = request.into_inner().options.ok_or_else(no_options)?;
            let stream = inward::stream(options.stream_identifier)?;
            let expected = inward::expected_of_tombstone(options.expected_stream_revision)?;
            self.may_delete(&caller, &stream)?;
            self.store.tombstone(stream, expected).await
        };
        let Position(at) = deleted.await.map_err(|no| no.status())?;
        let position = tombstone_resp::Position { commit_position: at, prepare_position: at };
        Ok(Response::new(TombstoneResp {
            position_option: Some(tombstone_resp::PositionOption::Position(position)),
        }))
    }

    type BatchAppendStream = BatchAnswers;

    async fn batch_append(
        &self,
        request: Request<Streaming<BatchAppendReq>>,
    ) -> Result<Response<BatchAnswers>, Status> {
        let caller = caller(&request).map_err(|no| no.status())?;
        self.access.admit(&caller, Action::AppendLog).map_err(|no| no.status())?;
        let answers = batch::answers(self.clone(), caller, request.into_inner());
        Ok(Response::new(Box::pin(answers)))
    }
}

fn no_options() -> No {
    No::Malformed("the request has no options".to_owned())
}
