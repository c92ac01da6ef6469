//! What happens to a small world from outside, and what its services make of it.

use super::{World, desk};
use crate::desk::{BTC, EURE, pair, token};
use std::collections::BTreeMap;
use std::sync::Arc;
use stele_commands::streams;
use stele_domain::decider::{Decider, fold};
use stele_domain::event::Event;
use stele_domain::ids::{EventId, QuoteHash, QuoteId};
use stele_domain::intents::demand::Demand;
use stele_domain::market::reference::event::{
    Basis, BasisMode, Block, Fair, ReferencePriced, Verdict as PriceVerdict,
};
use stele_domain::money::{BasisPoints, Units};
use stele_domain::operations::service::Lifecycle;
use stele_domain::pair::Direction;
use stele_domain::port::event_log::Position;
use stele_domain::port::venue::{ExactSide, PreparedOffer};
use stele_domain::time::Timestamp;
use stele_domain::trading::account::command::{ApplyBalances, Balances, Execute, SeenPrice, WordedOffer};
use stele_domain::trading::account::state::Phase;
use stele_domain::trading::account::{Account, Command};
use stele_domain::trading::strategy::command::{AccountView, Running, Seen, Sight};
use stele_domain::trading::strategy::event::{Event as StrategyEvent, ExecutionCommanded, Footing};
use stele_domain::trading::strategy::{self, Strategy};
use stele_domain::treasury::inventory::event::{BalancesObserved, NonceSeen};
use stele_domain::{intents, market, trading, treasury};

impl World {
    pub(super) fn prices(&mut self, n: u8) {
        let cents = 4_990_000 + u64::from(n) * 200;
        let rate = |cents: u64| format!("{}.{:02}", cents / 100, cents % 100).parse().unwrap();
        let fair = Fair {
            rate: rate(cents),
            bid: rate(cents - 500),
            ask: rate(cents + 500),
            spread: BasisPoints(2),
            as_of: self.now,
        };
        let verdict = match n % 16 {
            0 => PriceVerdict::Blocked { block: Block::PriceStale },
            1 => PriceVerdict::Fallback { fair },
            _ => PriceVerdict::Primary { fair },
        };
        let priced = ReferencePriced {
            verdict,
            sources: vec![],
            disagreement: None,
            basis: Some(Basis { mode: BasisMode::AssumedParity, rate: "1".parse().unwrap(), age_ms: None }),
            depegged: false,
            priced_at: self.now,
        };
        let event = market::reference::Event::ReferencePriced(priced.clone());
        let stream = streams::price(&pair().id).unwrap();
        let (event_id, position) =
            self.append(stream, &Event::Market(market::event::Event::Reference(event)));
        self.prices.push(Seen { event_id, position, fact: Arc::new(priced) });
        self.price = self.prices.last().cloned();
    }

    /// A block, in which some open offers are executed; what has passed its deadline is released.
    pub(super) fn block(&mut self, n: u8) {
        self.height += 1;
        let open: Vec<_> = self.state.open().values().map(|offer| Arc::clone(&offer.started)).collect();
        let mut nonces = vec![];
        for (place, started) in open.iter().enumerate() {
            let used = started.offer_deadline > self.now && (usize::from(n) >> (place % 8)) & 1 == 1;
            nonces.push(NonceSeen { command_id: started.command_id, used });
            let units = |units: Units| units.to_string().parse::<u128>().unwrap();
            if used {
                for (amount, plus) in [(&started.receive, true), (&started.give, false)] {
                    let held = self.credited.get_mut(amount.token.as_str()).unwrap();
                    *held = if plus {
                        *held + units(amount.amount)
                    } else {
                        held.saturating_sub(units(amount.amount))
                    };
                }
            }
        }
        let observed = BalancesObserved {
            height: self.height,
            block_hash: format!("block{}", self.height),
            block_at: self.now,
            credited: self.credited.iter().map(|(name, units)| (token(name), Units::new(*units))).collect(),
            pending_in: [].into(),
            pending_out: [].into(),
            salt: "252812b3".to_owned(),
            fee_pips: 1,
            blocked: vec![],
            nonces: nonces.clone(),
            providers: 1,
            observed_at: self.now.plus_millis(1_500),
        };
        self.now = observed.observed_at;
        let event = treasury::inventory::Event::BalancesObserved(observed.clone());
        let stream = streams::inventory(&desk()).unwrap();
        let (event_id, position) =
            self.append(stream, &Event::Treasury(treasury::event::Event::Inventory(event)));
        self.tell(Command::ApplyBalances(Box::new(ApplyBalances {
            event_id,
            height: observed.height,
            block_at: observed.block_at,
            nonces,
            tx_hashes: BTreeMap::new(),
            release_margin_ms: 5_000,
            at: observed.observed_at,
        })));
        self.balances.push(Seen { event_id, position, fact: Arc::new(observed) });
    }

    pub(super) fn demand(&mut self, n: u8) {
        self.quotes += 1;
        let buy = !n.is_multiple_of(3);
        let (token_in, token_out) = if buy { (BTC, EURE) } else { (EURE, BTC) };
        let exact = if n % 5 > 1 { ExactSide::In } else { ExactSide::Out };
        let in_base = (exact == ExactSide::In) == buy;
        let part = u128::from(n) + 20;
        let amount = if in_base { part * 700 } else { part * 35 * 10_u128.pow(16) };
        let demand = Demand {
            quote_id: QuoteId::try_from(format!("q-{}", self.quotes)).unwrap(),
            pair: pair().id,
            direction: if buy { Direction::BuyBase } else { Direction::SellBase },
            token_in: token(token_in),
            token_out: token(token_out),
            exact,
            amount: Units::new(amount),
            min_deadline_ms: 20_000 + u64::from(n) * 200,
            window_ms: 3_000,
            closes_at: self.now.plus_millis(3_000),
            router_leg: false,
            partner_id: (n % 4 == 1).then(|| "one-click".to_owned()),
            quote_type: None,
            probe: n.is_multiple_of(31),
            traceparent: None,
            received_at: self.now,
        };
        let event = intents::intake::Event::DemandNormalised(demand.clone());
        let stream = streams::quote(&pair().id).unwrap();
        let (id, position) = self.append(stream, &Event::Intents(intents::event::Event::Intake(event)));
        self.demands.push_back((id, position, Arc::new(demand)));
    }

    /// Decides as the strategy does: on what it has folded up to the demand, or, after a start, up to where it looked.
    pub(super) fn decide(&mut self, (demand_event_id, place, demand): (EventId, Position, Arc<Demand>)) {
        let to = place.max(self.looked);
        let account: Vec<_> = self.account.iter().filter(|(at, _)| *at <= to).collect();
        let service: Vec<_> = self.strategy.iter().filter(|(at, _)| *at <= to).collect();
        let state = if account.len() == self.account.len() {
            self.state.clone()
        } else {
            fold::<Account>(account.iter().map(|(_, event)| event))
        };
        let phase = fold::<Lifecycle>(service.iter().map(|(_, event)| event));
        let footing = Footing {
            start: self.start,
            account_to: account.last().map_or(Position::START, |(at, _)| *at),
            service_to: service.last().map_or(Position::START, |(at, _)| *at),
            pending: vec![],
            pricing: crate::whatif::the_desk().pricing,
            finality_lag_ms: 1_500,
        };
        let price = self.prices.iter().rev().find(|seen| seen.position <= to).cloned();
        let inventory = self.balances.iter().rev().find(|seen| seen.position <= to).cloned();
        let held = |seen: &Seen<BalancesObserved>| seen.fact.credited.get(&token(BTC)).copied().unwrap();
        let base_held = inventory.as_ref().map(held);
        let sight = Sight {
            strategy: Arc::from("btc-eure"),
            account: AccountView::of(&state, self.start, &demand, base_held, self.now),
            demand,
            demand_event_id,
            demand_position: place,
            decimals: pair().decimals().unwrap(),
            footing,
            running: if phase.takes_work() { Running::Running } else { Running::Paused },
            price,
            inventory,
            at: self.now,
        };
        let Ok(events) =
            Strategy::decide(&strategy::State::default(), strategy::Command::Decide(Box::new(sight)));
        for event in events {
            let fact = Event::Trading(trading::event::Event::Strategy(event.clone()));
            let (_, position) = self.append(streams::strategy(&pair().id).unwrap(), &fact);
            if let StrategyEvent::ExecutionCommanded(order) = event {
                self.orders.push_back((position, *order));
            }
        }
    }

    pub(super) fn execute(&mut self, command_position: Position, order: &ExecutionCommanded) {
        let seen = self.balances.last().unwrap();
        let of = |token| seen.fact.credited.get(token).copied().unwrap();
        let offer_deadline =
            Timestamp::from_millis(self.now.millis()).plus_millis(order.min_deadline_ms).plus_millis(10_000);
        let execute = Execute {
            order: order.clone(),
            pair: pair(),
            command_position,
            epoch: self.state.epoch(),
            paused: false,
            balances: Some(Balances {
                event_id: seen.event_id,
                height: seen.fact.height,
                observed_at: seen.fact.observed_at,
                credited: of(&order.give.token),
                pending_out: Units::ZERO,
                base_held: of(&token(BTC)),
                blocked: None,
            }),
            price: self
                .price
                .as_ref()
                .map(|seen| SeenPrice { event_id: seen.event_id, verdict: seen.fact.verdict.clone() }),
            clock_offset_ms: 0,
            offer: Ok(WordedOffer {
                prepared: PreparedOffer {
                    message: "offer".to_owned(),
                    nonce: format!("nonce-{}", order.command_id),
                    recipient: "intents.near".to_owned(),
                    quote_hash: QuoteHash::try_from(format!("hash-{}", order.command_id)).unwrap(),
                },
                salt: "252812b3".to_owned(),
                offer_deadline,
                nonce_deadline: offer_deadline.plus_millis(60_000),
            }),
            at: self.now,
        };
        self.tell(Command::Execute(Box::new(execute)));
    }

    /// What the relay says of the oldest offer that waits for it; or it says nothing any more.
    pub(super) fn reply(&mut self, n: u8) {
        let waiting = self.state.open().values().find(|offer| offer.phase == Phase::Started);
        let Some(command_id) = waiting.map(|offer| offer.started.command_id) else { return };
        let (at, reply) = (self.now, "OK".to_owned());
        self.tell(match n % 4 {
            0 => Command::RecordAccepted { command_id, reply, at },
            1 => Command::RecordRejected { command_id, reply, late: false, at },
            2 => Command::Abandon { command_id, why: "too late".to_owned(), at },
            _ => Command::RecordUncertain { command_id, why: "no answer".to_owned(), at },
        });
    }
}
