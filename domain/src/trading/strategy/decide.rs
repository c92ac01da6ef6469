//! How the strategy decides: price, ask every gate, record the whole vector.

use super::command::{Command, Seen, Sight};
use super::event::{Decided, Event, ExecutionCommanded, InventorySeen, PriceSeen, Proposal, Verdict};
use super::gates;
use super::state::State;
use crate::ids::{CommandId, DecisionId};
use crate::market::reference::event::{Fair, ReferencePriced, Role, Verdict as PriceVerdict};
use crate::money::Units;
use crate::trading::pricing::{Quote, propose};
use crate::treasury::inventory::event::BalancesObserved;

pub(super) fn decide(state: &State, command: Command) -> Vec<Event> {
    let Command::Decide(sight) = command;
    if state.knows(&sight.demand.quote_id, sight.demand_position) {
        return vec![];
    }
    let proposal = proposal(&sight);
    let inventory = sight.inventory.as_ref().map(|seen| inventory_seen(&sight, seen));
    let gates = gates::ask(&sight, proposal.as_ref(), inventory.as_ref());
    let verdict = gates::verdict(&gates);
    let decision_id = DecisionId::of_quote(&sight.strategy, &sight.demand.quote_id);
    let order = match (verdict, &proposal) {
        (Verdict::Act, Some(proposal)) => Some(order(&sight, decision_id, proposal)),
        (Verdict::Act | Verdict::Skip { .. }, _) => None,
    };
    let decided = Decided {
        decision_id,
        quote_id: sight.demand.quote_id.clone(),
        pair: sight.demand.pair.clone(),
        direction: sight.demand.direction,
        demand_event_id: sight.demand_event_id,
        demand_position: sight.demand_position,
        verdict,
        proposal,
        price: sight.price.as_ref().map(|seen| price_seen(&sight, seen)),
        inventory,
        limits_version: sight.account.limits.as_ref().map_or(0, |set| set.version),
        gates,
        footing: Some(sight.footing.clone()),
        received_at: sight.demand.received_at,
        decided_at: sight.at,
    };
    let mut events = vec![Event::Decided(Box::new(decided))];
    events.extend(order.map(|order| Event::ExecutionCommanded(Box::new(order))));
    events
}

/// The price that may be decided on, and whether it is the fallback's.
pub(super) fn usable(priced: &ReferencePriced) -> Option<(&Fair, bool)> {
    match &priced.verdict {
        PriceVerdict::Primary { fair } => Some((fair, false)),
        PriceVerdict::Fallback { fair } => Some((fair, true)),
        PriceVerdict::Blocked { .. } => None,
    }
}

fn proposal(sight: &Sight) -> Option<Proposal> {
    let priced = &sight.price.as_ref()?.fact;
    let (fair, fallback) = usable(priced)?;
    let age_ms = sight.at.millis_since(fair.as_of);
    let quote = Quote { fair, fallback, basis: priced.basis.as_ref()?, age_ms };
    propose(&sight.footing.pricing, sight.decimals, &sight.demand, &quote)
}

fn price_seen(sight: &Sight, seen: &Seen<ReferencePriced>) -> PriceSeen {
    let used = usable(&seen.fact);
    let as_of = used.map_or(seen.fact.priced_at, |(fair, _)| fair.as_of);
    // A blocked price came from nobody, whatever its sources were meant for.
    let source = used.and_then(|_| {
        seen.fact.sources.iter().find(|part| match part.role {
            Role::Primary | Role::Fallback => true,
            Role::Check | Role::Basis | Role::Unused => false,
        })
    });
    PriceSeen {
        event_id: seen.event_id,
        position: seen.position,
        freshness_ms: sight.at.millis_since(as_of),
        source: source.map(|part| part.source),
    }
}

fn inventory_seen(sight: &Sight, seen: &Seen<BalancesObserved>) -> InventorySeen {
    let token = &sight.demand.token_out;
    let amount = |of: &std::collections::BTreeMap<_, Units>| of.get(token).copied().unwrap_or(Units::ZERO);
    let floor = sight.account.limits.as_ref().map_or(Units::ZERO, |set| amount(&set.limits.floor));
    let credited = amount(&seen.fact.credited);
    let spendable = credited
        .minus_or_zero(sight.account.reserved)
        .minus_or_zero(amount(&seen.fact.pending_out))
        .minus_or_zero(floor);
    InventorySeen {
        event_id: seen.event_id,
        position: seen.position,
        height: seen.fact.height,
        freshness_ms: sight.at.millis_since(seen.fact.observed_at),
        credited,
        reserved: sight.account.reserved,
        spendable,
        pending_in: amount(&seen.fact.pending_in),
    }
}

fn order(sight: &Sight, decision_id: DecisionId, proposal: &Proposal) -> ExecutionCommanded {
    ExecutionCommanded {
        command_id: CommandId::of_decision(decision_id),
        decision_id,
        quote_id: sight.demand.quote_id.clone(),
        pair: sight.demand.pair.clone(),
        direction: sight.demand.direction,
        receive: proposal.receive.clone(),
        give: proposal.give.clone(),
        exact: sight.demand.exact,
        notional: proposal.notional,
        limits_version: sight.account.limits.as_ref().map_or(0, |set| set.version),
        strategy_start: sight.footing.start,
        min_deadline_ms: sight.demand.min_deadline_ms,
        closes_at: sight.demand.closes_at,
        partner_id: sight.demand.partner_id.clone(),
        commanded_at: sight.at,
    }
}
