//! A directory in which archived segments are files. What is in the directory is read there; a segment that is not, and of
//! which the manifest says that it is in the archive, has its header here and is fetched when more of it is read.

use super::MANIFEST_FILE;
use super::error::ArchiveError;
use super::fetch::Archive;
use super::manifest::{Entry, Manifest};
use crate::format::to_usize;
use crate::segment;
use crate::storage::{Access, OwnError, Ownership, Secrecy, Storage, StorageFile};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// A directory with its archived segments.
pub struct View {
    inner: Arc<dyn Storage>,
    archive: Option<Arc<Archive>>,
    /// The manifest as it was read last.
    manifest: Mutex<Option<Arc<Manifest>>>,
    /// Where it is examined, what is wrong with objects.
    examined: Option<Arc<Examined>>,
    /// A file that is in memory, and read there.
    instead: Option<(String, Arc<dyn StorageFile>)>,
}

impl View {
    /// A directory, with its archive where one can be reached.
    pub fn new(inner: Arc<dyn Storage>, archive: Option<Arc<Archive>>) -> Self {
        Self { inner, archive, manifest: Mutex::default(), examined: None, instead: None }
    }

    /// The same, to look for damage: an object that is not what was archived is read all the same, so that the place of
    /// the damage can be found, and is remembered.
    pub fn examining(inner: Arc<dyn Storage>, archive: Option<Arc<Archive>>) -> (Self, Arc<Examined>) {
        let examined = Arc::new(Examined::default());
        (Self { examined: Some(Arc::clone(&examined)), ..Self::new(inner, archive) }, examined)
    }

    /// A directory without its archive, in which one file has the content that is given.
    pub fn with(inner: Arc<dyn Storage>, name: &str, content: Arc<dyn StorageFile>) -> Self {
        Self { instead: Some((name.to_owned(), content)), ..Self::new(inner, None) }
    }

    /// The entry of a segment that is not in the directory. Read again when it is not known: it may have been archived a
    /// moment ago.
    fn entry(&self, name: &str) -> io::Result<Option<Arc<Entry>>> {
        let Some(first) = segment::first_position(name) else { return Ok(None) };
        let known = self.manifest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(entry) = known.as_ref().and_then(|manifest| manifest.get(first)) {
            return Ok(Some(Arc::clone(entry)));
        }
        Ok(self.reload()?.get(first).cloned())
    }

    fn reload(&self) -> io::Result<Arc<Manifest>> {
        let manifest = Arc::new(Manifest::load(&*self.inner)?);
        *self.manifest.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&manifest));
        Ok(manifest)
    }
}

impl Storage for View {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn own(&self) -> Result<Box<dyn Ownership>, OwnError> {
        self.inner.own()
    }

    fn is_owned(&self) -> io::Result<bool> {
        self.inner.is_owned()
    }

    /// Files, then the manifest, then files again: a segment that goes is in the manifest before its file is removed, and
    /// one that comes back has its file before the manifest forgets it.
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = self.inner.list()?;
        if names.iter().any(|name| name == MANIFEST_FILE) {
            names.extend(self.reload()?.entries().map(|entry| entry.segment()));
            names.extend(self.inner.list()?);
            names.sort();
            names.dedup();
        }
        Ok(names)
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn StorageFile>> {
        if let Some((_, content)) = self.instead.as_ref().filter(|(instead, _)| instead == name) {
            return Ok(Arc::clone(content));
        }
        match self.inner.open(name, access) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        // It came back a moment ago, when the manifest does not name it.
        let Some(entry) = self.entry(name)? else { return self.inner.open(name, access) };
        Ok(Arc::new(ArchivedFile { entry, archive: self.archive.clone(), examined: self.examined.clone() }))
    }

    fn create(&self, name: &str, secrecy: Secrecy) -> io::Result<Arc<dyn StorageFile>> {
        self.inner.create(name, secrecy)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.inner.sync_directory()
    }
}

/// What was wrong with objects that were examined: by segment.
#[derive(Debug, Default)]
pub struct Examined {
    wrong: Mutex<Vec<ArchiveError>>,
}

impl Examined {
    fn add(&self, error: ArchiveError) {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if !wrong.iter().any(|known| known.to_string() == error.to_string()) {
            wrong.push(error);
        }
    }

    /// The error of a segment's object, with the place that a reader of its bytes has found; without a place, that of the
    /// first object that is wrong.
    #[must_use]
    pub fn error(&self, found: Option<(&str, u64, &str)>) -> Option<ArchiveError> {
        let wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((file, at, why)) = found else { return wrong.first().cloned() };
        wrong.iter().find_map(|error| {
            let ArchiveError::Other { segment, object, store, .. } = error else { return None };
            (segment == file).then(|| ArchiveError::Other {
                segment: segment.clone(),
                object: object.clone(),
                store: store.clone(),
                offset: at,
                what: why.to_owned(),
            })
        })
    }
}

/// A segment in the archive.
pub struct ArchivedFile {
    entry: Arc<Entry>,
    archive: Option<Arc<Archive>>,
    examined: Option<Arc<Examined>>,
}

impl ArchivedFile {
    /// An archived segment, to be read.
    pub fn new(entry: Arc<Entry>, archive: Arc<Archive>) -> Self {
        Self { entry, archive: Some(archive), examined: None }
    }

    fn fetched(&self) -> io::Result<Arc<dyn StorageFile>> {
        let Some(archive) = &self.archive else {
            let (segment, url) = (self.entry.segment(), self.entry.url.clone());
            return Err(ArchiveError::NoStore { segment, url }.into());
        };
        let Some(examined) = &self.examined else { return Ok(archive.read(&self.entry)?) };
        let (file, wrong) = archive.examine(&self.entry)?;
        if let Some(wrong) = wrong {
            examined.add(wrong);
        }
        Ok(file)
    }

    fn read_only(&self) -> io::Error {
        let segment = self.entry.segment();
        io::Error::other(format!(
            "segment {segment} is in the archive and is written to no more: the one after it is missing. Put that back, or \
             bring this one back (stele log archive --fetch)"
        ))
    }
}

impl StorageFile for ArchivedFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.entry.length)
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let header = &self.entry.header;
        if let Some(rest) = header.get(to_usize(offset)..).filter(|rest| !rest.is_empty()) {
            let count = rest.len().min(into.len());
            if let (Some(space), Some(rest)) = (into.get_mut(..count), rest.get(..count)) {
                space.copy_from_slice(rest);
            }
            return Ok(count);
        }
        if offset >= self.entry.length || into.is_empty() {
            return Ok(0);
        }
        self.fetched()?.read_at(into, offset)
    }

    /// The fetched segment: whoever has it open reads on when it has made room for others.
    fn content(&self) -> io::Result<Option<Arc<dyn StorageFile>>> {
        self.fetched().map(Some)
    }

    fn write_at(&self, _bytes: &[u8], _offset: u64) -> io::Result<usize> {
        Err(self.read_only())
    }

    fn set_len(&self, _len: u64) -> io::Result<()> {
        Err(self.read_only())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
