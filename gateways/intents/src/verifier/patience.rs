//! Asks several at once, and waits for the slowest only while too few have answered.

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// What each of `asks` said, in their order; `None` for those that were given up on. As soon as `enough` answers
/// count, the others have `grace` left. While too few do, all are waited for: the caller bounds that.
pub async fn gather<T>(
    asks: impl IntoIterator<Item = impl Future<Output = T>>,
    enough: usize,
    counts: impl Fn(&T) -> bool,
    grace: Duration,
) -> Vec<Option<T>> {
    let numbered = asks.into_iter().enumerate().map(|(nth, ask)| async move { (nth, ask.await) });
    let mut open: FuturesUnordered<_> = numbered.collect();
    let mut told: Vec<Option<T>> = std::iter::repeat_with(|| None).take(open.len()).collect();
    let (mut counted, mut until) = (0, None);
    loop {
        let next = match until {
            Some(until) => timeout_at(until, open.next()).await.unwrap_or_default(),
            None => open.next().await,
        };
        let Some((nth, answer)) = next else { return told };
        counted += usize::from(counts(&answer));
        if counted >= enough && until.is_none() {
            until = Some(Instant::now() + grace);
        }
        if let Some(place) = told.get_mut(nth) {
            *place = Some(answer);
        }
    }
}
