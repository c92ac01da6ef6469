//! A GET with limits: time, size, no redirects, and errors that name no address.

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, Url, redirect};
use std::time::Duration;
use stele_domain::causes::with_causes;

/// Largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 262_144;

/// Longest pause that a source can ask for. A wrong header must not silence it for a day.
const PAUSE_MAX: Duration = Duration::from_mins(10);

/// Why there is no answer to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// No connection, or no answer in time.
    NoAnswer(String),
    /// An answer that is no success.
    Status {
        /// The status, and what the source asks for.
        text: String,
        /// How long it asks to be left alone.
        pause: Option<Duration>,
    },
}

/// A client that follows no redirect and waits this long at most.
pub fn client(request_ms_max: u64) -> Result<Client, reqwest::Error> {
    let limit = Duration::from_millis(request_ms_max);
    Client::builder().timeout(limit).redirect(redirect::Policy::none()).build()
}

/// The body of a successful answer.
pub async fn get(client: &Client, url: Url, headers: HeaderMap) -> Result<Vec<u8>, Failure> {
    let no_answer = |error: reqwest::Error| Failure::NoAnswer(with_causes(&error.without_url()));
    let mut response = client.get(url).headers(headers).send().await.map_err(no_answer)?;
    if !response.status().is_success() {
        let pause = pause(response.headers());
        let asked = pause.map(|pause| format!(", asks for {} s", pause.as_secs())).unwrap_or_default();
        return Err(Failure::Status { text: format!("HTTP {}{asked}", response.status()), pause });
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(no_answer)? {
        if body.len().saturating_add(chunk.len()) > ANSWER_BYTES_MAX {
            return Err(Failure::Status {
                text: format!("an answer of more than {ANSWER_BYTES_MAX} bytes"),
                pause: None,
            });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// `Retry-After` in seconds. Its other form, a date, is left to the backoff.
fn pause(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(PAUSE_MAX))
}
