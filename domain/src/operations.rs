//! Running the desk: what its services do, what went wrong, and who asked for what in vain.

pub mod alert;
pub mod attempt;
pub mod event;
pub mod service;
