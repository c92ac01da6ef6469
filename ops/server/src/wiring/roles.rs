//! Which parts of the desk a process runs.

use clap::ValueEnum;
use std::collections::BTreeSet;
use stele_domain::operations::service::event::Service;

/// A part of the desk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Role {
    /// Reads prices.
    Market,
    /// Reads the relay.
    Ingest,
    /// Reads balances.
    Inventory,
    /// Decides.
    Strategy,
    /// Signs and sends.
    Executor,
    /// Raises and clears alerts.
    Alerts,
    /// Keeps the tables.
    Projections,
    /// Publishes facts as Delta tables, where `lake.url` says where.
    Lake,
    /// Answers on the socket.
    Api,
}

/// Some of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Roles(BTreeSet<Role>);

impl Roles {
    /// Those that were named; all when none was.
    pub(crate) fn of(named: &[Role]) -> Self {
        let all = Role::value_variants();
        Self(if named.is_empty() { all } else { named }.iter().copied().collect())
    }

    pub(crate) fn has(&self, role: Role) -> bool {
        self.0.contains(&role)
    }

    /// The services that these roles are; alerts and the door have no switch.
    pub(crate) fn services(&self) -> impl Iterator<Item = Service> {
        self.0.iter().filter_map(|role| match role {
            Role::Market => Some(Service::Market),
            Role::Ingest => Some(Service::Ingest),
            Role::Inventory => Some(Service::Inventory),
            Role::Strategy => Some(Service::Strategy),
            Role::Executor => Some(Service::Executor),
            Role::Projections => Some(Service::Projections),
            Role::Alerts | Role::Lake | Role::Api => None,
        })
    }

    pub(crate) fn names(&self) -> String {
        let names = self.0.iter().filter_map(ValueEnum::to_possible_value);
        names.map(|name| name.get_name().to_owned()).collect::<Vec<_>>().join(",")
    }
}
