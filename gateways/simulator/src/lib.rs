//! The outside world on loopback: stand-ins for the solver relay, the verifier contract behind NEAR JSON-RPC,
//! Kraken and CoinGecko, in their own wire formats over real sockets, from a seed.
//!
//! It refuses what the real ones would refuse: signatures, keys, nonces, salts, deadlines, balances and the
//! net-zero rule are really checked, and balances really move. It can be made to fail in every way that the
//! desk has to survive, and it keeps a journal of every frame. It is what `stele demo` and `stele simulator`
//! run, and what the scenario tests talk to.
//!
//! It is **not** the desk's code turned round. NEP-413, ed25519, nonces and the `token_diff` engine are written
//! here a second time, from the specification and the published vectors, and the only crate of Stele's that it
//! knows is the domain: a mistake in the desk's signing is found here, and not shared.
//!
//! Time is real, with a skew that can be set; everything else comes from the seed.

mod admin;
mod clock;
mod coingecko;
mod faults;
mod journal;
mod kraken;
mod near;
mod nep413;
mod observe;
mod options;
mod prices;
mod random;
mod relay;
mod tokens;
mod traffic;
mod verifier;
mod world;

pub use admin::{AccountState, Handle, Refused, Summary, WorldState};
pub use faults::{Action, Armed, Fault, Garbage, Provider, Scope};
pub use journal::{Counts, Direction, Door, Entry, JournalPage};
pub use options::{
    AccountOptions, Balance, ChainOptions, ErrorForm, EventForm, FeedOptions, JournalOptions, Keep, Options,
    QUOTES_PER_MINUTE_MAX, RelayOptions, Traffic,
};
pub use prices::{BadCloses, Market, PriceOptions};
pub use relay::Tally;
pub use relay::request::{Outcome, ScriptedQuote};
pub use tokens::{BTC_LEGACY, EURE, NBTC};
pub use traffic::Requests;
pub use world::Deposit;

use axum::Router;
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use world::Shared;

/// How long open requests may take to end when the simulator stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// Starts simulators.
#[derive(Debug)]
pub struct Simulator;

/// Why a simulator does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is not on loopback.
    #[error("{0} is not a loopback address: the simulator has no lock on its doors, use 127.0.0.1 or [::1]")]
    NotLoopback(SocketAddr),
    /// The address cannot be listened on.
    #[error("can't listen on {addr}")]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The daily closes that prices are walked along are damaged.
    #[error("the daily closes in the crate can't be read")]
    Closes(#[from] BadCloses),
}

/// Where each door is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// The relay's WebSocket.
    pub relay_ws: String,
    /// The relay's RPC.
    pub relay_rpc: String,
    /// First NEAR provider.
    pub near: String,
    /// Second NEAR provider.
    pub near2: String,
    /// Kraken's WebSocket.
    pub kraken_ws: String,
    /// What stands before `/0/public/Ticker`.
    pub kraken_rest: String,
    /// What stands before `/simple/price`.
    pub coingecko: String,
    /// What stands before `/sim/…`.
    pub admin: String,
}

/// A simulator that runs. Dropping it without [`Running::shutdown`] stops its tasks, and not in order.
pub struct Running {
    addr: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl Simulator {
    /// Starts a simulated world and opens its doors.
    pub async fn start(options: Options) -> Result<Running, StartError> {
        let bind = options.bind;
        if !bind.ip().is_loopback() {
            return Err(StartError::NotLoopback(bind));
        }
        let failed = |source| StartError::Bind { addr: bind, source };
        let listener = TcpListener::bind(bind).await.map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        let shared = Shared::new(options)?;
        shared.spawn(Arc::clone(&shared).make_blocks());
        shared.spawn(traffic::run(Arc::clone(&shared)));
        let (router, mut stopping) = (router(&shared), shared.stopping());
        // A frame that waits for the acknowledgement of the one before would come up to 40 ms late.
        let listener = listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                observe::delays_frames(&error);
            }
        });
        let server = tokio::spawn(async move {
            let stopped = async move {
                // An error means that the simulator is gone, which is as good.
                let _ = stopping.wait_for(|stop| *stop).await;
            };
            let served = axum::serve(listener, router).with_graceful_shutdown(stopped).await;
            if let Err(error) = served {
                observe::server_failed(&error);
            }
        });
        observe::started(addr, shared.options.seed);
        Ok(Running { addr, shared, server })
    }
}

impl Running {
    /// The address that the simulator listens on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://…`, without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Where each door is.
    #[must_use]
    pub fn endpoints(&self) -> Endpoints {
        let addr = self.addr;
        Endpoints {
            relay_ws: format!("ws://{addr}/ws"),
            relay_rpc: format!("http://{addr}/rpc"),
            near: format!("http://{addr}/near"),
            near2: format!("http://{addr}/near2"),
            kraken_ws: format!("ws://{addr}/kraken/v2"),
            kraken_rest: format!("http://{addr}/kraken"),
            coingecko: format!("http://{addr}/coingecko"),
            admin: format!("http://{addr}"),
        }
    }

    /// To ask things of it.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.shared))
    }

    /// Closes all doors and ends all tasks.
    pub async fn shutdown(mut self) {
        self.shared.stop();
        if tokio::time::timeout(STOP_TIMEOUT, &mut self.server).await.is_err() {
            self.server.abort();
        }
        observe::stopped();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.stop();
        self.server.abort();
    }
}

fn router(shared: &Arc<Shared>) -> Router {
    Router::new()
        .route("/ws", get(relay::socket::upgrade))
        .route("/rpc", post(relay::rpc::serve))
        .route("/near", post(near::first))
        .route("/near2", post(near::second))
        .route("/kraken/v2", get(kraken::upgrade))
        .route("/kraken/0/public/Ticker", get(kraken::ticker))
        .route("/coingecko/simple/price", get(coingecko::price))
        .merge(admin::door::routes())
        .with_state(Arc::clone(shared))
}
