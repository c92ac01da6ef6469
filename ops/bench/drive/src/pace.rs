//! Appends at an even pace, and how soon followers see them.

use crate::figures::Micros;
use crate::load::Subject;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

/// When a follower saw each of the events that it waited for, since the beginning.
pub type Following = JoinHandle<anyhow::Result<Vec<Duration>>>;

/// What was seen at an even pace.
#[derive(Debug)]
pub struct Paced {
    /// How long appends took.
    pub append: Micros,
    /// From an acknowledgement to each follower; nothing when it was no later.
    pub lag: Micros,
    /// Appends a second that were reached.
    pub per_second: f64,
}

/// Appends at an even pace for `span` to stream `number`, which must be new, while `followers` follow. Each is begun by
/// `follow`, told how many events to wait for and since when to count.
pub async fn pace<S: Subject>(
    subject: &Arc<S>,
    number: u64,
    (per_second, span): (u32, Duration),
    followers: usize,
    follow: impl Fn(u64, Instant) -> Following,
) -> anyhow::Result<Paced> {
    let began = Instant::now();
    let appends = u64::from(per_second) * span.as_secs();
    let following: Vec<_> = (0..followers).map(|_| follow(appends, began)).collect();
    let mut writer = subject.writer(number)?;
    let mut ticks = interval(Duration::from_secs(1) / per_second);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut took, mut known) = (vec![], vec![]);
    for _ in 0..appends {
        ticks.tick().await;
        let from = began.elapsed();
        subject.keep(&mut writer, 1).await?;
        known.push(began.elapsed());
        took.push(began.elapsed().saturating_sub(from));
    }
    let seconds = began.elapsed().as_secs_f64();
    let mut lags = vec![];
    for follower in following {
        let seen = follower.await??;
        lags.extend(seen.iter().zip(&known).map(|(seen, known)| seen.saturating_sub(*known)));
    }
    let micros = |times: Vec<Duration>| {
        times.iter().map(|time| i64::try_from(time.as_micros()).unwrap_or(i64::MAX)).collect()
    };
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let per_second = appends as f64 / seconds;
    Ok(Paced { append: micros(took), lag: micros(lags), per_second })
}
