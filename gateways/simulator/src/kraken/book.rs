//! The market as Kraken writes it. Numbers are put together as text, since a JSON library would take them
//! through a float.

use super::price;
use crate::prices::{Market, decimal};
use crate::tokens::RATE_SCALE;

/// Traded volume of the last day, in satoshi: fixed, since nothing depends on it.
const VOLUME_SAT: u64 = 74_312_905_113;

/// A frame of the `ticker` channel.
pub(super) fn ticker(kind: &str, market: &Market, timestamp: Option<&str>) -> String {
    let change = i128::from(market.mid_e8) - i128::from(market.open_e8);
    let percent = change * 100 * 100 / i128::from(market.open_e8.max(1));
    let stamp = timestamp.map(|at| format!(r#","timestamp":"{at}""#)).unwrap_or_default();
    format!(
        concat!(
            r#"{{"channel":"ticker","type":"{kind}","data":[{{"symbol":"BTC/EUR","#,
            r#""bid":{bid},"bid_qty":{bid_qty},"ask":{ask},"ask_qty":{ask_qty},"last":{last},"#,
            r#""volume":{volume},"vwap":{vwap},"low":{low},"high":{high},"#,
            r#""change":{change},"change_pct":{percent}{stamp}}}]}}"#
        ),
        kind = kind,
        bid = price(market.bid_e8),
        bid_qty = decimal(market.bid_qty_sat, 8),
        ask = price(market.ask_e8),
        ask_qty = decimal(market.ask_qty_sat, 8),
        last = price(market.mid_e8),
        volume = decimal(VOLUME_SAT, 8),
        vwap = price(market.open_e8),
        low = price(market.low_e8),
        high = price(market.high_e8),
        change = signed(change, RATE_SCALE, 1),
        percent = signed(percent, 100, 2),
        stamp = stamp,
    )
}

/// The body of the REST ticker.
pub(super) fn rest(market: &Market) -> String {
    let level = |price_e8| {
        let whole = decimal(market.ask_qty_sat, 0);
        format!(r#"["{}","{whole}","{}"]"#, decimal(price_e8, 5), decimal(market.ask_qty_sat, 3))
    };
    let twice = |text: String| format!(r#"["{text}","{text}"]"#);
    format!(
        concat!(
            r#"{{"error":[],"result":{{"XXBTZEUR":{{"a":{ask},"b":{bid},"c":["{last}","0.00100000"],"#,
            r#""v":{volume},"p":{vwap},"t":[21044,28810],"l":{low},"h":{high},"o":"{open}"}}}}}}"#
        ),
        ask = level(market.ask_e8),
        bid = level(market.bid_e8),
        last = decimal(market.mid_e8, 5),
        volume = twice(decimal(VOLUME_SAT, 8)),
        vwap = twice(decimal(market.open_e8, 5)),
        low = twice(decimal(market.low_e8, 5)),
        high = twice(decimal(market.high_e8, 5)),
        open = decimal(market.open_e8, 5),
    )
}

/// A signed value in units of 1/`scale`, with `decimals` digits, the rest dropped.
fn signed(value: i128, scale: u128, decimals: u32) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let e8 = value.unsigned_abs() * (RATE_SCALE / scale);
    format!("{sign}{}", decimal(u64::try_from(e8).unwrap_or(u64::MAX), decimals))
}

#[cfg(test)]
mod tests;
