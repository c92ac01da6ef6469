//! What goes wrong, and when.

use std::collections::BTreeMap;
use std::io;

/// An operation on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Reading a file or listing names.
    Read,
    /// Writing to a file.
    Write,
    /// Making a file durable.
    Sync,
    /// Cutting or growing a file.
    SetLen,
    /// Creating a file.
    Create,
    /// Renaming a file.
    Rename,
    /// Removing a file.
    Remove,
    /// Making names durable.
    SyncDirectory,
}

/// How an operation goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// EIO. After a failed sync the unsynced sectors read well and will never be written, as on Linux.
    InputOutput,
    /// ENOSPC.
    NoRoom,
    /// It is done to about half of the bytes only, which is no error.
    Short,
    /// It is interrupted before it begins (EINTR).
    Interrupted,
}

/// Faults that are waiting, and counts of what has happened.
#[derive(Clone, Default)]
pub struct Faults {
    waiting: Vec<(Operation, u64, Fault)>,
    counts: BTreeMap<Operation, u64>,
    changes: u64,
    /// The change in which the last fault struck, or the next one after it.
    struck_at: Option<u64>,
    power_cut_at: Option<u64>,
    without_power: bool,
}

/// How an operation that has begun will end.
#[derive(Clone, Copy)]
pub struct Outcome {
    dies: bool,
    short: bool,
}

impl Faults {
    /// Makes the `nth` such operation from now on fail.
    pub fn inject(&mut self, operation: Operation, nth: u64, fault: Fault) {
        self.waiting.push((operation, self.count(operation) + nth, fault));
    }

    /// Cuts the power in the middle of the `nth` change from now on.
    pub fn cut_power_at(&mut self, nth: u64) {
        self.power_cut_at = Some(self.changes + nth);
    }

    /// Turns the machine on again.
    pub fn restore_power(&mut self) {
        self.without_power = false;
        self.power_cut_at = None;
    }

    /// Whether the power is on.
    pub fn has_power(&self) -> bool {
        !self.without_power
    }

    /// How many changes were made.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// The change in which the last fault struck, when one has.
    pub fn struck_at(&self) -> Option<u64> {
        self.struck_at
    }

    /// How many of these operations were made.
    pub fn count(&self, operation: Operation) -> u64 {
        self.counts.get(&operation).copied().unwrap_or_default()
    }

    /// Begins an operation, or fails it.
    pub fn begin(&mut self, operation: Operation) -> io::Result<Outcome> {
        if self.without_power {
            return Err(no_power());
        }
        let nth = self.counts.entry(operation).or_default();
        *nth += 1;
        let nth = *nth;
        if operation != Operation::Read {
            self.changes += 1;
            self.without_power = self.power_cut_at == Some(self.changes);
        }
        let due = self.waiting.iter().position(|(kind, at, _)| *kind == operation && *at == nth);
        let fault = due.map(|place| self.waiting.swap_remove(place).2);
        self.struck_at = fault.map_or(self.struck_at, |_| Some(self.changes));
        match fault {
            Some(Fault::InputOutput) => Err(io::Error::other("input/output error")),
            Some(Fault::NoRoom) => Err(io::ErrorKind::StorageFull.into()),
            Some(Fault::Interrupted) => Err(io::ErrorKind::Interrupted.into()),
            Some(Fault::Short) => Ok(Outcome { dies: self.without_power, short: true }),
            None => Ok(Outcome { dies: self.without_power, short: false }),
        }
    }
}

impl Outcome {
    /// How many of `count` bytes it is done to.
    pub fn shortened(self, count: usize) -> usize {
        if self.short { count.div_ceil(2) } else { count }
    }

    /// Ends the operation: its effect may or may not last when the power went.
    pub fn end(self) -> io::Result<()> {
        if self.dies { Err(no_power()) } else { Ok(()) }
    }
}

fn no_power() -> io::Error {
    io::Error::other("the power is off")
}
