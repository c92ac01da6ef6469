//! A directory as it is, whoever owns it: what is written while a log is opened stays in the memory of this process, and the
//! directory keeps every byte. It needs no right but that of reading, and takes nothing from a desk that runs.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use stele_event_log::storage::{
    Access, DirectoryStorage, OwnError, Ownership, Secrecy, Storage, StorageFile, write_all_at,
};

/// What is kept of a file that was changed is kept in pieces of this many bytes.
const PAGE_BYTES: usize = 4_096;

/// A directory of files that nothing is written to.
pub(super) struct Unchanged {
    directory: DirectoryStorage,
    /// Files that were opened or made; `None` where one was removed.
    known: Mutex<BTreeMap<String, Option<Arc<Copied>>>>,
}

impl Unchanged {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { directory: DirectoryStorage::open(path)?, known: Mutex::default() })
    }

    /// Whether somebody writes there, or may: who can't ask has somebody beside them for all that they know.
    pub(super) fn is_being_written(&self) -> bool {
        self.directory.is_owned().unwrap_or(true)
    }

    /// A file with this content, in place of the one that is there.
    pub(super) fn instead(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let file = Arc::new(Copied::empty());
        write_all_at(&*file, content, 0)?;
        self.enter(name, Some(file));
        Ok(())
    }

    fn enter(&self, name: &str, file: Option<Arc<Copied>>) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), file);
    }

    /// The file as this process sees it. How long it is, is settled when it is opened first: its owner may make it longer.
    fn file(&self, name: &str) -> io::Result<Arc<Copied>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(name) {
            Some(Some(file)) => Ok(Arc::clone(file)),
            Some(None) => Err(io::ErrorKind::NotFound.into()),
            None => {
                let file = Arc::new(Copied::of(self.directory.open(name, Access::Read)?)?);
                known.insert(name.to_owned(), Some(Arc::clone(&file)));
                Ok(file)
            }
        }
    }
}

/// Owns nothing.
struct Nobody;

impl Ownership for Nobody {}

impl Storage for Unchanged {
    fn describe(&self) -> String {
        self.directory.describe()
    }

    fn own(&self) -> Result<Box<dyn Ownership>, OwnError> {
        Ok(Box::new(Nobody))
    }

    fn is_owned(&self) -> io::Result<bool> {
        self.directory.is_owned()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = self.directory.list()?;
        for (name, file) in &*self.known.lock().unwrap_or_else(PoisonError::into_inner) {
            names.retain(|there| there != name);
            if file.is_some() {
                names.push(name.clone());
            }
        }
        names.sort();
        Ok(names)
    }

    fn open(&self, name: &str, _access: Access) -> io::Result<Arc<dyn StorageFile>> {
        let file: Arc<dyn StorageFile> = self.file(name)?;
        Ok(file)
    }

    fn create(&self, name: &str, _secrecy: Secrecy) -> io::Result<Arc<dyn StorageFile>> {
        match self.file(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
            Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
        }
        let made = Arc::new(Copied::empty());
        self.enter(name, Some(Arc::clone(&made)));
        Ok(made)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let file = self.file(from)?;
        self.enter(to, Some(file));
        self.enter(from, None);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.file(name)?;
        self.enter(name, None);
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A file whose changes stay in memory.
struct Copied {
    /// The one on the disk, where there is one.
    base: Option<Arc<dyn StorageFile>>,
    changed: RwLock<Changed>,
}

/// What was changed of a file.
#[derive(Default)]
struct Changed {
    /// How long it is.
    len: u64,
    /// Up to here the disk is asked for what no page has; behind it there are zeros.
    from_disk: u64,
    /// Pages that were written to, whole, by their numbers.
    pages: BTreeMap<u64, Vec<u8>>,
}

impl Copied {
    fn empty() -> Self {
        Self { base: None, changed: RwLock::default() }
    }

    fn of(base: Arc<dyn StorageFile>) -> io::Result<Self> {
        let len = base.len()?;
        let changed = Changed { len, from_disk: len, pages: BTreeMap::new() };
        Ok(Self { base: Some(base), changed: RwLock::new(changed) })
    }

    /// Reads what the disk has, and zeros where it has nothing more: an owner gives room back that it does not need.
    fn read_disk(&self, into: &mut [u8], offset: u64, from_disk: u64) -> io::Result<usize> {
        let there = small(from_disk.saturating_sub(offset)).min(into.len());
        let count = match (&self.base, into.get_mut(..there)) {
            (Some(base), Some(space)) if !space.is_empty() => base.read_at(space, offset)?,
            (Some(_) | None, Some(_) | None) => 0,
        };
        if count == 0 {
            into.fill(0);
            return Ok(into.len());
        }
        Ok(count)
    }

    /// A page of the file as it is, to be written to.
    fn page(&self, number: u64, from_disk: u64) -> io::Result<Vec<u8>> {
        let mut page = vec![0; PAGE_BYTES];
        let mut filled = 0;
        while let Some(space) = page.get_mut(filled..).filter(|space| !space.is_empty()) {
            let offset = number.saturating_mul(long(PAGE_BYTES)).saturating_add(long(filled));
            match self.read_disk(space, offset, from_disk) {
                Ok(count) => filled = filled.saturating_add(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(page)
    }
}

impl StorageFile for Copied {
    fn len(&self) -> io::Result<u64> {
        Ok(self.changed.read().unwrap_or_else(PoisonError::into_inner).len)
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let changed = self.changed.read().unwrap_or_else(PoisonError::into_inner);
        let left = small(changed.len.saturating_sub(offset));
        let count = left.min(into.len());
        if changed.pages.is_empty() {
            let Some(space) = into.get_mut(..count).filter(|space| !space.is_empty()) else { return Ok(0) };
            return self.read_disk(space, offset, changed.from_disk);
        }
        // One page at a time: whoever wants more asks again.
        let (number, within) = place(offset);
        let count = count.min(PAGE_BYTES.saturating_sub(within));
        let Some(space) = into.get_mut(..count).filter(|space| !space.is_empty()) else { return Ok(0) };
        let kept = changed.pages.get(&number).and_then(|page| page.get(within..within.saturating_add(count)));
        match kept {
            Some(kept) => {
                space.copy_from_slice(kept);
                Ok(count)
            }
            None => self.read_disk(space, offset, changed.from_disk),
        }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut changed = self.changed.write().unwrap_or_else(PoisonError::into_inner);
        let (number, within) = place(offset);
        let count = bytes.len().min(PAGE_BYTES.saturating_sub(within));
        let from_disk = changed.from_disk;
        let mut page = match changed.pages.remove(&number) {
            Some(page) => page,
            None => self.page(number, from_disk)?,
        };
        let space = page.get_mut(within..within.saturating_add(count));
        if let (Some(space), Some(bytes)) = (space, bytes.get(..count)) {
            space.copy_from_slice(bytes);
        }
        changed.pages.insert(number, page);
        changed.len = changed.len.max(offset.saturating_add(long(count)));
        Ok(count)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut changed = self.changed.write().unwrap_or_else(PoisonError::into_inner);
        let (number, within) = place(len);
        changed.from_disk = changed.from_disk.min(len);
        changed.pages.retain(|page, _| *page <= number);
        if let Some(behind) = changed.pages.get_mut(&number).and_then(|page| page.get_mut(within..)) {
            behind.fill(0);
        }
        changed.len = len;
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// The page of an offset, and where in it.
fn place(offset: u64) -> (u64, usize) {
    let bytes = long(PAGE_BYTES);
    (offset / bytes, small(offset % bytes))
}

/// As much of it as fits into memory.
fn small(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn long(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{PAGE_BYTES, Unchanged};
    use std::fs;
    use stele_event_log::storage::{Access, Secrecy, Storage as _, read_all, write_all_at};

    #[test]
    fn what_is_written_is_read_again_and_the_directory_keeps_every_byte() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a.seg");
        let whole: Vec<u8> = (0..PAGE_BYTES * 3).map(|at| u8::try_from(at % 251).unwrap()).collect();
        fs::write(&path, &whole).unwrap();
        let storage = Unchanged::open(place.path()).unwrap();
        let file = storage.open("a.seg", Access::Write).unwrap();
        let mut expected = whole.clone();
        write_all_at(&*file, &[7; PAGE_BYTES], 100).unwrap();
        expected[100..100 + PAGE_BYTES].fill(7);
        assert_eq!(read_all(&*file, u64::MAX).unwrap(), expected);
        // Cut, and made longer again: what was cut is zero.
        file.set_len(9_000).unwrap();
        file.set_len(10_000).unwrap();
        expected.truncate(9_000);
        expected.resize(10_000, 0);
        assert_eq!(read_all(&*file, u64::MAX).unwrap(), expected);
        // The owner goes on; whoever looks sees the end that there was.
        fs::write(&path, [&whole[..], b"more"].concat()).unwrap();
        assert_eq!(file.len().unwrap(), 10_000);

        storage.create("b.tmp", Secrecy::Shared).unwrap();
        storage.rename("b.tmp", "b").unwrap();
        storage.remove("a.seg").unwrap();
        storage.instead("key", b"another").unwrap();
        assert_eq!(storage.list().unwrap(), ["b", "key"]);
        assert!(
            storage.open("a.seg", Access::Read).is_err() && storage.create("b", Secrecy::Shared).is_err()
        );
        let there: Vec<_> =
            fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(there, ["a.seg"]);
        assert_eq!(fs::read(&path).unwrap(), [&whole[..], b"more"].concat());
    }
}
