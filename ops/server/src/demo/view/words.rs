//! Short words for a line of the ledger. The whole sentences are told by `stele trace`.

use crate::amounts::span;
use crate::render::units::number;
use stele_domain::money::Units;
use stele_domain::trading::gate::{Answer, GateResult, Measure, Reason};
use stele_simulator::{BTC_LEGACY, EURE, NBTC};

/// Decimals of the demo's two assets.
pub(crate) const BTC_DECIMALS: u8 = 8;
/// Decimals of EURe.
pub(crate) const EURE_DECIMALS: u8 = 18;
/// Digits of BTC after the point that are shown: a ten-thousandth of a euro is beyond them.
const BTC_PLACES: usize = 6;

/// An amount of a token in whole units, as wide as its neighbours.
pub(crate) fn amount(units: Units, token: &str) -> String {
    match token {
        EURE => euro(units),
        NBTC | BTC_LEGACY => bitcoin(units),
        other => format!("{units} of {other}"),
    }
}

/// `124.80 EURe`.
pub(crate) fn euro(units: Units) -> String {
    format!("{} EURe", number(&units.in_whole(EURE_DECIMALS)))
}

/// `0.002140 BTC`.
pub(crate) fn bitcoin(units: Units) -> String {
    let text = units.in_whole(BTC_DECIMALS);
    let cut = text.find('.').map_or(text.len(), |point| point.saturating_add(BTC_PLACES).saturating_add(1));
    format!("{} BTC", text.get(..cut).unwrap_or(&text))
}

/// Why the desk makes no offer, with the number that decided it.
pub(crate) fn skipped(reason: Reason, gates: &[GateResult]) -> String {
    let words = short(reason);
    let shut = gates.iter().find(|gate| gate.answer == Answer::Deny(reason));
    match shut.and_then(measured) {
        Some(facts) => format!("{words}: {facts}"),
        None => words.to_owned(),
    }
}

/// What a gate saw and what it held that against, where a number says more than the reason.
fn measured(gate: &GateResult) -> Option<String> {
    match (&gate.observed, &gate.limit) {
        (Measure::Millis(seen), Measure::Millis(limit)) => {
            Some(format!("{}, limit {}", span(*seen), span(*limit)))
        }
        (Measure::Bps(seen), Measure::Bps(limit)) => Some(format!("{seen}, limit {limit}")),
        (Measure::Count(seen), Measure::Count(limit)) => Some(format!("{seen}, limit {limit}")),
        (Measure::Units(seen), Measure::Units(limit)) if is_notional(gate) => {
            Some(format!("{}, limit {}", euro(*seen), euro(*limit)))
        }
        (
            Measure::Unknown
            | Measure::Millis(_)
            | Measure::Bps(_)
            | Measure::Units(_)
            | Measure::Count(_)
            | Measure::Flag(_),
            _,
        ) => None,
    }
}

fn is_notional(gate: &GateResult) -> bool {
    use stele_domain::trading::gate::Gate;
    [Gate::NotionalMin, Gate::NotionalMax, Gate::DirectionCap].contains(&gate.gate)
}

fn short(reason: Reason) -> &'static str {
    match reason {
        Reason::Paused => "the strategy is paused",
        Reason::Draining => "the strategy drains",
        Reason::Killed => "killed",
        Reason::Disarmed => "disarmed",
        Reason::ArmingExpired => "the arming has run out",
        Reason::NoLimits => "no limits are set",
        Reason::Probe => "a probe, nobody means to take it",
        Reason::QuoteExpired => "too late",
        Reason::WindowTooShort => "auction too short",
        Reason::DeadlineTooLong => "free option for too long",
        Reason::ClockSkew => "clocks differ",
        Reason::NoPrice => "no price yet",
        Reason::PriceStale => "price too old",
        Reason::PriceConflict => "price sources disagree",
        Reason::PegOutOfBand => "EURe is off its peg",
        Reason::FallbackForbidden => "only a fallback price",
        Reason::SpreadTooWide => "spread too wide",
        Reason::NoInventory => "balances unknown",
        Reason::InventoryStale => "balances too old",
        Reason::NoSigningKey => "no signing key",
        Reason::KeyNotRegistered => "key not registered",
        Reason::AccountLocked => "account locked",
        Reason::ContractPaused => "verifier paused",
        Reason::Unpriceable => "no amount to offer",
        Reason::EdgeTooSmall => "edge too small",
        Reason::NotionalTooSmall => "too small",
        Reason::NotionalTooLarge => "too large",
        Reason::DirectionCap => "cap of this direction",
        Reason::TooManyOpen => "too many open offers",
        Reason::PartnerCap => "too many open offers of this partner",
        Reason::OutcomeUnknown => "an earlier outcome is unknown",
        Reason::CoolingDown => "cooling down",
        Reason::NotReducing => "would not reduce",
        Reason::InsufficientInventory => "not enough coin",
        Reason::PendingNotCredited => "coin not credited yet",
        Reason::Unanswered => "a gate could not be asked",
    }
}

#[cfg(test)]
mod tests {
    use super::{amount, skipped};
    use stele_domain::money::Units;
    use stele_domain::trading::gate::{Answer, Gate, GateResult, Measure, Reason};
    use stele_simulator::{EURE, NBTC};

    #[test]
    fn amounts_are_in_whole_units_and_equally_long() {
        assert_eq!(amount(Units::new(214_000), NBTC), "0.002140 BTC");
        assert_eq!(amount(Units::new(1_234_567_890_000_000_000_000), EURE), "1,234.56 EURe");
        assert_eq!(amount(Units::new(7), "nep141:wrap.near"), "7 of nep141:wrap.near");
    }

    #[test]
    fn a_refusal_names_the_number_that_decided_it() {
        let (observed, limit) = (Measure::Millis(51), Measure::Millis(150));
        let answer = Answer::Deny(Reason::WindowTooShort);
        let gates = [GateResult { gate: Gate::WindowLongEnough, answer, observed, limit }];
        assert_eq!(skipped(Reason::WindowTooShort, &gates), "auction too short: 51 ms, limit 150 ms");
        assert_eq!(skipped(Reason::Disarmed, &[]), "disarmed");
    }
}
