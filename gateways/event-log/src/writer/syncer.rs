//! A thread that makes a file durable while the writer enters what it has written: for groups large enough that this is
//! worth waking another thread.

use crate::storage::StorageFile;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// The thread, and the way to it and back. It ends when this is dropped.
pub struct Syncer {
    files: SyncSender<Arc<dyn StorageFile>>,
    outcomes: Receiver<io::Result<()>>,
}

impl Syncer {
    /// Starts the thread; `None` when there is none to be had.
    pub fn start() -> Option<Self> {
        let (files, asked) = sync_channel::<Arc<dyn StorageFile>>(1);
        let (told, outcomes) = sync_channel(1);
        let work = move || {
            for file in asked {
                if told.send(file.sync()).is_err() {
                    break;
                }
            }
        };
        let thread = std::thread::Builder::new().name("stele-log-sync".to_owned()).spawn(work);
        thread.ok().map(|_| Self { files, outcomes })
    }

    /// Syncs `file` and does `work` meanwhile.
    pub fn sync_while(&self, file: &Arc<dyn StorageFile>, work: impl FnOnce()) -> io::Result<()> {
        let gone = || io::Error::other("the thread that syncs has ended");
        self.files.send(Arc::clone(file)).map_err(|_| gone())?;
        work();
        self.outcomes.recv().unwrap_or_else(|_| Err(gone()))
    }
}
