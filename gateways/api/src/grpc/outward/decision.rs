//! A decision as it is told to whoever watches. The stored form stays inside.

use crate::grpc::words::{direction, moment};
use stele_domain::codec::{self, CodecError};
use stele_domain::event::{Event, Meta};
use stele_domain::port::event_log::Record;
use stele_domain::port::venue::TokenAmount;
use stele_domain::trading::event::Event as Trading;
use stele_domain::trading::gate::{Answer, GateResult, Measure};
use stele_domain::trading::strategy::event::{
    Decided, Event as Strategy, InventorySeen, PriceSeen, Proposal, Verdict,
};
use stele_proto::api::v1 as pb;

/// The decision in a record; `None` for a record of another fact.
pub(crate) fn decision(record: &Record) -> Result<Option<pb::Decision>, CodecError> {
    let recorded = codec::recorded(record)?;
    let Event::Trading(Trading::Strategy(Strategy::Decided(decided))) = &recorded.event else {
        return Ok(None);
    };
    Ok(Some(told(record, &recorded.meta, decided)))
}

fn told(record: &Record, meta: &Meta, decided: &Decided) -> pb::Decision {
    let (verdict, skip_reason) = match decided.verdict {
        Verdict::Act => (pb::Verdict::Act, String::new()),
        Verdict::Skip { reason } => (pb::Verdict::Skip, reason.code().to_owned()),
    };
    pb::Decision {
        position: record.position.0,
        event_id: record.event_id.to_string(),
        recorded_at: Some(moment(record.recorded_at)),
        correlation_id: meta.correlation_id.0.to_string(),
        decision_id: decided.decision_id.to_string(),
        quote_id: decided.quote_id.to_string(),
        pair: decided.pair.to_string(),
        direction: direction(decided.direction).into(),
        verdict: verdict.into(),
        skip_reason,
        proposal: decided.proposal.as_ref().map(proposal),
        price: decided.price.as_ref().map(price),
        inventory: decided.inventory.as_ref().map(inventory),
        limits_version: decided.limits_version,
        gates: decided.gates.iter().map(gate).collect(),
        demand_position: decided.demand_position.0,
        received_at: Some(moment(decided.received_at)),
        decided_at: Some(moment(decided.decided_at)),
    }
}

fn amount(amount: &TokenAmount) -> pb::TokenAmount {
    pb::TokenAmount { token: amount.token.to_string(), amount: amount.amount.to_string() }
}

fn proposal(proposal: &Proposal) -> pb::Proposal {
    pb::Proposal {
        receive: Some(amount(&proposal.receive)),
        give: Some(amount(&proposal.give)),
        fair_rate: proposal.fair_rate.to_string(),
        margin_bps: proposal.margin.total.0,
        implied_rate: proposal.implied_rate.to_string(),
        reference_rate: proposal.reference_rate.to_string(),
        gross_edge_bps: proposal.gross_edge.0,
        notional: proposal.notional.to_string(),
    }
}

fn price(seen: &PriceSeen) -> pb::PriceSeen {
    pb::PriceSeen {
        event_id: seen.event_id.to_string(),
        position: seen.position.0,
        freshness_ms: seen.freshness_ms,
        source: seen.source.map(|source| source.name().to_owned()).unwrap_or_default(),
    }
}

fn inventory(seen: &InventorySeen) -> pb::InventorySeen {
    pb::InventorySeen {
        event_id: seen.event_id.to_string(),
        position: seen.position.0,
        height: seen.height,
        freshness_ms: seen.freshness_ms,
        credited: seen.credited.to_string(),
        reserved: seen.reserved.to_string(),
        spendable: seen.spendable.to_string(),
        pending_in: seen.pending_in.to_string(),
    }
}

fn gate(result: &GateResult) -> pb::Gate {
    let (answer, reason) = match result.answer {
        Answer::Pass => (pb::GateAnswer::Pass, String::new()),
        Answer::Deny(reason) => (pb::GateAnswer::Deny, reason.code().to_owned()),
        Answer::NotAsked => (pb::GateAnswer::NotAsked, String::new()),
    };
    pb::Gate {
        gate: named(result.gate),
        answer: answer.into(),
        reason,
        observed: Some(measure(&result.observed)),
        limit: Some(measure(&result.limit)),
    }
}

/// The name under which a gate is stored.
fn named(gate: stele_domain::trading::gate::Gate) -> String {
    serde_json::to_value(gate).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

fn measure(measure: &Measure) -> pb::Measure {
    use pb::measure::Kind;
    let kind = match measure {
        Measure::Unknown => None,
        Measure::Millis(millis) => Some(Kind::Millis(*millis)),
        Measure::Bps(bps) => Some(Kind::Bps(bps.0)),
        Measure::Units(units) => Some(Kind::Units(units.to_string())),
        Measure::Count(count) => Some(Kind::Count(*count)),
        Measure::Flag(flag) => Some(Kind::Flag(*flag)),
    };
    pb::Measure { kind }
}
