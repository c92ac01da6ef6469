//! Providers that are behind: passed over for a while, and an outage when nobody else comes.

use super::{at, reading};
use crate::testing::given;
use crate::treasury::inventory::event::{Event, InventoryUnavailable};
use crate::treasury::inventory::{Command, Inventory};

/// A reading of an older block, at that moment. The newest one is of the 50th millisecond.
fn older_at(millis: i64) -> Command {
    let mut older = reading(9, 1, 1).command();
    if let Command::Observe { observed_at, .. } = &mut older {
        *observed_at = at(millis);
    }
    older
}

fn outage(millis: i64) -> Event {
    let reason = "block 9 is older than block 10, which was read before".to_owned();
    Event::InventoryUnavailable(InventoryUnavailable { reason, at: at(millis) })
}

#[test]
fn where_only_older_blocks_come_for_a_minute_the_balances_are_not_known_and_it_is_said_why() {
    let newest = reading(10, 100, 1_000).event();
    given::<Inventory>([newest.clone()]).when(older_at(60_049)).then_nothing();
    given::<Inventory>([newest.clone()]).when(older_at(60_050)).then([outage(60_050)]);
    // Stated once a minute, as any outage.
    given::<Inventory>([newest.clone(), outage(60_050)]).when(older_at(120_049)).then_nothing();
    given::<Inventory>([newest, outage(60_050)]).when(older_at(120_050)).then([outage(120_050)]);
}

#[test]
fn the_newest_block_ends_such_an_outage_though_it_says_what_it_said_before() {
    let newest = reading(10, 100, 1_000);
    given::<Inventory>([newest.event(), outage(60_050)]).when(newest.command()).then([newest.event()]);
}
