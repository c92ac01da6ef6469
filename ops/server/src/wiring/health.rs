//! How the services of this process are: whether their tasks run, and what is in their way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use stele_api::RoleHealth;
use stele_domain::operations::service::event::Service;

/// Shared by the tasks and the door.
#[derive(Clone, Default)]
pub(crate) struct Health {
    services: Arc<Mutex<BTreeMap<Service, RoleHealth>>>,
}

impl Health {
    /// A service's task runs; `why` says what it can't do, if anything.
    pub(crate) fn runs(&self, service: Service, why: String) {
        self.put(RoleHealth { service, running: true, why });
    }

    /// A service's task has ended.
    pub(crate) fn ended(&self, service: Service, why: String) {
        self.put(RoleHealth { service, running: false, why });
    }

    fn put(&self, health: RoleHealth) {
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        services.insert(health.service, health);
    }

    /// All services of this process.
    pub(crate) fn all(&self) -> Vec<RoleHealth> {
        self.services.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}
