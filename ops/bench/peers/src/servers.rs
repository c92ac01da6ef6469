//! Stores that are another process, reached over a socket of this machine.

pub mod child;
pub mod door;
pub mod kurrent;
pub mod postgres;
pub mod redis;
pub mod remote;
pub mod umadb;
