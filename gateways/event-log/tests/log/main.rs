//! The event log's tests on its public surface: the port's contract, crashes, damage, faults and proofs.

mod suite;
mod support;

mod conformance;
mod crash;
mod damage;
