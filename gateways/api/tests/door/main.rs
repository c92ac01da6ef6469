//! The REST door over real sockets: a real control, real ledgers, real projections, the log and the tables in
//! memory.

#[cfg(test)]
#[path = "../../../../tests/support/certificates.rs"]
mod certificates;
#[cfg(test)]
mod desk;
#[cfg(test)]
mod raw;

#[cfg(test)]
mod audits;
#[cfg(test)]
mod credentials;
#[cfg(test)]
mod cursors;
#[cfg(test)]
mod follow;
#[cfg(test)]
mod manners;
#[cfg(test)]
mod network;
#[cfg(test)]
mod parked;
#[cfg(test)]
mod past;
#[cfg(test)]
mod reads;
#[cfg(test)]
mod rebuilds;
#[cfg(test)]
mod socket;
#[cfg(test)]
mod story;
#[cfg(test)]
mod stream;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod unread;
#[cfg(test)]
mod wishes;
