//! The limit of the machine: whoever wants a frame kept hands it to one thread, which takes what is there, writes it
//! with one `pwrite`, makes it durable with one `fdatasync`, and answers everyone. No checks, no index, no checksums.

use crate::SystemClock;
use crate::load::{Subject, Writer};
use anyhow::Context;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use stele_domain::port::event_log::EventLog;
use stele_event_log::{EmbeddedLog, Options};
use tokio::sync::{mpsc, oneshot};

/// Bytes of the file, zeroed before the first append; when it is full, it is written from its beginning again.
const FILE_BYTES: u64 = 256 * 1024 * 1024;
/// What is zeroed at a time.
const CHUNK_BYTES: usize = 1024 * 1024;
/// Appends that may wait.
const QUEUE_MAX: usize = 4_096;
/// What a segment begins with.
const SEGMENT_HEAD_BYTES: usize = 4_096;
/// Bytes that a scan reads at a time.
const SCAN_BYTES: usize = 256 * 1024;

/// The simplest group commit.
pub struct Raw {
    queue: mpsc::Sender<(Vec<u8>, oneshot::Sender<()>)>,
    frame: Arc<[u8]>,
}

impl Raw {
    /// Zeroes a file and starts the thread that writes `frame` to it as often as it is asked to.
    pub fn start(path: &Path, frame: Arc<[u8]>) -> anyhow::Result<Self> {
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
}

impl Subject for Raw {
    /// Who writes makes no difference.
    type Writer = ();

    fn writer(&self, _number: u64) -> anyhow::Result<()> {
        Ok(())
    }

    /// Keeps one frame of `batch` records, which are put together first, as whoever writes something has to.
    async fn keep(&self, (): &mut (), batch: usize) -> anyhow::Result<()> {
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

/// The bytes of one append of `batch` records as the log frames it. A log is made in `directory` for it, and removed.
pub async fn frame_of(directory: &Path, batch: usize) -> anyhow::Result<Arc<[u8]>> {
    let (log, _) = EmbeddedLog::open(directory, Options::new(Arc::new(SystemClock)))?;
    let mut writer = Writer::new(0)?;
    let (expected, records) = writer.offer(batch);
    log.append(writer.stream(), expected, records).await?;
    log.close().await?;
    drop(log);
    let segment = std::fs::read(directory.join("00000000000000000001.seg"))?;
    std::fs::remove_dir_all(directory)?;
    let frame = segment.get(SEGMENT_HEAD_BYTES..).context("the segment has no frame")?;
    let end = frame.iter().rposition(|byte| *byte != 0).context("the frame is empty")?;
    Ok(frame.get(..=end).unwrap_or_default().into())
}

/// The least that can be done to read a log: every frame is found, and its body's checksum verified. How many records
/// there are, and events a second.
pub fn scan(directory: &Path) -> anyhow::Result<(u64, f64)> {
    let began = Instant::now();
    let mut events = 0_u64;
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "seg") {
            events += scan_segment(&path)?;
        }
    }
    Ok((events, crate::figures::per_second(events, began)))
}

fn scan_segment(path: &Path) -> anyhow::Result<u64> {
    let file = std::fs::File::open(path)?;
    let mut buffer = vec![0; SCAN_BYTES];
    let (mut at, mut events) = (u64::try_from(SEGMENT_HEAD_BYTES)?, 0);
    loop {
        let count = file.read_at(&mut buffer, at)?;
        let chunk = buffer.get(..count).unwrap_or_default();
        let mut here = 0;
        loop {
            let left = 512 - usize::try_from((at + u64::try_from(here)?) % 512)?;
            let begin = if left < 20 { here + left } else { here };
            let Some(header) = chunk.get(begin..begin + 20) else { break };
            let number =
                |at: usize| header.get(at..)?.first_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes));
            let (len, crc) = number(8).zip(number(16)).context("a header")?;
            let Some(body) = chunk.get(begin + 20..begin + 20 + usize::try_from(len)?) else { break };
            if len == 0 {
                return Ok(events);
            }
            anyhow::ensure!(crc_fast::crc32_iscsi(body) == crc, "a checksum is wrong");
            events += 1;
            here = begin + 20 + body.len();
        }
        if here == 0 {
            return Ok(events);
        }
        at += u64::try_from(here)?;
    }
}
