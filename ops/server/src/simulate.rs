//! `stele simulator`: the outside world on loopback, for a desk of one's own.

mod paper;

use crate::cli::args::SimulatorArgs;
use crate::cli::{say, say_json};
use crate::exit::{Code, Failure, Outcome, chain};
use paper::Paper;
use stele_simulator::{
    AccountOptions, Balance, EURE, Endpoints, JournalOptions, Keep, NBTC, Options, Simulator, StartError,
    Traffic,
};
use tokio::signal::unix::{SignalKind, signal};

/// One BTC in satoshi.
const BASE_UNITS: u128 = 100_000_000;
/// 50,000 EURe in wei.
const QUOTE_UNITS: u128 = 50_000_000_000_000_000_000_000;

/// What a world that runs for days remembers: some 60 MiB at most, with what it takes to keep entries and nonces.
const JOURNAL: JournalOptions =
    JournalOptions { entries_max: 50_000, bytes_max: 32 << 20, keep: Keep::Newest, signed_max: 100_000 };

/// Runs a simulated world until Ctrl-C or SIGTERM.
pub(crate) fn run(args: &SimulatorArgs, json: bool) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::error(&error))?;
    runtime.block_on(async {
        // Heard from the beginning: as the first process of a container it would otherwise not end by them at all.
        let on = |kind| signal(kind).map_err(|error| Failure::error(&error));
        let (mut terminate, mut interrupt) = (on(SignalKind::terminate())?, on(SignalKind::interrupt())?);
        let paper = args.desk.as_deref().map(Paper::prepare).transpose()?;
        let mut options = options(args);
        if let (Some(paper), Some(account)) = (&paper, options.accounts.first_mut()) {
            account.public_keys.push(paper.public_key().to_owned());
        }
        let simulator = Simulator::start(options).await.map_err(|error| not_started(&error))?;
        let endpoints = simulator.endpoints();
        let snippet = config_snippet(&args.account, &endpoints);
        let advice = match &paper {
            Some(paper) => paper.furnish(&snippet)?,
            None => {
                format!("Point a desk at it with this in stele.toml, then run `stele serve`:\n\n{snippet}")
            }
        };
        if json {
            say_json(&described(&endpoints))?;
        } else {
            say(&words(args, &endpoints, &advice))?;
        }
        tokio::select! {
            biased;
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        simulator.shutdown().await;
        Ok(())
    })
}

fn options(args: &SimulatorArgs) -> Options {
    let balances = vec![Balance::new(NBTC, BASE_UNITS), Balance::new(EURE, QUOTE_UNITS)];
    let account =
        AccountOptions { account_id: args.account.clone(), public_keys: args.public_key.clone(), balances };
    Options {
        seed: args.seed,
        bind: args.listen,
        accounts: vec![account],
        traffic: Traffic { quotes_per_minute: args.quotes_per_minute, ..Traffic::default() },
        journal: JOURNAL,
        ..Options::default()
    }
}

fn not_started(error: &StartError) -> Failure {
    match error {
        StartError::NotLoopback(_) => Failure::usage(chain(error)),
        StartError::Bind { .. } => Failure::new(Code::Conflict, chain(error))
            .advise("choose another one with --listen, or port 0 for a free one"),
        StartError::Closes(_) => Failure::error(error),
    }
}

fn described(endpoints: &Endpoints) -> serde_json::Value {
    serde_json::json!({
        "relay_ws": endpoints.relay_ws,
        "relay_rpc": endpoints.relay_rpc,
        "near": [endpoints.near, endpoints.near2],
        "kraken_ws": endpoints.kraken_ws,
        "kraken_rest": endpoints.kraken_rest,
        "coin_gecko": endpoints.coingecko,
        "admin": endpoints.admin,
    })
}

fn words(args: &SimulatorArgs, endpoints: &Endpoints, advice: &str) -> String {
    let Endpoints { admin, .. } = endpoints;
    format!(
        "The simulated world is running, from seed {}. Stop it with Ctrl-C.\n\
         Journal of every frame: {admin}/sim/journal   State: {admin}/sim/state\n\n{advice}",
        args.seed
    )
}

/// What a desk needs to know to meet this world.
pub(crate) fn config_snippet(account: &str, endpoints: &Endpoints) -> String {
    let Endpoints { relay_ws, near, near2, kraken_ws, kraken_rest, coingecko, .. } = endpoints;
    format!(
        "[account]\nid = \"{account}\"\n\n\
         [relay]\nurl = \"{relay_ws}\"\n\n\
         [verifier]\nurls = [\"{near}\", \"{near2}\"]\n\n\
         [market.kraken]\nws_url = \"{kraken_ws}\"\nrest_url = \"{kraken_rest}\"\n\n\
         [market.coin_gecko]\nurl = \"{coingecko}\"\n"
    )
}
