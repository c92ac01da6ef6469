//! The doors of the desk: one application state behind REST, the Unix socket and the TCP port that it is served on,
//! and the typed client that the command line uses.
//!
//! A door translates and refuses; it decides nothing. Its messages are in [`dto`] and are no domain types, so
//! that the inside can move while the names under `/v1` stay. The routes are listed in `README.md`.

#![forbid(unsafe_code)]

pub mod client;
pub mod dto;

mod api;
mod audits;
mod desk;
mod door;
mod doors;
mod grpc;
mod openapi;
mod papers;
mod probes;
mod router;

mod asked;
mod guard;
mod handover;
mod params;
mod problem;
mod reading;
mod routes;
mod translate;

mod observe;

pub use api::{
    Api, Build, LogAdmin, LogArchived, LogConsistency, LogGrowth, LogProof, LogStat, RoleHealth, Visitor,
};
pub use audits::{
    AUDITS_KEPT, AuditDone, AuditFailed, AuditProgress, AuditWanted, Auditor, Audits, REPORT_BYTES_MAX,
};
pub use door::{DoorError, TcpDoor, TcpOptions, TlsFiles, UnixDoor, serve_unix, this_user};
pub use doors::{Doors, Pace, RateOptions};
pub use grpc::beside::{Beside, BesideAnswer, BesideMethod};
pub use observe::announce;
pub use papers::{certificates_end, private_file};
pub use probes::{Probes, probes};
pub use router::{router, router_beside};
pub use translate::limits::{limits_inward, outward as limits_outward};
