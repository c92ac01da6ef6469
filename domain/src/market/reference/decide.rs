//! How the reference price decides: which news is news, and whether the verdict is stated again.

use super::command::Command;
use super::event::{Block, Event, PriceObserved, ReferencePriced, Role, Source, SourceStateChanged, Verdict};
use super::evolve::evolve;
use super::policy::Policy;
use super::state::State;
use crate::time::Timestamp;

pub(super) fn decide(state: &State, command: Command) -> Vec<Event> {
    match command {
        Command::Observe { observation, policy, at } => observe(state, observation, &policy, at),
        Command::ChangeState { change, policy, at } => change_state(state, change, &policy, at),
        Command::Tick { policy, at } => verdict_if_changed(state, &policy, at),
    }
}

fn observe(state: &State, observation: PriceObserved, policy: &Policy, at: Timestamp) -> Vec<Event> {
    if state.observed(observation.source) == Some(&observation) {
        return verdict_if_changed(state, policy, at);
    }
    let observed = Event::PriceObserved(observation);
    let state = evolve(state.clone(), &observed);
    vec![observed, Event::ReferencePriced(policy.apply(&state, at))]
}

fn change_state(state: &State, change: SourceStateChanged, policy: &Policy, at: Timestamp) -> Vec<Event> {
    let known = state.source(change.source);
    if known.is_some_and(|known| (known.link, known.healthy) == (change.link, change.healthy)) {
        return verdict_if_changed(state, policy, at);
    }
    let changed = Event::SourceStateChanged(change);
    let state = evolve(state.clone(), &changed);
    let mut events = vec![changed];
    events.extend(verdict_if_changed(&state, policy, at));
    events
}

fn verdict_if_changed(state: &State, policy: &Policy, at: Timestamp) -> Vec<Event> {
    let priced = policy.apply(state, at);
    if state.priced().is_some_and(|last| gist(last) == gist(&priced)) {
        return vec![];
    }
    vec![Event::ReferencePriced(priced)]
}

/// What a verdict comes down to: the price may move within it and ages grow, without its being another one.
#[derive(Debug, PartialEq, Eq)]
struct Gist {
    kind: Kind,
    depegged: bool,
    roles: Vec<(Source, Role)>,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Primary,
    Fallback,
    Blocked(Block),
}

fn gist(priced: &ReferencePriced) -> Gist {
    let kind = match &priced.verdict {
        Verdict::Primary { .. } => Kind::Primary,
        Verdict::Fallback { .. } => Kind::Fallback,
        Verdict::Blocked { block } => Kind::Blocked(*block),
    };
    let roles = priced.sources.iter().map(|part| (part.source, part.role)).collect();
    Gist { kind, depegged: priced.depegged, roles }
}
