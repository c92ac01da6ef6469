//! The reason that a person gives for an act: how long it must be to say anything, and how much of it is kept.
//!
//! Each aggregate has its own word for the refusal; the measure is one.

/// Shortest reason that says anything, in characters.
pub const CHARS_MIN: usize = 3;
/// Longest reason that is kept, in characters.
pub const CHARS_MAX: usize = 500;

/// Whether a reason says something, and no more than is kept. Space around it does not count.
#[must_use]
pub fn suffices(reason: &str) -> bool {
    (CHARS_MIN..=CHARS_MAX).contains(&reason.trim().chars().count())
}

/// As much of it as is kept: stopping is never refused for its words.
#[must_use]
pub fn cut(reason: String) -> String {
    if reason.chars().count() <= CHARS_MAX { reason } else { reason.chars().take(CHARS_MAX).collect() }
}

#[cfg(test)]
mod tests {
    use super::{cut, suffices};

    #[test]
    fn three_to_five_hundred_characters_are_a_reason() {
        for reason in ["why", &"ü".repeat(500), "  why  "] {
            assert!(suffices(reason), "{reason}");
        }
        for reason in ["", "ok", "  ok  ", &"x".repeat(501)] {
            assert!(!suffices(reason), "{reason}");
        }
    }

    #[test]
    fn what_is_too_long_is_cut_and_what_is_short_stays() {
        assert_eq!(cut("ü".repeat(501)), "ü".repeat(500));
        assert_eq!(cut("no".to_owned()), "no");
    }
}
