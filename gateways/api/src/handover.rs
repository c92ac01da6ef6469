//! Streams that wait for nobody for ever. What a stream tells is made by a task of its own; whoever reads gets it from
//! there, piece by piece.
//!
//! With HTTP/2 the body of an answer is not even looked at while its reader gives no room, and the connection lives on.
//! What such a stream holds (a seat, a reading of the log, the projections) is held by the task, which lets go of it when
//! its time is over or when nothing was taken for too long.

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::{self, StreamExt};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Longest time in which a reader takes nothing of what is ready.
pub(crate) const STALL_MAX: Duration = Duration::from_secs(30);
/// Most bytes of one piece: a slow reader takes one in time.
const PIECE_BYTES_MAX: usize = 64 * 1024;

/// How a handing over ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// Everything was told, or nobody wants it any more.
    Whole,
    /// The reader was too slow, or the time was over.
    Cut,
}

struct Handover<T, F> {
    told: mpsc::Receiver<T>,
    task: Option<JoinHandle<Ended>>,
    farewell: Option<F>,
}

/// The same stream, made by a task that ends with it: at `until`, when one item is not taken within [`STALL_MAX`], or
/// when nobody reads any more. Whoever still reads after it was cut off hears the farewell and nothing else.
pub(crate) fn handed_over<T, F>(
    source: impl Stream<Item = T> + Send + 'static,
    until: Option<Instant>,
    farewell: F,
) -> impl Stream<Item = T> + Send + 'static
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let (teller, told) = mpsc::channel(1);
    let task = Some(tokio::spawn(hand_over(source, teller, until)));
    let handover = Handover { told, task, farewell: Some(farewell) };
    stream::unfold(handover, |mut handover| async move {
        if let Some(item) = handover.told.recv().await {
            return Some((item, handover));
        }
        match handover.task.take()?.await {
            Ok(Ended::Whole) => None,
            // A task that panicked has not told everything either.
            Ok(Ended::Cut) | Err(_) => handover.farewell.take().map(|farewell| (farewell(), handover)),
        }
    })
}

async fn hand_over<T: Send>(
    source: impl Stream<Item = T> + Send,
    teller: mpsc::Sender<T>,
    until: Option<Instant>,
) -> Ended {
    let mut source = std::pin::pin!(source);
    let mut over = std::pin::pin!(async move {
        match until {
            Some(until) => tokio::time::sleep_until(until).await,
            None => std::future::pending().await,
        }
    });
    loop {
        let item = tokio::select! {
            biased;
            () = teller.closed() => return Ended::Whole,
            () = &mut over => return Ended::Cut,
            item = source.next() => item,
        };
        let Some(item) = item else { return Ended::Whole };
        let taken = tokio::select! {
            biased;
            () = &mut over => return Ended::Cut,
            taken = tokio::time::timeout(STALL_MAX, teller.send(item)) => taken,
        };
        match taken {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Ended::Whole,
            Err(_) => return Ended::Cut,
        }
    }
}

/// What ends a body that nobody took: the reader sees that it is not whole.
pub(crate) fn stalled() -> std::io::Error {
    let what = format!("the reader took nothing for {} s", STALL_MAX.as_secs());
    std::io::Error::new(std::io::ErrorKind::TimedOut, what)
}

/// The same bytes in pieces that a slow reader takes in time.
pub(crate) fn in_pieces(mut bytes: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || {
        let piece = bytes.split_to(bytes.len().min(PIECE_BYTES_MAX));
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::{PIECE_BYTES_MAX, STALL_MAX, handed_over, in_pieces};
    use bytes::Bytes;
    use futures_util::stream::{self, StreamExt};
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::time::Instant;

    /// Numbers from 0 on that hold something as long as they are told.
    fn numbers(held: &Arc<()>, last: u32) -> impl stream::Stream<Item = u32> + Send + 'static {
        let held = Arc::clone(held);
        stream::iter(0..=last).map(move |number| {
            let _ = &held;
            number
        })
    }

    async fn let_go(held: &Arc<()>, within: Duration) {
        let gone = async {
            while Arc::strong_count(held) > 1 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(within, gone).await.expect("it is let go");
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_slowly_hears_everything_and_no_farewell() {
        let held = Arc::new(());
        let mut told = Box::pin(handed_over(numbers(&held, 5), None, || 99));
        let mut heard = vec![];
        while let Some(number) = told.next().await {
            heard.push(number);
            tokio::time::sleep(STALL_MAX / 2).await;
        }
        assert_eq!(heard, [0, 1, 2, 3, 4, 5]);
        let_go(&held, Duration::from_secs(1)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_holds_nothing_and_is_told_so_when_they_come_back() {
        let held = Arc::new(());
        let mut told = Box::pin(handed_over(numbers(&held, 1_000), None, || 99));
        let_go(&held, STALL_MAX + Duration::from_secs(1)).await;
        let rest: Vec<u32> = told.by_ref().collect().await;
        assert_eq!(rest, [0, 99], "what was ready, and the farewell");
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_is_over_whether_or_not_somebody_reads() {
        let held = Arc::new(());
        let until = Instant::now() + Duration::from_secs(5);
        let unread = handed_over(numbers(&held, 1_000), Some(until), || 99);
        let_go(&held, Duration::from_secs(6)).await;
        drop(unread);
        let until = Instant::now() + Duration::from_secs(5);
        let slow = numbers(&held, 1_000).then(|number| async move {
            tokio::time::sleep(Duration::from_secs(2)).await;
            number
        });
        let heard: Vec<u32> = handed_over(slow, Some(until), || 99).collect().await;
        assert_eq!(heard, [0, 1, 99]);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_goes_away_ends_it_at_once() {
        let held = Arc::new(());
        let endless = numbers(&held, 0).chain(stream::pending());
        let mut told = Box::pin(handed_over(endless, None, || 99));
        assert_eq!(told.next().await, Some(0));
        drop(told);
        let_go(&held, Duration::from_secs(1)).await;
    }

    #[test]
    fn pieces_are_the_same_bytes_and_none_is_too_large() {
        let whole = Bytes::from(vec![7; 2 * PIECE_BYTES_MAX + 1]);
        let pieces: Vec<Bytes> = in_pieces(whole.clone()).collect();
        assert_eq!(pieces.iter().map(Bytes::len).collect::<Vec<_>>(), [PIECE_BYTES_MAX, PIECE_BYTES_MAX, 1]);
        assert_eq!(pieces.concat(), whole);
        assert_eq!(in_pieces(Bytes::new()).count(), 0);
    }
}
