//! The service half: answers for the log of this process. It asks the caller's role before every call and the write
//! lists before every append; who the caller is, a door has found out, and whether their credential still stands is
//! asked again as long as they listen.

mod follow;
mod method;

pub use method::Method;

use crate::failure::{denied, malformed, status};
use crate::grants::Process;
use crate::identity::Own;
use crate::page::{page_out, record_out};
use crate::wire::{appended_out, direction_in, expected_in, filter_in, limit_in, offer_in, stream};
use crate::{Consistency, MESSAGE_BYTES_MAX, Proof, SignedCheckpoint, Stat, observe};
use follow::Readings;
use std::sync::Arc;
use stele_domain::access::{Action, Caller, Role};
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::{EventLog, LogError, Position, Revision, StreamId};
use stele_proto::log::v1 as proto;
use stele_proto::log::v1::event_log_server::{self, EventLogServer};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

/// Longest actor, stream or type that is repeated in a denial, in characters.
const SHOWN_CHARS_MAX: usize = 120;

/// Somebody asked for what they may not do. It leaves no fact of its own, so whoever serves records it.
#[derive(Debug, Clone)]
pub struct Denial {
    /// Who asked.
    pub caller: Caller,
    /// For what.
    pub action: Action,
    /// What exactly, with the role and the category.
    pub what: String,
}

/// Hears of denials. It must not block.
type Denials = Arc<dyn Fn(Denial) + Send + Sync>;

/// Whether the credential that a caller came with is still taken; a no is in words. It must not block.
type Stands = Arc<dyn Fn(&Caller) -> Result<(), String> + Send + Sync>;

/// Whether a role may append a fact of this type there. It must not block.
type WriteList = Arc<dyn Fn(Process, &StreamId, &str) -> bool + Send + Sync>;

/// Tells the log in numbers.
type Telling = Arc<dyn Fn() -> Stat + Send + Sync>;

/// Proves that the log of a size goes on from an older one; of the newest size when none is named.
type Continuing = Arc<dyn Fn(u64, Option<u64>) -> Consistent + Send + Sync>;

/// What only a log with a tree and a key of its own can do.
#[derive(Clone)]
struct Proving {
    sign: Arc<dyn Fn() -> Result<SignedCheckpoint, LogError> + Send + Sync>,
    prove: Arc<dyn Fn(Position) -> Proven + Send + Sync>,
    consistency: Option<Continuing>,
}

/// A proof on its way.
pub type Proven = PortFuture<'static, Result<Proof, LogError>>;

/// A proof of consistency on its way.
pub type Consistent = PortFuture<'static, Result<Consistency, LogError>>;

/// Answers for a log. A door puts the [`Caller`] into the extensions of every request; without one nothing is
/// answered.
#[derive(Clone)]
pub struct LogService {
    log: Arc<dyn EventLog>,
    denials: Denials,
    list: WriteList,
    stat: Option<Telling>,
    own: Own,
    proving: Option<Proving>,
    readings: Readings,
}

impl LogService {
    /// A service over a log, to which processes append what `list` lets their roles append. Live readings end when `stop` becomes true or its sender is gone, and when `stands` says no
    /// to who reads: it is asked before each page is handed over, and every two seconds while there is none.
    pub fn new(
        log: Arc<dyn EventLog>,
        list: impl Fn(Process, &StreamId, &str) -> bool + Send + Sync + 'static,
        stands: impl Fn(&Caller) -> Result<(), String> + Send + Sync + 'static,
        denials: impl Fn(Denial) + Send + Sync + 'static,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let readings = Readings::new(Arc::clone(&log), Arc::new(stands), stop);
        let (list, denials) = (Arc::new(list), Arc::new(denials));
        Self { log, denials, list, stat: None, own: Own::default(), proving: None, readings }
    }

    /// The same, telling the log in numbers too, and by its identity, which is asked for once: whoever means another log
    /// gets no answer.
    #[must_use]
    pub fn with_stat(self, stat: impl Fn() -> Stat + Send + Sync + 'static) -> Self {
        let own = Own(Some(stat().log));
        Self { stat: Some(Arc::new(stat)), own, ..self }
    }

    /// The same, signing checkpoints and proving by them too. `prove` is asked for positions as they come in.
    #[must_use]
    pub fn with_proofs(
        self,
        sign: impl Fn() -> Result<SignedCheckpoint, LogError> + Send + Sync + 'static,
        prove: impl Fn(Position) -> Proven + Send + Sync + 'static,
    ) -> Self {
        let (sign, prove) = (Arc::new(sign), Arc::new(prove));
        Self { proving: Some(Proving { sign, prove, consistency: None }), ..self }
    }

    /// The same, which has proofs, proving also that the log goes on from an earlier size: to a later one, or to everything
    /// that is durable. `prove` is asked for sizes as they come in.
    #[must_use]
    pub fn with_consistency(
        self,
        prove: impl Fn(u64, Option<u64>) -> Consistent + Send + Sync + 'static,
    ) -> Self {
        let proving = self.proving.map(|proving| Proving { consistency: Some(Arc::new(prove)), ..proving });
        Self { proving, ..self }
    }

    /// As something that a gRPC server takes.
    #[must_use]
    pub fn into_server(self) -> EventLogServer<Self> {
        EventLogServer::new(self)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Whether the caller may call the method at all, which can be asked before the message is there. A no is told to
    /// whoever hears of denials.
    ///
    /// # Errors
    ///
    /// `PERMISSION_DENIED`, in the words of the answer.
    pub fn admits(&self, caller: &Caller, method: Method) -> Result<(), Status> {
        match method {
            Method::Append => self.appender(caller),
            Method::ReadStream | Method::ReadAll | Method::Head | Method::Stat | Method::Follow => {
                self.reader(caller)
            }
            Method::Checkpoint | Method::Prove | Method::ProveConsistency => self.prover(caller),
        }
    }

    fn reader(&self, caller: &Caller) -> Result<(), Status> {
        if caller.may(Action::ReadLog) {
            return Ok(());
        }
        let what = format!("the role {} may not read the log", caller.role);
        Err(self.deny(caller, Action::ReadLog, what))
    }

    fn appender(&self, caller: &Caller) -> Result<(), Status> {
        if caller.role == Role::Service && caller.may(Action::AppendLog) {
            return Ok(());
        }
        let what = format!("the role {} may not append to the log: only processes do", caller.role);
        Err(self.deny(caller, Action::AppendLog, what))
    }

    /// Whether the caller may have proofs: whoever may prove, and a process that answers persons, because its own door
    /// has asked the person for the permission.
    fn prover(&self, caller: &Caller) -> Result<(), Status> {
        let answers = caller.role == Role::Service
            && caller.scope.processes.contains(Process::Api.name())
            && caller.may(Action::ReadLog);
        if answers || caller.may(Action::Prove) {
            return Ok(());
        }
        let role = caller.role;
        let what = format!("the role {role} may have no proofs: a process that answers persons (api) may");
        Err(self.deny(caller, Action::Prove, what))
    }

    fn proving(&self) -> Result<&Proving, Status> {
        self.proving.as_ref().ok_or_else(|| Status::unimplemented("this log has no tree to prove by"))
    }

    /// Who asks, once it is clear that they may and that they mean this log.
    async fn admitted<T: Sync>(&self, request: &Request<T>, method: Method) -> Result<Caller, Status> {
        let caller = caller(request)?.clone();
        self.admits(&caller, method)?;
        let head = self.log.head().await.map_err(|error| status(&error))?;
        self.own.is_meant(request.metadata(), head).map_err(|error| status(&error))?;
        Ok(caller)
    }

    /// The answer, which names the log.
    fn answer<T>(&self, message: T) -> Response<T> {
        let mut response = Response::new(message);
        self.own.tell(response.metadata_mut());
        response
    }

    /// Whether the caller may append facts of these types there.
    fn writer<'t>(
        &self,
        caller: &Caller,
        stream: &StreamId,
        types: impl IntoIterator<Item = &'t str>,
    ) -> Result<(), Status> {
        let roles: Vec<Process> =
            caller.scope.processes.iter().filter_map(|name| Process::named(name)).collect();
        let covered = |event_type: &str| roles.iter().any(|role| (self.list)(*role, stream, event_type));
        let Some(event_type) = types.into_iter().find(|event_type| !covered(event_type)) else {
            return Ok(());
        };
        let names: Vec<&str> = roles.iter().map(|role| role.name()).collect();
        let names = if names.is_empty() { "without any role".to_owned() } else { names.join(",") };
        // The role is right, and the account, the pair or the service is another desk's.
        let elsewhere = roles.iter().any(|role| role.may_append(stream, event_type));
        let what = format!(
            "a process {names} may not append {} to category {} (stream {}){}",
            shown(event_type),
            shown(stream.category()),
            shown(stream.as_str()),
            if elsewhere { ": it is no stream of this desk's account, pair and services" } else { "" }
        );
        observe::denied(caller.actor.as_str(), &what, &roles);
        Err(self.deny(caller, Action::AppendLog, what))
    }

    fn deny(&self, caller: &Caller, action: Action, what: String) -> Status {
        (self.denials)(Denial { caller: caller.clone(), action, what: what.clone() });
        denied(what)
    }
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

fn caller<T>(request: &Request<T>) -> Result<&Caller, Status> {
    let caller = request.extensions().get::<Caller>();
    caller.ok_or_else(|| Status::unauthenticated("nobody vouches for the caller"))
}

#[tonic::async_trait]
impl event_log_server::EventLog for LogService {
    async fn append(
        &self,
        request: Request<proto::AppendRequest>,
    ) -> Result<Response<proto::AppendResponse>, Status> {
        let caller = self.admitted(&request, Method::Append).await?;
        let offer = request.into_inner();
        let target = stream(&offer.stream).map_err(|error| malformed(&error))?;
        let expected = expected_in(offer.expected).map_err(|error| malformed(&error))?;
        self.writer(&caller, &target, offer.records.iter().map(|record| record.event_type.as_str()))?;
        let records: Result<Vec<_>, _> = offer.records.into_iter().map(offer_in).collect();
        let records = records.map_err(|error| malformed(&error))?;
        let appended = self.log.append(&target, expected, records).await;
        appended.map(|appended| self.answer(appended_out(appended))).map_err(|error| status(&error))
    }

    async fn read_stream(
        &self,
        request: Request<proto::ReadStreamRequest>,
    ) -> Result<Response<proto::ReadStreamResponse>, Status> {
        self.admitted(&request, Method::ReadStream).await?;
        let asked = request.into_inner();
        let target = stream(&asked.stream).map_err(|error| malformed(&error))?;
        let direction = direction_in(asked.direction).map_err(|error| malformed(&error))?;
        let read =
            self.log.read_stream(&target, Revision(asked.from), direction, limit_in(asked.limit)).await;
        let records = read.map_err(|error| status(&error))?.iter().map(record_out).collect();
        Ok(self.answer(proto::ReadStreamResponse { records }))
    }

    async fn read_all(
        &self,
        request: Request<proto::ReadAllRequest>,
    ) -> Result<Response<proto::ReadAllResponse>, Status> {
        self.admitted(&request, Method::ReadAll).await?;
        let asked = request.into_inner();
        let filter = filter_in(asked.filter);
        let page = self.log.read_all(Position(asked.from), &filter, limit_in(asked.limit)).await;
        let page = page.map_err(|error| status(&error))?;
        Ok(self.answer(proto::ReadAllResponse { page: page_out(&page) }))
    }

    async fn head(
        &self,
        request: Request<proto::HeadRequest>,
    ) -> Result<Response<proto::HeadResponse>, Status> {
        self.admitted(&request, Method::Head).await?;
        let head = self.log.head().await.map_err(|error| status(&error))?;
        Ok(self.answer(proto::HeadResponse { position: head.0 }))
    }

    async fn stat(
        &self,
        request: Request<proto::StatRequest>,
    ) -> Result<Response<proto::StatResponse>, Status> {
        self.admitted(&request, Method::Stat).await?;
        let tell = self.stat.as_ref().ok_or_else(|| Status::unimplemented("this log has no numbers"))?;
        Ok(self.answer(tell().into()))
    }

    async fn checkpoint(
        &self,
        request: Request<proto::CheckpointRequest>,
    ) -> Result<Response<proto::CheckpointResponse>, Status> {
        self.admitted(&request, Method::Checkpoint).await?;
        let signed = (self.proving()?.sign)().map_err(|error| status(&error))?;
        Ok(self.answer(signed.into()))
    }

    async fn prove(
        &self,
        request: Request<proto::ProveRequest>,
    ) -> Result<Response<proto::ProveResponse>, Status> {
        self.admitted(&request, Method::Prove).await?;
        let proof = (self.proving()?.prove)(Position(request.get_ref().position)).await;
        proof.map(|proof| self.answer(proof.into())).map_err(|error| status(&error))
    }

    async fn prove_consistency(
        &self,
        request: Request<proto::ProveConsistencyRequest>,
    ) -> Result<Response<proto::ProveConsistencyResponse>, Status> {
        self.admitted(&request, Method::ProveConsistency).await?;
        let none = || Status::unimplemented("this log has no tree to prove by");
        let prove = self.proving()?.consistency.as_ref().ok_or_else(none)?;
        let asked = request.get_ref();
        let proof = prove(asked.old_commits, asked.new_commits).await;
        proof.map(|proof| self.answer(proof.into())).map_err(|error| status(&error))
    }

    type FollowStream = follow::Pages;

    async fn follow(
        &self,
        request: Request<proto::FollowRequest>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        let caller = self.admitted(&request, Method::Follow).await?;
        let asked = request.into_inner();
        let pages = self.readings.begin(caller, Position(asked.from), filter_in(asked.filter)).await?;
        Ok(self.answer(pages))
    }
}
