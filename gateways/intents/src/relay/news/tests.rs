//! Nothing waits, nothing but quotes is dropped, and every gap is told.

use super::{NewsQueue, NoRoom, RESERVE_NEWS};
use stele_domain::ids::{QuoteHash, QuoteId, TokenId};
use stele_domain::port::feeds::{
    QuoteRequest, RelayNews, RelayWord, ReplyNotice, ReplyWord, SettlementNotice, SettlementWord,
};
use stele_domain::time::Timestamp;

fn frame(raw: &str, millis: i64, word: RelayWord) -> RelayNews {
    let bytes = u64::try_from(raw.len()).unwrap();
    RelayNews::Frame { raw: raw.into(), bytes, received_at: Timestamp::from_millis(millis), word }
}

fn quote(millis: i64) -> RelayNews {
    let id = |text: &str| text.to_owned();
    let quote = QuoteRequest {
        quote_id: QuoteId::try_from(id("q")).unwrap(),
        token_in: TokenId::try_from(id("a")).unwrap(),
        token_out: TokenId::try_from(id("b")).unwrap(),
        exact_amount_in: None,
        exact_amount_out: None,
        min_deadline_ms: None,
        min_wait_ms: None,
        max_wait_ms: None,
        protocol_fee_included: false,
        partner_id: None,
        quote_type: None,
        dry: false,
        traceparent: None,
    };
    frame("0123456789", millis, RelayWord::Quote(Box::new(quote)))
}

fn settlement(millis: i64) -> RelayNews {
    let quote_hash = QuoteHash::try_from("h".to_owned()).unwrap();
    let notice =
        SettlementNotice { quote_hash, intent_hash: None, tx_hash: None, word: SettlementWord::Settled };
    frame("s", millis, RelayWord::Settlement(notice))
}

fn reply(millis: i64) -> RelayNews {
    let notice = ReplyNotice {
        quote_id: QuoteId::try_from("q".to_owned()).unwrap(),
        quote_hash: QuoteHash::try_from("h".to_owned()).unwrap(),
        word: ReplyWord::Rejected,
        late: false,
        reply: "no".to_owned(),
    };
    frame("r", millis, RelayWord::Reply(notice))
}

fn drained(queue: &NewsQueue) -> Vec<String> {
    let told = |news: RelayNews| match news {
        RelayNews::Frame { word: RelayWord::Quote(_), received_at, .. } => {
            format!("quote {}", received_at.millis())
        }
        RelayNews::Frame { word: RelayWord::Settlement(_), .. } => "settlement".to_owned(),
        RelayNews::Frame { word: RelayWord::Reply(_), .. } => "reply".to_owned(),
        RelayNews::Frame { word: RelayWord::Unreadable(reason), received_at, .. } => {
            let count = reason.split(' ').next().unwrap_or_default();
            format!("gap of {count} since {}", received_at.millis())
        }
        RelayNews::Connected { .. } => "connected".to_owned(),
        RelayNews::Disconnected { .. } => "disconnected".to_owned(),
    };
    std::iter::from_fn(|| queue.pop()).map(told).collect()
}

#[test]
fn quotes_beyond_the_limit_are_dropped_and_the_gap_stands_where_it_was() {
    let queue = NewsQueue::new(2, 1_000);
    for millis in 1..=4 {
        queue.push(quote(millis)).unwrap();
    }
    queue.push(settlement(5)).unwrap();
    queue.push(reply(6)).unwrap();
    assert_eq!(drained(&queue), ["quote 1", "quote 2", "gap of 2 since 3", "settlement", "reply"]);
    queue.push(quote(6)).unwrap();
    assert_eq!(drained(&queue), ["quote 6"]);
}

#[test]
fn a_gap_at_the_very_end_is_told_too() {
    let queue = NewsQueue::new(1, 1_000);
    queue.push(quote(1)).unwrap();
    queue.push(quote(2)).unwrap();
    assert_eq!(drained(&queue), ["quote 1", "gap of 1 since 2"]);
    assert!(drained(&queue).is_empty());
}

#[test]
fn bytes_count_as_well_as_pieces() {
    let queue = NewsQueue::new(100, 25);
    for millis in 1..=3 {
        queue.push(quote(millis)).unwrap();
    }
    assert_eq!(drained(&queue), ["quote 1", "quote 2", "gap of 1 since 3"]);
    queue.push(quote(4)).unwrap();
    assert_eq!(drained(&queue), ["quote 4"], "what was read makes room");
}

#[test]
fn settlements_have_room_of_their_own_and_its_end_is_an_error() {
    let queue = NewsQueue::new(1, 1_000);
    queue.push(quote(1)).unwrap();
    for millis in 0..i64::try_from(RESERVE_NEWS).unwrap() {
        queue.push(settlement(millis)).unwrap();
    }
    assert_eq!(queue.push(settlement(0)), Err(NoRoom));
}
