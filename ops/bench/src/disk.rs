//! What this disk takes to make a small append durable: the unit in which the desk's answers are judged.

use crate::figures::Micros;
use anyhow::Context;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

/// Bytes of one append: about a decision with its gates.
const APPEND_BYTES: usize = 2_048;
/// Appends that are measured.
const APPENDS: usize = 400;

/// Appends and makes durable, one after the other, and forgets the file.
pub(crate) fn appends(directory: &Path) -> anyhow::Result<Micros> {
    let path = directory.join("appends");
    let mut file =
        OpenOptions::new().append(true).create_new(true).open(&path).context("a file to measure with")?;
    let bytes = vec![0x5a; APPEND_BYTES];
    let mut measured = Vec::with_capacity(APPENDS);
    for _ in 0..APPENDS {
        let began = Instant::now();
        file.write_all(&bytes)?;
        // On Linux this is fdatasync.
        file.sync_data()?;
        measured.push(i64::try_from(began.elapsed().as_micros())?);
    }
    std::fs::remove_file(&path)?;
    Ok(measured.into_iter().collect())
}
