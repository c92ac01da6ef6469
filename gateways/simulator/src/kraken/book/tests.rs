//! The exact text of tickers.

use super::*;

fn market() -> Market {
    Market {
        mid_e8: 5_946_182_084_970,
        bid_e8: 5_946_120_000_000,
        ask_e8: 5_946_250_000_000,
        bid_qty_sat: 12_345_678,
        ask_qty_sat: 200_000_000,
        low_e8: 5_940_000_000_000,
        high_e8: 5_950_000_000_000,
        open_e8: 5_950_000_000_000,
    }
}

#[test]
fn the_ticker_has_numbers_with_the_decimals_of_the_pair() {
    let text = ticker("update", &market(), Some("2026-01-01T00:00:00.000000Z"));
    assert!(text.contains(r#""bid":59461.2,"bid_qty":0.12345678,"ask":59462.5"#), "{text}");
    assert!(text.contains(r#""change":-38.1,"change_pct":-0.06,"timestamp":"#), "{text}");
    let read: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(read["data"][0]["bid"].is_number());
}

#[test]
fn the_rest_ticker_has_text_and_another_name_than_was_asked_for() {
    let read: serde_json::Value = serde_json::from_str(&rest(&market())).unwrap();
    assert_eq!(read["result"]["XXBTZEUR"]["a"][0], "59462.50000");
    assert_eq!(read["result"]["XXBTZEUR"]["a"][1], "2");
}
