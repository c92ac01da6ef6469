//! Running the desk: what its services do, what went wrong, who asked for what in vain, and which rows are in the lake.

pub mod alert;
pub mod attempt;
pub mod event;
pub mod parking;
pub mod service;
pub mod tiering;
