//! The same seed, the same requests; the shares that were asked for.

use super::*;
use crate::relay::request::Demand;

fn requests(seed: u64, count: usize) -> Vec<ScriptedQuote> {
    Requests::new(seed, Traffic::default()).take(count).collect()
}

#[test]
fn the_same_seed_gives_the_same_requests_and_another_seed_does_not() {
    assert_eq!(requests(11, 500), requests(11, 500));
    assert_ne!(requests(11, 500), requests(12, 500));
}

#[test]
fn the_mix_is_near_the_shares_that_were_asked_for() {
    let all = requests(5, 10_000);
    let sensible: Vec<_> = all.iter().filter_map(|quote| Demand::read(&quote.data)).collect();
    let share = |count: usize| count * 1_000 / all.len();
    let router = all.iter().filter(|quote| quote.data.contains_key("protocol_fee_included")).count();
    let out = all.iter().filter(|quote| quote.data.contains_key("exact_amount_out")).count();
    let selling = sensible.iter().filter(|demand| demand.token_out == EURE).count();
    assert!((25..55).contains(&share(router)), "{router} router legs");
    assert!((260..340).contains(&share(out)), "{out} exact-out");
    assert!((440..560).contains(&share(selling)), "{selling} selling");
    assert!(sensible.len() < all.len(), "no odd request among them");
}

#[test]
fn router_legs_and_dry_probes_are_never_taken() {
    for quote in requests(6, 5_000) {
        let dry = quote.data.get("trusted_metadata").and_then(|meta| meta.pointer("/quote_request_data/dry"));
        let router = quote.data.contains_key("protocol_fee_included");
        if router || dry == Some(&Value::Bool(true)) {
            assert!(matches!(quote.outcome, Outcome::ByPrice { publishes: false, .. }));
        }
    }
}
