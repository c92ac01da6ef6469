//! What every door asks of the desk, in the words of [`dto`](crate::dto): said once, so that doors can't disagree.
//!
//! A door reads its wire, calls one function of these, and writes its wire. Nothing here knows of HTTP or gRPC, and
//! nothing here decides.

pub(crate) mod alerts;
pub(crate) mod asking;
pub(crate) mod audits;
pub(crate) mod control;
pub(crate) mod cursor;
pub(crate) mod follow;
pub(crate) mod keys;
pub(crate) mod live;
pub(crate) mod log;
mod origin;
pub(crate) mod parked;
mod past;
pub(crate) mod reads;
pub(crate) mod ready;
pub(crate) mod rebuilds;
pub(crate) mod status;
pub(crate) mod tables;
pub(crate) mod visit;
