//! From the words of [`dto`](crate::dto) to messages. Pure.

pub(crate) mod access;
pub(crate) mod account;
pub(crate) mod audits;
pub(crate) mod control;
pub(crate) mod decision;
pub(crate) mod log;
pub(crate) mod projections;
pub(crate) mod rows;
pub(crate) mod status;
pub(crate) mod trace;
