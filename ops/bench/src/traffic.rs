//! Takers' requests at an even pace, for a time: the simulator's own traffic goes on for ever.

use std::time::{Duration, Instant};
use stele_domain::time::Timestamp;
use stele_simulator::{Handle, Requests};
use tokio::time::{MissedTickBehavior, interval};

/// Requests are published this far apart, or several at once when they are that dense.
const BEAT: Duration = Duration::from_millis(1);

/// What was published.
#[derive(Debug, Clone, Default)]
pub(crate) struct Published {
    pub quotes: u64,
    /// The id of the last one, and when it was handed over.
    pub last: Option<(String, Timestamp)>,
}

/// Publishes so many requests a second for so long.
pub(crate) async fn publish(
    handle: &Handle,
    requests: &mut Requests,
    per_second: u32,
    span: Duration,
) -> anyhow::Result<Published> {
    let began = Instant::now();
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut published = Published::default();
    loop {
        beat.tick().await;
        let elapsed = began.elapsed().min(span);
        let due = u64::try_from(elapsed.as_micros())?.saturating_mul(per_second.into()) / 1_000_000;
        while published.quotes < due {
            let Some(request) = requests.next() else { return Ok(published) };
            let id = handle.quote(request)?;
            published.quotes += 1;
            published.last = Some((id, crate::desk::now()));
        }
        if elapsed == span {
            return Ok(published);
        }
    }
}
