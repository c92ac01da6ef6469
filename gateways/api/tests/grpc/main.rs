//! The gRPC door over a real TCP socket: a real control, real ledgers, real projections, the log and the tables in
//! memory, and clients that are generated from the definitions.

#[cfg(test)]
#[expect(dead_code, reason = "the desk of the REST tests; not every helper of it is needed here")]
#[path = "../door/desk.rs"]
mod desk;
#[cfg(test)]
mod served;

#[cfg(test)]
mod access;
#[cfg(test)]
mod audits;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod beside;
#[cfg(test)]
mod control;
#[cfg(test)]
mod cross_site;
#[cfg(test)]
mod damaged;
#[cfg(test)]
mod health;
#[cfg(test)]
mod law;
#[cfg(test)]
mod log;
#[cfg(test)]
mod open;
#[cfg(test)]
mod projections;
#[cfg(test)]
mod prove;
#[cfg(test)]
mod reads;
#[cfg(test)]
mod reflection;
#[cfg(test)]
mod watch;
#[cfg(test)]
mod web;
