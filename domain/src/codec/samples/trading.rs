//! Samples of the trading context: the account here and in [`arming`], the strategy in [`strategy`].

mod arming;
mod strategy;

use super::{
    at, command_id, decision_id, eure, event_id, give, notional, pair, quote_hash, quote_id, receive,
    tx_hash, units, valid,
};
use crate::event::Event;
use crate::ids::{CommandId, QuoteId, derived};
use crate::money::BasisPoints;
use crate::pair::Direction;
use crate::port::event_log::Position;
use crate::port::feeds::ReplyWord;
use crate::port::venue::{ExactSide, PreparedOffer};
use crate::time::Timestamp;
use crate::trading::account::event::{
    self as account, ExecutionExpired, ExecutionRefused, LeaseRenewed, LeaseTaken, LimitsSet, RefusalCode,
    ReleaseCause, ReplyContradicted, ReservationReleased, SubmissionAbandoned, SubmissionAccepted,
    SubmissionExpiredUnfilled, SubmissionRejected, SubmissionSettleFailed, SubmissionSettled,
    SubmissionStarted, SubmissionUncertain,
};
use crate::trading::event::Event as Context;
use crate::trading::limits::Limits;
use std::collections::BTreeMap;

/// Height of the block that contains the settlement.
const HEIGHT: u64 = 187_654_321;

pub(super) fn samples() -> Vec<Event> {
    let mut samples = vec![];
    samples.extend(control().map(|event| Event::Trading(Context::Account(event))));
    samples.extend(arming::samples().map(|event| Event::Trading(Context::Account(event))));
    samples.extend(refusals().map(|event| Event::Trading(Context::Account(event))));
    samples.push(Event::Trading(Context::Account(account::Event::SubmissionStarted(Box::new(started())))));
    samples.extend(outcomes().map(|event| Event::Trading(Context::Account(event))));
    samples.extend(strategy::samples().map(|event| Event::Trading(Context::Strategy(event))));
    samples
}

/// When the offer of the story can no longer be executed: the taker's 60 s, and ten more for the way.
fn offer_deadline() -> Timestamp {
    at(70_108)
}

fn control() -> [account::Event; 3] {
    [
        account::Event::LeaseTaken(LeaseTaken {
            epoch: 7,
            holder: "desk-1".to_owned(),
            at: at(2),
            until: at(15_002),
        }),
        account::Event::LeaseRenewed(LeaseRenewed { epoch: 7, until: at(20_002) }),
        account::Event::LimitsSet(Box::new(LimitsSet {
            version: 3,
            limits: limits(),
            effective_from: at(20),
            reason: "first live cap: 100 EURe an offer".to_owned(),
            dropped_by: None,
            at: at(20),
        })),
    ]
}

fn limits() -> Limits {
    Limits {
        edge_min: BasisPoints(200),
        notional_min: units("10000000000000000000"),
        notional_max: units("100000000000000000000"),
        fallback_notional_max: units("50000000000000000000"),
        buy_base_open_max: units("300000000000000000000"),
        sell_base_open_max: units("300000000000000000000"),
        open_offers_max: 8,
        open_offers_per_partner_max: 4,
        uncertain_offers_max: 2,
        cooldown_ms: 1_000,
        price_age_ms_max: 5_000,
        fallback_age_ms_max: 180_000,
        spread_max: BasisPoints(50),
        inventory_age_ms_max: 30_000,
        window_ms_min: 300,
        deadline_ms_max: 60_000,
        command_age_ms_max: 1_000,
        clock_skew_ms_max: 1_000,
        answer_probes: false,
        second_person: false,
        floor: BTreeMap::from([(eure(), units("500000000000000000000"))]),
        base_target: units("25000000"),
    }
}

fn other_quote() -> QuoteId {
    valid("51be5a83-9d2c-4f42-a8d5-0a6c8f3c9b07".to_owned().try_into())
}

fn other_command() -> CommandId {
    CommandId(derived("sample", &["other command"]))
}

fn refusals() -> [account::Event; 2] {
    [
        account::Event::ExecutionRefused(ExecutionRefused {
            command_id: other_command(),
            quote_id: other_quote(),
            command_position: Position(1_208),
            code: RefusalCode::InsufficientInventory,
            detail: "8.06 EURe of 55.97 EURe are left to spend".to_owned(),
            at: at(400),
        }),
        account::Event::ExecutionExpired(ExecutionExpired {
            command_id: other_command(),
            quote_id: other_quote(),
            command_position: Position(1_209),
            age_ms: 86_400_123,
            at: at(401),
        }),
    ]
}

fn started() -> SubmissionStarted {
    let message = concat!(
        r#"{"signer_id":"solver.near","deadline":"2026-11-20T18:25:48.108Z","intents":[{"intent":"token_diff","#,
        r#""diff":{"nep141:nbtc.bridge.near":"100000","#,
        r#""nep141:gnosis-0x420ca0f9b9b604ce0fd9c18ef134c705e5fa3430.omft.near":"-55969556310000000000"}}]}"#,
    );
    SubmissionStarted {
        command_id: command_id(),
        command_position: Position(1_207),
        decision_id: decision_id(),
        quote_id: quote_id(),
        pair: pair(),
        epoch: 7,
        direction: Direction::BuyBase,
        receive: receive(),
        give: give(),
        exact: ExactSide::In,
        notional: notional(),
        partner_id: Some("1click".to_owned()),
        prepared: PreparedOffer {
            message: message.to_owned(),
            nonce: "Vij2xgAlKBKzgOOrTpjAdxwfuR/kmZDh/sB21X5uBo4=".to_owned(),
            recipient: "intents.near".to_owned(),
            quote_hash: quote_hash(),
        },
        salt: "252812b3".to_owned(),
        offer_deadline: offer_deadline(),
        nonce_deadline: at(130_108),
        closes_at: None,
        inventory_event_id: event_id("balances before"),
        height: 187_654_309,
        price_event_id: None,
        limits_version: 3,
        at: at(108),
    }
}

fn outcomes() -> [account::Event; 9] {
    let command_id = command_id();
    [
        account::Event::SubmissionAbandoned(SubmissionAbandoned {
            command_id,
            why: "the auction closed before it was sent".to_owned(),
            at: at(2_001),
        }),
        account::Event::SubmissionAccepted(SubmissionAccepted {
            command_id,
            reply: r#"{"jsonrpc":"2.0","id":42,"result":"OK"}"#.to_owned(),
            at: at(131),
        }),
        account::Event::SubmissionRejected(SubmissionRejected {
            command_id,
            reply: r#"{"jsonrpc":"2.0","id":42,"error":{"code":-32098,"message":"quote is not found or expired"}}"#
                .to_owned(),
            late: true,
            at: at(131),
        }),
        account::Event::SubmissionUncertain(SubmissionUncertain {
            command_id,
            why: "no reply within 5000 ms".to_owned(),
            at: at(5_108),
        }),
        account::Event::ReplyContradicted(ReplyContradicted {
            command_id,
            before: ReplyWord::Rejected,
            reply: r#"{"jsonrpc":"2.0","id":42,"result":"OK"}"#.to_owned(),
            at: at(140),
        }),
        account::Event::SubmissionSettled(SubmissionSettled {
            command_id,
            inventory_event_id: event_id("balances after"),
            height: HEIGHT,
            tx_hash: Some(tx_hash()),
            at: at(4_910),
        }),
        account::Event::SubmissionSettleFailed(SubmissionSettleFailed {
            command_id,
            tx_hash: Some(tx_hash()),
            at: at(4_200),
        }),
        account::Event::SubmissionExpiredUnfilled(SubmissionExpiredUnfilled {
            command_id,
            inventory_event_id: event_id("balances after"),
            height: 187_654_461,
            at: at(85_000),
        }),
        account::Event::ReservationReleased(ReservationReleased {
            command_id,
            cause: ReleaseCause::Settled,
            amount: give(),
            height: Some(HEIGHT),
            at: at(4_910),
        }),
    ]
}
