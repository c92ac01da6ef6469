//! The worked figures of a quote, and the laws that hold for any.
//!
//! Fair is 50,000 EURe per bitcoin and the margin 2.06 % unless a test says otherwise: 2 % base, 0.01 % half the
//! spread, 0.05 % assumed parity.

use super::{InvalidPricing, PricingPolicy, Quote, margin, propose};
use crate::intents::demand::Demand;
use crate::market::reference::event::{Basis, BasisMode, Fair};
use crate::money::{BasisPoints, Decimals, Rate, Units};
use crate::pair::Direction;
use crate::port::venue::ExactSide;
use crate::trading::fixtures::{decimals, demand, demand_for_base, fair, parity, policy, rate, units};
use crate::trading::strategy::event::{Margin, Proposal};
use quickcheck::{Arbitrary, Gen, QuickCheck};
use ruint::Uint;
use rust_decimal::Decimal;

/// Room for any product of the laws.
type Wide = Uint<1024, 16>;

fn proposed(demand: &Demand) -> Option<Proposal> {
    propose(&policy(), decimals(), demand, &now(&fair(), &parity()))
}

fn now<'a>(fair: &'a Fair, basis: &'a Basis) -> Quote<'a> {
    Quote { fair, fallback: false, basis, age_ms: 0 }
}

fn asked(direction: Direction, exact: ExactSide, amount: Units) -> Demand {
    let demand = match direction {
        Direction::BuyBase => demand(1),
        Direction::SellBase => demand_for_base(1),
    };
    Demand { exact, amount, ..demand }
}

fn figures(demand: &Demand) -> (Units, Units, BasisPoints) {
    let offer = proposed(demand).unwrap();
    (offer.receive.amount, offer.give.amount, offer.gross_edge)
}

#[test]
fn for_a_thousandth_of_a_bitcoin_we_give_2_06_percent_less_than_fifty_euros() {
    let demand = asked(Direction::BuyBase, ExactSide::In, Units::new(100_000));
    // 50 × 0.9794 = 48.97; against the bid of 49.995 that is 2.0502 %.
    assert_eq!(figures(&demand), (Units::new(100_000), units("48_970000000000000000"), BasisPoints(205)));
}

#[test]
fn for_exactly_48_97_euros_we_ask_a_thousandth_of_a_bitcoin() {
    let demand = asked(Direction::BuyBase, ExactSide::Out, units("48_970000000000000000"));
    assert_eq!(figures(&demand), (Units::new(100_000), units("48_970000000000000000"), BasisPoints(205)));
}

#[test]
fn one_wei_more_costs_the_taker_one_satoshi_more() {
    let demand = asked(Direction::BuyBase, ExactSide::Out, units("48_970000000000000001"));
    assert_eq!(proposed(&demand).unwrap().receive.amount, Units::new(100_001));
}

#[test]
fn for_fifty_euros_we_give_0_0009794_bitcoin() {
    let demand = asked(Direction::SellBase, ExactSide::In, units("50_000000000000000000"));
    // The ask values 97,940 satoshi at 48.974897: 1 − 48.974897 / 50 = 2.050206 %.
    assert_eq!(figures(&demand), (units("50_000000000000000000"), Units::new(97_940), BasisPoints(205)));
}

#[test]
fn one_wei_less_buys_the_taker_one_satoshi_less() {
    let demand = asked(Direction::SellBase, ExactSide::In, units("49_999999999999999999"));
    assert_eq!(proposed(&demand).unwrap().give.amount, Units::new(97_939));
}

#[test]
fn for_exactly_0_0009794_bitcoin_we_ask_fifty_euros() {
    let demand = asked(Direction::SellBase, ExactSide::Out, Units::new(97_940));
    assert_eq!(figures(&demand), (units("50_000000000000000000"), Units::new(97_940), BasisPoints(205)));
}

#[test]
fn what_divides_with_a_remainder_is_asked_for_rounded_up() {
    let demand = asked(Direction::SellBase, ExactSide::Out, Units::new(100_000));
    // 50 / 0.9794 = 51.051664284255666734…
    assert_eq!(proposed(&demand).unwrap().receive.amount, units("51_051664284255666735"));
}

#[test]
fn the_proposal_names_tokens_rates_and_worth() {
    let offer = proposed(&demand(1)).unwrap();
    assert_eq!(offer.receive.token, demand(1).token_in);
    assert_eq!(offer.give.token, demand(1).token_out);
    assert_eq!((offer.fair_rate, offer.reference_rate), (rate("50000"), rate("49995")));
    assert_eq!((offer.implied_rate, offer.notional), (rate("48970"), units("49_995000000000000000")));

    let offer = proposed(&demand_for_base(1)).unwrap();
    assert_eq!((offer.reference_rate, offer.notional), (rate("50005"), units("50_005000000000000000")));
    assert_eq!(offer.implied_rate, rate("51051.664284255666"));
}

#[test]
fn the_margin_is_the_sum_of_its_recorded_parts() {
    let wide = Fair { spread: BasisPoints(7), ..fair() };
    let basis = parity();
    let quote = Quote { fallback: true, age_ms: 2_999, ..now(&wide, &basis) };
    let expected = Margin {
        base: BasisPoints(200),
        age: BasisPoints(4),
        spread: BasisPoints(4),
        fallback: BasisPoints(100),
        basis: BasisPoints(5),
        total: BasisPoints(313),
    };
    assert_eq!(margin(&policy(), &quote), expected);
}

#[test]
fn age_counts_by_the_whole_second() {
    let age = |age_ms| margin(&policy(), &Quote { age_ms, ..now(&fair(), &parity()) }).age;
    assert_eq!([age(-5_000), age(0), age(999), age(1_000), age(1_999)].map(|part| part.0), [0, 0, 0, 2, 2]);
}

#[test]
fn an_observed_basis_costs_its_distance_from_the_euro_instead_of_the_parity_part() {
    let observed = |text| Basis { mode: BasisMode::Observed, rate: rate(text), age_ms: Some(1_000) };
    let part = |basis: &Basis| margin(&policy(), &now(&fair(), basis)).basis;
    assert_eq!(part(&observed("1")), BasisPoints(0));
    assert_eq!(part(&observed("0.9980")), BasisPoints(20));
    assert_eq!(part(&observed("1.00201")), BasisPoints(21));
}

#[test]
fn an_amount_that_would_round_to_nothing_is_not_offered() {
    // One wei buys no satoshi.
    assert_eq!(proposed(&asked(Direction::SellBase, ExactSide::In, Units::new(1))), None);
    for direction in Direction::ALL {
        for exact in [ExactSide::In, ExactSide::Out] {
            assert_eq!(proposed(&asked(direction, exact, Units::ZERO)), None, "{direction:?} {exact:?}");
        }
    }
}

#[test]
fn one_satoshi_is_the_least_that_is_offered() {
    let demand = asked(Direction::SellBase, ExactSide::Out, Units::new(1));
    assert_eq!(proposed(&demand).unwrap().give.amount, Units::new(1));
}

#[test]
fn more_than_the_venue_can_carry_is_not_offered() {
    let zero = BasisPoints(0);
    let free = PricingPolicy { base: zero, per_second_of_age: zero, fallback: zero, assumed_parity: zero };
    let one = Fair { rate: rate("1"), bid: rate("1"), ask: rate("1"), spread: zero, ..fair() };
    let largest = i128::MAX.unsigned_abs();
    for direction in Direction::ALL {
        for exact in [ExactSide::In, ExactSide::Out] {
            let offered = |amount| {
                let demand = asked(direction, exact, Units::new(amount));
                propose(&free, Decimals::new(0, 0).unwrap(), &demand, &now(&one, &parity())).is_some()
            };
            assert!(offered(largest), "{direction:?} {exact:?}");
            assert!(!offered(largest.saturating_add(1)), "{direction:?} {exact:?}");
        }
    }
}

#[test]
fn a_margin_of_everything_or_below_nothing_leads_to_no_offer() {
    let with_base = |base| {
        let policy = PricingPolicy { base: BasisPoints(base), ..policy() };
        propose(&policy, decimals(), &demand(1), &now(&fair(), &parity()))
    };
    // Half the spread and parity make 6.
    assert!(with_base(-6).is_some());
    assert_eq!(with_base(-7), None);
    assert!(with_base(9_993).is_some());
    assert_eq!(with_base(9_994), None);
    assert_eq!(with_base(i64::MAX), None);
    assert_eq!(with_base(i64::MIN), None);
}

#[test]
fn a_policy_whose_parts_are_gifts_or_beyond_half_is_refused_by_name() {
    assert_eq!(policy().check(), Ok(()));
    let gift = PricingPolicy { per_second_of_age: BasisPoints(-1), ..policy() };
    let refused = InvalidPricing { part: "per_second_of_age", value: BasisPoints(-1) };
    assert_eq!(gift.check(), Err(refused));
    assert_eq!(PricingPolicy { fallback: BasisPoints(5_000), ..policy() }.check(), Ok(()));
    let most = PricingPolicy { fallback: BasisPoints(5_001), ..policy() };
    assert_eq!(most.check(), Err(InvalidPricing { part: "fallback", value: BasisPoints(5_001) }));
}

/// A quote request of any size on any price, at a margin of up to 110 %.
#[derive(Debug, Clone)]
struct Case {
    demand: Demand,
    fair: Rate,
    decimals: Decimals,
    policy: PricingPolicy,
}

impl Arbitrary for Case {
    /// Amounts of all magnitudes; rates with up to 12 decimals.
    fn arbitrary(source: &mut Gen) -> Self {
        let amount = u128::arbitrary(source).checked_shr(u32::arbitrary(source) % 128).unwrap_or(0);
        let mantissa = i128::from(u64::arbitrary(source)).max(1);
        let rate = Decimal::from_i128_with_scale(mantissa, u32::arbitrary(source) % 13);
        let direction = *source.choose(&Direction::ALL).unwrap();
        let exact = *source.choose(&[ExactSide::In, ExactSide::Out]).unwrap();
        Self {
            demand: asked(direction, exact, Units::new(amount)),
            fair: Rate::new(rate).unwrap(),
            decimals: Decimals::new(u8::arbitrary(source) % 25, u8::arbitrary(source) % 25).unwrap(),
            policy: PricingPolicy {
                base: BasisPoints(i64::from(u16::arbitrary(source) % 11_000)),
                ..policy()
            },
        }
    }
}

fn any(law: fn(Case) -> bool) {
    QuickCheck::new().tests(3_000).quickcheck(law);
}

fn product(factors: &[Wide; 3]) -> Wide {
    factors.iter().fold(Wide::from(1), |product, factor| product.checked_mul(*factor).unwrap())
}

/// `given ≤ received · (1 − share)`, without a division.
fn keeps((received, given): (Wide, Wide), share: BasisPoints) -> bool {
    let one = Wide::from(BasisPoints::ONE.unsigned_abs());
    let kept = Wide::from(BasisPoints::ONE.saturating_sub(share.0).unsigned_abs());
    given.checked_mul(one).unwrap() <= received.checked_mul(kept).unwrap()
}

impl Case {
    /// The reference is the fair rate itself, so that edge and margin can be compared.
    fn proposed(&self) -> Option<Proposal> {
        let fair = Fair { rate: self.fair, bid: self.fair, ask: self.fair, spread: BasisPoints(0), ..fair() };
        propose(&self.policy, self.decimals, &self.demand, &now(&fair, &parity()))
    }

    /// Both sides in one exact unit at the fair rate: what we receive and what we give.
    fn worth(&self, offer: &Proposal) -> (Wide, Wide) {
        let of = |amount: Units| amount.to_string().parse::<Wide>().unwrap();
        let ten = |power: u32| Wide::from(10).pow(Wide::from(power));
        let rate = Wide::from(self.fair.decimal().mantissa().unsigned_abs());
        let in_quote = |base: Units| product(&[of(base), rate, ten(u32::from(self.decimals.quote()))]);
        let quote = |units: Units| {
            product(&[of(units), ten(self.fair.decimal().scale()), ten(u32::from(self.decimals.base()))])
        };
        match self.demand.direction {
            Direction::BuyBase => (in_quote(offer.receive.amount), quote(offer.give.amount)),
            Direction::SellBase => (quote(offer.receive.amount), in_quote(offer.give.amount)),
        }
    }
}

#[test]
fn the_rounded_amounts_always_keep_the_whole_margin() {
    any(|case| case.proposed().is_none_or(|offer| keeps(case.worth(&offer), offer.margin.total)));
}

#[test]
fn one_unit_in_the_takers_favour_would_break_the_margin() {
    any(|case| {
        let Some(mut offer) = case.proposed() else { return true };
        match case.demand.exact {
            ExactSide::In => offer.give.amount = offer.give.amount.plus(Units::new(1)).unwrap(),
            ExactSide::Out => offer.receive.amount = offer.receive.amount.minus(Units::new(1)).unwrap(),
        }
        !keeps(case.worth(&offer), offer.margin.total)
    });
}

#[test]
fn the_side_that_the_taker_fixed_is_never_touched() {
    any(|case| {
        case.proposed().is_none_or(|offer| match case.demand.exact {
            ExactSide::In => offer.receive.amount == case.demand.amount,
            ExactSide::Out => offer.give.amount == case.demand.amount,
        })
    });
}

#[test]
fn the_recorded_rate_is_never_better_for_the_taker_than_fair() {
    any(|case| {
        let Some(offer) = case.proposed() else { return true };
        // The record is cut to 12 decimals, so that a rate above fair may be shown as much lower.
        let cut = Decimal::new(1, 12);
        match case.demand.direction {
            Direction::BuyBase => offer.implied_rate.decimal() <= case.fair.decimal(),
            Direction::SellBase => {
                offer.implied_rate.decimal().checked_add(cut).is_none_or(|shown| shown > case.fair.decimal())
            }
        }
    });
}

#[test]
fn the_recorded_edge_is_the_one_definition_and_never_flatters() {
    any(|case| case.proposed().is_none_or(|offer| keeps(case.worth(&offer), offer.gross_edge)));
}

#[test]
fn no_amount_and_no_rate_makes_pricing_panic() {
    type Wild = ((u128, u128), (u128, u8), i64, i64, u8);
    let law: fn(Wild) -> bool = |(amount, price, margin, age_ms, kind)| {
        let amount = Units::new(amount.0).plus(Units::new(amount.1)).unwrap();
        let mantissa = i128::try_from(price.0 >> 32).unwrap().max(1);
        let rate = Rate::new(Decimal::from_i128_with_scale(mantissa, u32::from(price.1 % 29))).unwrap();
        let fair = Fair { rate, bid: rate, ask: rate, spread: BasisPoints(margin), ..fair() };
        let direction = if kind & 1 == 0 { Direction::BuyBase } else { Direction::SellBase };
        let exact = if kind & 2 == 0 { ExactSide::In } else { ExactSide::Out };
        let widest = Decimals::new(kind % 39, price.1 % 39).unwrap();
        let basis = Basis { mode: BasisMode::Observed, rate, age_ms: None };
        let quote = Quote { fair: &fair, fallback: kind & 4 == 0, basis: &basis, age_ms };
        let offer = propose(&policy(), widest, &asked(direction, exact, amount), &quote);
        offer.is_none_or(|offer| {
            let amounts = [offer.receive.amount, offer.give.amount];
            amounts.iter().all(|amount| !amount.is_zero() && amount.fits_venue())
        })
    };
    QuickCheck::new().tests(5_000).quickcheck(law);
}
