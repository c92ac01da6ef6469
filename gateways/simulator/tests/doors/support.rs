//! A small desk and a small reader for the tests. It signs with its own few lines, so that what it sends is
//! checked by the simulator and not by itself.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer, SigningKey};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::{Duration, SystemTime};
use stele_domain::time::Timestamp;
use stele_simulator::{
    AccountOptions, BTC_LEGACY, Balance, ChainOptions, EURE, FeedOptions, NBTC, Options, PriceOptions,
    RelayOptions, Running, Simulator, Traffic,
};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::Error as WsError;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Nothing here takes this long unless it is broken.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub const DESK: &str = "desk.near";
pub const TOKEN: &str = "test-token";

/// The relay's good word.
pub const OK: &str = "OK";

/// 10 BTC of each kind and a million euro.
pub const SAT: u128 = 1_000_000_000;
pub const WEI: u128 = 1_000_000 * 1_000_000_000_000_000_000;

/// A quiet, quick world at 60,000 EUR per BTC with one funded desk.
pub fn options() -> Options {
    let desk = AccountOptions {
        account_id: DESK.to_owned(),
        public_keys: vec![public_key()],
        balances: vec![Balance::new(NBTC, SAT), Balance::new(BTC_LEGACY, SAT), Balance::new(EURE, WEI)],
    };
    Options {
        seed: 42,
        relay: RelayOptions {
            bearer_tokens: vec![TOKEN.to_owned()],
            min_wait_floor_ms: 20,
            grace_ms: 20,
            max_wait_default_ms: 2_000,
            settlement_ms: (0, 0),
            ..RelayOptions::default()
        },
        chain: ChainOptions { block_ms: 20, ..ChainOptions::default() },
        prices: PriceOptions { fixed_e8: Some(6_000_000_000_000), ..PriceOptions::default() },
        feeds: FeedOptions { kraken_heartbeat_ms: 50, coingecko_cache_seconds: 0, ..FeedOptions::default() },
        traffic: Traffic::quiet(),
        accounts: vec![desk],
        ..Options::default()
    }
}

pub async fn start(options: Options) -> Running {
    Simulator::start(options).await.unwrap()
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[42; 32])
}

pub fn public_key() -> String {
    format!("ed25519:{}", bs58::encode(key().verifying_key().as_bytes()).into_string())
}

pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// What a test may want to do differently from a correct desk.
#[derive(Clone)]
pub struct Terms {
    pub signer: String,
    pub recipient: String,
    pub deadline_ms: i64,
    pub nonce_deadline_ms: i64,
    pub salt: [u8; 4],
    pub random: u8,
    /// Bytes throughout, instead of a nonce with salt and deadline.
    pub legacy_nonce: bool,
    /// No intents at all: what burns the nonce.
    pub cancel: bool,
    pub diff: Vec<(String, String)>,
}

impl Terms {
    /// A correct answer to giving `gives` of `token_out` for `receives` of `token_in`.
    pub fn trade(salt: [u8; 4], token_in: &str, receives: u128, token_out: &str, gives: u128) -> Self {
        Self {
            signer: DESK.to_owned(),
            recipient: "intents.near".to_owned(),
            deadline_ms: now_ms() + 70_000,
            nonce_deadline_ms: now_ms() + 130_000,
            salt,
            random: 1,
            legacy_nonce: false,
            cancel: false,
            diff: vec![
                (token_in.to_owned(), receives.to_string()),
                (token_out.to_owned(), format!("-{gives}")),
            ],
        }
    }

    pub fn nonce(&self) -> [u8; 32] {
        if self.legacy_nonce {
            return [self.random; 32];
        }
        let mut nonce = [0_u8; 32];
        nonce[..4].copy_from_slice(&[0x56, 0x28, 0xf6, 0xc6]);
        nonce[5..9].copy_from_slice(&self.salt);
        let deadline_ns = self.nonce_deadline_ms * 1_000_000;
        nonce[9..17].copy_from_slice(&deadline_ns.to_le_bytes());
        nonce[17..].copy_from_slice(&[self.random; 15]);
        nonce
    }

    /// The signed payload and its quote hash.
    pub fn sign(&self) -> (Value, String) {
        let diff: serde_json::Map<_, _> =
            self.diff.iter().map(|(token, delta)| (token.clone(), json!(delta))).collect();
        let message = json!({
            "signer_id": self.signer,
            "deadline": Timestamp::from_millis(self.deadline_ms).to_string(),
            "intents": if self.cancel { json!([]) } else { json!([{ "intent": "token_diff", "diff": diff }]) },
        })
        .to_string();
        let mut bytes = 2_147_484_061_u32.to_le_bytes().to_vec();
        push(&mut bytes, &message);
        bytes.extend_from_slice(&self.nonce());
        push(&mut bytes, &self.recipient);
        bytes.push(0);
        let digest = Sha256::digest(&bytes);
        let signature = bs58::encode(key().sign(&digest).to_bytes()).into_string();
        let signed = json!({
            "standard": "nep413",
            "payload": { "message": message, "nonce": STANDARD.encode(self.nonce()), "recipient": self.recipient },
            "public_key": public_key(),
            "signature": format!("ed25519:{signature}"),
        });
        (signed, bs58::encode(digest).into_string())
    }
}

fn push(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend_from_slice(&u32::try_from(text.len()).unwrap().to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

/// A WebSocket client.
pub struct Client {
    ws: WebSocketStream<MaybeTlsStream<TcpStream>>,
    next_id: u64,
    /// Frames that came while another was awaited.
    waiting: Vec<Value>,
}

pub async fn dial(url: &str, token: Option<&str>) -> Result<Client, WsError> {
    let mut request = url.into_client_request().unwrap();
    if let Some(token) = token {
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    let dialled = tokio::time::timeout(PATIENCE, connect_async(request)).await.expect("no answer to a dial");
    dialled.map(|(ws, _)| Client { ws, next_id: 0, waiting: vec![] })
}

/// The HTTP status that a dial was refused with.
pub fn refused_with(result: Result<Client, WsError>) -> u16 {
    match result {
        Err(WsError::Http(response)) => response.status().as_u16(),
        Err(other) => panic!("refused with {other}"),
        Ok(_) => panic!("not refused"),
    }
}

impl Client {
    pub async fn relay(running: &Running) -> Self {
        dial(&running.endpoints().relay_ws, Some(TOKEN)).await.unwrap()
    }

    pub async fn kraken(running: &Running) -> Self {
        dial(&running.endpoints().kraken_ws, None).await.unwrap()
    }

    pub async fn send_text(&mut self, text: &str) {
        self.ws.send(Message::Text(text.into())).await.unwrap();
    }

    pub async fn send_message(&mut self, message: Message) {
        self.ws.send(message).await.unwrap();
    }

    /// The next message of any kind; `None` when the connection is over.
    pub async fn next_message(&mut self) -> Option<Result<Message, WsError>> {
        tokio::time::timeout(PATIENCE, self.ws.next()).await.expect("no frame came")
    }

    /// The next frame that is JSON text.
    pub async fn next(&mut self) -> Value {
        if !self.waiting.is_empty() {
            return self.waiting.remove(0);
        }
        self.receive().await
    }

    async fn receive(&mut self) -> Value {
        loop {
            match self.next_message().await {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(text.as_str()).unwrap(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("expected a text frame, got {other:?}"),
            }
        }
    }

    /// The next frame that `wanted` recognises; others wait their turn.
    pub async fn find(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(index) = self.waiting.iter().position(&wanted) {
            return self.waiting.remove(index);
        }
        loop {
            let frame = self.receive().await;
            if wanted(&frame) {
                return frame;
            }
            self.waiting.push(frame);
        }
    }

    /// Whether a frame that `wanted` recognises has come already, without waiting for any.
    pub fn has(&self, wanted: impl Fn(&Value) -> bool) -> bool {
        self.waiting.iter().any(wanted)
    }

    /// Sends a request and returns its id.
    pub async fn request(&mut self, method: &str, params: Value) -> u64 {
        self.next_id += 1;
        let id = self.next_id;
        let text = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string();
        self.send_text(&text).await;
        id
    }

    /// Sends a request and awaits its reply.
    pub async fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.request(method, params).await;
        self.find(|frame| frame["id"] == id).await
    }

    /// Subscribes, and returns the subscription's id.
    pub async fn subscribe(&mut self, stream: &str) -> String {
        let reply = self.call("subscribe", json!([stream])).await;
        reply["result"].as_str().unwrap_or_else(|| panic!("{reply}")).to_owned()
    }

    /// The next event of a subscription.
    pub async fn event(&mut self, subscription: &str) -> Value {
        let frame = self.find(|frame| frame["params"]["subscription"] == subscription).await;
        frame["params"].clone()
    }

    /// Answers a quote, and returns the reply and the quote hash.
    pub async fn respond(&mut self, quote_id: &str, output: Value, terms: &Terms) -> (Value, String) {
        let (signed, hash) = terms.sign();
        let response = json!([{ "quote_id": quote_id, "quote_output": output, "signed_data": signed }]);
        (self.call("quote_response", response).await, hash)
    }
}

/// The salt that the contract has now.
pub fn salt(running: &Running) -> [u8; 4] {
    let text = running.handle().state().salt;
    let byte = |index: usize| u8::from_str_radix(&text[index..index + 2], 16).unwrap();
    [byte(0), byte(2), byte(4), byte(6)]
}

/// Asks again until the answer is there.
pub async fn until<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let found = async {
        let mut pace = tokio::time::interval(Duration::from_millis(2));
        loop {
            pace.tick().await;
            if let Some(found) = look().await {
                return found;
            }
        }
    };
    tokio::time::timeout(PATIENCE, found).await.expect("it never became so")
}

/// Posts JSON and reads JSON.
pub async fn post(url: &str, body: &Value) -> (u16, Value) {
    let response = reqwest::Client::new().post(url).json(body).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap_or(Value::Null))
}

/// Gets JSON.
pub async fn get(url: &str) -> (u16, Value) {
    let response = reqwest::get(url).await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap_or(Value::Null))
}

/// A view of the verifier contract at a block (`{"finality": …}` or `{"block_id": …}`).
pub async fn view_at(url: &str, at: &Value, method: &str, args: &Value) -> Value {
    let mut params = json!({
        "request_type": "call_function",
        "account_id": "intents.near",
        "method_name": method,
        "args_base64": STANDARD.encode(args.to_string()),
    });
    params.as_object_mut().unwrap().extend(at.as_object().unwrap().clone());
    post(url, &json!({ "jsonrpc": "2.0", "id": "x", "method": "query", "params": params })).await.1
}

/// A view at the newest block, its result as JSON.
pub async fn view(running: &Running, method: &str, args: Value) -> Value {
    let answer =
        view_at(&running.endpoints().near, &json!({ "finality": "optimistic" }), method, &args).await;
    result_of(&answer)
}

/// The JSON that a view's bytes spell.
pub fn result_of(answer: &Value) -> Value {
    let bytes: Vec<u8> = serde_json::from_value(answer["result"]["result"].clone())
        .unwrap_or_else(|error| panic!("{error}: {answer}"));
    serde_json::from_slice(&bytes).unwrap()
}
