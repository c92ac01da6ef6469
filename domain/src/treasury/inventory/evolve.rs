//! How balances are remembered.

use super::event::{BalancesObserved, Event};
use super::state::{EXPLAINED_MAX, State};

pub(super) fn evolve(state: State, event: &Event) -> State {
    match event {
        Event::BalancesObserved(observed) => observe(state, observed),
        // Stated once: the balances beside it are the new starting point.
        Event::DriftDetected(_) => state,
        Event::InventoryUnavailable(unavailable) => State { outage_stated_at: Some(unavailable.at), ..state },
    }
}

fn observe(mut state: State, observed: &BalancesObserved) -> State {
    for nonce in observed.nonces.iter().filter(|nonce| nonce.used) {
        if state.explained.insert(nonce.command_id) {
            state.order.push_back(nonce.command_id);
        }
    }
    while state.order.len() > EXPLAINED_MAX {
        if let Some(oldest) = state.order.pop_front() {
            state.explained.remove(&oldest);
        }
    }
    state.last = Some(observed.clone());
    state.outage_stated_at = None;
    state
}
