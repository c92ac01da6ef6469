//! What every service of the desk shares: how it fails, and whether it may take work.

use crate::envelope::{Envelope, Failure};
use crate::ledger::Ledger;
use crate::stop::Stop;
use crate::streams;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use stele_domain::ids::{Actor, CommandId, CorrelationId, InvalidId, derived};
use stele_domain::operations::service::event::{Event, Service};
use stele_domain::operations::service::state::Phase;
use stele_domain::operations::service::{Command, Lifecycle, Rejection, State};
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, InvalidStream, LogError};
use stele_domain::trading::strategy::command::Running;
use uuid::Uuid;

/// Why a service ended. Its process ends with it.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The event log can't go on.
    #[error("the event log can't go on")]
    Log(#[source] LogError),
    /// A stream of ours can't be read.
    #[error("{0}")]
    Stream(String),
    /// A name does not fit.
    #[error(transparent)]
    Name(#[from] InvalidStream),
    /// A name does not fit.
    #[error(transparent)]
    Id(#[from] InvalidId),
    /// Another instance holds the signing lease.
    #[error("{0}")]
    Lease(String),
}

/// Sorts a failure: `Ok` when the service may go on and try again later.
pub(crate) fn survivable<R: std::fmt::Debug>(
    service: Service,
    failure: Failure<R>,
) -> Result<(), ServiceError> {
    match failure {
        Failure::Log(error) if error.is_transient() => {
            crate::observe::log_failed(service.name(), &error);
            Ok(())
        }
        Failure::Log(error) => {
            crate::observe::log_failed(service.name(), &error);
            Err(ServiceError::Log(error))
        }
        Failure::Rejected(rejection) => {
            crate::observe::rejected(service.name(), &rejection);
            Ok(())
        }
        Failure::Contended(_) | Failure::IdReused(_) => Ok(()),
        Failure::Codec(error) => Err(ServiceError::Stream(error.to_string())),
        Failure::Foreign { stream, position } => {
            Err(ServiceError::Stream(format!("stream {stream} holds a foreign event at {position}")))
        }
    }
}

/// A service that can't read its own past does not start; one whose log does not answer waits for it.
pub(crate) fn unstartable<R: std::fmt::Debug>(failure: Failure<R>) -> ServiceError {
    match failure {
        Failure::Log(error) => ServiceError::Log(error),
        Failure::Rejected(_)
        | Failure::IdReused(_)
        | Failure::Contended(_)
        | Failure::Codec(_)
        | Failure::Foreign { .. } => ServiceError::Stream(format!("{failure:?}")),
    }
}

/// What came of a wait that the stop may cut short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waited {
    Over,
    ToldToStop,
}

/// How long a service waits before it asks a log again that did not answer.
const LOG_RETRY: Duration = Duration::from_millis(500);

/// Waits a moment when the log does not answer; any other error is handed back.
pub(crate) async fn wait_for_log(
    service: Service,
    error: ServiceError,
    stop: &mut Stop,
) -> Result<Waited, ServiceError> {
    match error {
        ServiceError::Log(error) if error.is_transient() => {
            crate::observe::log_failed(service.name(), &error);
        }
        other @ (ServiceError::Log(_)
        | ServiceError::Stream(_)
        | ServiceError::Name(_)
        | ServiceError::Id(_)
        | ServiceError::Lease(_)) => return Err(other),
    }
    tokio::select! {
        biased;
        () = stop.requested() => Ok(Waited::ToldToStop),
        () = tokio::time::sleep(LOG_RETRY) => Ok(Waited::Over),
    }
}

/// The name under which a service acts.
pub(crate) fn actor(service: Service) -> Result<Actor, InvalidId> {
    Actor::try_from(format!("service:{}", service.name()))
}

/// A command of a service that nobody will repeat.
pub(crate) fn own<C>(actor: &Actor, at: stele_domain::time::Timestamp, command: C) -> Envelope<C> {
    let id = Uuid::now_v7();
    Envelope {
        command_id: CommandId(id),
        digest: None,
        actor: actor.clone(),
        origin: None,
        correlation_id: CorrelationId(id),
        causation_id: None,
        occurred_at: at,
        command,
    }
}

/// A command that follows from a fact: the same fact always leads to the same command.
pub(crate) fn following<C>(
    actor: &Actor,
    cause: &stele_domain::event::Recorded,
    what: &str,
    at: stele_domain::time::Timestamp,
    command: C,
) -> Envelope<C> {
    Envelope {
        command_id: CommandId(derived(what, &[&cause.event_id.0.to_string()])),
        digest: None,
        actor: actor.clone(),
        origin: None,
        correlation_id: cause.meta.correlation_id,
        causation_id: Some(cause.event_id),
        occurred_at: at,
        command,
    }
}

/// Whether each service of this process may take work.
pub struct Board {
    switches: BTreeMap<Service, Arc<Ledger<Lifecycle>>>,
}

impl Board {
    /// A board over the log.
    pub fn new(log: &Arc<dyn EventLog>) -> Result<Self, InvalidStream> {
        let mut switches = BTreeMap::new();
        for service in Service::ALL {
            let ledger = Ledger::new(Arc::clone(log), streams::service(service)?);
            switches.insert(service, Arc::new(ledger));
        }
        Ok(Self { switches })
    }

    /// The ledger of one service.
    pub fn switch(&self, service: Service) -> Option<&Arc<Ledger<Lifecycle>>> {
        self.switches.get(&service)
    }

    /// Records that this process runs a service from now on; the number of that start. A service that a person has
    /// paused or drained stays so.
    pub async fn start(
        &self,
        service: Service,
        version: &str,
        instance: &str,
        clock: &dyn Clock,
    ) -> Result<u64, ServiceError> {
        let Some(switch) = self.switch(service) else { return Ok(0) };
        let at = clock.now();
        let (version, instance) = (version.to_owned(), instance.to_owned());
        let command = Command::Start { service, version, instance, at };
        match switch.handle(own(&actor(service)?, at, command)).await {
            // The number is that of the recorded fact: what stands there later may be another process's start.
            Ok(outcome) => match outcome.events().first() {
                Some(Event::ServiceStarted(started)) => Ok(started.start),
                // It was told before, word for word.
                Some(
                    Event::ServicePaused(_)
                    | Event::ServiceResumed(_)
                    | Event::ServiceDraining(_)
                    | Event::ServiceDrained(_)
                    | Event::RefreshAsked(_),
                )
                | None => self.starts(service).await.map_err(unstartable),
            },
            // Without this fact the service would count as never started: the caller asks again.
            Err(Failure::Log(error)) => Err(ServiceError::Log(error)),
            Err(failure) => Err(unstartable(failure)),
        }
    }

    /// The number of a service's last start; zero before the first.
    pub async fn starts(&self, service: Service) -> Result<u64, Failure<Rejection>> {
        match self.switch(service) {
            Some(switch) => switch.look(State::starts).await,
            None => Ok(0),
        }
    }

    /// Whether a service takes work now. What can't be read takes none.
    pub async fn running(&self, service: Service) -> Running {
        let Some(switch) = self.switch(service) else { return Running::Paused };
        switch.look(|state| running(state.phase())).await.unwrap_or(Running::Paused)
    }

    /// Records that nothing is in flight any more.
    pub async fn drained(&self, service: Service, clock: &dyn Clock) -> Result<(), ServiceError> {
        let Some(switch) = self.switch(service) else { return Ok(()) };
        let at = clock.now();
        match switch.handle(own(&actor(service)?, at, Command::Drained { service, at })).await {
            Ok(_) => Ok(()),
            Err(failure) => survivable(service, failure),
        }
    }
}

/// What a phase means for work.
pub(crate) fn running(phase: &Phase) -> Running {
    match phase {
        Phase::Running => Running::Running,
        Phase::NeverStarted | Phase::Paused { .. } => Running::Paused,
        Phase::Draining { .. } | Phase::Drained { .. } => Running::Draining,
    }
}
