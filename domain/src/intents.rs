//! What the NEAR Intents relay says: quote requests, settlements, the connection itself, and which pairs we
//! listen to.

pub mod demand;
pub mod event;
pub mod filter;
pub mod intake;
pub mod relay;
