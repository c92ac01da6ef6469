//! The tasks of a process. One of them ending ends them all.

use super::health::Health;
use crate::observe;
use std::future::Future;
use std::time::Duration;
use stele_commands::service::ServiceError;
use stele_commands::stop::{self, Stop, Stopper};
use stele_domain::operations::service::event::Service;
use tokio::task::JoinSet;

/// How long all parts together may take to end. The rest of the 25 seconds is for closing the log.
const DRAIN: Duration = Duration::from_secs(20);

/// How a part ended.
type Ended = (&'static str, anyhow::Result<()>);

/// The tasks, and the wish that ends them.
pub(crate) struct Parts {
    tasks: JoinSet<Ended>,
    stopper: Stopper,
    stop: Stop,
    health: Health,
}

impl Parts {
    pub(crate) fn new(health: Health) -> Self {
        let (stopper, stop) = stop::channel();
        Self { tasks: JoinSet::new(), stopper, stop, health }
    }

    /// Where the services say how they are.
    pub(crate) fn health(&self) -> Health {
        self.health.clone()
    }

    /// What a part listens to.
    pub(crate) fn stop(&self) -> Stop {
        self.stop.clone()
    }

    pub(crate) fn spawn(
        &mut self,
        name: &'static str,
        part: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        self.tasks.spawn(async move { (name, part.await) });
    }

    pub(crate) fn spawn_service(
        &mut self,
        service: Service,
        run: impl Future<Output = Result<(), ServiceError>> + Send + 'static,
    ) {
        let health = self.health.clone();
        self.spawn(service.name(), async move {
            let outcome = run.await.map_err(anyhow::Error::from);
            let why =
                outcome.as_ref().err().map_or_else(|| "stopped".to_owned(), |error| format!("{error:#}"));
            health.ended(service, why);
            outcome
        });
    }

    /// Waits until a part ends; that ends the desk. A part that ends without an error before it was told to is
    /// one too.
    pub(crate) async fn first_end(&mut self) -> anyhow::Result<()> {
        let Some(ended) = self.tasks.join_next().await else { return Ok(()) };
        let told = self.stop.is_requested();
        match settled(ended) {
            (part, Ok(())) if !told => Err(anyhow::anyhow!("{part} ended by itself")),
            (_, outcome) => outcome,
        }
    }

    /// Ends all parts and waits for them; the first error among them.
    pub(crate) async fn end(&mut self) -> anyhow::Result<()> {
        self.stopper.stop();
        let mut first = Ok(());
        let all = async {
            while let Some(ended) = self.tasks.join_next().await {
                let (_, outcome) = settled(ended);
                if first.is_ok() {
                    first = outcome;
                }
            }
        };
        if tokio::time::timeout(DRAIN, all).await.is_err() {
            observe::parts_cut_off(self.tasks.len());
            self.tasks.abort_all();
            while self.tasks.join_next().await.is_some() {}
        }
        first
    }
}

fn settled(ended: Result<Ended, tokio::task::JoinError>) -> Ended {
    let (part, outcome) = ended.unwrap_or_else(|error| ("a part", Err(anyhow::Error::from(error))));
    let words = outcome.as_ref().err().map(|error| format!("{error:#}"));
    observe::part_ended(part, words.as_deref());
    (part, outcome.map_err(|error| error.context(part)))
}
