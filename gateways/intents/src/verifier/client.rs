//! One provider: asks, reads within limits, and asks again where that may help.

use super::translate::{self, FinalBlock};
use super::{InvalidVerifier, Options, wire};
use crate::observe;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::{Client, StatusCode, Url, redirect};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;
use stele_domain::causes::with_causes;
use stele_domain::ids::AccountId;
use stele_domain::port::verifier::{Snapshot, SnapshotQuery};
use tokio::time::sleep;

/// Longest wait for a connection, as a share of the whole request: one half.
const CONNECT_SHARE: u64 = 2;

/// The switch of the contract that stops intents.
const PAUSE_KEY: &str = "intents";

/// Why a provider has no answer for us.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No connection, no answer in time, or none that is JSON.
    #[error("{0}")]
    NoAnswer(String),
    /// It says that it can't answer at the moment.
    #[error("{0}")]
    NotNow(String),
    /// It names another block at the height that was asked about.
    #[error("{0}")]
    OtherBlock(String),
    /// It, or the contract, says that the question is wrong.
    #[error("{0}")]
    Refused(String),
    /// It answered in another shape.
    #[error("{0}")]
    Misshapen(String),
}

/// A NEAR RPC endpoint.
pub struct Provider {
    name: String,
    url: Url,
    http: Client,
    contract: AccountId,
    answer_bytes_max: usize,
    attempts_max: u32,
    retry: Duration,
    requests_open_max: usize,
}

impl Failure {
    /// Whether the same question may be answered later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NoAnswer(_) | Self::NotNow(_) => true,
            Self::OtherBlock(_) | Self::Refused(_) | Self::Misshapen(_) => false,
        }
    }

    fn at(self, provider: &str) -> Self {
        let named = |text: String| format!("{provider}: {text}");
        match self {
            Self::NoAnswer(text) => Self::NoAnswer(named(text)),
            Self::NotNow(text) => Self::NotNow(named(text)),
            Self::OtherBlock(text) => Self::OtherBlock(named(text)),
            Self::Refused(text) => Self::Refused(named(text)),
            Self::Misshapen(text) => Self::Misshapen(named(text)),
        }
    }
}

/// The HTTP client that all providers share. It follows no redirect: an answer from elsewhere is nobody's word.
pub fn http(options: &Options) -> Result<Client, reqwest::Error> {
    Client::builder()
        .timeout(Duration::from_millis(options.request_ms_max))
        .connect_timeout(Duration::from_millis(options.request_ms_max / CONNECT_SHARE))
        .redirect(redirect::Policy::none())
        .build()
}

impl Provider {
    pub(super) fn new(
        number: usize,
        url: &str,
        http: Client,
        options: &Options,
    ) -> Result<Self, InvalidVerifier> {
        let invalid = || InvalidVerifier::Url { number };
        let parsed = Url::parse(url).map_err(|_| invalid())?;
        let host =
            parsed.host_str().filter(|_| matches!(parsed.scheme(), "http" | "https")).ok_or_else(invalid)?;
        // The path may hold an access key, so only the host is ever named; the number tells two paths apart.
        let port = parsed.port().map(|port| format!(":{port}")).unwrap_or_default();
        let name = format!("{host}{port} (#{number})");
        observe::provider_begins(&name);
        Ok(Self {
            name,
            url: parsed,
            http,
            contract: options.contract.clone(),
            answer_bytes_max: options.answer_bytes_max,
            attempts_max: options.attempts_max.max(1),
            retry: Duration::from_millis(options.retry_ms),
            requests_open_max: options.requests_open_max.max(1),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Why it is left out when the others have answered and it has not.
    pub(super) fn too_slow(&self) -> Failure {
        Failure::NoAnswer(format!("{}: no answer long after the others'", self.name))
    }

    /// The newest final block.
    pub(super) async fn final_block(&self) -> Result<FinalBlock, Failure> {
        let request = request("block", wire::BlockParams { finality: "final" });
        let found: Result<wire::Block, Failure> = self.ask(&request).await;
        found.and_then(translate::final_block).map_err(|failure| failure.at(&self.name))
    }

    /// Every view of the snapshot, at this block.
    pub(super) async fn views(&self, block: &FinalBlock, query: &SnapshotQuery) -> Result<Snapshot, Failure> {
        self.read_views(block, query).await.map_err(|failure| failure.at(&self.name))
    }

    async fn read_views(&self, block: &FinalBlock, query: &SnapshotQuery) -> Result<Snapshot, Failure> {
        let account = query.account.as_str();
        let (amounts, salt, fee_pips, contract_paused, account_locked, key_registered) = tokio::try_join!(
            self.amounts(block, query),
            self.view::<String>(block, "current_salt", json!({})),
            self.view::<u32>(block, "fee", json!({})),
            self.view::<bool>(block, "pa_is_paused", json!({ "key": PAUSE_KEY })),
            self.view::<bool>(block, "is_account_locked", json!({ "account_id": account })),
            self.key_registered(block, query),
        )?;
        let used = |nonce: &String| {
            self.view::<bool>(block, "is_nonce_used", json!({ "account_id": account, "nonce": nonce }))
        };
        let nonces_used = stream::iter(query.nonces.iter().map(used)).buffered(self.requests_open_max);
        Ok(Snapshot {
            height: block.height,
            block_hash: block.hash.clone(),
            block_at: block.at,
            balances: translate::balances(&query.tokens, &amounts)?,
            salt: translate::salt(&salt)?,
            fee_pips,
            contract_paused,
            account_locked,
            key_registered,
            nonces_used: nonces_used.try_collect().await?,
            providers: 1,
        })
    }

    async fn amounts(&self, block: &FinalBlock, query: &SnapshotQuery) -> Result<Vec<String>, Failure> {
        if query.tokens.is_empty() {
            return Ok(vec![]);
        }
        let args = json!({ "account_id": query.account, "token_ids": query.tokens });
        self.view(block, "mt_batch_balance_of", args).await
    }

    async fn key_registered(
        &self,
        block: &FinalBlock,
        query: &SnapshotQuery,
    ) -> Result<Option<bool>, Failure> {
        let Some(public_key) = &query.public_key else { return Ok(None) };
        let args = json!({ "account_id": query.account, "public_key": public_key });
        self.view(block, "has_public_key", args).await.map(Some)
    }

    async fn view<T: DeserializeOwned>(
        &self,
        block: &FinalBlock,
        method_name: &'static str,
        args: Value,
    ) -> Result<T, Failure> {
        let params = wire::ViewParams {
            request_type: "call_function",
            block_id: block.height,
            account_id: self.contract.as_str(),
            method_name,
            args_base64: STANDARD.encode(args.to_string()),
        };
        let view: wire::View = self.ask(&request("query", params)).await?;
        translate::view(method_name, block, view)
    }

    /// Asks, and asks again while that may help and attempts are left.
    async fn ask<P: Serialize, T: DeserializeOwned>(&self, request: &wire::Request<P>) -> Result<T, Failure> {
        let mut attempt = 1;
        loop {
            match self.ask_once(request).await {
                Err(failure) if failure.is_transient() && attempt < self.attempts_max => {}
                answer => return answer,
            }
            attempt = attempt.saturating_add(1);
            sleep(self.retry).await;
        }
    }

    async fn ask_once<P: Serialize, T: DeserializeOwned>(
        &self,
        request: &wire::Request<P>,
    ) -> Result<T, Failure> {
        // The address is left out of the error: its path may hold an access key.
        let no_answer = |error: reqwest::Error| Failure::NoAnswer(with_causes(&error.without_url()));
        let mut response = self.http.post(self.url.clone()).json(request).send().await.map_err(no_answer)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(no_answer)? {
            if body.len().saturating_add(chunk.len()) > self.answer_bytes_max {
                return Err(Failure::Misshapen(format!(
                    "an answer of more than {} bytes",
                    self.answer_bytes_max
                )));
            }
            body.extend_from_slice(&chunk);
        }
        match translate::result(&body) {
            // NEAR words its errors in the body, whatever the status; anything else is a proxy's page.
            Err(Failure::Misshapen(_)) if !status.is_success() => {
                Err(Failure::NoAnswer(format!("HTTP {status}")))
            }
            Err(Failure::Refused(text))
                if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS =>
            {
                Err(Failure::NotNow(format!("HTTP {status}: {text}")))
            }
            answer => answer,
        }
    }
}

fn request<P>(method: &'static str, params: P) -> wire::Request<P> {
    wire::Request { jsonrpc: "2.0", id: "stele", method, params }
}
