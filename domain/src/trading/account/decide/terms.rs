//! Whether an order agrees with itself: its tokens with its pair and direction, its amounts with its notional.
//!
//! Every cap of the account is counted in the notional, a figure of whoever wrote the order. Here is asked what holds
//! at any price: the least edge between the notional and what moves on the quote side. A notional that is wrong on both
//! sides alike, and base amounts that no price bears out, are found by [`super::price`].

use super::offer::Refusal;
use crate::money::gross_edge;
use crate::pair::{Direction, Pair};
use crate::trading::account::event::RefusalCode;
use crate::trading::limits::Limits;
use crate::trading::strategy::event::ExecutionCommanded;

/// Nothing that the gates let pass is refused here: they measure the edge of the same amounts, rounded no higher.
pub(super) fn agree(limits: &Limits, order: &ExecutionCommanded, pair: &Pair) -> Result<(), Refusal> {
    let disagree = |detail: String| Err((RefusalCode::TermsDisagree, detail));
    if order.pair != pair.id {
        return disagree(format!("ordered for {}, this account trades {}", order.pair, pair.id));
    }
    let (receive, give) = (&order.receive, &order.give);
    if pair.direction(&receive.token, &give.token) != Some(order.direction) {
        return disagree(format!(
            "{} for {} is not what {} means for {}",
            receive.token,
            give.token,
            order.direction.name(),
            pair.id
        ));
    }
    // The notional is what the base side is worth: received when base is bought, given when it is sold.
    let edge = match order.direction {
        Direction::BuyBase => gross_edge(order.notional, give.amount),
        Direction::SellBase => gross_edge(receive.amount, order.notional),
    };
    match edge {
        Some(edge) if edge >= limits.edge_min => Ok(()),
        Some(edge) => disagree(format!(
            "its notional and amounts leave an edge of {edge}, at least {} is asked for",
            limits.edge_min
        )),
        None => disagree("its notional and amounts have no edge that can be told".to_owned()),
    }
}
