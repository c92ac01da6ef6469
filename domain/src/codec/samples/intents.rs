//! Samples of the intents context.

use super::{at, btc, eure, pair, quote_hash, quote_id, tx_hash, units, valid};
use crate::event::Event;
use crate::intents::demand::Demand;
use crate::intents::event::Event as Context;
use crate::intents::filter::event::{self as filter, Entry, FilterReset, FilterSet};
use crate::intents::intake::event::{
    self as intake, DuplicateReceived, Fault, QuoteReceived, RequestRejected,
};
use crate::intents::relay::event::{
    self as relay, FrameRejected, RelayConnected, RelayDisconnected, ReplyReported, SettlementReported,
};
use crate::pair::Direction;
use crate::port::feeds::{ReplyWord, SettlementWord};
use crate::port::venue::ExactSide;

pub(super) fn samples() -> Vec<Event> {
    let mut samples = vec![];
    samples.extend(intake().map(|event| Event::Intents(Context::Intake(event))));
    samples.extend(filter().map(|event| Event::Intents(Context::Filter(event))));
    samples.extend(relay().map(|event| Event::Intents(Context::Relay(event))));
    samples
}

fn frame() -> String {
    concat!(
        r#"{"jsonrpc":"2.0","method":"event","params":{"subscription":"7f0e9a4b-1c0d-4a52-9a0e-2b8c3d4e5f60","#,
        r#""data":{"quote_id":"c9c7e0a2-0d0f-4f5b-9a53-1f4a2f6f4f52","#,
        r#""defuse_asset_identifier_in":"nep141:nbtc.bridge.near","#,
        r#""defuse_asset_identifier_out":"nep141:gnosis-0x420ca0f9b9b604ce0fd9c18ef134c705e5fa3430.omft.near","#,
        r#""exact_amount_in":"100000","min_deadline_ms":60000,"min_wait_ms":900,"max_wait_ms":1900}}}"#,
    )
    .to_owned()
}

fn intake() -> [intake::Event; 4] {
    let demand = Demand {
        quote_id: quote_id(),
        pair: pair(),
        direction: Direction::BuyBase,
        token_in: btc(),
        token_out: eure(),
        exact: ExactSide::In,
        amount: units("100000"),
        min_deadline_ms: 60_000,
        window_ms: 1_900,
        closes_at: at(2_000),
        router_leg: false,
        partner_id: Some("1click".to_owned()),
        quote_type: Some("main_quote".to_owned()),
        probe: false,
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
        received_at: at(100),
    };
    let other = valid("0b6d3c52-5c5f-4d25-8f0e-6a1f0a5d7c11".to_owned().try_into());
    [
        intake::Event::QuoteReceived(QuoteReceived {
            quote_id: quote_id(),
            frame: frame(),
            received_at: at(100),
        }),
        intake::Event::DemandNormalised(demand),
        intake::Event::RequestRejected(RequestRejected {
            quote_id: other,
            fault: Fault::NotANumber,
            detail: "-100000".to_owned(),
            received_at: at(120),
        }),
        intake::Event::DuplicateReceived(DuplicateReceived {
            quote_id: quote_id(),
            same_content: true,
            frame: frame(),
            received_at: at(160),
        }),
    ]
}

fn filter() -> [filter::Event; 2] {
    [
        filter::Event::FilterSet(FilterSet {
            entries: vec![Entry::Pair(pair()), Entry::Tokens { token_in: btc(), token_out: eure() }],
            reason: "only native BTC while the legacy token is wound down".to_owned(),
            at: at(5_000),
        }),
        filter::Event::FilterReset(FilterReset {
            reason: "the legacy token is gone from the configuration".to_owned(),
            at: at(9_000),
        }),
    ]
}

fn relay() -> [relay::Event; 5] {
    [
        relay::Event::RelayConnected(RelayConnected { at: at(8) }),
        relay::Event::RelayDisconnected(RelayDisconnected {
            at: at(60_000),
            reason: "closed by the relay: 1006".to_owned(),
        }),
        relay::Event::FrameRejected(FrameRejected {
            why: "expected value at line 1 column 1".to_owned(),
            frame: "<html><head><title>502 Bad Gateway</title></head>".to_owned(),
            bytes: 158,
            suppressed: 12,
            received_at: at(60_010),
        }),
        relay::Event::SettlementReported(SettlementReported {
            quote_hash: quote_hash(),
            intent_hash: Some("EZ4e1KnGArxzDqKNTRgC8rUVRS95cYk6KYTBXDN7Xv1H".to_owned()),
            tx_hash: Some(tx_hash()),
            word: SettlementWord::Settled,
            received_at: at(4_200),
        }),
        relay::Event::ReplyReported(ReplyReported {
            quote_id: quote_id(),
            quote_hash: quote_hash(),
            word: ReplyWord::Rejected,
            late: true,
            reply: r#"{"code":-32000,"message":"quote not found or already finished"}"#.to_owned(),
            received_at: at(1_950),
        }),
    ]
}
