//! Offers are remembered up to the limit and up to the time, and the newest are kept.

use super::{OFFERS_MAX, OfferName, REMEMBERED, SentOffers};
use std::time::Duration;
use stele_domain::ids::{QuoteHash, QuoteId};
use tokio::time::Instant;

fn offer(id: u64) -> OfferName {
    OfferName {
        quote_id: QuoteId::try_from(format!("quote-{id}")).unwrap(),
        quote_hash: QuoteHash::try_from(format!("hash-{id}")).unwrap(),
    }
}

fn holding(ids: std::ops::RangeInclusive<u64>, now: Instant) -> SentOffers {
    let mut sent = SentOffers::default();
    for id in ids {
        sent.remember(id, offer(id), now);
    }
    sent
}

#[test]
fn an_offer_is_found_by_the_id_of_its_request_as_often_as_it_is_asked_for() {
    let now = Instant::now();
    let sent = holding(1..=2, now);
    assert_eq!(sent.find(1, now), Some(&offer(1)));
    assert_eq!(sent.find(1, now), Some(&offer(1)));
    assert_eq!(sent.find(3, now), None);
}

#[test]
fn of_too_many_offers_the_oldest_are_forgotten() {
    let now = Instant::now();
    let all = u64::try_from(OFFERS_MAX).unwrap();
    assert_eq!(holding(1..=all, now).find(1, now), Some(&offer(1)));
    let one_more = holding(1..=all + 1, now);
    assert_eq!((one_more.find(1, now), one_more.find(2, now)), (None, Some(&offer(2))));
    assert_eq!(one_more.by_id.len(), OFFERS_MAX);
}

#[test]
fn an_offer_is_forgotten_when_its_time_is_over_and_not_before() {
    let now = Instant::now();
    let mut sent = holding(1..=2, now);
    let (last, over) = (now + REMEMBERED - Duration::from_millis(1), now + REMEMBERED);
    assert_eq!(sent.find(1, last), Some(&offer(1)));
    assert_eq!(sent.find(1, over), None);
    sent.remember(3, offer(3), over);
    assert_eq!(sent.by_id.keys().copied().collect::<Vec<_>>(), [3], "old ones take no room");
}
