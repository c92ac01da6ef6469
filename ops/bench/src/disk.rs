//! What this disk takes to make a small append durable: the unit in which the desk's answers are judged.

use crate::figures::{Micros, millis};
use anyhow::Context;
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// Bytes of one append: about a decision with its gates.
const APPEND_BYTES: usize = 2_048;
/// Appends that are measured in a row.
const APPENDS: usize = 200;
/// Time between two appends, as between two commits of a desk that answers 50 quotes a second. A disk that is never
/// let go is faster than one that has to be woken.
const PAUSE: Duration = Duration::from_millis(5);

/// Both ways of asking a disk.
pub(crate) struct Disk {
    paced: Micros,
    back_to_back: Micros,
}

impl Disk {
    /// Measures it, in a directory on it.
    pub(crate) fn measure(directory: &Path) -> anyhow::Result<Self> {
        let back_to_back = appends(directory, Duration::ZERO)?;
        Ok(Self { paced: appends(directory, PAUSE)?, back_to_back })
    }

    /// Median of one append at the desk's pace, in microseconds.
    pub(crate) fn paced(&self) -> i64 {
        self.paced.median()
    }

    /// The same without a pause.
    pub(crate) fn back_to_back(&self) -> i64 {
        self.back_to_back.median()
    }

    pub(crate) fn said(&self) -> Value {
        let pause = millis(i64::try_from(PAUSE.as_micros()).unwrap_or(i64::MAX));
        json!({ "paced": self.paced.said(), "pause": pause, "back_to_back": self.back_to_back.said() })
    }
}

/// Appends and makes durable, one after the other, and forgets the file.
#[expect(
    clippy::disallowed_methods,
    reason = "the pause is part of what is measured, on a thread of its own"
)]
fn appends(directory: &Path, pause: Duration) -> anyhow::Result<Micros> {
    let path = directory.join("appends");
    let mut file =
        OpenOptions::new().append(true).create_new(true).open(&path).context("a file to measure with")?;
    let bytes = vec![0x5a; APPEND_BYTES];
    let mut measured = Vec::with_capacity(APPENDS);
    for _ in 0..APPENDS {
        std::thread::sleep(pause);
        let began = Instant::now();
        file.write_all(&bytes)?;
        // On Linux this is fdatasync.
        file.sync_data()?;
        measured.push(i64::try_from(began.elapsed().as_micros())?);
    }
    std::fs::remove_file(&path)?;
    Ok(measured.into_iter().collect())
}
