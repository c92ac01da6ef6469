//! Waiting for a log that does not answer: whoever starts while its owner is started again comes up after it, and does
//! not end.

use std::time::Duration;

/// How often a log that did not answer is asked again.
pub(super) const LOG_RETRY: Duration = Duration::from_millis(500);

/// Asks until there is an answer, or a no that no later attempt could heal.
pub(super) async fn answered<T, E>(
    passing: impl Fn(&E) -> bool,
    ask: impl AsyncFn() -> Result<T, E>,
) -> Result<T, E> {
    loop {
        match ask().await {
            Err(error) if passing(&error) => tokio::time::sleep(LOG_RETRY).await,
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
        let told = answered(LogError::is_transient, async || {
            asked.set(asked.get() + 1);
            if asked.get() < 3 { Err(away()) } else { Ok("keys") }
        });
        assert_eq!(told.await.unwrap(), "keys");
    }

    #[tokio::test]
    async fn a_no_that_stays_one_is_told_at_once() {
        let asked = Cell::new(0);
        let told = answered(LogError::is_transient, async || {
            asked.set(asked.get() + 1);
            Err::<(), _>(LogError::Denied("no".to_owned()))
        });
        assert!(matches!(told.await, Err(LogError::Denied(_))));
        assert_eq!(asked.get(), 1);
    }
}
