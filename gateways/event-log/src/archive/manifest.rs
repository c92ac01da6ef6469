//! The file that says which segments are in the archive: written anew, whole, whenever that changes. `FORMAT.md` §12.

use super::error::ArchiveError;
use super::{MANIFEST_FILE, MANIFEST_UNFINISHED_FILE};
use crate::format::{NUMBER_MAX, SEGMENT_HEADER_BYTES, to_u64};
use crate::index::Extent;
use crate::segment::{self, SegmentHeader};
use crate::storage::{Access, Secrecy, Storage, read_all, write_all_at};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::sync::Arc;
use stele_domain::port::blob_store::BlobName;
use uuid::Uuid;

/// What the first line begins with.
const TITLE: &str = "stele.archive 1";

/// Longest manifest that is read, or written: that of some ten thousand segments, 64 MiB.
const MANIFEST_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Bytes that every line ends with: its checksum and a newline.
const LINE_END_BYTES: usize = 9;

/// Where the number of peaks ends and the peaks begin, in a segment's header.
const PEAKS_AT: usize = 80;

/// One archived segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Position of the segment's first record.
    pub first: u64,
    /// Length of the object, which ends with the segment's last commit, in bytes.
    pub length: u64,
    /// SHA-256 of the object.
    pub sha256: [u8; 32],
    /// How many commits are before the segment.
    pub first_commit: u64,
    /// How many commits it has.
    pub commits: u64,
    /// How many records it has.
    pub records: u64,
    /// Where it was put.
    pub url: String,
    /// The object's name there.
    pub object: BlobName,
    /// The segment's header.
    pub header: Vec<u8>,
}

impl Entry {
    /// The segment's name.
    #[must_use]
    pub fn segment(&self) -> String {
        segment::file_name(self.first)
    }

    /// Whether its numbers are those of a segment that was read.
    fn is_of(&self, extent: &Extent) -> bool {
        let told = (self.length, self.first_commit, self.commits, self.records);
        told == (extent.end, extent.first_commit, extent.commits, extent.records)
    }

    fn encode(&self) -> String {
        let peaks = self.header.get(72..PEAKS_AT).and_then(|bytes| bytes.first_chunk::<8>());
        let peaks = peaks.map_or(0, |peaks| crate::format::to_usize(u64::from_le_bytes(*peaks)));
        let header = self.header.get(..PEAKS_AT + 32 * peaks).unwrap_or_default();
        let mut line = format!("{} {} ", self.segment(), self.length);
        push_hex(&mut line, &self.sha256);
        let (commit, commits, records) = (self.first_commit, self.commits, self.records);
        let (url, object, header) = (&self.url, &self.object, STANDARD.encode(header));
        // Writing to a string does not fail.
        let _ = write!(line, " {commit} {commits} {records} {url} {object} {header} ");
        line
    }

    fn decode(line: &str, log: Uuid) -> Result<Self, &'static str> {
        let fields: Vec<&str> = line.split(' ').collect();
        let [name, length, sha256, first_commit, commits, records, url, object, header, ""] = fields[..]
        else {
            return Err("the line has another number of fields");
        };
        let header = full_header(header).ok_or("the segment's header can't be read")?;
        let decoded = SegmentHeader::decode(&header).map_err(|_| "the segment's header is none")?;
        let number = |text: &str| text.parse().ok().filter(|number| *number <= NUMBER_MAX);
        let unread = "a number can't be read";
        let entry = Self {
            first: segment::first_position(name).ok_or("the name is none of a segment")?,
            length: number(length).ok_or(unread)?,
            sha256: from_hex(sha256).ok_or("the digest can't be read")?,
            first_commit: number(first_commit).ok_or(unread)?,
            commits: number(commits).ok_or(unread)?,
            records: number(records).ok_or(unread)?,
            url: url.to_owned(),
            object: BlobName::new(object).map_err(|_| "the object's name is none")?,
            header,
        };
        if decoded.log != log || decoded.first != entry.first || decoded.tree.size() != entry.first_commit {
            return Err("the segment's header is that of another segment");
        }
        if entry.length < to_u64(SEGMENT_HEADER_BYTES) || entry.commits == 0 || entry.records < entry.commits
        {
            return Err("the segment's numbers contradict each other");
        }
        // One entry has one text.
        if entry.encode() == line { Ok(entry) } else { Err("the line is not written as it should be") }
    }
}

/// All archived segments, by their first positions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    entries: BTreeMap<u64, Arc<Entry>>,
}

impl Manifest {
    /// The manifest of a directory; an empty one where there is none.
    pub fn load(storage: &dyn Storage) -> io::Result<Self> {
        let file = match storage.open(MANIFEST_FILE, Access::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error),
        };
        Ok(Self::decode(&read_all(&*file, MANIFEST_BYTES_MAX)?)?)
    }

    /// Puts it in the place of the one before, durably, whole or not at all.
    pub fn store(&self, storage: &dyn Storage, log: Uuid) -> io::Result<()> {
        let text = self.encode(log);
        if to_u64(text.len()) > MANIFEST_BYTES_MAX {
            // Nobody could read it: the log could not be opened any more.
            let (bytes, most) = (text.len(), MANIFEST_BYTES_MAX);
            let told =
                format!("it would have {bytes} bytes, and at most {most} are read: nothing more is archived");
            return Err(io::Error::other(told));
        }
        remove_unfinished(storage)?;
        let file = storage.create(MANIFEST_UNFINISHED_FILE, Secrecy::Shared)?;
        let written = write_all_at(&*file, text.as_bytes(), 0).and_then(|()| file.sync());
        if let Err(error) = written {
            // A part that is there takes the room that a commit may need.
            remove_unfinished(storage)?;
            return Err(error);
        }
        storage.rename(MANIFEST_UNFINISHED_FILE, MANIFEST_FILE)?;
        storage.sync_directory()
    }

    /// The bytes of the file.
    #[must_use]
    pub fn encode(&self, log: Uuid) -> String {
        let mut text = String::new();
        let lines = self.entries.values().map(|entry| entry.encode());
        for line in std::iter::once(self.title(log)).chain(lines) {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{line}{:08x}", crc_fast::crc32_iscsi(line.as_bytes()));
        }
        text
    }

    /// Reads the bytes of the file; says what is wrong with them otherwise, and where.
    pub fn decode(bytes: &[u8]) -> Result<Self, ArchiveError> {
        let wrong = |offset, what: &str| ArchiveError::Manifest { offset, what: what.to_owned() };
        let mut manifest = Self::default();
        let (mut offset, mut expected) = (0, None);
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = checked(line).map_err(|what| wrong(offset, what))?;
            match expected {
                None => {
                    expected =
                        Some(title(text).ok_or_else(|| wrong(offset, "the first line is another one"))?);
                }
                Some((log, _)) => {
                    let entry = Entry::decode(text, log).map_err(|what| wrong(offset, what))?;
                    if manifest.entries.keys().next_back().is_some_and(|last| *last >= entry.first) {
                        return Err(wrong(offset, "the segments are not in order"));
                    }
                    manifest.entries.insert(entry.first, Arc::new(entry));
                }
            }
            offset += to_u64(line.len());
        }
        match expected {
            Some((_, count)) if count == to_u64(manifest.entries.len()) => Ok(manifest),
            Some(_) => Err(wrong(offset, "lines are missing, or there are more than the first one says")),
            None => Err(wrong(0, "the file is empty")),
        }
    }

    /// The first line that says something else of a segment than what it was found to be: its offset, and what is wrong.
    pub fn differs(&self, log: Uuid, found: &[Extent]) -> Option<(u64, String)> {
        let mut offset = self.title(log).len() + LINE_END_BYTES;
        for entry in self.entries.values() {
            let nth = found.binary_search_by_key(&entry.first, |extent| extent.first);
            if let Some(extent) = nth.ok().and_then(|nth| found.get(nth))
                && !entry.is_of(extent)
            {
                let Extent { end, first_commit, commits, records, .. } = extent;
                let what = format!(
                    "the line says something else than segment {} is: {end} bytes, {commits} commits after {first_commit}, \
                     {records} records",
                    entry.segment()
                );
                return Some((to_u64(offset), what));
            }
            offset += entry.encode().len() + LINE_END_BYTES;
        }
        None
    }

    fn title(&self, log: Uuid) -> String {
        format!("{TITLE} {} {} ", log.as_hyphenated(), self.entries.len())
    }

    /// Enters a segment.
    pub fn add(&mut self, entry: Entry) {
        self.entries.insert(entry.first, Arc::new(entry));
    }

    /// Takes a segment out.
    pub fn remove(&mut self, first: u64) {
        self.entries.remove(&first);
    }

    /// The segment that begins with `first`.
    #[must_use]
    pub fn get(&self, first: u64) -> Option<&Arc<Entry>> {
        self.entries.get(&first)
    }

    /// The segments in order.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Arc<Entry>> {
        self.entries.values()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// Removes what an earlier attempt left.
pub fn remove_unfinished(storage: &dyn Storage) -> io::Result<()> {
    super::remove_if_there(storage, MANIFEST_UNFINISHED_FILE)
}

/// A line without its checksum and its end, the checksum being right.
fn checked(line: &[u8]) -> Result<&str, &'static str> {
    let line = line.strip_suffix(b"\n").ok_or("the last line was cut")?;
    let text = std::str::from_utf8(line).map_err(|_| "the line is no text")?;
    let (text, crc) =
        text.len().checked_sub(8).and_then(|at| text.split_at_checked(at)).ok_or("the line is cut")?;
    let right = format!("{:08x}", crc_fast::crc32_iscsi(text.as_bytes())) == crc;
    if right { Ok(text) } else { Err("the checksum of the line is wrong") }
}

/// The log and the number of segments that the first line tells.
fn title(line: &str) -> Option<(Uuid, u64)> {
    let rest = line.strip_prefix(TITLE)?.strip_prefix(' ')?.strip_suffix(' ')?;
    let (log, count) = rest.split_once(' ')?;
    let (log, count): (Uuid, u64) = (log.parse().ok()?, count.parse().ok()?);
    (format!("{TITLE} {} {count} ", log.as_hyphenated()) == line).then_some((log, count))
}

/// The header of which this is the beginning: what follows are zeros and the checksum.
fn full_header(text: &str) -> Option<Vec<u8>> {
    let mut header = STANDARD.decode(text).ok()?;
    if header.len() > SEGMENT_HEADER_BYTES - 4 {
        return None;
    }
    header.resize(SEGMENT_HEADER_BYTES - 4, 0);
    let crc = crc_fast::crc32_iscsi(&header);
    header.extend_from_slice(&crc.to_le_bytes());
    Some(header)
}

/// Appends bytes as lower-case hexadecimal digits.
pub fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (nth, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * nth..2 * nth + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{Entry, Manifest};
    use crate::segment::SegmentHeader;
    use crate::tree::{Frontier, leaf_hash};
    use stele_domain::port::blob_store::BlobName;
    use stele_domain::time::Timestamp;
    use uuid::Uuid;

    const LOG: Uuid = Uuid::from_u128(7);

    fn entry(first: u64) -> Entry {
        let mut tree = Frontier::default();
        (0..first).for_each(|leaf| tree.push(leaf_hash(&[&leaf.to_le_bytes()])));
        let header = SegmentHeader {
            log: LOG,
            first,
            previous_first: 0,
            previous_end: 9_000,
            recorded_before: Timestamp::from_micros(5),
            tree,
        };
        Entry {
            first,
            length: 8_000,
            sha256: [0xab; 32],
            first_commit: first,
            commits: 3,
            records: 5,
            url: "s3://bucket/prefix".to_owned(),
            object: BlobName::new(&format!("log/{first}.seg")).unwrap(),
            header: header.encode(),
        }
    }

    fn manifest() -> Manifest {
        let mut manifest = Manifest::default();
        [1, 6, 900].into_iter().map(entry).for_each(|entry| manifest.add(entry));
        manifest
    }

    #[test]
    fn a_manifest_comes_back_and_an_empty_one_is_one() {
        for manifest in [manifest(), Manifest::default()] {
            assert_eq!(Manifest::decode(manifest.encode(LOG).as_bytes()).unwrap(), manifest);
        }
    }

    #[test]
    fn any_flipped_bit_and_any_cut_is_noticed_where_it_is() {
        let bytes = manifest().encode(LOG).into_bytes();
        let line_of =
            |at: usize| bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let told = Manifest::decode(&flipped).unwrap_err().to_string();
            // A newline that is none joins two lines; one that is new cuts one.
            assert!(told.contains(&format!("byte {}:", line_of(bit / 8))), "bit {bit}: {told}");
        }
        for cut in 0..bytes.len() {
            assert!(Manifest::decode(&bytes[..cut]).is_err(), "cut to {cut}");
        }
    }

    #[test]
    fn lines_that_are_doubled_exchanged_or_of_another_log_are_refused() {
        let text = manifest().encode(LOG);
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        for order in [&[0, 2, 1, 3][..], &[0, 1, 1, 2], &[0, 1, 2], &[1, 2, 3], &[0, 1, 2, 3, 3]] {
            let other: String = order.iter().map(|nth| lines[*nth]).collect();
            assert!(Manifest::decode(other.as_bytes()).is_err(), "{order:?}");
        }
        let foreign = manifest().encode(Uuid::from_u128(8));
        assert!(Manifest::decode(foreign.as_bytes()).unwrap_err().to_string().contains("another segment"));
    }
}
