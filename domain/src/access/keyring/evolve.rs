//! How the keyring remembers.

use super::event::Event;
use super::state::{Key, State};

pub(super) fn evolve(mut state: State, event: &Event) -> State {
    match event {
        Event::KeyCreated(created) => {
            let key = Key { created: created.clone(), revoked: None };
            // The first fact about an id stands: a second can't bring a revoked key back.
            state.keys.entry(created.key_id.clone()).or_insert(key);
        }
        Event::KeyRevoked(revoked) => {
            if let Some(key) = state.keys.get_mut(&revoked.key_id) {
                key.revoked.get_or_insert_with(|| revoked.clone());
            }
        }
    }
    state
}
