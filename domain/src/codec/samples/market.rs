//! Samples of the market context.

use super::{at, rate};
use crate::event::Event;
use crate::market;
use crate::market::reference::event::{
    self as reference, Basis, BasisMode, Fair, Link, PriceObserved, ReferencePriced, Role, Source,
    SourceStateChanged, SourceUse, Verdict,
};
use crate::money::BasisPoints;

pub(super) fn samples() -> Vec<Event> {
    let observed = PriceObserved {
        source: Source::Kraken,
        bid: rate("57120.1"),
        ask: rate("57126.8"),
        source_at: Some(at(40)),
        received_at: at(52),
    };
    let changed = SourceStateChanged {
        source: Source::Kraken,
        link: Link::Alive,
        healthy: true,
        reason: "online".to_owned(),
        at: at(12),
    };
    [
        reference::Event::PriceObserved(observed),
        reference::Event::SourceStateChanged(changed),
        reference::Event::ReferencePriced(priced()),
    ]
    .map(|event| Event::Market(market::event::Event::Reference(event)))
    .into()
}

fn priced() -> ReferencePriced {
    let fair = Fair {
        rate: rate("57123.45"),
        bid: rate("57120.1"),
        ask: rate("57126.8"),
        spread: BasisPoints(2),
        as_of: at(52),
    };
    let part = |source, role, mid: &str, age_ms| SourceUse {
        source,
        role,
        mid: Some(rate(mid)),
        age_ms: Some(age_ms),
        why: String::new(),
    };
    ReferencePriced {
        verdict: Verdict::Primary { fair },
        sources: vec![
            part(Source::Kraken, Role::Primary, "57123.45", 1),
            part(Source::CoinGecko, Role::Check, "57098", 31_053),
            SourceUse {
                source: Source::Peg,
                role: Role::Unused,
                mid: None,
                age_ms: None,
                why: "it has named no price yet".to_owned(),
            },
        ],
        disagreement: Some(BasisPoints(5)),
        basis: Some(Basis { mode: BasisMode::AssumedParity, rate: rate("1"), age_ms: None }),
        depegged: false,
        priced_at: at(53),
    }
}
