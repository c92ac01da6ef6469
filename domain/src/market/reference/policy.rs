//! The written policy: which source's price counts, when two of them contradict each other, and what one EURe
//! is worth. A pure function of what the sources said and of the time.
//!
//! * Kraken is primary while its connection is alive, it calls itself healthy and its price is fresh.
//! * `CoinGecko`, while fresh, is the check on Kraken, and the fallback when Kraken can't be relied on.
//! * EURe is taken for a euro, or its observed rate is used; seen outside the band, it blocks in both modes.
//! * Taken for a euro, EURe may go unobserved for a while, as long as it was inside the band when it was last seen.
//!   A depeg that was seen blocks until a fresh observation is inside again, however silent its source falls; and
//!   where somebody is asked, nothing is decided before the first answer.
//! * What is dated further in the future than clocks may differ is as stale as what is too old.
//! * Whatever is in doubt blocks, and each source's part in the verdict says why.

use super::event::{
    Basis, BasisMode, Block, Fair, Link, PriceObserved, ReferencePriced, Role, Source, SourceUse, Verdict,
};
use super::state::State;
use crate::money::{BasisPoints, Rate};
use crate::time::Timestamp;

/// What the operator has configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Oldest usable price of Kraken, in milliseconds since our socket read it. This age still passes.
    pub primary_age_ms_max: u64,
    /// Oldest usable price of an aggregate (`CoinGecko`, and the peg), in milliseconds by the source's own time
    /// where it gives one. This age still passes.
    pub fallback_age_ms_max: u64,
    /// Whether `CoinGecko`'s price may be used while Kraken's can't.
    pub fallback_allowed: bool,
    /// Largest distance between the two sources' mids, in basis points of Kraken's. This distance still passes.
    pub conflict_max: BasisPoints,
    /// Largest distance of EURe from the euro, in basis points. This distance still passes.
    pub peg_band: BasisPoints,
    /// How a euro becomes an EURe.
    pub basis: BasisMode,
    /// Whether a source is asked what an EURe is worth. Without one, parity is assumed on nobody's word.
    pub peg_watched: bool,
    /// Aggregates name one price: bid and ask are this far below and above it, in basis points. From 0 to 5,000.
    pub fallback_half_spread: BasisPoints,
}

/// Why a policy makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPolicy {
    /// An age at which nothing could ever be used, or which is no limit.
    #[error("{name} is {value} ms: it must be between 1 and {AGE_MS_MAX}")]
    Age {
        /// Which.
        name: &'static str,
        /// Its value.
        value: u64,
    },
    /// A share that can't be meant.
    #[error("{name} is {value}: it must be between 0.00% and {SHARE_MAX}")]
    Share {
        /// Which.
        name: &'static str,
        /// Its value.
        value: BasisPoints,
    },
}

/// How far in the future an observation may be dated, in milliseconds: a clock that was set back by no more is not in
/// doubt.
pub const AHEAD_MS_MAX: u64 = 2_000;

/// The one rule about ages: at most `age_ms_max`, and dated no further in the future than `ahead_ms_max`, both in
/// milliseconds and both inclusive. An age that can't be told is not young.
#[must_use]
pub fn young(age_ms: i64, age_ms_max: u64, ahead_ms_max: u64) -> bool {
    let most = i64::try_from(age_ms_max).unwrap_or(i64::MAX);
    let ahead = i64::try_from(ahead_ms_max).unwrap_or(i64::MAX);
    age_ms <= most && age_ms >= ahead.saturating_neg()
}

/// Longest age of a price: a day.
const AGE_MS_MAX: u64 = 24 * 60 * 60 * 1_000;
/// Largest distance or spread.
const SHARE_MAX: BasisPoints = BasisPoints(5_000);

impl Policy {
    /// Whether the policy makes sense; for whoever reads it from a configuration. A policy that does not is
    /// applied all the same, and blocks where it can't be followed.
    ///
    /// # Errors
    ///
    /// The first value that is out of range.
    pub fn check(&self) -> Result<(), InvalidPolicy> {
        let ages = [
            ("primary_age_ms_max", self.primary_age_ms_max),
            ("fallback_age_ms_max", self.fallback_age_ms_max),
        ];
        for (name, value) in ages {
            if value == 0 || value > AGE_MS_MAX {
                return Err(InvalidPolicy::Age { name, value });
            }
        }
        let shares = [
            ("conflict_max", self.conflict_max),
            ("peg_band", self.peg_band),
            ("fallback_half_spread", self.fallback_half_spread),
        ];
        for (name, value) in shares {
            if value < BasisPoints(0) || value > SHARE_MAX {
                return Err(InvalidPolicy::Share { name, value });
            }
        }
        Ok(())
    }

    /// The verdict on what the sources said last, as of `at`.
    #[must_use]
    pub fn apply(&self, state: &State, at: Timestamp) -> ReferencePriced {
        let kraken = self.quote_of(state, Source::Kraken, at);
        let coin_gecko = self.quote_of(state, Source::CoinGecko, at);
        let peg = self.quote_of(state, Source::Peg, at);
        let basis = self.basis_of(&peg);
        let depegged = self.depegged(state, &peg);
        let disagreement = match (&kraken.usable, &coin_gecko.usable) {
            (Ok(primary), Ok(check)) => Some(primary.mid.distance(check.mid)),
            (Ok(_) | Err(_), Err(_)) | (Err(_), Ok(_)) => None,
        };
        let per_eure = basis.as_ref().filter(|_| self.peg_holds(&peg, depegged)).map(|basis| basis.rate);
        let verdict = self.verdict(&kraken, &coin_gecko, disagreement, per_eure);
        let sources = self.parts(&kraken, &coin_gecko, &peg, depegged);
        ReferencePriced { verdict, sources, disagreement, basis, depegged, priced_at: at }
    }

    fn verdict(
        &self,
        kraken: &Quote,
        coin_gecko: &Quote,
        disagreement: Option<BasisPoints>,
        per_eure: Option<Rate>,
    ) -> Verdict {
        let blocked = |block| Verdict::Blocked { block };
        match (&kraken.usable, &coin_gecko.usable) {
            (Err(Unusable::NeverSeen), Err(Unusable::NeverSeen)) => blocked(Block::NoPrice),
            (Err(_), Err(_)) => blocked(Block::PriceStale),
            (Err(_), Ok(_)) if !self.fallback_allowed => blocked(Block::FallbackForbidden),
            (Ok(_), Ok(_)) if disagreement.is_none_or(|apart| apart > self.conflict_max) => {
                blocked(Block::PriceConflict)
            }
            (Ok(primary), Ok(_) | Err(_)) => match in_pair_terms(*primary, per_eure) {
                Some(fair) => Verdict::Primary { fair },
                None => blocked(Block::PegOutOfBand),
            },
            (Err(_), Ok(fallback)) => match in_pair_terms(*fallback, per_eure) {
                Some(fair) => Verdict::Fallback { fair },
                None => blocked(Block::PegOutOfBand),
            },
        }
    }

    /// Whether EURe was seen outside its band and no fresh observation inside has come since. It is carried from verdict
    /// to verdict: an old word that a cache repeats after the depeg takes nothing back.
    fn depegged(&self, state: &State, peg: &Quote) -> bool {
        let outside = peg.mid.is_some_and(|mid| !self.in_band(mid));
        match &peg.usable {
            Ok(_) => outside,
            Err(_) => outside || state.priced().is_some_and(|last| last.depegged),
        }
    }

    /// Whether somebody can vouch for what an EURe is worth, or nobody is asked to.
    fn peg_holds(&self, peg: &Quote, depegged: bool) -> bool {
        let vouched_for = match (&peg.usable, self.basis) {
            (Ok(_), BasisMode::AssumedParity | BasisMode::Observed) => true,
            (Err(_), BasisMode::Observed) => false,
            (Err(unusable), BasisMode::AssumedParity) => match unusable {
                Unusable::NeverSeen => !self.peg_watched,
                // What it said last can't be told inside from outside.
                Unusable::Crossed | Unusable::OutOfRange => false,
                // It was inside the band when it was last seen, unless it is known to have left it.
                Unusable::Unconnected
                | Unusable::Down
                | Unusable::Silent
                | Unusable::Unhealthy
                | Unusable::TooOld { .. }
                | Unusable::Future => true,
            },
        };
        vouched_for && !depegged
    }

    fn in_band(&self, per_eure: Rate) -> bool {
        Rate::ONE.distance(per_eure) <= self.peg_band
    }

    /// What one EURe is taken to be worth; `None` when it is to be observed and never was.
    fn basis_of(&self, peg: &Quote) -> Option<Basis> {
        match self.basis {
            BasisMode::AssumedParity => Some(Basis { mode: self.basis, rate: Rate::ONE, age_ms: None }),
            BasisMode::Observed => Some(Basis { mode: self.basis, rate: peg.mid?, age_ms: peg.age_ms }),
        }
    }

    /// What a source said last, and whether that can be relied on.
    fn quote_of(&self, state: &State, source: Source, at: Timestamp) -> Quote {
        let Some(observed) = state.observed(source) else {
            return Quote { source, mid: None, age_ms: None, usable: Err(Unusable::NeverSeen) };
        };
        let as_of = as_of(observed);
        let age_ms = at.millis_since(as_of);
        let mid = observed.bid.mid(observed.ask);
        let usable =
            self.usable(state, observed, mid, age_ms).map(|(bid, ask, mid)| Usable { bid, ask, mid, as_of });
        // Where a clock was set back the age is negative, and told as none.
        Quote { source, mid, age_ms: Some(u64::try_from(age_ms).unwrap_or(0)), usable }
    }

    fn usable(
        &self,
        state: &State,
        observed: &PriceObserved,
        mid: Option<Rate>,
        age_ms: i64,
    ) -> Result<(Rate, Rate, Rate), Unusable> {
        let mid = mid.ok_or(Unusable::OutOfRange)?;
        if observed.bid > observed.ask {
            return Err(Unusable::Crossed);
        }
        let (age_ms_max, bid, ask) = match observed.source {
            Source::Kraken => {
                let word = state.source(Source::Kraken).ok_or(Unusable::Unconnected)?;
                match word.link {
                    Link::Down => return Err(Unusable::Down),
                    Link::Silent => return Err(Unusable::Silent),
                    Link::Alive if !word.healthy => return Err(Unusable::Unhealthy),
                    Link::Alive => (self.primary_age_ms_max, Some(observed.bid), Some(observed.ask)),
                }
            }
            Source::CoinGecko => {
                let half = self.fallback_half_spread;
                let below = half.0.checked_neg().map(BasisPoints).and_then(|down| observed.bid.moved(down));
                (self.fallback_age_ms_max, below, observed.ask.moved(half))
            }
            Source::Peg => (self.fallback_age_ms_max, Some(observed.bid), Some(observed.ask)),
        };
        if !young(age_ms, age_ms_max, AHEAD_MS_MAX) {
            return Err(if age_ms < 0 { Unusable::Future } else { Unusable::TooOld { age_ms_max } });
        }
        match (bid, ask) {
            (Some(bid), Some(ask)) if bid <= ask => Ok((bid, ask, mid)),
            (Some(_) | None, Some(_) | None) => Err(Unusable::OutOfRange),
        }
    }

    /// Every source's part in the verdict.
    fn parts(&self, kraken: &Quote, coin_gecko: &Quote, peg: &Quote, depegged: bool) -> Vec<SourceUse> {
        let second = match (&kraken.usable, &coin_gecko.usable) {
            (Ok(_), Ok(_) | Err(_)) => coin_gecko.part(Role::Check),
            (Err(_), Ok(_)) if !self.fallback_allowed => {
                coin_gecko.unused("the policy forbids using it as fallback".to_owned())
            }
            (Err(_), Ok(_) | Err(_)) => coin_gecko.part(Role::Fallback),
        };
        let third = match (&peg.usable, self.basis) {
            (Err(unusable), BasisMode::Observed | BasisMode::AssumedParity) if depegged => peg
                .unused(format!("{}; it was out of its band, and was not seen inside since", unusable.why())),
            (Ok(_) | Err(_), BasisMode::Observed) => peg.part(Role::Basis),
            (Ok(_) | Err(_), BasisMode::AssumedParity) => peg.part(Role::Check),
        };
        vec![kraken.part(Role::Primary), second, third]
    }
}

/// What a source said last.
struct Quote {
    source: Source,
    mid: Option<Rate>,
    age_ms: Option<u64>,
    usable: Result<Usable, Unusable>,
}

/// A price that can be relied on, in the source's own terms.
#[derive(Clone, Copy)]
struct Usable {
    bid: Rate,
    ask: Rate,
    mid: Rate,
    as_of: Timestamp,
}

/// Why a source can't be relied on.
enum Unusable {
    NeverSeen,
    Unconnected,
    Down,
    Silent,
    Unhealthy,
    Crossed,
    OutOfRange,
    TooOld { age_ms_max: u64 },
    Future,
}

impl Quote {
    fn part(&self, role: Role) -> SourceUse {
        match &self.usable {
            Ok(_) => SourceUse { role, why: String::new(), ..self.unused(String::new()) },
            Err(unusable) => self.unused(unusable.why()),
        }
    }

    fn unused(&self, why: String) -> SourceUse {
        SourceUse { source: self.source, role: Role::Unused, mid: self.mid, age_ms: self.age_ms, why }
    }
}

impl Unusable {
    fn why(&self) -> String {
        match self {
            Self::NeverSeen => "it has named no price yet".to_owned(),
            Self::Unconnected => "nothing is known of its connection yet".to_owned(),
            Self::Down => "its connection is down".to_owned(),
            Self::Silent => "its price channel is silent".to_owned(),
            Self::Unhealthy => "it calls itself unhealthy".to_owned(),
            Self::Crossed => "its bid is above its ask".to_owned(),
            Self::OutOfRange => {
                "its price can't be worked with: too many digits, or a spread of nonsense".to_owned()
            }
            Self::TooOld { age_ms_max } => format!("older than {age_ms_max} ms"),
            Self::Future => {
                format!("dated more than {AHEAD_MS_MAX} ms in the future: our clock was set back")
            }
        }
    }
}

/// The moment that a price's age counts from. An aggregate's own time counts where it names one, and is never
/// taken for later than our receipt: a clock that runs ahead of ours makes nothing younger.
fn as_of(observed: &PriceObserved) -> Timestamp {
    match observed.source {
        Source::Kraken => observed.received_at,
        Source::CoinGecko | Source::Peg => {
            observed.source_at.map_or(observed.received_at, |source_at| source_at.min(observed.received_at))
        }
    }
}

/// The euro price turned into EURe; `None` when nobody can vouch for what an EURe is worth.
fn in_pair_terms(euro: Usable, per_eure: Option<Rate>) -> Option<Fair> {
    let per_eure = per_eure?.decimal();
    let (bid, ask) = (euro.bid.over(per_eure)?, euro.ask.over(per_eure)?);
    let rate = bid.mid(ask)?;
    Some(Fair { rate, bid, ask, spread: spread(rate, bid, ask)?, as_of: euro.as_of })
}

/// Distance of bid and ask in basis points of the mid, rounded up.
fn spread(mid: Rate, bid: Rate, ask: Rate) -> Option<BasisPoints> {
    let width = ask.decimal().checked_sub(bid.decimal())?;
    Some(mid.distance(Rate::new(mid.decimal().checked_add(width)?).ok()?))
}
