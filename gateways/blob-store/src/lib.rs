//! Blobs in a directory, in a store that speaks S3, or in memory: implementations of `domain::port::blob_store`, whose
//! documentation is their contract. What a blob means is for others.
#![forbid(unsafe_code)]

mod address;
mod changes;
mod errors;
mod later;
mod memory;
mod objects;
mod place;

pub use address::{Address, InvalidAddress};
pub use later::open_in_the_end;
pub use memory::MemoryBlobs;
pub use objects::{Credentials, OpenError, Options, open, open_changing};
