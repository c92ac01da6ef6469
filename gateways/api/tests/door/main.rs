//! The door over a real Unix socket: a real control, real ledgers, real projections, the log and the tables in
//! memory.

mod desk;
mod raw;

mod follow;
mod manners;
mod reads;
mod socket;
mod story;
mod wishes;
