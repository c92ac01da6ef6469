//! Samples of the access context.

use super::{at, valid};
use crate::access::attempt::{Attempted, AttemptsUnkept, Outcome, StrangersRefused};
use crate::access::event::Event as Context;
use crate::access::keyring::event::{Event as Keyring, KeyCreated, KeyRevoked};
use crate::access::{Action, Role, Scope};
use crate::event::Event;
use crate::ids::{Actor, CommandId, derived};
use std::collections::{BTreeMap, BTreeSet};

const KEY_ID: &str = "4f1d0c7a92be";

pub(super) fn samples() -> Vec<Event> {
    let keyring = keyring().map(Context::Keyring);
    keyring.into_iter().chain(attempts()).map(Event::Access).collect()
}

fn root() -> Actor {
    valid("operator:root".to_owned().try_into())
}

fn keyring() -> [Keyring; 2] {
    [
        Keyring::KeyCreated(KeyCreated {
            key_id: KEY_ID.to_owned(),
            owner: "alice".to_owned(),
            role: Role::Trader,
            scope: Scope { actions: BTreeSet::from([Action::Read, Action::Arm]), processes: BTreeSet::new() },
            hash: "5f0f2a4dd0b5b3f0e0a9d0b8f6ad8a2f7f6cc0c84f7f8e0f3c1d3c8c7a9b1e24".to_owned(),
            expires_at: Some(at(7_776_000_000)),
            label: "laptop".to_owned(),
            reason: "alice trades from Monday on".to_owned(),
            by: root(),
            made_with: None,
            at: at(800),
        }),
        Keyring::KeyRevoked(KeyRevoked {
            key_id: KEY_ID.to_owned(),
            reason: "the laptop was left on a train".to_owned(),
            by: root(),
            at: at(90_000_000),
        }),
    ]
}

fn attempts() -> [Context; 3] {
    [
        Context::Attempted(Attempted {
            command_id: Some(CommandId(derived("sample", &["kill"]))),
            action: "kill".to_owned(),
            outcome: Outcome::Refused,
            code: "forbidden".to_owned(),
            detail: "trader may not kill with this credential".to_owned(),
            reason: "the price looks wrong".to_owned(),
            count: 1,
            at: at(900),
        }),
        Context::StrangersRefused(StrangersRefused {
            address: "203.0.113.7".to_owned(),
            from: at(60_000),
            to: at(119_950),
            count: 412,
            codes: BTreeMap::from([("bad-key".to_owned(), 410), ("no-credential".to_owned(), 2)]),
            key_ids: vec![KEY_ID.to_owned()],
        }),
        Context::AttemptsUnkept(AttemptsUnkept {
            from: at(120_000),
            to: at(121_000),
            count: 31,
            codes: BTreeMap::from([("already_so".to_owned(), 31)]),
        }),
    ]
}
