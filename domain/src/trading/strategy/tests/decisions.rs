//! What is recorded, what is ordered, and that a demand is spoken on once.

use crate::decider::{Decider, fold};
use crate::ids::{CommandId, DecisionId};
use crate::intents::demand::Demand;
use crate::market::reference::event::{Block, Role, Source, SourceUse, Verdict as PriceVerdict};
use crate::money::Units;
use crate::pair::Direction;
use crate::port::event_log::Position;
use crate::port::venue::{ExactSide, TokenAmount};
use crate::testing::given;
use crate::trading::account::event::{LimitsSet, Mode};
use crate::trading::account::{Account, Event as AccountEvent};
use crate::trading::fixtures::{
    armed, at, balances_observed, btc, command, decimals, demand, demand_for_base, eure, euros, event_id,
    execute_order, fair, limits, limits_set, open, order, order_for_base, parity, policy, priced, quote,
    ready, seen, sight, started_by,
};
use crate::trading::gate::Reason;
use crate::trading::limits::Limits;
use crate::trading::pricing::{Quote, propose};
use crate::trading::strategy::command::{AccountView, Permission, Running, Sight};
use crate::trading::strategy::event::{
    Decided, ExecutionCommanded, Footing, InventorySeen, PriceSeen, Verdict,
};
use crate::trading::strategy::state::RECENT_MAX;
use crate::trading::strategy::{Command, Event, Strategy};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

fn decide(sight: Sight) -> Command {
    Command::Decide(Box::new(sight))
}

fn facts(sight: Sight) -> Vec<Event> {
    let history: [Event; 0] = [];
    Strategy::decide(&fold::<Strategy>(&history), decide(sight)).unwrap()
}

fn decided(sight: Sight) -> Decided {
    let Some(Event::Decided(decided)) = facts(sight).into_iter().next() else {
        panic!("nothing was decided")
    };
    *decided
}

fn ordered(sight: Sight) -> ExecutionCommanded {
    let Some(Event::ExecutionCommanded(order)) = facts(sight).pop() else { panic!("nothing was ordered") };
    *order
}

fn paused(demand: Demand) -> Sight {
    Sight { running: Running::Paused, ..sight(demand) }
}

/// A demand at a place of its own.
fn placed(n: u64, position: u64) -> Sight {
    Sight { demand_position: Position(position), ..sight(demand(n)) }
}

#[test]
fn an_act_is_a_decision_and_an_order_on_the_very_terms_of_the_proposal() {
    let facts = facts(sight(demand(1)));
    let [Event::Decided(decided), Event::ExecutionCommanded(order)] = facts.as_slice() else {
        panic!("{facts:?}")
    };
    let proposal = decided.proposal.clone().unwrap();
    assert_eq!(decided.verdict, Verdict::Act);
    assert_eq!(
        **order,
        ExecutionCommanded {
            command_id: CommandId::of_decision(decided.decision_id),
            decision_id: decided.decision_id,
            quote_id: quote(1),
            pair: decided.pair.clone(),
            direction: Direction::BuyBase,
            receive: proposal.receive,
            give: proposal.give,
            exact: ExactSide::In,
            notional: proposal.notional,
            strategy_start: 1,
            limits_version: 1,
            min_deadline_ms: 60_000,
            closes_at: at(3_000),
            partner_id: Some("one-click".to_owned()),
            commanded_at: at(5),
        }
    );
    assert_eq!(order.receive, TokenAmount { token: btc(), amount: Units::new(100_000) });
    assert_eq!(order.give, TokenAmount { token: eure(), amount: euros(48, 97) });
}

#[test]
fn a_skip_is_a_decision_and_no_order() {
    let facts = facts(paused(demand(1)));
    let [Event::Decided(decided)] = facts.as_slice() else { panic!("{facts:?}") };
    assert_eq!(decided.verdict, Verdict::Skip { reason: Reason::Paused });
}

#[test]
fn a_skip_keeps_the_proposal_that_it_would_have_made() {
    let base = fair();
    let basis = parity();
    let price = Quote { fair: &base, fallback: false, basis: &basis, age_ms: 5 };
    assert_eq!(decided(paused(demand(1))).proposal, propose(&policy(), decimals(), &demand(1), &price));
}

#[test]
fn the_margin_counts_the_age_of_the_price_at_the_decision() {
    let mut late = sight(demand(1));
    late.at = at(2_000);
    assert_eq!(decided(late).proposal.unwrap().margin.age.0, 4);
}

#[test]
fn the_decision_records_what_it_saw() {
    let decided = decided(sight(demand(1)));
    assert_eq!(decided.decision_id, DecisionId::of_quote("btc-eure", &quote(1)));
    assert_eq!((decided.demand_event_id, decided.demand_position), (event_id(30), Position(30)));
    assert_eq!((decided.received_at, decided.decided_at, decided.limits_version), (at(0), at(5), 1));
    let price = PriceSeen {
        event_id: event_id(10),
        position: Position(10),
        freshness_ms: 5,
        source: Some(Source::Kraken),
    };
    assert_eq!(decided.price, Some(price));
    let inventory = InventorySeen {
        event_id: event_id(20),
        position: Position(20),
        height: 100,
        freshness_ms: 1_005,
        credited: euros(1_000, 0),
        reserved: Units::ZERO,
        spendable: euros(990, 0),
        pending_in: Units::ZERO,
    };
    assert_eq!(decided.inventory, Some(inventory));
}

#[test]
fn a_blocked_price_came_from_no_source() {
    let mut blocked = sight(demand(1));
    blocked.price = Some(seen(10, priced(PriceVerdict::Blocked { block: Block::PriceConflict })));
    assert_eq!(decided(blocked).price.unwrap().source, None);
}

#[test]
fn a_fallback_price_names_the_fallback_and_costs_more() {
    let mut fact = priced(PriceVerdict::Fallback { fair: fair() });
    let unused =
        |part: &SourceUse| SourceUse { role: Role::Unused, why: "silent".to_owned(), ..part.clone() };
    let gecko = SourceUse { source: Source::CoinGecko, role: Role::Fallback, ..fact.sources[0].clone() };
    fact.sources = vec![unused(&fact.sources[0]), gecko];
    let mut fallen = sight(demand(1));
    fallen.price = Some(seen(10, fact));
    let decided = decided(fallen);
    assert_eq!(decided.price.unwrap().source, Some(Source::CoinGecko));
    assert_eq!(decided.proposal.unwrap().margin.fallback.0, 100);
    assert_eq!(decided.verdict, Verdict::Act);
}

#[test]
fn the_same_demand_again_decides_nothing() {
    given::<Strategy>(facts(placed(1, 30))).when(decide(placed(1, 30))).then_nothing();
}

#[test]
fn the_same_quote_at_a_later_place_decides_nothing_even_when_it_asks_for_something_else() {
    let mut other = placed(1, 31);
    Arc::make_mut(&mut other.demand).amount = Units::new(7);
    given::<Strategy>(facts(placed(1, 30))).when(decide(other)).then_nothing();
}

#[test]
fn a_skipped_demand_is_not_looked_at_again_once_the_gates_are_open() {
    given::<Strategy>(facts(paused(demand(1)))).when(decide(sight(demand(1)))).then_nothing();
}

#[test]
fn however_demands_are_delivered_a_quote_is_decided_once_and_a_place_never_again() {
    let law: fn(Vec<(u8, u8)>) -> bool = |deliveries| {
        let mut history: Vec<Event> = Vec::new();
        for (name, place) in deliveries {
            let sight = placed(u64::from(name % 8), u64::from(place % 32).saturating_add(1));
            let state = fold::<Strategy>(&history);
            history.extend(Strategy::decide(&state, decide(sight)).unwrap());
        }
        let decided: Vec<&Decided> = history
            .iter()
            .filter_map(|event| if let Event::Decided(decided) = event { Some(&**decided) } else { None })
            .collect();
        let quotes: BTreeSet<_> = decided.iter().map(|decided| &decided.quote_id).collect();
        let rising = decided.is_sorted_by(|one, next| one.demand_position < next.demand_position);
        quotes.len() == decided.len() && rising
    };
    quickcheck::quickcheck(law);
}

#[test]
fn another_quote_at_an_earlier_place_decides_nothing() {
    given::<Strategy>(facts(placed(1, 30))).when(decide(placed(2, 29))).then_nothing();
    given::<Strategy>(facts(placed(1, 30))).when(decide(placed(2, 30))).then_nothing();
}

#[test]
fn another_quote_at_a_later_place_is_decided() {
    given::<Strategy>(facts(placed(1, 30))).when(decide(placed(2, 31))).then(facts(placed(2, 31)));
}

#[test]
fn the_strategy_goes_on_after_the_last_demand_it_spoke_on() {
    let history: Vec<Event> = [placed(1, 30), placed(2, 44)].into_iter().flat_map(facts).collect();
    assert_eq!(fold::<Strategy>(&history).last_demand(), Position(44));
}

#[test]
fn memory_of_quotes_is_bounded_and_older_ones_are_known_by_their_place() {
    let template = decided(placed(1, 1));
    let remembered = u64::try_from(RECENT_MAX).unwrap();
    let history: Vec<Event> = (1..=remembered + 1)
        .map(|n| {
            let (quote_id, demand_position) = (quote(n), Position(n));
            Event::Decided(Box::new(Decided { quote_id, demand_position, ..template.clone() }))
        })
        .collect();
    let state = fold::<Strategy>(&history);
    assert!(state.knows(&quote(1), Position(1)), "by its place");
    assert!(!state.knows(&quote(1), Position(remembered + 2)), "forgotten by name");
    assert!(state.knows(&quote(2), Position(remembered + 2)), "the oldest still known by name");
}

#[test]
fn coin_that_is_only_pending_is_not_spent() {
    let mut waiting = sight(demand(1));
    let mut balances = balances_observed();
    balances.credited = BTreeMap::from([(eure(), euros(20, 0))]);
    balances.pending_in = BTreeMap::from([(eure(), euros(1_000, 0))]);
    waiting.inventory = Some(seen(20, balances));
    let decided = decided(waiting);
    assert_eq!(decided.verdict, Verdict::Skip { reason: Reason::PendingNotCredited });
    assert_eq!(decided.inventory.unwrap().spendable, euros(10, 0));
}

#[test]
fn reservations_pending_withdrawals_and_the_floor_are_not_spent() {
    let mut tight = sight(demand(1));
    let mut balances = balances_observed();
    balances.pending_out = BTreeMap::from([(eure(), euros(200, 0))]);
    tight.inventory = Some(seen(20, balances));
    tight.account.reserved = euros(300, 0);
    // 1,000 credited less 300 reserved less 200 on the way out less 10 floor.
    assert_eq!(decided(tight).inventory.unwrap().spendable, euros(490, 0));
}

#[test]
fn one_direction_can_be_affordable_while_the_other_is_not() {
    let with = |demand: Demand| {
        let mut sight = sight(demand);
        let mut balances = balances_observed();
        balances.credited = BTreeMap::from([(btc(), Units::new(100_000))]);
        sight.inventory = Some(seen(20, balances));
        decided(sight).verdict
    };
    assert_eq!(with(demand_for_base(1)), Verdict::Act);
    assert_eq!(with(demand(1)), Verdict::Skip { reason: Reason::InsufficientInventory });
}

#[test]
fn a_quote_is_expired_at_exactly_the_moment_it_closes() {
    let verdict = |at| decided(Sight { at, ..sight(demand(1)) }).verdict;
    assert_eq!(verdict(at(3_000)), Verdict::Skip { reason: Reason::QuoteExpired });
    assert_eq!(verdict(at(2_999)), Verdict::Act);
}

fn view(history: &[AccountEvent], demand: &Demand, ms: i64) -> AccountView {
    AccountView::of(&fold::<Account>(history), 1, demand, None, at(ms))
}

#[test]
fn the_account_is_seen_as_armed_until_the_arming_runs_out() {
    assert_eq!(view(&ready(), &demand(1), 299_999).permission, Permission::Armed(Mode::Full));
    assert_eq!(view(&ready(), &demand(1), 300_000).permission, Permission::Expired);
    assert_eq!(view(&[], &demand(1), 0).permission, Permission::Disarmed);
}

#[test]
fn an_arming_for_another_start_of_the_strategy_is_none_for_this_one() {
    let seen_by =
        |start| AccountView::of(&fold::<Account>(&ready()), start, &demand(1), None, at(0)).permission;
    assert_eq!(
        [0, 1, 2].map(seen_by),
        [Permission::Disarmed, Permission::Armed(Mode::Full), Permission::Disarmed]
    );
}

#[test]
fn limits_that_end_an_approved_arming_end_it_for_the_strategy_too() {
    let two = Limits { second_person: true, ..limits() };
    let mut history = ready();
    history
        .push(AccountEvent::LimitsSet(Box::new(LimitsSet { effective_from: at(100), ..limits_set(2, two) })));
    assert_eq!(view(&history, &demand(1), 99).permission, Permission::Armed(Mode::Full));
    assert_eq!(view(&history, &demand(1), 100).permission, Permission::Expired);
}

#[test]
fn the_account_is_seen_with_what_its_open_offers_hold_in_the_demands_direction() {
    let mut history = open([1, 2]);
    let other_way = started_by(&execute_order(3, order_for_base(3)));
    history.push(AccountEvent::SubmissionStarted(Box::new(other_way)));

    let buying = view(&history, &demand(9), 20);
    assert_eq!((buying.reserved, buying.open_notional), (euros(97, 94), euros(100, 0)));
    assert_eq!((buying.open_base, buying.open_offers), (Units::new(200_000), 3));

    let selling = view(&history, &demand_for_base(9), 20);
    assert_eq!((selling.reserved, selling.open_notional), (Units::new(100_000), euros(50, 0)));
    assert_eq!((selling.open_base, selling.open_offers), (Units::new(100_000), 3));
}

#[test]
fn only_the_demands_own_partner_fills_its_room() {
    let mut history = ready();
    for n in [1, 2] {
        let mut execute = execute_order(n, order(n));
        execute.order.partner_id = (n == 1).then(|| "one-click".to_owned());
        history.push(AccountEvent::SubmissionStarted(Box::new(started_by(&execute))));
    }
    assert_eq!(view(&history, &demand(9), 20).partner_offers, 1);
    let stranger = Demand { partner_id: None, ..demand(9) };
    assert_eq!(view(&history, &stranger, 20).partner_offers, 0);
}

#[test]
fn a_second_arming_replaces_the_mode() {
    let mut history = ready();
    history.push(armed(Mode::Reducing));
    assert_eq!(view(&history, &demand(1), 0).permission, Permission::Armed(Mode::Reducing));
}

#[test]
fn an_order_has_one_id_whoever_decides_and_however_often() {
    let again = Sight { at: at(400), ..placed(1, 77) };
    assert_eq!(ordered(sight(demand(1))).command_id, ordered(again).command_id);
    assert_ne!(ordered(sight(demand(1))).command_id, ordered(placed(2, 30)).command_id);
    assert_ne!(ordered(sight(demand(1))).command_id, command(1));
}

#[test]
fn a_decision_says_what_it_stood_on_in_a_form_that_stays() {
    let stood_on = decided(sight(demand(1))).footing;
    let text = serde_json::to_string(&stood_on).unwrap();
    let expected = concat!(
        r#"{"start":1,"account_to":29,"service_to":1,"#,
        r#""pricing":{"base":200,"per_second_of_age":2,"fallback":100,"assumed_parity":5},"finality_lag_ms":2000}"#
    );
    assert_eq!(text, expected);
    assert_eq!(serde_json::from_str::<Option<Footing>>(&text).unwrap(), stood_on);
}
