//! Pieces of work beside each other, their results one after the other, and never many of them waiting.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, PoisonError};

/// Pieces that are begun before the first of them is done with, for each thread.
const AHEAD_PER_THREAD: usize = 2;

/// Does `work` for 0 to `count` on all processors, and hands each result to `next` in order. The first error of `next`
/// ends it, and so does a panic of `work`, which goes on in the caller.
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
                    // Whoever waits for this piece is told whatever becomes of it: the other threads live on, so that a
                    // thread that ended without a word would be waited for for ever.
                    let result = catch_unwind(AssertUnwindSafe(|| work(nth)));
                    if tell.send((nth, result)).is_err() {
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
                    break result;
                }
                match told.recv() {
                    Ok((other, result)) => waiting.insert(other, result),
                    // No thread is left, which does not come to pass while one may be asked.
                    Err(_) => break Ok(work(nth)),
                };
            };
            next(nth, result.unwrap_or_else(|panic| resume_unwind(panic)))?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::in_order;
    use std::panic::catch_unwind;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;

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

    #[test]
    fn a_piece_that_panics_ends_it_with_its_words_and_nobody_waits_for_it_for_ever() {
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let work = |nth| {
                assert_ne!(nth, 3, "this piece can't be done");
                nth
            };
            tell.send(catch_unwind(|| in_order(100, work, |_, _| Ok::<_, ()>(()))))
        });
        let panic = told.recv_timeout(Duration::from_mins(1)).unwrap().unwrap_err();
        assert!(panic.downcast_ref::<String>().unwrap().contains("this piece can't be done"));
    }
}
