//! The door over a real Unix socket: a real control, real ledgers, real projections, the log and the tables in
//! memory.

#[cfg(test)]
mod desk;
#[cfg(test)]
mod raw;

#[cfg(test)]
mod follow;
#[cfg(test)]
mod manners;
#[cfg(test)]
mod reads;
#[cfg(test)]
mod socket;
#[cfg(test)]
mod story;
#[cfg(test)]
mod wishes;
