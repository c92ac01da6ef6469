//! Between the inside and the messages of the door. Pure.

pub(crate) mod account;
pub(crate) mod filter;
pub(crate) mod limits;
pub(crate) mod log;
pub(crate) mod rebuilds;
pub(crate) mod status;
pub(crate) mod tables;
pub(crate) mod trace;
