//! A child that does not outlive its parent, even when the parent has no time for anything.

use crate::exit::Failure;

/// Has the system end this process with SIGTERM when its parent is gone. `parent` started it.
#[cfg(target_os = "linux")]
pub(crate) fn to_parent(parent: i32) -> Result<(), Failure> {
    use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
    set_parent_process_death_signal(Some(Signal::TERM)).map_err(|error| Failure::error(&error))?;
    // It may have gone before the wish was known; then no signal comes any more.
    if getppid().map(Pid::as_raw_pid) == Some(parent) {
        return Ok(());
    }
    Err(Failure::new(crate::exit::Code::Error, "whoever started this desk has ended: it is not begun"))
}

/// Elsewhere a parent that is killed leaves its child behind.
#[cfg(not(target_os = "linux"))]
pub(crate) fn to_parent(_parent: i32) -> Result<(), Failure> {
    Ok(())
}
