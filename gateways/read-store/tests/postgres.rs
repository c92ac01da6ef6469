//! PostgreSQL, on real servers: that it keeps the contract, what else it promises, and what it does when the
//! server is in trouble. Everything runs as the desk's least-privileged role unless it says otherwise.

#[cfg(test)]
#[path = "postgres/contract.rs"]
mod contract;
#[cfg(test)]
#[path = "support/ddl.rs"]
mod ddl;
#[cfg(test)]
#[path = "conformance/digests.rs"]
mod digests;
#[cfg(test)]
#[path = "postgres/documents.rs"]
mod documents;
#[cfg(test)]
#[path = "postgres/equality.rs"]
mod equality;
#[cfg(test)]
#[path = "conformance/fixture.rs"]
mod fixture;
#[cfg(test)]
#[path = "postgres/histories.rs"]
mod histories;
#[cfg(test)]
#[path = "postgres/migrations.rs"]
mod migrations;
#[cfg(test)]
#[path = "postgres/parked.rs"]
mod parked;
#[cfg(test)]
#[path = "postgres/past.rs"]
mod past;
#[cfg(test)]
#[path = "postgres/private.rs"]
mod private;
#[cfg(test)]
#[path = "conformance/queries.rs"]
mod queries;
#[cfg(test)]
#[path = "postgres/rebuilds.rs"]
mod rebuilds;
#[cfg(test)]
#[path = "postgres/rebuilt.rs"]
mod rebuilt;
#[cfg(test)]
#[path = "postgres/roles.rs"]
mod roles;
#[cfg(test)]
#[path = "postgres/runners.rs"]
mod runners;
#[cfg(test)]
#[path = "support/server.rs"]
mod server;
#[cfg(test)]
#[path = "postgres/statements.rs"]
mod statements;
#[cfg(test)]
#[path = "postgres/still.rs"]
mod still;
#[cfg(test)]
#[path = "conformance/suite.rs"]
mod suite;
#[cfg(test)]
#[path = "postgres/tls.rs"]
mod tls;
#[cfg(test)]
#[path = "postgres/troubles.rs"]
mod troubles;
