//! The verifier contract's views over NEAR JSON-RPC, all of them at one final block.
//!
//! Each provider is asked for its newest final block; the lowest of those heights is the one that all of them have.
//! Every view is then asked of every provider at that height, and every answer must name that block. What the
//! providers say must be equal, or there is no snapshot. A provider that is slow is not waited for when enough others
//! have answered. Nothing is changed through this door.

mod client;
mod patience;
pub(crate) mod translate;
pub(crate) mod wire;

use crate::observe;
use client::{Failure, Provider};
use patience::gather;
use std::sync::Arc;
use std::time::Duration;
use stele_domain::ids::{AccountId, InvalidId};
use stele_domain::port::PortFuture;
use stele_domain::port::clock::Clock;
use stele_domain::port::verifier::{SNAPSHOT_NONCES_MAX, Snapshot, SnapshotQuery, Verifier, VerifierError};
use tokio::time::timeout;
use translate::FinalBlock;

/// Most providers that are asked for the same thing.
const PROVIDERS_MAX: usize = 8;

/// How to reach the verifier, and how patient to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// NEAR JSON-RPC endpoints, 1 to 8; with two or more they must agree.
    pub urls: Vec<String>,
    /// The verifier contract.
    pub contract: AccountId,
    /// How many providers must answer and agree; fewer make no snapshot. At least 1.
    pub providers_min: usize,
    /// Oldest final block that counts, in milliseconds.
    pub block_age_ms_max: u64,
    /// Longest wait for one request, in milliseconds.
    pub request_ms_max: u64,
    /// Longest wait for the whole snapshot, in milliseconds.
    pub snapshot_ms_max: u64,
    /// How long the others are waited for when as many providers have answered as must, in milliseconds.
    pub straggler_ms_max: u64,
    /// Largest answer that is read, in bytes.
    pub answer_bytes_max: usize,
    /// How often one request is tried when it may succeed the next time. At least 1.
    pub attempts_max: u32,
    /// Wait between two attempts, in milliseconds.
    pub retry_ms: u64,
    /// Requests that are open at the same time at one provider. At least 1.
    pub requests_open_max: usize,
}

impl Options {
    /// The defaults for these providers and the production contract.
    ///
    /// # Errors
    ///
    /// [`InvalidId`] never for the built-in contract name.
    pub fn new(urls: Vec<String>) -> Result<Self, InvalidId> {
        Ok(Self {
            urls,
            contract: AccountId::try_from("intents.near".to_owned())?,
            providers_min: 1,
            block_age_ms_max: 30_000,
            request_ms_max: 5_000,
            snapshot_ms_max: 15_000,
            straggler_ms_max: 1_000,
            answer_bytes_max: 1_048_576,
            attempts_max: 3,
            retry_ms: 250,
            requests_open_max: 8,
        })
    }
}

/// Why the verifier can't be asked at all.
#[derive(Debug, thiserror::Error)]
pub enum InvalidVerifier {
    /// None, or more than can be compared within reason.
    #[error("{0} providers are configured, 1 to {PROVIDERS_MAX} are possible")]
    Providers(usize),
    /// Not an address. Its text is not shown, because addresses of providers may hold access keys.
    #[error("the address of provider #{number} is not http:// or https://")]
    Url {
        /// Which one, counted from 1.
        number: usize,
    },
    /// The HTTP client can't be built; TLS is missing or broken.
    #[error("no HTTP client for the verifier")]
    Http(#[source] reqwest::Error),
}

/// [`Verifier`] over one or more NEAR RPC providers.
pub struct NearVerifier {
    providers: Vec<Provider>,
    providers_min: usize,
    block_age_ms_max: i64,
    snapshot_max: Duration,
    straggler_max: Duration,
    clock: Arc<dyn Clock>,
}

impl NearVerifier {
    /// Nothing is asked yet.
    ///
    /// # Errors
    ///
    /// [`InvalidVerifier`].
    pub fn new(options: &Options, clock: Arc<dyn Clock>) -> Result<Self, InvalidVerifier> {
        if options.urls.is_empty() || options.urls.len() > PROVIDERS_MAX {
            return Err(InvalidVerifier::Providers(options.urls.len()));
        }
        let http = client::http(options).map_err(InvalidVerifier::Http)?;
        let provider = |(number, url): (usize, &String)| Provider::new(number, url, http.clone(), options);
        Ok(Self {
            providers: (1..).zip(&options.urls).map(provider).collect::<Result<_, _>>()?,
            providers_min: options.providers_min.max(1),
            block_age_ms_max: i64::try_from(options.block_age_ms_max).unwrap_or(i64::MAX),
            snapshot_max: Duration::from_millis(options.snapshot_ms_max),
            straggler_max: Duration::from_millis(options.straggler_ms_max),
            clock,
        })
    }

    async fn look(&self, query: &SnapshotQuery) -> Result<Snapshot, VerifierError> {
        if query.nonces.len() > SNAPSHOT_NONCES_MAX {
            let asked = query.nonces.len();
            return Err(VerifierError::Unreadable(format!(
                "{asked} nonces in one question, at most {SNAPSHOT_NONCES_MAX}"
            )));
        }
        let asks = self.providers.iter().map(Provider::final_block);
        let usable =
            |head: &Result<FinalBlock, Failure>| head.as_ref().is_ok_and(|block| self.is_fresh(block));
        let heads = gather(asks, self.providers_min, usable, self.straggler_max).await;
        let (mut asked, mut failures) = self.sort(heads);
        let Some(block) = self.common_block(&mut asked)? else { return Err(given_up(&failures)) };
        let asks = asked.iter().map(|(provider, _)| provider.views(&block, query));
        let views = gather(asks, self.providers_min, Result::is_ok, self.straggler_max).await;
        let mut told = Vec::new();
        for ((provider, _), views) in asked.iter().zip(views) {
            match views.unwrap_or_else(|| Err(provider.too_slow())) {
                Ok(snapshot) => told.push((provider.name(), snapshot)),
                Err(Failure::OtherBlock(what)) => {
                    observe::providers_disagree(block.height, &what);
                    return Err(VerifierError::Disagree { height: block.height, what });
                }
                Err(failure) => failures.push(left_out(provider, failure)),
            }
        }
        self.agreed(told, &failures)
    }

    /// Those that named a final block, and what went wrong with the others.
    fn sort(
        &self,
        heads: Vec<Option<Result<FinalBlock, Failure>>>,
    ) -> (Vec<(&Provider, FinalBlock)>, Vec<Failure>) {
        let (mut asked, mut failures) = (Vec::new(), Vec::new());
        for (provider, head) in self.providers.iter().zip(heads) {
            match head.unwrap_or_else(|| Err(provider.too_slow())) {
                Ok(block) => asked.push((provider, block)),
                Err(failure) => failures.push(left_out(provider, failure)),
            }
        }
        (asked, failures)
    }

    /// The lowest of the final blocks. Providers that have stopped are left out while another has not.
    fn common_block(
        &self,
        asked: &mut Vec<(&Provider, FinalBlock)>,
    ) -> Result<Option<FinalBlock>, VerifierError> {
        let Some(newest) = asked.iter().map(|(_, block)| block).max_by_key(|block| block.height).cloned()
        else {
            return Ok(None);
        };
        asked.retain(|(provider, block)| {
            let fresh = self.is_fresh(block);
            if !fresh {
                observe::provider_stale(provider.name(), block.height, self.behind_ms(block));
            }
            fresh
        });
        match asked.iter().map(|(_, block)| block).min_by_key(|block| block.height) {
            Some(lowest) => Ok(Some(lowest.clone())),
            None => Err(VerifierError::Stale { height: newest.height, behind_ms: self.behind_ms(&newest) }),
        }
    }

    fn behind_ms(&self, block: &FinalBlock) -> i64 {
        self.clock.now().millis_since(block.at)
    }

    fn is_fresh(&self, block: &FinalBlock) -> bool {
        self.behind_ms(block) <= self.block_age_ms_max
    }

    fn agreed(&self, told: Vec<(&str, Snapshot)>, failures: &[Failure]) -> Result<Snapshot, VerifierError> {
        let count = told.len();
        let mut told = told.into_iter();
        let Some((name, mut first)) = told.next() else { return Err(given_up(failures)) };
        if count < self.providers_min {
            let needed = self.providers_min;
            return Err(VerifierError::Unavailable(format!(
                "{count} providers answered, {needed} are needed"
            )));
        }
        for (other_name, other) in told {
            if let Some(what) = translate::difference((name, &first), (other_name, &other)) {
                observe::providers_disagree(first.height, &what);
                return Err(VerifierError::Disagree { height: first.height, what });
            }
        }
        first.providers = u32::try_from(count).unwrap_or(u32::MAX);
        Ok(first)
    }
}

impl Verifier for NearVerifier {
    fn snapshot(&self, query: SnapshotQuery) -> PortFuture<'_, Result<Snapshot, VerifierError>> {
        Box::pin(async move {
            let late = format!("no snapshot within {} ms", self.snapshot_max.as_millis());
            let looked = timeout(self.snapshot_max, self.look(&query)).await;
            looked.unwrap_or(Err(VerifierError::Unavailable(late)))
        })
    }
}

fn left_out(provider: &Provider, failure: Failure) -> Failure {
    observe::provider_left_out(provider.name(), &failure.to_string());
    failure
}

/// Nobody answered properly: the first misshapen answer says more than any silence.
fn given_up(failures: &[Failure]) -> VerifierError {
    let texts: Vec<String> = failures.iter().map(Failure::to_string).collect();
    let text = texts.join("; ");
    if failures.iter().any(|failure| !failure.is_transient()) {
        VerifierError::Unreadable(text)
    } else {
        VerifierError::Unavailable(text)
    }
}
