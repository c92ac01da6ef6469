//! NEAR Intents as a maker sees it: the solver relay, the signed offer, and the verifier contract's views.
//!
//! Their words are in `wire.rs`, what they mean to us in `translate.rs` (pure), and only the clients touch a
//! socket. Nothing here decides: an offer is worded and signed exactly as it was told, and a relay's frame is
//! passed on as it came.

pub mod message;
pub mod nep413;
pub mod nonce;

pub mod key;

pub mod relay;
pub mod verifier;

pub mod fuzzing;

mod observe;

pub use observe::announce;
