//! The jitter of this gateway's waits: what keeps clients that failed together from coming back together.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// A fresh jitter. The standard library seeds its hash maps from the operating system, which is all that is asked
/// of it.
pub fn jitter() -> u32 {
    u32::try_from(RandomState::new().build_hasher().finish() >> 32).unwrap_or(0)
}
