//! Waiting for a log that does not answer: whoever starts while its owner is started again comes up after it, and does
//! not end.

use crate::exit::chain;
use crate::observe;
use std::error::Error;
use std::time::{Duration, Instant};

/// How often a log that did not answer is asked again.
const LOG_RETRY: Duration = Duration::from_millis(500);

/// How often it is said again what a start waits for.
const SAID_EVERY: Duration = Duration::from_mins(1);

/// Says what a start waits for, and why: at once, and again while it takes long.
pub(super) struct Awaited {
    what: &'static str,
    said: Option<Instant>,
}

impl Awaited {
    /// For what is waited for, in words.
    pub(super) const fn new(what: &'static str) -> Self {
        Self { what, said: None }
    }

    /// An attempt came to nothing.
    pub(super) async fn once_more(&mut self, error: &(dyn Error + Send + Sync + 'static)) {
        if self.said.is_none_or(|said| said.elapsed() >= SAID_EVERY) {
            observe::start_awaits(self.what, &chain(error));
            self.said = Some(Instant::now());
        }
        tokio::time::sleep(LOG_RETRY).await;
    }
}

/// Asks until there is an answer, or a no that no later attempt could heal.
pub(super) async fn answered<T, E: Error + Send + Sync + 'static>(
    what: &'static str,
    passing: impl Fn(&E) -> bool,
    ask: impl AsyncFn() -> Result<T, E>,
) -> Result<T, E> {
    let mut awaited = Awaited::new(what);
    loop {
        match ask().await {
            Err(error) if passing(&error) => awaited.once_more(&error).await,
            told => return told,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::answered;
    use std::cell::Cell;
    use stele_domain::port::event_log::LogError;

    fn away() -> LogError {
        LogError::Unreachable("connection refused".into())
    }

    #[tokio::test]
    async fn an_owner_that_is_started_again_is_waited_for() {
        let asked = Cell::new(0);
        let told = answered("the keys", LogError::is_transient, async || {
            asked.set(asked.get() + 1);
            if asked.get() < 3 { Err(away()) } else { Ok("keys") }
        });
        assert_eq!(told.await.unwrap(), "keys");
    }

    #[tokio::test]
    async fn a_no_that_stays_one_is_told_at_once() {
        let asked = Cell::new(0);
        let told = answered("the keys", LogError::is_transient, async || {
            asked.set(asked.get() + 1);
            Err::<(), _>(LogError::Denied("no".to_owned()))
        });
        assert!(matches!(told.await, Err(LogError::Denied(_))));
        assert_eq!(asked.get(), 1);
    }
}
