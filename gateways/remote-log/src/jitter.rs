//! The jitter of the waits: what keeps processes that lost the log together from coming back together.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// A fresh jitter. The standard library seeds its hash maps from the operating system, which is all that is asked
/// of it.
pub fn jitter() -> u32 {
    u32::try_from(RandomState::new().build_hasher().finish() >> 32).unwrap_or(0)
}
