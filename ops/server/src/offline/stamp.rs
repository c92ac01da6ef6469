//! How the files of a directory look from outside, so that whoever read them knows whether somebody wrote there meanwhile: an
//! owner writes its name into the lock when it begins, and what it keeps makes files longer, newer or more.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The files of a directory at one moment, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp(BTreeMap<OsString, File>);

/// What is seen of a file without reading it. Not its inode: some mounts number them anew as they go.
#[derive(Debug, Clone, PartialEq, Eq)]
struct File {
    bytes: u64,
    /// When it was written to last, in seconds and nanoseconds.
    written: (i64, i64),
}

impl Stamp {
    /// As it is now.
    pub(super) fn of(directory: &Path) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            let found = match std::fs::metadata(entry.path()) {
                Ok(found) => found,
                // It went after it was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if found.is_file() {
                let written = (found.mtime(), found.mtime_nsec());
                files.insert(entry.file_name(), File { bytes: found.len(), written });
            }
        }
        Ok(Self(files))
    }
}

#[cfg(test)]
mod tests {
    use super::Stamp;
    use std::fs;
    use std::time::{Duration, SystemTime};

    #[test]
    fn what_is_added_made_longer_written_anew_replaced_or_removed_is_seen_and_reading_is_not() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        let seen = || Stamp::of(place.path()).unwrap();
        fs::write(path("a.seg"), b"one").unwrap();
        let mut before = seen();
        fs::read(path("a.seg")).unwrap();
        assert_eq!(seen(), before);
        let mut differs = |what: &str| {
            let now = seen();
            assert_ne!(now, before, "{what}");
            before = now;
        };
        fs::write(path("lock"), b"pid 1").unwrap();
        differs("added");
        fs::write(path("a.seg"), b"one and two").unwrap();
        differs("longer");
        let later = SystemTime::now() + Duration::from_secs(1);
        fs::File::options().write(true).open(path("lock")).unwrap().set_modified(later).unwrap();
        differs("written anew, as long as before");
        fs::rename(path("lock"), path("lock.old")).unwrap();
        differs("replaced");
        fs::remove_file(path("lock.old")).unwrap();
        differs("removed");
    }
}
