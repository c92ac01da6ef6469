//! What the tests of this context start from: a desk that would trade. Each test changes the one thing it is about.
//!
//! One bitcoin is worth 50,000 EURe, a basis point less to sell and more to buy; a taker brings 0.001 BTC.

use crate::decider::{Decider, fold};
use crate::ids::{Actor, CommandId, DecisionId, EventId, PairId, QuoteHash, QuoteId, TokenId};
use crate::intents::demand::Demand;
use crate::market::reference::event::{
    Basis, BasisMode, Fair, ReferencePriced, Role, Source, SourceUse, Verdict as PriceVerdict,
};
use crate::money::{Asset, BasisPoints, Decimals, Rate, Units};
use crate::pair::{Direction, Pair, Side};
use crate::port::event_log::Position;
use crate::port::venue::{ExactSide, PreparedOffer, TokenAmount};
use crate::time::Timestamp;
use crate::trading::account::command::{ApplyBalances, Asker, Balances, Execute, SeenPrice, WordedOffer};
use crate::trading::account::event::{Armed, Event, LeaseTaken, LimitsSet, Mode, SubmissionStarted};
use crate::trading::account::{Account, Command};
use crate::trading::limits::Limits;
use crate::trading::pricing::PricingPolicy;
use crate::trading::strategy::command::{AccountView, Permission, Running, Seen, Sight};
use crate::trading::strategy::event::{ExecutionCommanded, Footing};
use crate::treasury::inventory::event::{BalancesObserved, NonceSeen};
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// Milliseconds after the start of the story; negative ones lie before it.
pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000_i64.saturating_add(ms))
}

pub(crate) fn btc() -> TokenId {
    TokenId::try_from("nep141:nbtc.bridge.near".to_owned()).unwrap()
}

pub(crate) fn eure() -> TokenId {
    TokenId::try_from("nep141:gnosis-0x420c.omft.near".to_owned()).unwrap()
}

pub(crate) fn pair() -> PairId {
    PairId::try_from("btc-eure".to_owned()).unwrap()
}

/// The pair with its assets and tokens.
pub(crate) fn whole_pair() -> Pair {
    let side = |symbol: &str, decimals, token| Side {
        asset: Asset { symbol: symbol.to_owned(), decimals },
        tokens: vec![token],
    };
    Pair { id: pair(), base: side("BTC", 8, btc()), quote: side("EURe", 18, eure()) }
}

pub(crate) fn quote(n: u64) -> QuoteId {
    QuoteId::try_from(format!("quote-{n}")).unwrap()
}

pub(crate) fn event_id(n: u64) -> EventId {
    EventId(Uuid::from_u128(u128::from(n)))
}

pub(crate) fn command(n: u64) -> CommandId {
    CommandId(Uuid::from_u128(u128::from(n)))
}

pub(crate) fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

/// Base units from digits, in which `_` may stand for legibility.
pub(crate) fn units(digits: &str) -> Units {
    digits.replace('_', "").parse().unwrap()
}

/// Whole EURe and hundredths of one, in base units.
pub(crate) fn euros(whole: u128, cents: u128) -> Units {
    let cents = whole.checked_mul(100).and_then(|whole| whole.checked_add(cents));
    Units::new(cents.and_then(|cents| cents.checked_mul(10_u128.pow(16))).unwrap())
}

/// The moment so many microseconds later.
pub(crate) fn micros_after(moment: Timestamp, micros: i64) -> Timestamp {
    Timestamp::from_micros(moment.micros().saturating_add(micros))
}

pub(crate) fn decimals() -> Decimals {
    Decimals::new(8, 18).unwrap()
}

pub(crate) fn limits() -> Limits {
    Limits {
        edge_min: BasisPoints(200),
        notional_min: euros(1, 0),
        notional_max: euros(100, 0),
        fallback_notional_max: euros(60, 0),
        buy_base_open_max: euros(150, 0),
        sell_base_open_max: euros(150, 0),
        open_offers_max: 4,
        open_offers_per_partner_max: 2,
        uncertain_offers_max: 2,
        cooldown_ms: 1_000,
        price_age_ms_max: 5_000,
        fallback_age_ms_max: 90_000,
        spread_max: BasisPoints(50),
        inventory_age_ms_max: 20_000,
        window_ms_min: 150,
        deadline_ms_max: 60_000,
        command_age_ms_max: 2_000,
        clock_skew_ms_max: 1_000,
        answer_probes: false,
        second_person: false,
        floor: BTreeMap::from([(eure(), euros(10, 0))]),
        base_target: Units::new(1_000_000),
    }
}

pub(crate) fn alice() -> Actor {
    Actor::try_from("person:alice".to_owned()).unwrap()
}

/// Alice asks, and was shown the limits of that version.
pub(crate) fn asker(request: u64, limits_version: u64) -> Asker {
    Asker {
        by: alice(),
        request_id: command(request),
        limits_version,
        limits_hash: format!("hash of {limits_version}"),
    }
}

pub(crate) fn limits_set(version: u64, limits: Limits) -> LimitsSet {
    LimitsSet {
        version,
        limits,
        effective_from: at(-60_000),
        reason: "first limits".to_owned(),
        dropped_by: None,
        at: at(-60_000),
    }
}

pub(crate) fn policy() -> PricingPolicy {
    PricingPolicy {
        base: BasisPoints(200),
        per_second_of_age: BasisPoints(2),
        fallback: BasisPoints(100),
        assumed_parity: BasisPoints(5),
    }
}

pub(crate) fn fair() -> Fair {
    Fair { rate: rate("50000"), bid: rate("49995"), ask: rate("50005"), spread: BasisPoints(2), as_of: at(0) }
}

pub(crate) fn parity() -> Basis {
    Basis { mode: BasisMode::AssumedParity, rate: rate("1"), age_ms: None }
}

pub(crate) fn priced(verdict: PriceVerdict) -> ReferencePriced {
    let kraken = SourceUse {
        source: Source::Kraken,
        role: Role::Primary,
        mid: Some(rate("50000")),
        age_ms: Some(0),
        why: String::new(),
    };
    ReferencePriced {
        verdict,
        sources: vec![kraken],
        disagreement: None,
        basis: Some(parity()),
        depegged: false,
        priced_at: at(0),
    }
}

/// A taker brings 0.001 BTC and asks how much EURe it gets.
pub(crate) fn demand(n: u64) -> Demand {
    Demand {
        quote_id: quote(n),
        pair: pair(),
        direction: Direction::BuyBase,
        token_in: btc(),
        token_out: eure(),
        exact: ExactSide::In,
        amount: Units::new(100_000),
        min_deadline_ms: 60_000,
        window_ms: 3_000,
        closes_at: at(3_000),
        router_leg: false,
        partner_id: Some("one-click".to_owned()),
        quote_type: None,
        probe: false,
        traceparent: None,
        received_at: at(0),
    }
}

/// A taker brings EURe and asks for exactly 0.001 BTC.
pub(crate) fn demand_for_base(n: u64) -> Demand {
    Demand {
        direction: Direction::SellBase,
        token_in: eure(),
        token_out: btc(),
        exact: ExactSide::Out,
        ..demand(n)
    }
}

/// 1,000 EURe and 0.05 BTC, read at block 100 a second before the story starts; no deposit under way.
pub(crate) fn balances_observed() -> BalancesObserved {
    BalancesObserved {
        height: 100,
        block_hash: "7Yy".to_owned(),
        block_at: at(-3_000),
        credited: BTreeMap::from([(eure(), euros(1_000, 0)), (btc(), Units::new(5_000_000))]),
        pending_in: BTreeMap::new(),
        pending_out: BTreeMap::new(),
        salt: "252812b3".to_owned(),
        fee_pips: 1,
        blocked: vec![],
        nonces: vec![],
        providers: 2,
        observed_at: at(-1_000),
    }
}

pub(crate) fn seen<T>(n: u64, fact: T) -> Seen<T> {
    Seen { event_id: event_id(n), position: Position(n), fact: Arc::new(fact) }
}

/// The first start of a strategy that has read as far as the demand.
pub(crate) fn footing() -> Footing {
    Footing {
        start: 1,
        account_to: Position(29),
        service_to: Position(1),
        pending: vec![],
        pricing: policy(),
        finality_lag_ms: 2_000,
    }
}

/// Everything is fine, and the offer should be made.
pub(crate) fn sight(demand: Demand) -> Sight {
    Sight {
        strategy: Arc::from("btc-eure"),
        demand: Arc::new(demand),
        demand_event_id: event_id(30),
        demand_position: Position(30),
        decimals: decimals(),
        footing: footing(),
        running: Running::Running,
        price: Some(seen(10, priced(PriceVerdict::Primary { fair: fair() }))),
        inventory: Some(seen(20, balances_observed())),
        account: AccountView {
            permission: Permission::Armed(Mode::Full),
            limits: Some(Arc::new(limits_set(1, limits()))),
            reserved: Units::ZERO,
            open_notional: Units::ZERO,
            open_base: Units::ZERO,
            open_offers: 0,
            partner_offers: 0,
            uncertain: 0,
            last_settled_at: None,
            last_release_height: 0,
            base_held: Some(Units::new(5_000_000)),
        },
        at: at(5),
    }
}

/// An order to give 48.97 EURe for 0.001 BTC. Its place in the log is its number.
pub(crate) fn order(n: u64) -> ExecutionCommanded {
    ExecutionCommanded {
        command_id: command(n),
        decision_id: DecisionId(Uuid::from_u128(u128::from(n))),
        quote_id: quote(n),
        pair: pair(),
        direction: Direction::BuyBase,
        receive: TokenAmount { token: btc(), amount: Units::new(100_000) },
        give: TokenAmount { token: eure(), amount: euros(48, 97) },
        exact: ExactSide::In,
        notional: euros(50, 0),
        limits_version: 1,
        strategy_start: 1,
        min_deadline_ms: 60_000,
        closes_at: at(3_000),
        partner_id: None,
        commanded_at: at(0),
    }
}

/// An order to give 0.001 BTC for 51.06 EURe.
pub(crate) fn order_for_base(n: u64) -> ExecutionCommanded {
    ExecutionCommanded {
        direction: Direction::SellBase,
        receive: TokenAmount { token: eure(), amount: euros(51, 6) },
        give: TokenAmount { token: btc(), amount: Units::new(100_000) },
        exact: ExactSide::Out,
        ..order(n)
    }
}

/// The newest balances, as far as `order` needs them.
pub(crate) fn balances(order: &ExecutionCommanded) -> Balances {
    let observed = balances_observed();
    Balances {
        event_id: event_id(20),
        height: observed.height,
        observed_at: observed.observed_at,
        credited: observed.credited.get(&order.give.token).copied().unwrap_or(Units::ZERO),
        pending_out: Units::ZERO,
        base_held: Units::new(5_000_000),
        blocked: None,
    }
}

/// The newest price: of this moment, and the one that the orders go by.
pub(crate) fn price_seen() -> SeenPrice {
    SeenPrice { event_id: event_id(30), verdict: PriceVerdict::Primary { fair: fair() } }
}

/// Words for the `n`-th offer: valid for 70 s, its nonce for 60 s more.
pub(crate) fn words(n: u64) -> WordedOffer {
    WordedOffer {
        prepared: PreparedOffer {
            message: format!("message {n}"),
            nonce: format!("nonce {n}"),
            recipient: "intents.near".to_owned(),
            quote_hash: hash(n),
        },
        salt: "252812b3".to_owned(),
        offer_deadline: at(70_000),
        nonce_deadline: at(130_000),
    }
}

pub(crate) fn hash(n: u64) -> QuoteHash {
    QuoteHash::try_from(format!("hash-{n}")).unwrap()
}

/// The `n`-th order, carried out at once by the executor of the first lease.
pub(crate) fn execute(n: u64) -> Execute {
    execute_order(n, order(n))
}

pub(crate) fn execute_order(n: u64, order: ExecutionCommanded) -> Execute {
    Execute {
        pair: whole_pair(),
        command_position: Position(n),
        epoch: 1,
        paused: false,
        balances: Some(balances(&order)),
        price: Some(price_seen()),
        clock_offset_ms: 0,
        offer: Ok(words(n)),
        at: at(10),
        order,
    }
}

pub(crate) fn leased(epoch: u64) -> Event {
    Event::LeaseTaken(LeaseTaken { epoch, holder: "desk-1".to_owned(), at: at(-50_000), until: at(600_000) })
}

pub(crate) fn armed(mode: Mode) -> Event {
    Event::Armed(Armed {
        mode,
        limits_version: 1,
        strategy_start: 1,
        until: at(300_000),
        reason: "morning session".to_owned(),
        at: at(-40_000),
    })
}

/// An account that may sign: leased, limited, armed.
pub(crate) fn ready() -> Vec<Event> {
    vec![leased(1), Event::LimitsSet(Box::new(limits_set(1, limits()))), armed(Mode::Full)]
}

/// The start that [`execute`] leads to on a [`ready`] account.
pub(crate) fn started(n: u64) -> SubmissionStarted {
    started_by(&execute(n))
}

pub(crate) fn started_by(execute: &Execute) -> SubmissionStarted {
    let (order, worded) = (&execute.order, execute.offer.clone().unwrap());
    SubmissionStarted {
        command_id: order.command_id,
        command_position: execute.command_position,
        decision_id: order.decision_id,
        quote_id: order.quote_id.clone(),
        pair: order.pair.clone(),
        epoch: execute.epoch,
        direction: order.direction,
        receive: order.receive.clone(),
        give: order.give.clone(),
        exact: order.exact,
        notional: order.notional,
        partner_id: order.partner_id.clone(),
        prepared: worded.prepared,
        salt: worded.salt,
        offer_deadline: worded.offer_deadline,
        nonce_deadline: worded.nonce_deadline,
        closes_at: Some(order.closes_at),
        inventory_event_id: event_id(20),
        height: 100,
        price_event_id: Some(event_id(30)),
        limits_version: 1,
        at: execute.at,
    }
}

/// A [`ready`] account with the offers of these numbers open.
pub(crate) fn open(numbers: impl IntoIterator<Item = u64>) -> Vec<Event> {
    let offers = numbers.into_iter().map(|n| Event::SubmissionStarted(Box::new(started(n))));
    ready().into_iter().chain(offers).collect()
}

/// Balances of a block with the state of some nonces. A release needs 5 s more than the deadline.
pub(crate) fn block(height: u64, block_at: Timestamp, nonces: &[(u64, bool)]) -> ApplyBalances {
    let seen = |&(n, used): &(u64, bool)| NonceSeen { command_id: command(n), used };
    ApplyBalances {
        event_id: event_id(height),
        height,
        block_at,
        nonces: nonces.iter().map(seen).collect(),
        tx_hashes: BTreeMap::new(),
        release_margin_ms: 5_000,
        at: block_at.plus_millis(2_000),
    }
}

/// The history that follows when these commands are given one after the other; refused ones leave no trace.
pub(crate) fn after(
    history: impl IntoIterator<Item = Event>,
    commands: impl IntoIterator<Item = Command>,
) -> Vec<Event> {
    let mut history: Vec<Event> = history.into_iter().collect();
    for command in commands {
        let state = fold::<Account>(&history);
        history.extend(Account::decide(&state, command).unwrap_or_default());
    }
    history
}
