//! How the services of this process are: whether their tasks run, and what is in their way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use stele_api::RoleHealth;
use stele_domain::operations::service::event::Service;

/// Shared by the tasks and the door.
#[derive(Clone, Default)]
pub(crate) struct Health {
    services: Arc<Mutex<BTreeMap<Service, State>>>,
}

/// One service of this process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct State {
    running: bool,
    /// Why its task has ended.
    ended: String,
    /// What keeps it from what it is for; empty when nothing does.
    blocked: String,
    /// What it waits for in good order; empty when it does not.
    waits: String,
    /// Whether it holds the right to sign.
    leads: bool,
}

impl State {
    /// For persons: all that there is to say.
    fn why(&self) -> String {
        let said = [&self.ended, &self.blocked, &self.waits];
        said.into_iter().filter(|why| !why.is_empty()).cloned().collect::<Vec<_>>().join("; ")
    }
}

/// A service as the gauges show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gauged {
    pub service: Service,
    pub running: bool,
    /// It runs and can't do what it is for. Standing by is what a standby is for.
    pub blocked: bool,
    /// It holds the right to sign.
    pub leads: bool,
}

impl Health {
    /// A service's task runs.
    pub(crate) fn runs(&self, service: Service) {
        self.change(service, |state| state.running = true);
    }

    /// What a service that runs can't do, and why; empty when nothing is in its way.
    pub(crate) fn blocked_by(&self, service: Service, why: String) {
        self.change(service, |state| state.blocked = why);
    }

    /// A service waits in good order for what others hold.
    pub(crate) fn waits(&self, service: Service, why: String) {
        self.change(service, |state| (state.waits, state.leads) = (why, false));
    }

    /// A service waits for nothing any more, and may or may not sign.
    pub(crate) fn leads(&self, service: Service, leads: bool) {
        self.change(service, |state| (state.waits, state.leads) = (String::new(), leads));
    }

    /// A service's task has ended.
    pub(crate) fn ended(&self, service: Service, why: String) {
        self.change(service, |state| *state = State { ended: why, ..State::default() });
    }

    fn change(&self, service: Service, change: impl FnOnce(&mut State)) {
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        change(services.entry(service).or_default());
    }

    /// All services of this process.
    pub(crate) fn all(&self) -> Vec<RoleHealth> {
        let services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        let one = |(service, state): (&Service, &State)| RoleHealth {
            service: *service,
            running: state.running,
            why: state.why(),
        };
        services.iter().map(one).collect()
    }

    /// The same for gauges.
    pub(crate) fn gauged(&self) -> Vec<Gauged> {
        let services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        let one = |(service, state): (&Service, &State)| Gauged {
            service: *service,
            running: state.running,
            blocked: state.running && !state.blocked.is_empty(),
            leads: state.running && state.leads,
        };
        services.iter().map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Gauged, Health};
    use stele_domain::operations::service::event::Service;

    fn executor(health: &Health) -> (Gauged, String) {
        let gauged = health.gauged().into_iter().find(|one| one.service == Service::Executor).unwrap();
        let all = health.all();
        let told = all.iter().find(|one| one.service == Service::Executor).unwrap();
        assert_eq!(told.running, gauged.running);
        (gauged, told.why.clone())
    }

    fn at(running: bool, blocked: bool, leads: bool) -> Gauged {
        Gauged { service: Service::Executor, running, blocked, leads }
    }

    #[test]
    fn standing_by_is_said_and_is_no_block_and_no_lead() {
        let health = Health::default();
        health.runs(Service::Executor);
        health.waits(Service::Executor, "standby: exec-a holds the lease".to_owned());
        assert_eq!(executor(&health), (at(true, false, false), "standby: exec-a holds the lease".to_owned()));
        health.leads(Service::Executor, true);
        assert_eq!(executor(&health), (at(true, false, true), String::new()));
        health.ended(Service::Executor, "stopped".to_owned());
        assert_eq!(executor(&health), (at(false, false, false), "stopped".to_owned()));
    }

    #[test]
    fn a_standby_that_could_not_sign_is_blocked_before_it_is_needed() {
        let health = Health::default();
        health.runs(Service::Executor);
        health.blocked_by(Service::Executor, "can't sign: no key".to_owned());
        health.waits(Service::Executor, "standby".to_owned());
        assert_eq!(executor(&health), (at(true, true, false), "can't sign: no key; standby".to_owned()));
    }
}
