//! Work on a disk that may hang, on a thread where it holds up nobody, one piece after the other.
//!
//! Whoever gives up waiting leaves the thread where it is; the next one waits for it before it begins. So a disk that hangs
//! takes one thread, however often somebody tries.

use std::io;
use tokio::sync::{Mutex, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};

/// One thread at a time.
#[derive(Default)]
pub(super) struct Disk(Mutex<Option<JoinHandle<()>>>);

impl Disk {
    /// Does the work once what was begun before is done, whose outcome is nobody's any more.
    ///
    /// # Errors
    ///
    /// That the work panicked.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        let mut under_way = self.0.lock().await;
        if let Some(before) = under_way.as_mut() {
            // What became of it was for whoever gave it up.
            before.await.ok();
        }
        let (tell, told) = oneshot::channel();
        // Whoever gives up waiting has it stay here.
        *under_way = Some(spawn_blocking(move || drop(tell.send(work()))));
        let done = told.await;
        if let Some(ended) = under_way.take() {
            ended.await.ok();
        }
        done.map_err(|_| io::Error::other("the thread that works on the disk panicked"))
    }
}

#[cfg(test)]
mod tests {
    use super::Disk;
    use std::sync::mpsc;
    use std::time::Duration;

    #[tokio::test]
    async fn a_disk_that_hangs_takes_one_thread_however_often_somebody_tries() {
        let disk = Disk::default();
        let (release, released) = mpsc::sync_channel::<()>(1);
        let (sender, begun) = mpsc::sync_channel(16);
        let begins = sender.clone();
        let hangs = disk.run(move || {
            begins.send(0).unwrap();
            released.recv().ok();
            0
        });
        assert!(tokio::time::timeout(Duration::from_millis(50), hangs).await.is_err());
        for nth in 1..10 {
            let begins = sender.clone();
            let waits = disk.run(move || {
                begins.send(nth).unwrap();
                nth
            });
            assert!(tokio::time::timeout(Duration::from_millis(5), waits).await.is_err(), "{nth}");
        }
        drop(release);
        assert_eq!(disk.run(|| 10).await.unwrap(), 10);
        // The channel is closed to see the end of it.
        drop(sender);
        assert_eq!(begun.iter().collect::<Vec<_>>(), [0], "each try began a thread");
    }

    #[tokio::test]
    async fn work_that_panics_is_told_and_does_not_keep_the_next_from_beginning() {
        let disk = Disk::default();
        assert!(disk.run(|| -> u8 { panic!("as it should") }).await.is_err());
        assert_eq!(disk.run(|| 7).await.unwrap(), 7);
    }
}
