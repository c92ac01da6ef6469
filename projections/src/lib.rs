//! Read models: tables that follow from the log, and nothing else. A projection is a pure fold; the runner is
//! the only part that touches the log and the store.
//!
//! No decision is ever made from a table. A table can be dropped and folded again at any time.

#![forbid(unsafe_code)]

pub mod projection;
pub mod row;
pub mod rows;

#[expect(missing_docs, reason = "a field of a row is a column, and the table's definition says what it is")]
pub mod models;
pub mod parking;

pub mod digest;
mod fold;
pub mod runner;

pub mod audit;
pub mod compare;
pub mod past;
pub mod read;
pub mod rebuild;
pub mod status;
pub mod tier;
pub mod trace;

mod observe;

pub use observe::announce;

pub use fold::{FoldError, Newer, schemas};
