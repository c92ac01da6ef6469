//! The archive of the log, within reach of this process. Nobody asks it anything yet.

use super::blobs;
use super::told_store::telling;
use crate::config::{Archive as Settings, Config};
use crate::exit::{Failure, chain};
use crate::observe;
use rustix::process::geteuid;
use std::fs::{File, Metadata, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use stele_blob_store::{Address, OpenError, open, open_in_the_end};
use stele_domain::port::blob_store::BlobStore;
use stele_event_log::storage::DirectoryStorage;
use stele_event_log::{Archive, ArchiveOptions, ArchiveStat, Reach, archive_stat};

/// How long a command waits for one segment: a day. Each request has its own limit, so that a store that does not answer is
/// told of long before; one that is slow only takes its time.
const COMMAND_WAIT_MAX: Duration = Duration::from_hours(24);

/// Where the owner of a log keeps what it has fetched, in the data directory.
const CACHE: &str = "log-fetched";

/// What the folder of a command begins with that keeps what it has fetched there.
const PREFIX: &str = "stele-fetched-";

/// The file there that a command holds locked as long as it lives.
const LOCK: &str = "lock";

/// The archive of a log, and the place for what is fetched from it, which goes with the value.
#[derive(Debug, Default)]
pub(crate) struct Within {
    reach: Reach,
    _place: Option<(tempfile::TempDir, File)>,
}

impl Within {
    pub(crate) fn reach(&self) -> Reach {
        self.reach.clone()
    }
}

/// The archive for the owner of the configured log: what it fetches is kept in its data directory. One that is away is said
/// to be, and keeps no log from being opened.
pub(super) fn of_owner(config: &Config) -> Result<Reach, Failure> {
    let Some(address) = address(&config.archive, &config.log_dir())? else { return Ok(Reach::default()) };
    let cache = DirectoryStorage::open_or_create(&config.data_dir.join(CACHE));
    let cache = cache.map_err(|error| Failure::error(&error))?;
    let (store, away) = store_in_the_end(&config.archive, &address)?;
    if let Some(error) = away {
        observe::archive_away(&address.to_string(), &chain(&error));
    }
    within(&config.archive, store, cache, config.archive.wait_max)
}

/// The archive for whoever reads a directory: a place of its own for what is fetched. Nothing where the directory has
/// nothing in an archive. One that is away fails who reads what is in it, and nobody else.
pub(crate) fn reading(config: &Config, directory: &Path) -> Result<Within, Failure> {
    let has_some = archive_stat(directory).is_ok_and(|stat| stat.segments > 0);
    if !has_some {
        return Ok(Within::default());
    }
    match address(&config.archive, directory)? {
        Some(address) => {
            let (store, _away) = store_in_the_end(&config.archive, &address)?;
            fetched_from(&config.archive, waited_for(&config.archive, store))
        }
        None => Ok(Within::default()),
    }
}

/// The store for a command, which somebody sits in front of.
fn waited_for(settings: &Settings, store: Arc<dyn BlobStore>) -> Arc<dyn BlobStore> {
    telling(store, "log.archive.request_ms_max", settings.bucket.request_max)
}

/// Opens the archive.
pub(crate) type Opens = Arc<dyn Fn() -> Result<Within, Failure> + Send + Sync>;

/// The archive for the audits of a running desk, opened for each: what is archived later is found, too, and an audit reads
/// the objects that are there, and none that an earlier one has fetched.
pub(super) fn auditing(config: &Config) -> Opens {
    let (settings, directory) = (config.archive.clone(), config.log_dir());
    Arc::new(move || match address(&settings, &directory)? {
        Some(address) => fetched_from(&settings, store(&settings, &address)?),
        None => Ok(Within::default()),
    })
}

/// What of a log is in an archive only, by its directory; `None` where nothing is. What is wrong with a manifest is said by
/// whoever reads the log.
pub(super) fn told(directory: &Path) -> Option<ArchiveStat> {
    archive_stat(directory).ok().filter(|stat| stat.segments > 0)
}

/// The archive at an address, for a command that puts something there, or fetches all of it.
pub(crate) fn beside(config: &Config, address: &Address) -> Result<Within, Failure> {
    let store = store(&config.archive, address)?;
    fetched_from(&config.archive, waited_for(&config.archive, store))
}

fn fetched_from(settings: &Settings, store: Arc<dyn BlobStore>) -> Result<Within, Failure> {
    sweep(&std::env::temp_dir());
    let failed = |error: std::io::Error| Failure::error(&error);
    let private = Permissions::from_mode(0o700);
    let place = tempfile::Builder::new().prefix(PREFIX).permissions(private).tempdir().map_err(failed)?;
    let lock = File::create_new(place.path().join(LOCK)).map_err(failed)?;
    lock.try_lock().map_err(|error| failed(error.into()))?;
    let cache = DirectoryStorage::open(place.path()).map_err(failed)?;
    Ok(Within { reach: within(settings, store, cache, COMMAND_WAIT_MAX)?, _place: Some((place, lock)) })
}

/// Removes what commands have left that were ended in the middle, as far as it is ours to remove. One that is at work holds
/// its lock, and one that begins has none yet.
fn sweep(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        // Others may put there what they like: no link, and nothing of theirs.
        let ours = |found: &Metadata| found.is_dir() && found.uid() == geteuid().as_raw();
        if !entry.metadata().is_ok_and(|found| ours(&found)) {
            continue;
        }
        let lock = File::open(entry.path().join(LOCK));
        if lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
            // What can't be removed is tried again by the next command.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// The configured archive, else the one that the directory names.
fn address(settings: &Settings, directory: &Path) -> Result<Option<Address>, Failure> {
    if settings.address.is_some() {
        return Ok(settings.address.clone());
    }
    // What is wrong with a manifest is said by whoever reads the log.
    let Ok(stat) = archive_stat(directory) else { return Ok(None) };
    match &stat.urls[..] {
        [] => Ok(None),
        [url] => Address::parse(url).map(Some).map_err(|error| Failure::usage(chain(&error))),
        urls => Err(Failure::usage(format!("this log was archived to several places: {}", urls.join(", ")))
            .advise("bring all objects to one, and name it in log.archive.url: an object has the same name everywhere")),
    }
}

fn within(
    settings: &Settings,
    store: Arc<dyn BlobStore>,
    cache: DirectoryStorage,
    wait_max: Duration,
) -> Result<Reach, Failure> {
    let options =
        ArchiveOptions { store, cache: Arc::new(cache), cache_bytes: settings.cache_bytes, wait_max };
    Archive::new(options).map(Reach::of).map_err(|error| Failure::error(&error))
}

fn store(settings: &Settings, address: &Address) -> Result<Arc<dyn BlobStore>, Failure> {
    let options = blobs::options("log.archive", &settings.bucket)?;
    open(address, &options).map_err(|error| not_opened(&error))
}

/// A store that is tried anew when it is needed, where it can't be opened yet; and why it can't.
fn store_in_the_end(
    settings: &Settings,
    address: &Address,
) -> Result<(Arc<dyn BlobStore>, Option<OpenError>), Failure> {
    let options = blobs::options("log.archive", &settings.bucket)?;
    open_in_the_end(address, &options).map_err(|error| not_opened(&error))
}

fn not_opened(error: &OpenError) -> Failure {
    let failure = blobs::not_opened("log.archive", error);
    match error {
        OpenError::Directory { .. } => {
            let what = format!("the archive of the log is away: {}", failure.what);
            Failure { what, ..failure }.advise("mount its disk, or name the place that its segments are in")
        }
        OpenError::Settings { .. } => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::{LOCK, PREFIX, sweep};
    use std::fs::{self, File};

    #[test]
    fn what_an_ended_command_has_left_goes_and_what_another_uses_stays() {
        let place = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let folder = place.path().join(name);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("1.fetched"), b"a segment").unwrap();
            folder
        };
        let (left, used, beginning, other) = (
            folder(&format!("{PREFIX}left")),
            folder(&format!("{PREFIX}used")),
            folder(&format!("{PREFIX}beginning")),
            folder("other"),
        );
        drop(File::create_new(left.join(LOCK)).unwrap());
        let lock = File::create_new(used.join(LOCK)).unwrap();
        lock.try_lock().unwrap();
        drop(File::create_new(other.join(LOCK)).unwrap());
        sweep(place.path());
        assert_eq!([left, used, beginning, other].map(|folder| folder.exists()), [false, true, true, true]);
    }
}
