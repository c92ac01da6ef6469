//! Samples of the treasury context.

use super::{at, block_hash, btc, command_id, eure, units};
use crate::event::Event;
use crate::treasury;
use crate::treasury::inventory::event::{
    self as inventory, BalancesObserved, Drift, DriftDetected, InventoryUnavailable, NonceSeen, VenueBlock,
};
use std::collections::BTreeMap;

pub(super) fn samples() -> Vec<Event> {
    let observed = BalancesObserved {
        height: 187_654_321,
        block_hash: block_hash(),
        block_at: at(3_700),
        credited: BTreeMap::from([(btc(), units("25100000")), (eure(), units("9944030443690000000000"))]),
        pending_in: BTreeMap::from([(btc(), units("5000000"))]),
        pending_out: BTreeMap::from([(eure(), units("1000000000000000000000"))]),
        salt: "252812b3".to_owned(),
        fee_pips: 1,
        blocked: vec![VenueBlock::KeyNotRegistered],
        nonces: vec![NonceSeen { command_id: command_id(), used: true }],
        providers: 2,
        observed_at: at(4_900),
    };
    let drift = DriftDetected {
        token: eure(),
        drift: Drift::Drop,
        expected: units("9944030443690000000000"),
        observed: units("9844030443690000000000"),
        height: 187_654_360,
        at: at(28_400),
    };
    let unavailable = InventoryUnavailable {
        reason: "the verifier can't be read: no provider answered within 2000 ms".to_owned(),
        at: at(43_400),
    };
    [
        inventory::Event::BalancesObserved(observed),
        inventory::Event::DriftDetected(drift),
        inventory::Event::InventoryUnavailable(unavailable),
    ]
    .map(|event| Event::Treasury(treasury::event::Event::Inventory(event)))
    .into()
}
