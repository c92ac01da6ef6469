//! Pieces of work beside each other, their results one after the other, and never many of them waiting.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, PoisonError};

/// Pieces that are begun before the first of them is done with, for each thread.
const AHEAD_PER_THREAD: usize = 2;

/// Does `work` for 0 to `count` on all processors, and hands each result to `next` in order. The first error of `next`
/// ends it.
pub fn in_order<T: Send, E>(
    count: usize,
    work: impl Fn(usize) -> T + Sync,
    mut next: impl FnMut(usize, T) -> Result<(), E>,
) -> Result<(), E> {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(count);
    if threads < 2 {
        return (0..count).try_for_each(|nth| next(nth, work(nth)));
    }
    let room = threads * AHEAD_PER_THREAD;
    let (ask, asked) = sync_channel::<usize>(room);
    let (tell, told) = sync_channel(room);
    let asked = Mutex::new(asked);
    std::thread::scope(|scope| {
        // Whoever returns early takes the questions along, and with them the threads end.
        let ask = ask;
        let told = told;
        for _ in 0..threads {
            let (asked, work, tell) = (&asked, &work, tell.clone());
            scope.spawn(move || {
                loop {
                    let question = asked.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(nth) = question else { break };
                    if tell.send((nth, work(nth))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(tell);
        let mut begun = 0;
        let mut waiting = BTreeMap::new();
        for nth in 0..count {
            while begun < count.min(nth + room) && ask.send(begun).is_ok() {
                begun += 1;
            }
            let result = loop {
                if let Some(result) = waiting.remove(&nth) {
                    break Some(result);
                }
                match told.recv() {
                    Ok((other, result)) => waiting.insert(other, result),
                    Err(_) => break None,
                };
            };
            // A thread that panicked told nothing: what it should have done is done here, and says why.
            next(nth, result.unwrap_or_else(|| work(nth)))?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::in_order;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn results_come_in_order_and_few_are_begun_before_they_can_be_taken() {
        for count in [0, 1, 2, 3, 100] {
            let (begun, mut taken) = (AtomicUsize::new(0), vec![]);
            let work = |nth: usize| {
                begun.fetch_add(1, Ordering::SeqCst);
                nth * 2
            };
            let room = 2 * super::AHEAD_PER_THREAD * std::thread::available_parallelism().unwrap().get();
            let done: Result<(), ()> = in_order(count, work, |nth, result| {
                assert!(begun.load(Ordering::SeqCst) <= nth + 1 + room);
                taken.push((nth, result));
                Ok(())
            });
            assert_eq!(done, Ok(()));
            assert_eq!(taken, (0..count).map(|nth| (nth, nth * 2)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_first_error_ends_it() {
        let done = in_order(1_000, |nth| nth, |nth, _| if nth == 3 { Err(nth) } else { Ok(()) });
        assert_eq!(done, Err(3));
    }
}
