//! The desk's configuration for a demo: the shipped defaults, with what a short run on a simulated market needs
//! to be different. Spans are cut so that an offer that nobody takes expires within seconds.

use super::place::Place;
use super::world::ACCOUNT;
use std::net::SocketAddr;
use stele_simulator::Endpoints;
use toml::Value;

/// How long a taker of the demo's traffic wants an offer to stay valid, in milliseconds.
pub(crate) const TAKER_DEADLINE_MS: u64 = 3_000;
/// The same for a quote whose offer is meant to expire soon.
pub(crate) const SHORT_DEADLINE_MS: u64 = 800;
/// Time between two blocks of the simulated chain, in milliseconds.
pub(crate) const BLOCK_MS: u64 = 250;
/// How much longer than asked an offer stays valid, in milliseconds.
const OFFER_MARGIN_MS: u64 = 1_000;
/// How long after its deadline, in block time, an offer counts as dead, in milliseconds.
const RELEASE_MARGIN_MS: u64 = 500;
/// The longest that an offer can stay open: the taker's time, the margins, the blocks that finality takes, two
/// readings of the balances, and some room for a slow machine. In milliseconds.
pub(crate) const OFFER_LIFE_MS_MAX: u64 =
    TAKER_DEADLINE_MS + OFFER_MARGIN_MS + RELEASE_MARGIN_MS + 4 * BLOCK_MS + 10_000;

/// Where a demo keeps its tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    Memory,
    PrivatePostgres,
}

impl Store {
    /// The word for it in reports.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::PrivatePostgres => "postgresql",
        }
    }
}

/// The configuration file of a desk whose log another process reads at this address.
pub(crate) fn text(place: &Place, endpoints: &Endpoints, store: Store, door: SocketAddr) -> String {
    let private = store == Store::PrivatePostgres;
    let quoted = |text: &str| Value::String(text.to_owned()).to_string();
    let path = |path: &std::path::Path| quoted(&path.to_string_lossy());
    let Endpoints { relay_ws, near, near2, kraken_ws, kraken_rest, coingecko, .. } = endpoints;
    format!(
        "# Written by `stele demo` for one run: a desk on a simulated market. Everything that is not here is as in\n\
         # the defaults, which `stele config print` shows with all of this.\n\n\
         [desk]\ninstance = \"demo\"\ndata_dir = {data}\nsocket = {socket}\n\n\
         [api]\nlisten = \"{door}\"\n\n\
         [database]\nprivate = {private}\n\n\
         [account]\nid = {account}\nsigning_key_file = {key}\n\n\
         [relay]\nurl = {relay}\nsettlements_extended = true\nreply_ms_max = 2000\nbackoff_ms_min = 100\n\
         backoff_ms_max = 1000\n\n\
         [verifier]\nurls = [{near}, {near2}]\nproviders_min = 2\npoll_ms = 500\nfinality_lag_ms = {finality}\n\n\
         [market]\ntick_ms = 250\nbasis = \"observed\"\n\n\
         [market.kraken]\nws_url = {kraken_ws}\nrest_url = {kraken_rest}\nbackoff_ms_min = 100\n\
         backoff_ms_max = 1000\n\n\
         [market.coin_gecko]\nurl = {coingecko}\npoll_ms = 2000\n\n\
         [limits]\nnotional_max = \"750\"\nfallback_notional_max = \"200\"\nbuy_base_open_max = \"6000\"\n\
         sell_base_open_max = \"6000\"\nopen_offers_max = 24\nopen_offers_per_partner_max = 24\n\
         cooldown_ms = 0\ndeadline_ms_max = 10000\n\n\
         [executor]\noffer_margin_ms = {OFFER_MARGIN_MS}\nrelease_margin_ms = {RELEASE_MARGIN_MS}\n\n\
         [telemetry]\nformat = \"json\"\n",
        data = path(place.directory()),
        socket = path(place.socket()),
        account = quoted(ACCOUNT),
        key = path(&place.key_file()),
        relay = quoted(relay_ws),
        near = quoted(near),
        near2 = quoted(near2),
        finality = 3 * BLOCK_MS,
        kraken_ws = quoted(kraken_ws),
        kraken_rest = quoted(kraken_rest),
        coingecko = quoted(coingecko),
    )
}
