//! The limit of the machine: whoever wants a frame kept hands it to one thread, which takes what is there, writes it
//! with one `pwrite`, makes it durable with one `fdatasync`, and answers everyone. No checks, no index, no checksums.

use anyhow::Context;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Bytes of the file, zeroed before the first append; when it is full, it is written from its beginning again.
const FILE_BYTES: u64 = 256 * 1024 * 1024;
/// What is zeroed at a time.
const CHUNK_BYTES: usize = 1024 * 1024;
/// Appends that may wait.
const QUEUE_MAX: usize = 4_096;

/// The simplest group commit.
pub(crate) struct Raw {
    queue: mpsc::Sender<(Vec<u8>, oneshot::Sender<()>)>,
    frame: Arc<[u8]>,
}

impl Raw {
    /// Zeroes a file and starts the thread that writes `frame` to it as often as it is asked to.
    pub(crate) fn start(path: &Path, frame: Arc<[u8]>) -> anyhow::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        let zeros = vec![0; CHUNK_BYTES];
        let mut at = 0;
        while at < FILE_BYTES {
            file.write_all_at(&zeros, at)?;
            at += u64::try_from(zeros.len())?;
        }
        file.sync_all()?;
        let (queue, requests) = mpsc::channel(QUEUE_MAX);
        std::thread::Builder::new().name("raw".to_owned()).spawn(move || write(&file, requests))?;
        Ok(Self { queue, frame })
    }

    /// Keeps one frame of `batch` records, which are put together first, as whoever writes something has to.
    pub(crate) async fn append(&self, batch: usize) -> anyhow::Result<()> {
        let mut frame = Vec::with_capacity(self.frame.len());
        for record in self.frame.chunks(self.frame.len().div_ceil(batch)) {
            frame.extend_from_slice(record);
        }
        let (reply, answer) = oneshot::channel();
        self.queue.send((frame, reply)).await.ok().context("raw has ended")?;
        answer.await.context("raw has failed")
    }
}

fn write(file: &File, mut requests: mpsc::Receiver<(Vec<u8>, oneshot::Sender<()>)>) {
    let (mut buffer, mut replies, mut at) = (vec![], vec![], 0);
    while let Some((frame, reply)) = requests.blocking_recv() {
        buffer.extend_from_slice(&frame);
        replies.push(reply);
        while let Ok((frame, reply)) = requests.try_recv() {
            buffer.extend_from_slice(&frame);
            replies.push(reply);
        }
        let bytes = u64::try_from(buffer.len()).unwrap_or(FILE_BYTES);
        if at + bytes > FILE_BYTES {
            at = 0;
        }
        if file.write_all_at(&buffer, at).and_then(|()| file.sync_data()).is_err() {
            // Whoever waits is told by its reply being dropped.
            return;
        }
        at += bytes;
        buffer.clear();
        // A writer whose time is over has gone away.
        for reply in replies.drain(..) {
            let _ = reply.send(());
        }
    }
}
