//! Of prices the newest, of changes all, in order.

use super::{Mailbox, NEWS_MAX};
use stele_domain::market::reference::event::{Link, PriceObserved, Source, SourceStateChanged};
use stele_domain::port::feeds::PriceNews;
use stele_domain::time::Timestamp;

fn price(source: Source, price: &str) -> PriceObserved {
    let (bid, ask) = (price.parse().unwrap(), price.parse().unwrap());
    PriceObserved { source, bid, ask, source_at: None, received_at: Timestamp::from_millis(0) }
}

fn state(source: Source, reason: &str) -> SourceStateChanged {
    let (link, reason, at) = (Link::Alive, reason.to_owned(), Timestamp::from_millis(0));
    SourceStateChanged { source, link, healthy: true, reason, at }
}

fn taken(mailbox: &Mailbox) -> Vec<String> {
    let told = |news: PriceNews| match news {
        PriceNews::Observed(observed) => format!("{} {}", observed.source.name(), observed.bid),
        PriceNews::State(change) => format!("{} {}", change.source.name(), change.reason),
    };
    std::iter::from_fn(|| mailbox.take()).map(told).collect()
}

#[test]
fn an_unread_price_is_replaced_by_a_newer_one_of_the_same_source() {
    let mailbox = Mailbox::default();
    mailbox.price(price(Source::Kraken, "1"));
    mailbox.price(price(Source::CoinGecko, "2"));
    mailbox.price(price(Source::Kraken, "3"));
    assert_eq!(taken(&mailbox), ["kraken 3", "coin_gecko 2"]);
}

#[test]
fn a_price_never_overtakes_a_change_of_its_source() {
    let mailbox = Mailbox::default();
    mailbox.price(price(Source::Kraken, "1"));
    mailbox.state(state(Source::Kraken, "down"));
    mailbox.price(price(Source::Kraken, "2"));
    mailbox.state(state(Source::CoinGecko, "alive"));
    mailbox.price(price(Source::Kraken, "3"));
    mailbox.state(state(Source::Kraken, "up"));
    assert_eq!(taken(&mailbox), ["kraken 1", "kraken down", "kraken 3", "coin_gecko alive", "kraken up"]);
}

#[test]
fn every_change_is_kept_in_order_and_the_last_price_wins() {
    #[expect(clippy::needless_pass_by_value, reason = "the shape of a quickcheck law")]
    fn law(steps: Vec<(bool, bool)>) -> bool {
        let mailbox = Mailbox::default();
        let (mut changes, mut last) = (Vec::new(), None);
        for (index, (is_price, kraken)) in steps.iter().enumerate() {
            let source = if *kraken { Source::Kraken } else { Source::Peg };
            if *is_price {
                let text = format!("{}", index + 1);
                mailbox.price(price(source, &text));
                last = Some(format!("{} {text}", source.name()));
            } else {
                mailbox.state(state(source, &format!("change {index}")));
                changes.push(format!("{} change {index}", source.name()));
            }
        }
        let taken = taken(&mailbox);
        let told: Vec<_> = taken.iter().filter(|text| text.contains("change")).cloned().collect();
        told == changes && last.is_none_or(|last| taken.contains(&last))
    }
    quickcheck::quickcheck(law as fn(Vec<(bool, bool)>) -> bool);
}

#[test]
fn what_nobody_reads_is_bounded() {
    let mailbox = Mailbox::default();
    for index in 0..=NEWS_MAX {
        mailbox.state(state(Source::Kraken, &index.to_string()));
    }
    let taken = taken(&mailbox);
    assert_eq!((taken.len(), taken[0].as_str()), (NEWS_MAX, "kraken 1"));
}
