//! Makes a new log. The order matters, so that a crash at any point leaves something that the next start
//! completes: the key (which names the log), the first segment, the first checkpoint, and only then commits.

use crate::checkpoint::origin_of;
use crate::errors::{damaged, storage as failed};
use crate::format::{CHECKPOINTS_FILE, KEY_FILE, PUBLIC_KEY_FILE};
use crate::note::NoteSigner;
use crate::segment::{self, SegmentHeader};
use crate::storage::{Access, Secrecy, Storage, StorageFile, read_all, write_all_at};
use std::io;
use std::sync::Arc;
use stele_domain::port::event_log::LogError;
use uuid::Uuid;

/// Longest key file that is read, in bytes.
const KEY_FILE_BYTES_MAX: u64 = 4_096;

/// What a half-written file is called until it has its own name.
const UNFINISHED_SUFFIX: &str = ".tmp";

/// Who the log is.
pub struct Identity {
    /// The signing key, named after the log.
    pub signer: NoteSigner,
    /// Whether it was made just now.
    pub created: bool,
}

/// Reads the key of the log, or makes one where there is no log yet.
pub fn identity(storage: &dyn Storage) -> Result<Identity, LogError> {
    let directory = storage.describe();
    let names = storage.list().map_err(|error| failed("listing", "the files", &directory, error))?;
    for unfinished in
        names.iter().filter(|name| [KEY_FILE, PUBLIC_KEY_FILE].iter().any(|key| is_unfinished(name, key)))
    {
        storage.remove(unfinished).map_err(|error| failed("removing", unfinished, &directory, error))?;
    }
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    let identity = if has(KEY_FILE) {
        Identity { signer: read_key(storage, &directory)?, created: false }
    } else if has(CHECKPOINTS_FILE) || names.iter().any(|name| segment::claims_to_be(name)) {
        return Err(damaged(KEY_FILE, 0, "the log is here and its key is not: put the key back"));
    } else {
        Identity { signer: make_key(storage, &directory)?, created: true }
    };
    publish_key(storage, &identity.signer, has(PUBLIC_KEY_FILE), &directory)?;
    Ok(identity)
}

/// Creates the segment that begins with `header` and makes it durable before anything can be written to it. Takes no
/// index: readers don't wait for the disk.
pub fn segment(storage: &dyn Storage, header: &SegmentHeader) -> Result<Arc<dyn StorageFile>, LogError> {
    let name = segment::file_name(header.first);
    let directory = storage.describe();
    let file = storage
        .create(&name, Secrecy::Shared)
        .map_err(|error| failed("creating", &name, &directory, error))?;
    write_all_at(&*file, &header.encode(), 0).map_err(|error| failed("writing", &name, &directory, error))?;
    file.sync().map_err(|error| failed("syncing", &name, &directory, error))?;
    storage.sync_directory().map_err(|error| failed("syncing", "the directory", &directory, error))?;
    Ok(file)
}

/// Makes `prepared`, a file of zeros, the segment that begins with `header`, which is durable before the file has the name of a
/// segment.
pub fn from_prepared(
    storage: &dyn Storage,
    header: &SegmentHeader,
    prepared: &str,
    file: &dyn StorageFile,
) -> Result<(), LogError> {
    let name = segment::file_name(header.first);
    let directory = storage.describe();
    let failure = |action| move |error| failed(action, prepared, &storage.describe(), error);
    write_all_at(file, &header.encode(), 0).map_err(failure("writing"))?;
    file.sync().map_err(failure("syncing"))?;
    storage.rename(prepared, &name).map_err(failure("renaming"))?;
    storage.sync_directory().map_err(|error| failed("syncing", "the directory", &directory, error))
}

/// Reads a text that must be there; what is not text becomes something that no key contains.
pub fn read_text(storage: &dyn Storage, name: &str) -> io::Result<String> {
    let file = storage.open(name, Access::Read)?;
    Ok(String::from_utf8_lossy(&read_all(&*file, KEY_FILE_BYTES_MAX)?).into_owned())
}

fn is_unfinished(name: &str, of: &str) -> bool {
    name.strip_suffix(UNFINISHED_SUFFIX) == Some(of)
}

fn read_key(storage: &dyn Storage, directory: &str) -> Result<NoteSigner, LogError> {
    let text = read_text(storage, KEY_FILE).map_err(|error| failed("reading", KEY_FILE, directory, error))?;
    let signer = NoteSigner::parse(&text).map_err(|error| damaged(KEY_FILE, 0, error.to_string()))?;
    if text.trim_end_matches('\n') != signer.to_secret_text() {
        return Err(damaged(KEY_FILE, 0, "the key is not written as it should be"));
    }
    Ok(signer)
}

fn make_key(storage: &dyn Storage, directory: &str) -> Result<NoteSigner, LogError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| failed("asking for randomness for", KEY_FILE, directory, io::Error::other(error)))?;
    let signer = NoteSigner::from_seed(&origin_of(Uuid::now_v7()), &seed);
    let text = format!("{}\n", signer.to_secret_text());
    write_whole(storage, KEY_FILE, &text, Secrecy::Private)
        .map_err(|error| failed("writing", KEY_FILE, directory, error))?;
    Ok(signer)
}

fn publish_key(
    storage: &dyn Storage,
    signer: &NoteSigner,
    there: bool,
    directory: &str,
) -> Result<(), LogError> {
    let text = format!("{}\n", signer.verifier());
    if !there {
        return write_whole(storage, PUBLIC_KEY_FILE, &text, Secrecy::Shared)
            .map_err(|error| failed("writing", PUBLIC_KEY_FILE, directory, error));
    }
    let stored = read_text(storage, PUBLIC_KEY_FILE)
        .map_err(|error| failed("reading", PUBLIC_KEY_FILE, directory, error))?;
    if stored == text {
        Ok(())
    } else {
        Err(damaged(PUBLIC_KEY_FILE, 0, "this is not the public part of the key"))
    }
}

/// Writes a file that is there whole or not at all.
fn write_whole(storage: &dyn Storage, name: &str, text: &str, secrecy: Secrecy) -> io::Result<()> {
    let unfinished = format!("{name}{UNFINISHED_SUFFIX}");
    let file: Arc<dyn StorageFile> = storage.create(&unfinished, secrecy)?;
    write_all_at(&*file, text.as_bytes(), 0)?;
    file.sync()?;
    storage.rename(&unfinished, name)?;
    storage.sync_directory()
}
