//! What is recorded of partitions.

use super::command::Command;
use super::event::{Event, PartitionTiered, Span};
use super::rejection::Rejection;
use super::state::State;

/// Digits of a hash.
const HASH_DIGITS: usize = 64;

pub(super) fn decide(state: &State, command: Command) -> Result<Vec<Event>, Rejection> {
    match command {
        Command::Tier(tiered) => {
            sound(&tiered.span)?;
            if !is_hash(&tiered.digest) || !is_hash(&tiered.manifest_hash) {
                return Err(Rejection::NoHash);
            }
            let said = state.of(&tiered.span).is_some_and(|known| is_same(&known.tiered, &tiered));
            Ok(if said { vec![] } else { vec![Event::PartitionTiered(tiered)] })
        }
        Command::Restore(restored) => {
            sound(&restored.span)?;
            let known = state.of(&restored.span).ok_or(Rejection::NeverTiered)?;
            if (known.tiered.rows, &known.tiered.digest) != (restored.rows, &restored.digest) {
                return Err(Rejection::OtherRows);
            }
            let said = known.held_until == Some(restored.held_until);
            Ok(if said { vec![] } else { vec![Event::PartitionRestored(restored)] })
        }
    }
}

fn sound(span: &Span) -> Result<(), Rejection> {
    if span.from_position < span.to_position { Ok(()) } else { Err(Rejection::EmptySpan) }
}

fn is_hash(text: &str) -> bool {
    text.len() == HASH_DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether both say the same; when they were found out is no difference.
fn is_same(known: &PartitionTiered, found: &PartitionTiered) -> bool {
    *known == PartitionTiered { at: known.at, ..found.clone() }
}
