//! The doors of the desk: a REST router over one application state, the Unix socket it is served on, and the
//! typed client that the command line uses.
//!
//! A door translates and refuses; it decides nothing. Its messages are in [`dto`] and are no domain types, so
//! that the inside can move while the names under `/v1` stay. The routes are listed in `README.md`.

#![forbid(unsafe_code)]

pub mod client;
pub mod dto;

mod api;
mod door;
mod router;

mod asked;
mod guard;
mod params;
mod problem;
mod reading;
mod routes;
mod translate;

mod observe;

pub use api::{Api, Build, LogAdmin, LogStat, RoleHealth, Visitor};
pub use door::{DoorError, UnixDoor, serve_unix};
pub use router::router;
