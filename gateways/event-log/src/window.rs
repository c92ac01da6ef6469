//! Reads a file through a buffer: a scan touches the disk once per chunk, and a frame is one slice.

use crate::format::{SEGMENT_HEADER_BYTES, to_u64, to_usize};
use crate::frame::sectors::apply_mask;
use crate::storage::StorageFile;
use std::io;
use std::sync::Arc;

/// Bytes that a scan reads ahead.
pub const SCAN_CHUNK_BYTES: usize = 1024 * 1024;

/// Bytes that a look at single records reads ahead: what lies between two marks, and a commit of some size.
pub const LOOK_CHUNK_BYTES: usize = 5 * 1024;

/// A buffered view of one file.
pub struct Window {
    file: Arc<dyn StorageFile>,
    /// Where what is behind the header is read, when it was found to be another file.
    content: Option<Arc<dyn StorageFile>>,
    chunk_bytes: usize,
    start: u64,
    bytes: Vec<u8>,
    reached_end: bool,
    plain: Vec<u8>,
}

impl Window {
    /// A view that reads `chunk_bytes` at a time, or more when asked for more.
    pub fn new(file: Arc<dyn StorageFile>, chunk_bytes: usize) -> Self {
        Self { file, content: None, chunk_bytes, start: 0, bytes: vec![], reached_end: false, plain: vec![] }
    }

    /// The same, reading `chunk_bytes` at a time from here on.
    pub fn reading(self, chunk_bytes: usize) -> Self {
        Self { chunk_bytes, ..self }
    }

    /// Whether it has no more than this many bytes in memory, and no file that was fetched for it.
    pub fn holds_at_most(&self, bytes: usize) -> bool {
        self.bytes.capacity() + self.plain.capacity() <= bytes && self.content.is_none()
    }

    /// The `wanted` bytes at `offset`; fewer only where the file ends.
    pub fn slice(&mut self, offset: u64, wanted: usize) -> io::Result<&[u8]> {
        if !self.holds(offset, wanted) {
            self.fill(offset, wanted.max(self.chunk_bytes))?;
        }
        let from = to_usize(offset - self.start).min(self.bytes.len());
        let to = (from + wanted).min(self.bytes.len());
        Ok(self.bytes.get(from..to).unwrap_or_default())
    }

    /// As [`Self::slice`], with `mask` taken off.
    pub fn unmasked(&mut self, offset: u64, wanted: usize, mask: u16) -> io::Result<&[u8]> {
        if mask == 0 {
            return self.slice(offset, wanted);
        }
        let mut plain = std::mem::take(&mut self.plain);
        plain.clear();
        plain.extend_from_slice(self.slice(offset, wanted)?);
        apply_mask(&mut plain, mask);
        self.plain = plain;
        Ok(&self.plain)
    }

    /// Whether everything from `offset` to the end of the file is zero.
    pub fn is_blank_from(&mut self, mut offset: u64) -> io::Result<bool> {
        loop {
            let piece = self.slice(offset, self.chunk_bytes)?;
            if piece.is_empty() {
                return Ok(true);
            }
            if piece.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            offset += to_u64(piece.len());
        }
    }

    /// Where the zeros begin that the file ends with; `offset` when there is nothing else behind it.
    pub fn written_end(&mut self, mut offset: u64) -> io::Result<u64> {
        let mut written = offset;
        loop {
            let piece = self.slice(offset, self.chunk_bytes)?;
            if piece.is_empty() {
                return Ok(written);
            }
            if let Some(last) = piece.iter().rposition(|byte| *byte != 0) {
                written = offset + to_u64(last) + 1;
            }
            offset += to_u64(piece.len());
        }
    }

    fn holds(&self, offset: u64, wanted: usize) -> bool {
        let end = self.start + to_u64(self.bytes.len());
        offset >= self.start && (offset + to_u64(wanted) <= end || (self.reached_end && offset <= end))
    }

    fn fill(&mut self, offset: u64, wanted: usize) -> io::Result<()> {
        // Never more than the file has: a length that is read from a damaged file must not cost memory.
        let left = self.file.len()?.saturating_sub(offset);
        let wanted = wanted.min(to_usize(left));
        self.reached_end = to_u64(wanted) == left;
        // What is there will be read over.
        self.bytes.resize(wanted, 0);
        self.start = offset;
        let mut filled = 0;
        while filled < wanted {
            let at = offset + to_u64(filled);
            let space = self.bytes.get_mut(filled..).unwrap_or_default();
            let read = source(&self.file, &mut self.content, at).and_then(|file| file.read_at(space, at));
            match read {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.bytes.clear();
                    self.reached_end = false;
                    return Err(error);
                }
            }
        }
        self.bytes.truncate(filled);
        Ok(())
    }
}

/// The file that is read at an offset. One that is fetched is found once, and stays open: it may make room for others
/// meanwhile, and would be fetched again.
fn source<'f>(
    file: &'f Arc<dyn StorageFile>,
    content: &'f mut Option<Arc<dyn StorageFile>>,
    at: u64,
) -> io::Result<&'f Arc<dyn StorageFile>> {
    if at < to_u64(SEGMENT_HEADER_BYTES) {
        return Ok(file);
    }
    if content.is_none() {
        *content = file.content()?;
    }
    Ok(content.as_ref().unwrap_or(file))
}
