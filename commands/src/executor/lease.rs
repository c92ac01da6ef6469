//! The signing lease: taken, kept, waited for, and given back at a clean end.
//!
//! Who stands by takes it only when it has run out; every new lease begins disarmed.

use super::reactor::Executor;
use super::{Standing, reactor::View};
use crate::envelope::Failure;
use crate::observe;
use crate::service::{ServiceError, own, survivable, unstartable};
use crate::stop::Stop;
use std::fmt;
use std::time::Duration;
use stele_domain::ids::Actor;
use stele_domain::operations::service::event::Service;
use stele_domain::port::event_log::Position;
use stele_domain::trading::account::{Command, Event, Rejection};

/// How often who stands by looks at the lease, at least.
const LOOK: Duration = Duration::from_millis(500);
/// Wait before a log that did not answer is asked again.
const RETRY: Duration = Duration::from_millis(500);

/// Longest time that a clean end spends on giving the lease back; what is not given back runs out.
const GIVE_BACK_MAX: Duration = Duration::from_secs(2);

/// A lease that was taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lead {
    /// Which.
    pub(super) epoch: u64,
    /// Where the log says so. It disarmed the account: what stands before it needs no disarming any more.
    pub(super) since: Position,
}

/// What became of a lease.
#[derive(Debug)]
pub(super) enum Lease {
    /// It holds.
    Held,
    /// Somebody else has it.
    Lost(String),
}

impl Executor {
    /// Takes the lease, or stands by until it can; none when the stop came first.
    pub(super) async fn lead(&self, who: &Actor, stop: &mut Stop) -> Result<Option<Lead>, ServiceError> {
        loop {
            let wait = match self.try_to_lead(who).await {
                Ok(Attempt::Leads(lead)) => {
                    self.fence.hold(lead.epoch);
                    observe::leads(&self.options.instance, lead.epoch);
                    self.standing.send_replace(Standing::Leading { epoch: lead.epoch });
                    return Ok(Some(lead));
                }
                Ok(Attempt::StandsBy(wait)) => wait,
                Err(ServiceError::Log(error)) if error.is_transient() => {
                    observe::log_failed(Service::Executor.name(), &error);
                    RETRY
                }
                Err(error) => return Err(error),
            };
            tokio::select! {
                biased;
                () = stop.requested() => return Ok(None),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn try_to_lead(&self, who: &Actor) -> Result<Attempt, ServiceError> {
        if self.options.standby
            && let Some(wait) = self.held_by_another().await?
        {
            return Ok(Attempt::StandsBy(wait));
        }
        let at = self.clock.now();
        let holder = self.options.instance.clone();
        let command = Command::TakeLease { holder, ttl_ms: self.options.lease_ttl_ms, at };
        match self.account.handle(own(who, at, command)).await {
            // The epoch is that of the recorded fact: what stands there later may be another process's lease.
            Ok(outcome) => Ok(match (taken(outcome.events()), outcome.first()) {
                (Some(epoch), Some(since)) => Attempt::Leads(Lead { epoch, since }),
                // Without a fact there is no lease: it asks anew.
                (Some(_) | None, _) => Attempt::StandsBy(LOOK),
            }),
            // Between the look and the wish somebody else was faster.
            Err(Failure::Rejected(_)) if self.options.standby => Ok(Attempt::StandsBy(LOOK)),
            Err(Failure::Rejected(rejection)) => Err(ServiceError::Lease(rejection.to_string())),
            Err(failure) => Err(unstartable(failure)),
        }
    }

    /// How long to wait while the lease holds. Who stands by waits for its own former self too: it can't tell a
    /// predecessor that is gone from one that was given the same name.
    async fn held_by_another(&self) -> Result<Option<Duration>, ServiceError> {
        let lease = self.account.look(|state| state.lease().cloned()).await.map_err(unstartable)?;
        let now = self.clock.now();
        let Some(lease) = lease.filter(|lease| lease.until > now) else { return Ok(None) };
        let standing = Standing::Standby { holder: lease.holder.clone(), until: lease.until };
        let news = self.standing.send_if_modified(|current| {
            let first = !matches!(current, Standing::Standby { .. });
            *current = standing;
            first
        });
        if news {
            observe::stands_by(&self.options.instance, &lease.holder, lease.until);
        }
        let left_ms = u64::try_from(lease.until.millis_since(now)).unwrap_or(0);
        Ok(Some(Duration::from_millis(left_ms.max(1)).min(LOOK)))
    }

    /// Lets the lease last longer when half of it is gone, and says when it is somebody else's.
    pub(super) async fn keep_lease(&self, who: &Actor, view: &View) -> Result<Lease, ServiceError> {
        let at = self.clock.now();
        let ttl_ms = self.options.lease_ttl_ms;
        let half_ms = i64::try_from(ttl_ms / 2).unwrap_or(0);
        let seen = self.account.look(|state| {
            let left_ms = state.lease().map_or(0, |lease| lease.until.millis_since(at));
            (state.epoch(), left_ms < half_ms)
        });
        match seen.await {
            Ok((epoch, _)) if epoch != view.lead.epoch => {
                let words = Rejection::LeaseLost { asked: view.lead.epoch, current: epoch }.to_string();
                return Ok(Lease::Lost(words));
            }
            Ok((_, false)) => return Ok(Lease::Held),
            Ok((_, true)) | Err(_) => {}
        }
        match self
            .account
            .handle(own(who, at, Command::RenewLease { epoch: view.lead.epoch, ttl_ms, at }))
            .await
        {
            Ok(_) => Ok(Lease::Held),
            Err(Failure::Rejected(rejection @ Rejection::LeaseLost { .. })) => {
                Ok(Lease::Lost(rejection.to_string()))
            }
            Err(failure) => survivable(Service::Executor, failure).map(|()| Lease::Held),
        }
    }

    /// Gives the lease back, so that whoever comes next need not wait for its end: the last that is done under it. While a
    /// frame may be on its way it is kept, and runs out by itself.
    pub(super) async fn give_lease_back(&self, who: &Actor, epoch: u64) {
        let kept = |why: &dyn fmt::Display| observe::lease_kept(&self.options.instance, epoch, why);
        let Some(_closed) = self.fence.close().await else {
            return kept(&"a frame may be on its way");
        };
        let command = Command::ReturnLease { epoch, at: self.clock.now() };
        let given = self.account.handle(own(who, self.clock.now(), command));
        match tokio::time::timeout(GIVE_BACK_MAX, given).await {
            Ok(Ok(_)) => observe::lease_given_back(&self.options.instance, epoch),
            Ok(Err(Failure::Rejected(rejection))) => kept(&rejection),
            Ok(Err(Failure::Log(error))) => kept(&error),
            Ok(Err(failure)) => kept(&failure),
            Err(_) => kept(&"the log did not answer in time"),
        }
    }
}

/// What an attempt to lead came to.
enum Attempt {
    Leads(Lead),
    StandsBy(Duration),
}

/// The epoch of the lease that was taken.
fn taken(events: &[Event]) -> Option<u64> {
    events
        .iter()
        .find_map(|event| if let Event::LeaseTaken(taken) = event { Some(taken.epoch) } else { None })
}
