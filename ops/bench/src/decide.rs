//! Quote to decision: pricing, all gates, both events, and the strategy's memory of the quote; in memory.

use crate::cpu;
use anyhow::Context;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use stele_domain::decider::Decider;
use stele_domain::ids::{EventId, PairId, QuoteId, TokenId};
use stele_domain::intents::demand::Demand;
use stele_domain::market::reference::event::{Basis, BasisMode, Fair, ReferencePriced, Verdict};
use stele_domain::money::{Asset, BasisPoints, Decimals, Rate, Units};
use stele_domain::pair::{Direction, Pair, Side};
use stele_domain::port::event_log::Position;
use stele_domain::port::venue::ExactSide;
use stele_domain::time::Timestamp;
use stele_domain::trading::account::event::{LimitsSet, Mode};
use stele_domain::trading::limits::Limits;
use stele_domain::trading::pricing::PricingPolicy;
use stele_domain::trading::strategy::command::{AccountView, Permission, Running, Seen, Sight};
use stele_domain::trading::strategy::event::{Event, Footing, Verdict as Decision};
use stele_domain::trading::strategy::{Command, State, Strategy};
use stele_domain::treasury::inventory::event::BalancesObserved;
use uuid::Uuid;

const BTC: &str = "nep141:nbtc.bridge.near";
const EURE: &str = "nep141:gnosis-0x420ca0f9b9b604ce0fd9c18ef134c705e5fa3430.omft.near";

pub(crate) fn run(decisions: u32) -> anyhow::Result<serde_json::Value> {
    let scene = Scene::new()?;
    let quotes: Vec<QuoteId> = (0..decisions)
        .map(|n| QuoteId::try_from(format!("00000000-0000-4000-8000-{n:012}")))
        .collect::<Result<_, _>>()?;
    let mut state = State::default();
    let mut acted = 0_u32;
    let before = cpu::nanos()?;
    for (place, quote) in (1_u64..).zip(quotes) {
        let sight = scene.sight(quote, place);
        let Ok(events) = Strategy::decide(&state, Command::Decide(Box::new(sight)));
        for event in &events {
            if let Event::Decided(decided) = event {
                acted += u32::from(decided.verdict == Decision::Act);
            }
            state = Strategy::evolve(state, event);
        }
        black_box(&events);
    }
    let spent = cpu::nanos()?.saturating_sub(before);
    let each = spent / u64::from(decisions.max(1));
    anyhow::ensure!(acted == decisions, "{acted} of {decisions} decisions were to act: the scene is wrong");
    Ok(
        serde_json::json!({ "benchmark": "decide", "decisions": decisions, "acted": acted, "cpu_ns_each": each }),
    )
}

/// What every decision sees.
pub(crate) struct Scene {
    decimals: Decimals,
    pair: PairId,
    token_in: TokenId,
    token_out: TokenId,
    price: Seen<ReferencePriced>,
    inventory: Seen<BalancesObserved>,
    limits: Arc<LimitsSet>,
    at: Timestamp,
}

impl Scene {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let at = Timestamp::parse("2026-03-01T12:00:00Z")?;
        let (token_in, token_out) = (TokenId::try_from(BTC.to_owned())?, TokenId::try_from(EURE.to_owned())?);
        let plenty: Units = "100000000000000000000000".parse()?;
        let credited = BTreeMap::from([(token_in.clone(), plenty), (token_out.clone(), plenty)]);
        let balances = BalancesObserved {
            height: 1,
            block_hash: "block".to_owned(),
            block_at: at,
            credited,
            pending_in: BTreeMap::new(),
            pending_out: BTreeMap::new(),
            salt: "252812b3".to_owned(),
            fee_pips: 1,
            blocked: vec![],
            nonces: vec![],
            providers: 1,
            observed_at: at,
        };
        let limits = LimitsSet {
            dropped_by: None,
            version: 1,
            limits: limits().context("limits")?,
            effective_from: at,
            reason: "bench".to_owned(),
            at,
        };
        Ok(Self {
            decimals: Decimals::new(8, 18)?,
            pair: "btc-eure".to_owned().try_into()?,
            token_in,
            token_out,
            price: seen(priced(at)?),
            inventory: seen(balances),
            limits: Arc::new(limits),
            at,
        })
    }

    fn sight(&self, quote_id: QuoteId, place: u64) -> Sight {
        let demand = self.demand(quote_id, self.at);
        let event = (EventId(Uuid::from_u128(u128::from(place))), Position(place));
        self.sight_of(demand, event, self.account(), self.at.plus_millis(5))
    }

    /// A taker brings 0.001 BTC.
    pub(crate) fn demand(&self, quote_id: QuoteId, at: Timestamp) -> Demand {
        Demand {
            quote_id,
            pair: self.pair.clone(),
            direction: Direction::BuyBase,
            token_in: self.token_in.clone(),
            token_out: self.token_out.clone(),
            exact: ExactSide::In,
            amount: Units::new(100_000),
            min_deadline_ms: 60_000,
            window_ms: 3_000,
            closes_at: at.plus_millis(3_000),
            router_leg: false,
            partner_id: None,
            quote_type: None,
            probe: false,
            traceparent: None,
            received_at: at,
        }
    }

    /// What the decision on it sees.
    pub(crate) fn sight_of(
        &self,
        demand: Demand,
        (demand_event_id, demand_position): (EventId, Position),
        account: AccountView,
        at: Timestamp,
    ) -> Sight {
        Sight {
            strategy: Arc::from("btc-eure"),
            demand: Arc::new(demand),
            demand_event_id,
            demand_position,
            decimals: self.decimals,
            footing: footing(),
            running: Running::Running,
            price: Some(self.price.clone()),
            inventory: Some(self.inventory.clone()),
            account,
            at,
        }
    }

    /// The pair that it is about.
    pub(crate) fn pair(&self) -> Pair {
        let side = |symbol: &str, decimals, token: &TokenId| Side {
            asset: Asset { symbol: symbol.to_owned(), decimals },
            tokens: vec![token.clone()],
        };
        Pair {
            id: self.pair.clone(),
            base: side("BTC", 8, &self.token_in),
            quote: side("EURe", 18, &self.token_out),
        }
    }

    /// The price that is seen from now on.
    pub(crate) fn saw_price(&mut self, event_id: EventId, position: Position, priced: ReferencePriced) {
        self.price = Seen { event_id, position, fact: Arc::new(priced) };
    }

    /// The same balances at a later block.
    pub(crate) fn balances_at(&self, at: Timestamp, height: u64) -> BalancesObserved {
        BalancesObserved { height, block_at: at, observed_at: at, ..(*self.inventory.fact).clone() }
    }

    /// The balances that are seen from now on.
    pub(crate) fn saw_balances(&mut self, event_id: EventId, position: Position, observed: BalancesObserved) {
        self.inventory = Seen { event_id, position, fact: Arc::new(observed) };
    }

    /// The base that is held.
    pub(crate) fn base_held(&self) -> Option<Units> {
        self.inventory.fact.credited.get(&self.token_in).copied()
    }

    fn account(&self) -> AccountView {
        AccountView {
            permission: Permission::Armed(Mode::Full),
            limits: Some(Arc::clone(&self.limits)),
            reserved: Units::ZERO,
            open_notional: Units::ZERO,
            open_base: Units::ZERO,
            open_offers: 3,
            partner_offers: 0,
            uncertain: 0,
            last_settled_at: None,
            last_release_height: 0,
            base_held: Some(Units::new(1)),
        }
    }
}

/// The first start of a strategy that has read all.
pub(crate) fn footing() -> Footing {
    Footing {
        start: 1,
        account_to: Position(1),
        service_to: Position(1),
        pending: vec![],
        pricing: PricingPolicy {
            base: BasisPoints(250),
            per_second_of_age: BasisPoints(1),
            fallback: BasisPoints(100),
            assumed_parity: BasisPoints(0),
        },
        finality_lag_ms: 0,
    }
}

fn seen<T>(fact: T) -> Seen<T> {
    Seen { event_id: EventId(Uuid::from_u128(7)), position: Position(1), fact: Arc::new(fact) }
}

/// The price as of a moment.
pub(crate) fn priced(at: Timestamp) -> anyhow::Result<ReferencePriced> {
    let rate = |text: &str| text.parse::<Rate>();
    let fair = Fair {
        rate: rate("57123.45")?,
        bid: rate("57120.1")?,
        ask: rate("57126.8")?,
        spread: BasisPoints(2),
        as_of: at,
    };
    let basis = Basis { mode: BasisMode::AssumedParity, rate: rate("1")?, age_ms: None };
    Ok(ReferencePriced {
        verdict: Verdict::Primary { fair },
        sources: vec![],
        disagreement: None,
        basis: Some(basis),
        depegged: false,
        priced_at: at,
    })
}

pub(crate) fn limits() -> anyhow::Result<Limits> {
    let whole = |text: &str| text.parse::<Units>();
    Ok(Limits {
        edge_min: BasisPoints(200),
        notional_min: Units::new(1),
        notional_max: whole("100000000000000000000")?,
        fallback_notional_max: whole("50000000000000000000")?,
        buy_base_open_max: whole("1000000000000000000000")?,
        sell_base_open_max: whole("1000000000000000000000")?,
        open_offers_max: 10,
        open_offers_per_partner_max: 10,
        uncertain_offers_max: 5,
        cooldown_ms: 0,
        price_age_ms_max: 5_000,
        fallback_age_ms_max: 180_000,
        spread_max: BasisPoints(100),
        inventory_age_ms_max: 60_000,
        window_ms_min: 100,
        deadline_ms_max: 120_000,
        command_age_ms_max: 2_000,
        clock_skew_ms_max: 2_000,
        answer_probes: false,
        second_person: false,
        floor: BTreeMap::new(),
        base_target: Units::ZERO,
    })
}
