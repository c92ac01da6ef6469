//! The pages of an index file: each carries its own checksum, so that a look-up checks what it reads and no more.

use crate::format::{to_u32, to_u64, to_usize, u32_at};
use crate::storage::StorageFile;
use crc_fast::{CrcAlgorithm, Digest};
use std::io;
use std::ops::Range;
use uuid::Uuid;

/// Bytes of a page, its checksum included.
pub const PAGE_BYTES: usize = 4_096;

/// Bytes of a page that belong to the content.
const CONTENT_BYTES: usize = PAGE_BYTES - 4;

/// Why an index file is of no use.
#[derive(Debug)]
pub enum Unusable {
    /// It can't be read.
    Unread(io::Error),
    /// It is not what was written, or belongs elsewhere.
    Wrong {
        /// Offset in the file in bytes.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
}

/// Whose index a file is: part of every checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The log.
    pub log: Uuid,
    /// First position of the segment.
    pub first: u64,
}

impl Owner {
    /// Makes the checksums of a file's whole pages right.
    pub fn seal(self, file: &mut [u8]) {
        for (page, bytes) in (0..).zip(file.chunks_exact_mut(PAGE_BYTES)) {
            let (content, crc) = bytes.split_at_mut(CONTENT_BYTES);
            crc.copy_from_slice(&self.checksum(page, content).to_le_bytes());
        }
    }

    /// Reads a part of the content.
    pub fn read(self, file: &dyn StorageFile, range: Range<u64>) -> Result<Vec<u8>, Unusable> {
        let (page_bytes, content_bytes) = (to_u64(PAGE_BYTES), to_u64(CONTENT_BYTES));
        let (from, to) = (range.start / content_bytes, range.end.div_ceil(content_bytes));
        let mut pages = vec![0; to_usize((to - from) * page_bytes)];
        read_exactly(file, &mut pages, from * page_bytes)?;
        let mut content = Vec::with_capacity(pages.len());
        for (page, bytes) in (from..).zip(pages.chunks_exact(PAGE_BYTES)) {
            let (inner, _) = bytes.split_at(CONTENT_BYTES);
            if u32_at(bytes, CONTENT_BYTES) != Some(self.checksum(page, inner)) {
                return Err(Unusable::Wrong {
                    offset: page * page_bytes,
                    what: "the checksum of a page is wrong",
                });
            }
            content.extend_from_slice(inner);
        }
        let skipped = to_usize(range.start - from * content_bytes);
        content.drain(..skipped);
        content.truncate(to_usize(range.end - range.start));
        Ok(content)
    }

    fn checksum(self, page: u64, content: &[u8]) -> u32 {
        let mut crc = Digest::new(CrcAlgorithm::Crc32Iscsi);
        for part in [self.log.as_bytes().as_slice(), &self.first.to_le_bytes(), &page.to_le_bytes(), content]
        {
            crc.update(part);
        }
        to_u32(crc.finalize())
    }
}

/// A file's pages, made from its content piece by piece: what is large is there once.
pub struct Pages {
    owner: Owner,
    file: Vec<u8>,
    /// Number of the page that is being filled, and how much of it is.
    page: u64,
    filled: usize,
}

impl Pages {
    /// The pages of a file with `content` bytes of content.
    #[must_use]
    pub fn with_room(owner: Owner, content: u64) -> Self {
        Self { owner, file: Vec::with_capacity(to_usize(file_len(content))), page: 0, filled: 0 }
    }

    /// Adds to the content.
    pub fn put(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(CONTENT_BYTES - self.filled));
            self.file.extend_from_slice(now);
            self.filled += now.len();
            if self.filled == CONTENT_BYTES {
                self.end_page();
            }
            bytes = later;
        }
    }

    /// The file; what is left of its last page is zero.
    #[must_use]
    pub fn file(mut self) -> Vec<u8> {
        if self.filled > 0 {
            self.file.resize(self.file.len() + CONTENT_BYTES - self.filled, 0);
            self.end_page();
        }
        self.file
    }

    fn end_page(&mut self) {
        let begin = self.file.len() - CONTENT_BYTES;
        let crc = self.owner.checksum(self.page, self.file.get(begin..).unwrap_or_default());
        self.file.extend_from_slice(&crc.to_le_bytes());
        (self.page, self.filled) = (self.page + 1, 0);
    }
}

/// Length of the file that has so many bytes of content.
#[must_use]
pub fn file_len(content: u64) -> u64 {
    content.div_ceil(to_u64(CONTENT_BYTES)) * to_u64(PAGE_BYTES)
}

fn read_exactly(file: &dyn StorageFile, into: &mut [u8], offset: u64) -> Result<(), Unusable> {
    let mut filled = 0;
    while let Some(space) = into.get_mut(filled..).filter(|space| !space.is_empty()) {
        match file.read_at(space, offset + to_u64(filled)) {
            Ok(0) => {
                return Err(Unusable::Wrong {
                    offset: offset + to_u64(filled),
                    what: "the index is cut short",
                });
            }
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Unusable::Unread(error)),
        }
    }
    Ok(())
}
