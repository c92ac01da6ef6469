//! A disk in memory that behaves as badly as real ones may: it forgets what was not synced, sector by sector, it
//! fails, it fills up. For the tests of whoever keeps something on [`crate::storage::Storage`].
//!
//! Everything follows from the calls made and the seeds given; there is no chance in it.

mod contents;
mod faults;
mod machine;

pub use faults::{Fault, Operation};
pub use machine::Held;

use crate::format::{to_u64, to_usize};
use crate::storage::{Access, OwnError, Ownership, Secrecy, Storage, StorageFile};
use contents::{Contents, Dice};
use faults::Faults;
use machine::{Machine, Which};
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard};

/// A disk in memory. Clones are the same disk.
#[derive(Clone)]
pub struct SimulatedDisk {
    machine: Arc<Machine>,
}

/// The state of the disk.
#[derive(Clone, Default)]
struct Disk {
    files: Vec<Contents>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    unsynced_names: Vec<NameChange>,
    faults: Faults,
    capacity_bytes: Option<u64>,
    /// Files whose names end so are never synced, though the disk says they are.
    ignores_sync_of: Option<&'static str>,
    /// Neither are names.
    ignores_sync_of_names: bool,
    owned: bool,
    /// Handles of an earlier life of the machine or the process are dead.
    life: u64,
}

/// A change of the directory that is not durable yet.
#[derive(Clone)]
enum NameChange {
    Set { name: String, file: usize },
    Move { from: String, to: String, file: usize },
    Remove { name: String },
}

impl Default for SimulatedDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl SimulatedDisk {
    /// An empty disk that works.
    #[must_use]
    pub fn new() -> Self {
        Self::of(Disk::default())
    }

    /// An empty disk that says it has synced files whose names end with `suffix`, and has not. A suite that
    /// doesn't notice is worth nothing.
    #[must_use]
    pub fn that_ignores_sync_of(suffix: &'static str) -> Self {
        Self::of(Disk { ignores_sync_of: Some(suffix), ..Disk::default() })
    }

    /// The same of names: a directory that is synced, and is not.
    #[must_use]
    pub fn that_ignores_sync_of_names() -> Self {
        Self::of(Disk { ignores_sync_of_names: true, ..Disk::default() })
    }

    fn of(disk: Disk) -> Self {
        Self { machine: Arc::new(Machine::of(disk)) }
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.machine.lock()
    }

    /// Makes the `nth` of these operations from now on fail; 1 is the next.
    pub fn inject(&self, operation: Operation, nth: u64, fault: Fault) {
        self.lock().faults.inject(operation, nth, fault);
    }

    /// Cuts the power in the middle of the `nth` change from now on (writes, syncs, names; not reads).
    pub fn cut_power_at(&self, nth: u64) {
        self.lock().faults.cut_power_at(nth);
    }

    /// From now on making a file durable comes to no end, and nothing is known of it, until what is returned is dropped:
    /// a disk that is slow, or busy with somebody else. Everything but syncs goes on.
    pub fn hold_syncs(&self) -> Held {
        self.hold_syncs_of("")
    }

    /// The same of files whose names end with `suffix` only.
    pub fn hold_syncs_of(&self, suffix: &'static str) -> Held {
        Held::begin(&self.machine, Which { operation: Operation::Sync, suffix })
    }

    /// The same of reading files whose names end with `suffix`.
    pub fn hold_reads_of(&self, suffix: &'static str) -> Held {
        Held::begin(&self.machine, Which { operation: Operation::Read, suffix })
    }

    /// Whether the power is on.
    #[must_use]
    pub fn has_power(&self) -> bool {
        self.lock().faults.has_power()
    }

    /// Limits the room for contents, in bytes.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.lock().capacity_bytes = bytes;
    }

    /// How many changes were made so far.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.lock().faults.changes()
    }

    /// After how many changes the last injected fault struck, when one has.
    #[must_use]
    pub fn struck_at(&self) -> Option<u64> {
        self.lock().faults.struck_at()
    }

    /// How many of these operations were made so far.
    #[must_use]
    pub fn count(&self, operation: Operation) -> u64 {
        self.lock().faults.count(operation)
    }

    /// The disk as the next start finds it when the power fails now. What was not synced is there or not, by
    /// `seed`: each sector, each file's length and each name for itself. This disk stays as it is.
    #[must_use]
    pub fn after_power_loss(&self, seed: u64) -> Self {
        let disk = self.lock();
        let mut dice = Dice::new(seed);
        let mut names = disk.durable_names.clone();
        for change in &disk.unsynced_names {
            if dice.coin() {
                change.apply(&mut names);
            }
        }
        let files = disk.files.iter().map(|contents| contents.after_power_loss(&mut dice)).collect();
        let after = Disk {
            files,
            durable_names: names.clone(),
            names,
            capacity_bytes: disk.capacity_bytes,
            ignores_sync_of: disk.ignores_sync_of,
            ignores_sync_of_names: disk.ignores_sync_of_names,
            ..Disk::default()
        };
        Self::of(after)
    }

    /// The process dies and the machine lives: nothing is lost, all handles are dead, nobody owns the disk.
    pub fn kill_process(&self) {
        let mut disk = self.lock();
        disk.life += 1;
        disk.owned = false;
        disk.faults.restore_power();
    }

    /// A copy of the disk, synced or not, that nobody owns.
    #[must_use]
    pub fn copy(&self) -> Self {
        let mut copy = self.lock().clone();
        copy.owned = false;
        copy.faults = Faults::default();
        Self::of(copy)
    }

    /// What a file holds now.
    #[must_use]
    pub fn contents(&self, name: &str) -> Option<Vec<u8>> {
        let disk = self.lock();
        disk.names.get(name).and_then(|file| disk.files.get(*file)).map(|contents| contents.live().to_vec())
    }

    /// Puts a file there, durably.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let mut disk = self.lock();
        disk.files.push(Contents::durable(bytes));
        let file = disk.files.len() - 1;
        disk.names.insert(name.to_owned(), file);
        disk.durable_names.insert(name.to_owned(), file);
    }

    /// Flips a bit of a file, durably, under whoever has it open.
    pub fn flip_bit(&self, name: &str, bit: usize) {
        let mut disk = self.lock();
        let file = disk.names.get(name).copied();
        if let Some(contents) = file.and_then(|file| disk.files.get_mut(file)) {
            contents.flip_bit(bit);
        }
    }

    /// Takes a file away, durably.
    pub fn take(&self, name: &str) {
        let mut disk = self.lock();
        disk.names.remove(name);
        disk.durable_names.remove(name);
    }

    /// The names of all files.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.lock().names.keys().cloned().collect()
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Set { name, file } => {
                names.insert(name.clone(), *file);
            }
            Self::Move { from, to, file } => {
                names.remove(from);
                names.insert(to.clone(), *file);
            }
            Self::Remove { name } => {
                names.remove(name);
            }
        }
    }
}

impl Disk {
    fn file_named(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn change_name(&mut self, operation: Operation, change: NameChange) -> io::Result<()> {
        let outcome = self.faults.begin(operation)?;
        change.apply(&mut self.names);
        self.unsynced_names.push(change);
        outcome.end()
    }

    fn is_named(&self, file: usize, suffix: &str) -> bool {
        self.names.iter().any(|(name, named)| *named == file && name.ends_with(suffix))
    }

    /// How many of `wanted` more bytes there is room for.
    fn room(&self, wanted: usize) -> usize {
        let Some(capacity) = self.capacity_bytes else {
            return wanted;
        };
        let named = self.names.values().filter_map(|file| self.files.get(*file));
        let used: u64 = named.map(|contents| to_u64(contents.live().len())).sum();
        wanted.min(to_usize(capacity.saturating_sub(used)))
    }
}

/// Ownership of the disk in one life of the process.
struct Owner {
    machine: Arc<Machine>,
    life: u64,
}

impl Ownership for Owner {}

impl Drop for Owner {
    fn drop(&mut self) {
        let mut disk = self.machine.lock();
        if disk.life == self.life {
            disk.owned = false;
        }
    }
}

impl Storage for SimulatedDisk {
    fn describe(&self) -> String {
        "a simulated disk".to_owned()
    }

    fn own(&self) -> Result<Box<dyn Ownership>, OwnError> {
        let mut disk = self.lock();
        if std::mem::replace(&mut disk.owned, true) {
            return Err(OwnError::Owned("somebody".to_owned()));
        }
        Ok(Box::new(Owner { machine: Arc::clone(&self.machine), life: disk.life }))
    }

    fn is_owned(&self) -> io::Result<bool> {
        Ok(self.lock().owned)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut disk = self.lock();
        match disk.faults.begin(Operation::Read) {
            // The operating system's own library begins a listing again.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            begun => begun?.end()?,
        }
        Ok(disk.names.keys().cloned().collect())
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn StorageFile>> {
        let disk = self.lock();
        let file = disk.file_named(name)?;
        let told = AtomicU64::new(disk.files.get(file).map_or(0, Contents::failed_syncs));
        let writable = access == Access::Write;
        Ok(Arc::new(OpenFile { machine: Arc::clone(&self.machine), file, life: disk.life, writable, told }))
    }

    fn create(&self, name: &str, _secrecy: Secrecy) -> io::Result<Arc<dyn StorageFile>> {
        let mut disk = self.lock();
        if disk.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        disk.files.push(Contents::default());
        let file = disk.files.len() - 1;
        disk.change_name(Operation::Create, NameChange::Set { name: name.to_owned(), file })?;
        let (machine, life, told) = (Arc::clone(&self.machine), disk.life, AtomicU64::new(0));
        Ok(Arc::new(OpenFile { machine, file, life, writable: true, told }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut disk = self.lock();
        let file = disk.file_named(from)?;
        disk.change_name(
            Operation::Rename,
            NameChange::Move { from: from.to_owned(), to: to.to_owned(), file },
        )
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut disk = self.lock();
        disk.file_named(name)?;
        disk.change_name(Operation::Remove, NameChange::Remove { name: name.to_owned() })
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut disk = self.lock();
        disk.faults.begin(Operation::SyncDirectory)?.end()?;
        if !disk.ignores_sync_of_names {
            disk.durable_names = disk.names.clone();
            disk.unsynced_names.clear();
        }
        Ok(())
    }
}

/// A file that is open in one life of the process.
struct OpenFile {
    machine: Arc<Machine>,
    file: usize,
    life: u64,
    writable: bool,
    /// Failed syncs of the file that whoever holds this handle was told of, or that were before it.
    told: AtomicU64,
}

impl OpenFile {
    fn with<T>(&self, act: impl FnOnce(&mut Disk, usize) -> io::Result<T>) -> io::Result<T> {
        let mut disk = self.machine.lock();
        if disk.life != self.life {
            return Err(io::Error::other("the process that opened this file is dead"));
        }
        act(&mut disk, self.file)
    }

    fn change<T>(&self, act: impl FnOnce(&mut Disk, usize) -> io::Result<T>) -> io::Result<T> {
        if !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.with(act)
    }
}

impl Disk {
    fn contents(&mut self, file: usize) -> io::Result<&mut Contents> {
        self.files.get_mut(file).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl StorageFile for OpenFile {
    fn len(&self) -> io::Result<u64> {
        self.with(|disk, file| Ok(to_u64(disk.contents(file)?.live().len())))
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        self.machine.wait_for(Operation::Read, self.file);
        self.with(|disk, file| {
            let outcome = disk.faults.begin(Operation::Read)?;
            let from = disk.contents(file)?.live().get(to_usize(offset)..).unwrap_or_default();
            let count = outcome.shortened(from.len().min(into.len()));
            if let (Some(place), Some(there)) = (into.get_mut(..count), from.get(..count)) {
                place.copy_from_slice(there);
            }
            outcome.end().map(|()| count)
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.change(|disk, file| {
            let outcome = disk.faults.begin(Operation::Write)?;
            let offset = to_usize(offset);
            let end = offset + bytes.len();
            let growth = end.saturating_sub(disk.contents(file)?.live().len());
            let refused = growth - disk.room(growth);
            let count = outcome.shortened(bytes.len().saturating_sub(refused));
            if count == 0 && !bytes.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            disk.contents(file)?.write(offset, bytes.get(..count).unwrap_or_default());
            outcome.end().map(|()| count)
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(|disk, file| {
            let outcome = disk.faults.begin(Operation::SetLen)?;
            disk.contents(file)?.set_len(to_usize(len));
            outcome.end()
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.machine.wait_for(Operation::Sync, self.file);
        self.with(|disk, file| {
            let ignores = disk.ignores_sync_of.is_some_and(|suffix| disk.is_named(file, suffix));
            let begun = disk.faults.begin(Operation::Sync);
            let contents = disk.contents(file)?;
            if begun.is_err() {
                contents.fail_sync();
            }
            // As on Linux: each handle is told once of a failure, also of one that another handle brought about.
            let failed = contents.failed_syncs();
            if self.told.swap(failed, Ordering::SeqCst) < failed && begun.is_ok() {
                return Err(io::Error::other("input/output error"));
            }
            match begun {
                Ok(outcome) => {
                    outcome.end()?;
                    if !ignores {
                        contents.sync();
                    }
                    Ok(())
                }
                Err(error) => Err(error),
            }
        })
    }
}
