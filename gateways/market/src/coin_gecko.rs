//! CoinGecko's `simple/price`, polled: a lagging aggregate that checks the primary source and may replace it, and
//! for EURe the observation of its peg.

pub mod translate;

use crate::options::CoinGeckoOptions;
use reqwest::Url;

/// The address of one coin's price.
pub fn price_url(base: &Url, options: &CoinGeckoOptions) -> Url {
    let mut url = base.clone();
    let path = format!("{}/simple/price", base.path().trim_end_matches('/'));
    url.set_path(&path);
    url.query_pairs_mut()
        .clear()
        .append_pair("ids", &options.coin)
        .append_pair("vs_currencies", &options.currency)
        .append_pair("include_last_updated_at", "true")
        .append_pair("precision", "full");
    url
}
