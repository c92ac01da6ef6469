//! Samples of arming and of how it ends.

use super::super::{at, command_id, give, quote_hash, valid};
use super::offer_deadline;
use crate::ids::{CommandId, derived};
use crate::trading::account::event::{
    self as account, ArmApproved, ArmRequested, Armed, DisarmCause, Disarmed, KillConfirmed, Killed, Mode,
    OpenSignature, StandDownAsked,
};

// The stored form of version 1 was fixed before the strategy's starts were counted: zeros are left out of it.

/// SHA-256 of the limits of the samples would stand here; any text of its form does.
const LIMITS_HASH: &str = "9b1d0f2e7a6c5b4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b1c0d";

pub(super) fn samples() -> [account::Event; 7] {
    let request_id = CommandId(derived("sample", &["arm request"]));
    [
        account::Event::Armed(Armed {
            mode: Mode::Full,
            limits_version: 3,
            strategy_start: 0,
            until: at(3_600_030),
            reason: "start of the trading day".to_owned(),
            at: at(30),
        }),
        account::Event::ArmRequested(Box::new(ArmRequested {
            request_id,
            mode: Mode::Full,
            limits_version: 3,
            limits_hash: LIMITS_HASH.to_owned(),
            strategy_start: 0,
            until: at(3_600_030),
            expires_at: at(900_025),
            reason: "start of the trading day".to_owned(),
            by: valid("person:alice".to_owned().try_into()),
            at: at(25),
        })),
        account::Event::ArmApproved(Box::new(ArmApproved {
            request_id,
            limits_hash: LIMITS_HASH.to_owned(),
            reason: "as agreed this morning".to_owned(),
            by: valid("person:bob".to_owned().try_into()),
            at: at(30),
        })),
        account::Event::Disarmed(Disarmed {
            cause: DisarmCause::UnexpectedDrop,
            reason: "EURe fell by 100 without a settlement of ours".to_owned(),
            at: at(28_450),
        }),
        account::Event::Killed(Killed {
            reason: "somebody else signs with our key".to_owned(),
            open: vec![OpenSignature {
                command_id: command_id(),
                quote_hash: quote_hash(),
                give: give(),
                offer_deadline: offer_deadline(),
            }],
            at: at(29_000),
        }),
        account::Event::KillConfirmed(KillConfirmed { epoch: 7, at: at(29_004) }),
        account::Event::StandDownAsked(Box::new(StandDownAsked {
            request_id: CommandId(derived("sample", &["stand down"])),
            expires_at: at(4_500_000),
            reason: "the key was changed and nothing is open".to_owned(),
            by: valid("person:alice".to_owned().try_into()),
            at: at(3_600_000),
        })),
    ]
}
