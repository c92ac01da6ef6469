//! The world and the desk of a run: much coin, wide limits, and spans so short that coin is free again within
//! seconds. Everything else is as shipped.

use crate::text;
use std::net::SocketAddr;
use std::path::Path;
use stele_simulator::{
    AccountOptions, Balance, ChainOptions, EURE, Endpoints, FeedOptions, NBTC, Options, RelayOptions, Traffic,
};

/// The desk's account at the simulated verifier.
pub(crate) const ACCOUNT: &str = "bench-desk.near";
/// 10,000 BTC in satoshi.
const BTC_UNITS: u128 = 1_000_000_000_000;
/// A billion EURe in wei.
const EURE_UNITS: u128 = 1_000_000_000_000_000_000_000_000_000;
/// Time between two blocks, in milliseconds.
const BLOCK_MS: u64 = 200;
/// How long a taker wants an offer to stay valid, in milliseconds.
const TAKER_DEADLINE_MS: u64 = 500;

/// A world without traffic of its own.
pub(crate) fn world(seed: u64, public_key: &str) -> Options {
    let account = AccountOptions {
        account_id: ACCOUNT.to_owned(),
        public_keys: vec![public_key.to_owned()],
        balances: vec![Balance::new(NBTC, BTC_UNITS), Balance::new(EURE, EURE_UNITS)],
    };
    Options {
        seed,
        accounts: vec![account],
        relay: RelayOptions { settlement_ms: (100, 300), ..RelayOptions::default() },
        chain: ChainOptions { block_ms: BLOCK_MS, ..ChainOptions::default() },
        feeds: FeedOptions { coingecko_cache_seconds: 2, ..FeedOptions::default() },
        traffic: Traffic::quiet(),
        ..Options::default()
    }
}

/// Requests for BTC and EURe, every one of which makes sense: each of them must be decided on. Probes and router
/// legs are among them when `mixed`, and none of them otherwise.
pub(crate) fn requests(mixed: bool) -> Traffic {
    let usual = Traffic::default();
    Traffic {
        odd_permille: 0,
        other_pairs_permille: 0,
        legacy_btc_permille: 0,
        router_permille: if mixed { usual.router_permille } else { 0 },
        dry_permille: if mixed { usual.dry_permille } else { 0 },
        min_deadline_ms: TAKER_DEADLINE_MS,
        ..usual
    }
}

/// The desk's configuration file.
pub(crate) fn desk(
    data: &Path,
    socket: &Path,
    key: &Path,
    listen: SocketAddr,
    endpoints: &Endpoints,
) -> anyhow::Result<String> {
    let Endpoints { relay_ws, near, kraken_ws, kraken_rest, coingecko, .. } = endpoints;
    let (data, socket, key) = (text(data)?, text(socket)?, text(key)?);
    let finality = 2 * BLOCK_MS;
    Ok(format!(
        "[desk]\ninstance = \"bench\"\ndata_dir = '{data}'\nsocket = '{socket}'\n\n\
         [api]\nlisten = \"{listen}\"\nreads_per_second = 1000000\nwishes_per_second = 1000000\n\n\
         [account]\nid = \"{ACCOUNT}\"\nsigning_key_file = '{key}'\n\n\
         [relay]\nurl = \"{relay_ws}\"\n\n\
         [verifier]\nurls = [\"{near}\"]\npoll_ms = 500\nfinality_lag_ms = {finality}\n\n\
         [market.kraken]\nws_url = \"{kraken_ws}\"\nrest_url = \"{kraken_rest}\"\n\n\
         [market.coin_gecko]\nurl = \"{coingecko}\"\npoll_ms = 2000\n\n\
         [limits]\nnotional_max = \"5000\"\nfallback_notional_max = \"200\"\n\
         buy_base_open_max = \"10000000\"\nsell_base_open_max = \"10000000\"\nopen_offers_max = 256\n\
         open_offers_per_partner_max = 256\nuncertain_offers_max = 256\ncooldown_ms = 0\n\
         answer_probes = true\n\n\
         [executor]\noffer_margin_ms = 300\nrelease_margin_ms = 100\nin_flight_max = 64\n\n\
         [telemetry]\nformat = \"json\"\nlevel = \"warn\"\n",
    ))
}
