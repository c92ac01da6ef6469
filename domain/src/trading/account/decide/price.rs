//! Whether the newest price bears an order out. The account sees the reference price for itself, so that neither the
//! size of an offer nor what it loses rests on the word of whoever wrote the order.
//!
//! It is a check and no pricing: between the order and this moment the price may move, and what the offer then still
//! earns is enough as long as it is no loss. In doubt, with no price that can be used, nothing is signed.

use super::offer::Refusal;
use crate::market::reference::event::{Fair, Verdict};
use crate::market::reference::policy::young;
use crate::money::{BasisPoints, Rounding, Share, Units, gross_edge};
use crate::pair::Direction;
use crate::trading::account::command::{Execute, SeenPrice};
use crate::trading::account::event::RefusalCode;
use crate::trading::limits::Limits;

/// How far the notional may lie from what the base is worth at the newest price, either way: as far as a price moves
/// while an order is on its way. The caps on notional hold with this much give.
pub const NOTIONAL_TOLERANCE: BasisPoints = BasisPoints(200);

/// Nothing that the strategy priced by the same price is refused here, unless that has grown too old meanwhile.
pub(super) fn borne_out<'a>(limits: &Limits, execute: &'a Execute) -> Result<&'a SeenPrice, Refusal> {
    let Some(seen) = &execute.price else { return disagree("no reference price is known".to_owned()) };
    let (fair, age_ms_max, notional_max) = match &seen.verdict {
        Verdict::Primary { fair } => (fair, limits.price_age_ms_max, limits.notional_max),
        Verdict::Fallback { fair } => {
            let most = limits.fallback_notional_max.min(limits.notional_max);
            (fair, limits.fallback_age_ms_max, most)
        }
        Verdict::Blocked { block } => {
            return disagree(format!("there is no usable reference price: {}", block.code()));
        }
    };
    let age_ms = execute.at.millis_since(fair.as_of);
    if !young(age_ms, age_ms_max, limits.clock_skew_ms_max) {
        return disagree(format!("the reference price is {age_ms} ms old, at most {age_ms_max}"));
    }
    let notional = execute.order.notional;
    if notional > notional_max {
        return disagree(format!(
            "notional {notional} is above {notional_max}, the most for a fallback price"
        ));
    }
    let Some((edge, off)) = edge_and_distance(execute, fair) else {
        return disagree("its base amount is worth nothing that can be told".to_owned());
    };
    if off.0.saturating_abs() > NOTIONAL_TOLERANCE.0 {
        return disagree(format!(
            "its notional is {off} less than what its base is worth, at most {NOTIONAL_TOLERANCE} either way"
        ));
    }
    if edge < BasisPoints(0) {
        return disagree(format!("at the newest price it has an edge of {edge}: it would lose"));
    }
    Ok(seen)
}

fn disagree<T>(detail: String) -> Result<T, Refusal> {
    Err((RefusalCode::PriceDisagrees, detail))
}

/// The edge of the offer at the less favourable reference, rounded against us; and how far its notional lies below what
/// its base is worth.
fn edge_and_distance(execute: &Execute, fair: &Fair) -> Option<(BasisPoints, BasisPoints)> {
    let order = &execute.order;
    let decimals = execute.pair.decimals().ok()?;
    let worth = |base: Units, rounding| match order.direction {
        Direction::BuyBase => fair.bid.worth(base, decimals, Share::WHOLE, rounding),
        Direction::SellBase => fair.ask.worth(base, decimals, Share::WHOLE, rounding),
    };
    let (base, edge) = match order.direction {
        Direction::BuyBase => {
            let received = order.receive.amount;
            (received, gross_edge(worth(received, Rounding::Down)?, order.give.amount)?)
        }
        Direction::SellBase => {
            let given = order.give.amount;
            (given, gross_edge(order.receive.amount, worth(given, Rounding::Up)?)?)
        }
    };
    Some((edge, gross_edge(worth(base, Rounding::Up)?, order.notional)?))
}
