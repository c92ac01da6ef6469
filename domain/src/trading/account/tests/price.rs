//! Whether the newest price bears an order out: the account believes no size and no loss on the word of an order.
//!
//! One bitcoin is 49,995 to sell and 50,005 to buy, so 0.001 of them are 49.995 and 50.005.

use super::refusals::under;
use crate::decider::{Decider, fold};
use crate::market::reference::event::{Block, Fair, Verdict};
use crate::money::{BasisPoints, Units};
use crate::time::Timestamp;
use crate::trading::account::command::{Execute, SeenPrice};
use crate::trading::account::event::RefusalCode;
use crate::trading::account::{Account, Command, Event};
use crate::trading::fixtures::{
    at, euros, event_id, execute, execute_order, fair, order, order_for_base, rate, ready, units,
};

/// Why the order is refused for its price; `None` when the offer starts.
fn refusal(history: &[Event], execute: Execute) -> Option<String> {
    let events = Account::decide(&fold::<Account>(history), Command::Execute(Box::new(execute))).unwrap();
    match events.as_slice() {
        [Event::SubmissionStarted(started)] => {
            assert_eq!(started.price_event_id, Some(event_id(30)), "the price is named that bore it out");
            None
        }
        [Event::ExecutionRefused(refused)] if refused.code == RefusalCode::PriceDisagrees => {
            Some(refused.detail.clone())
        }
        other => panic!("{other:?}"),
    }
}

fn seeing(verdict: Verdict) -> Execute {
    Execute { price: Some(SeenPrice { event_id: event_id(30), verdict }), ..execute(9) }
}

fn primary(bid: &str, ask: &str, as_of: Timestamp) -> Verdict {
    Verdict::Primary { fair: Fair { bid: rate(bid), ask: rate(ask), as_of, ..fair() } }
}

fn of_moment(as_of: Timestamp) -> Execute {
    seeing(primary("49995", "50005", as_of))
}

/// Buys 0.001 BTC for `give`, and calls that `notional`.
fn buying(give: Units, notional: Units) -> Execute {
    let mut execute = execute(9);
    (execute.order.give.amount, execute.order.notional) = (give, notional);
    execute
}

/// Sells 0.001 BTC for `receive`.
fn selling(receive: Units) -> Execute {
    let mut execute = execute_order(9, order_for_base(9));
    execute.order.receive.amount = receive;
    execute
}

fn edgeless() -> Vec<Event> {
    under(|limits| limits.edge_min = BasisPoints(0))
}

#[test]
fn without_a_price_that_can_be_used_nothing_is_offered() {
    let none = Execute { price: None, ..execute(9) };
    assert_eq!(refusal(&ready(), none).unwrap(), "no reference price is known");
    let blocked = seeing(Verdict::Blocked { block: Block::PegOutOfBand });
    assert_eq!(refusal(&ready(), blocked).unwrap(), "there is no usable reference price: peg_out_of_band");
}

#[test]
fn a_price_counts_as_long_as_the_limits_say_and_from_no_further_ahead_than_clocks_differ() {
    // The orders of these tests are carried out at 10 ms.
    for (as_of, taken) in [(-4_990, true), (-4_991, false), (1_010, true), (1_011, false)] {
        assert_eq!(refusal(&ready(), of_moment(at(as_of))).is_none(), taken, "{as_of}");
    }
    let fallback = |as_of| seeing(Verdict::Fallback { fair: Fair { as_of, ..fair() } });
    for (as_of, taken) in [(-89_990, true), (-89_991, false)] {
        assert_eq!(refusal(&ready(), fallback(at(as_of))).is_none(), taken, "{as_of}");
    }
}

#[test]
fn under_a_fallback_price_its_own_cap_holds() {
    let fallback = || seeing(Verdict::Fallback { fair: fair() });
    let capped = under(|limits| limits.fallback_notional_max = euros(50, 0));
    assert_eq!(refusal(&capped, fallback()), None);
    let lower = under(|limits| limits.fallback_notional_max = euros(49, 99));
    assert!(refusal(&lower, fallback()).unwrap().contains("the most for a fallback price"));
    assert_eq!(refusal(&lower, execute(9)), None, "it is no cap of the primary's");
}

#[test]
fn a_notional_that_is_not_what_the_base_is_worth_is_refused_either_way() {
    // 97.99 % of 49.995 is 2.01 % less, and a base unit more is 2.00 %.
    let (least, most) = (units("48_990_100_500_000_000_000"), units("50_994_900_000_000_000_000"));
    let one = Units::new(1);
    for (notional, taken) in
        [(least, false), (least.plus(one).unwrap(), true), (most, true), (most.plus(one).unwrap(), false)]
    {
        assert_eq!(refusal(&ready(), buying(euros(48, 0), notional)).is_none(), taken, "{notional}");
    }
}

#[test]
fn a_whole_bitcoin_that_is_called_fifty_euros_is_not_sold() {
    let mut execute = selling(euros(51, 6));
    execute.order.give.amount = Units::new(100_000_000);
    execute.balances.as_mut().unwrap().credited = Units::new(1_000_000_000);
    assert!(refusal(&ready(), execute).unwrap().contains("less than what its base is worth"));
    // Nor when somebody pays for it: the caps are counted in the notional.
    let mut paid = selling(euros(51_060, 0));
    paid.order.give.amount = Units::new(100_000_000);
    paid.balances.as_mut().unwrap().credited = Units::new(1_000_000_000);
    assert!(refusal(&ready(), paid).unwrap().contains("less than what its base is worth"));
}

#[test]
fn a_crumb_that_is_called_fifty_euros_is_not_bought() {
    let mut execute = execute(9);
    execute.order.receive.amount = Units::new(1);
    assert!(refusal(&ready(), execute).unwrap().contains("less than what its base is worth"));
    let mut nothing = crate::trading::fixtures::execute(9);
    nothing.order.receive.amount = Units::ZERO;
    assert!(refusal(&ready(), nothing).unwrap().contains("worth nothing"));
}

#[test]
fn what_would_lose_at_the_newest_price_is_refused_and_what_breaks_even_is_not() {
    let one = Units::new(1);
    let worth = units("49_995_000_000_000_000_000");
    assert_eq!(refusal(&edgeless(), buying(worth, euros(50, 0))), None);
    let dearer = buying(worth.plus(one).unwrap(), euros(50, 0));
    assert_eq!(
        refusal(&edgeless(), dearer).unwrap(),
        "at the newest price it has an edge of -0.01%: it would lose"
    );
    let cost = units("50_005_000_000_000_000_000");
    assert_eq!(refusal(&edgeless(), selling(cost)), None);
    assert!(refusal(&edgeless(), selling(cost.minus(one).unwrap())).is_some());
}

#[test]
fn a_price_that_moved_through_the_margin_meanwhile_is_seen() {
    // 48.97 for 0.001 BTC had an edge of 2.05 %.
    let fallen = primary("48000", "48010", at(0));
    assert!(refusal(&ready(), seeing(fallen)).is_some());
    let risen = primary("50900", "50910", at(0));
    assert_eq!(refusal(&ready(), seeing(risen)), None);
    assert_eq!(order(9).notional, euros(50, 0));
}
