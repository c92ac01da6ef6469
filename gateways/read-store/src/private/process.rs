//! The server as our child: started on a thread of its own, started again when it dies, ended with us.
//!
//! Where `setpriv` (util-linux) knows how, the kernel tells the server to shut down when this process is gone,
//! even by SIGKILL. That works per thread, so the thread that starts the server lives as long as it. Elsewhere an
//! orphan is found and stopped by the next start.

use super::PrivateError;
use super::binaries::Binaries;
use super::places::Places;
use crate::observe;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use std::error::Error;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// First and longest wait before a server that died is started again.
const AGAIN_FIRST: Duration = Duration::from_millis(200);
const AGAIN_MAX: Duration = Duration::from_secs(10);
/// How long a server may take to end after each way of being told: politely, urgently, by force.
const ENDS: [(Signal, &str, Duration); 3] = [
    (Signal::INT, "fast", Duration::from_secs(15)),
    (Signal::QUIT, "immediate", Duration::from_secs(5)),
    (Signal::KILL, "killed", Duration::from_secs(5)),
];
/// How often a process that is no child of ours is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// A larger log is begun anew at start.
const LOG_BYTES_MAX: u64 = 10 << 20;

/// A server that runs, or is being started again.
pub struct Process(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    pid: Option<Pid>,
    stopping: bool,
    ended: bool,
    /// How the last one died, when it was not told to.
    died: Option<String>,
}

impl Process {
    /// Starts the server. It does not listen yet when this returns.
    pub fn start(places: &Places, binaries: &Binaries) -> Result<Self, PrivateError> {
        let shared = Arc::new(Shared { state: Mutex::new(State::default()), changed: Condvar::new() });
        let (places, binaries) = (places.clone(), binaries.clone());
        let supervised = shared.clone();
        let thread = std::thread::Builder::new().name("postgres".to_owned());
        let spawned = thread.spawn(move || supervised.supervise(&places, &binaries));
        spawned.map_err(|error| PrivateError::Start { source: error })?;
        Ok(Self(shared))
    }

    /// Its process id; `None` between two starts.
    pub fn pid(&self) -> Option<u32> {
        self.0.state().pid.map(|pid| pid.as_raw_nonzero().get().unsigned_abs())
    }

    /// How it died last, when nobody had told it to.
    pub fn died(&self) -> Option<String> {
        self.0.state().died.clone()
    }

    /// Ends it, politely first. Returns when it is gone.
    pub fn stop(&self) {
        let mut state = self.0.state();
        state.stopping = true;
        self.0.changed.notify_all();
        let pid = state.pid;
        for (signal, how, patience) in ENDS {
            if let Some(pid) = state.pid {
                // One that is gone already needs no telling.
                let _ = kill_process(pid, signal);
            }
            let waited = self.0.changed.wait_timeout_while(state, patience, |state| !state.ended);
            let (after, _) = waited.unwrap_or_else(PoisonError::into_inner);
            state = after;
            if state.ended {
                if let Some(pid) = pid {
                    observe::private_stopped(raw(pid), how);
                }
                return;
            }
        }
    }
}

impl Shared {
    // Every change under the lock is one assignment.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn supervise(&self, places: &Places, binaries: &Binaries) {
        let mut again = AGAIN_FIRST;
        loop {
            let began = Instant::now();
            let outcome = self.one_life(places, binaries);
            let mut state = self.state();
            state.pid = None;
            if state.stopping {
                state.ended = true;
                self.changed.notify_all();
                return;
            }
            observe::private_died(&outcome);
            state.died = Some(outcome);
            self.changed.notify_all();
            again = if began.elapsed() > AGAIN_MAX { AGAIN_FIRST } else { (again * 2).min(AGAIN_MAX) };
            let waited = self.changed.wait_timeout_while(state, again, |state| !state.stopping);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Starts the server and waits until it is gone.
    fn one_life(&self, places: &Places, binaries: &Binaries) -> String {
        let mut child = {
            let mut state = self.state();
            if state.stopping {
                return String::new();
            }
            match spawn(places, binaries) {
                Ok(child) => {
                    state.pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
                    child
                }
                Err(error) => {
                    let cause = error.source().map_or_else(String::new, |cause| format!(": {cause}"));
                    return format!("it can't be started: {error}{cause}");
                }
            }
        };
        match child.wait() {
            Ok(status) => format!("it ended: {status}"),
            Err(error) => format!("it can't be waited for: {error}"),
        }
    }
}

fn raw(pid: Pid) -> u32 {
    pid.as_raw_nonzero().get().unsigned_abs()
}

/// What the server writes to: opened by us, so that it is there before the server is.
pub fn log(places: &Places) -> Result<File, PrivateError> {
    let failed = |error| PrivateError::file(&places.log, error);
    let log = places.append(&places.log)?;
    if log.metadata().map_err(failed)?.len() > LOG_BYTES_MAX {
        log.set_len(0).map_err(failed)?;
    }
    Ok(log)
}

fn spawn(places: &Places, binaries: &Binaries) -> Result<Child, PrivateError> {
    let log = log(places)?;
    let errors = log.try_clone().map_err(|error| PrivateError::file(&places.log, error))?;
    let mut command = as_account(places, &binaries.directory.join("postgres"), true);
    command.arg("-D").arg(&places.data);
    let sockets = places.sockets.display().to_string();
    for (name, value) in [
        ("listen_addresses", ""),
        ("unix_socket_directories", &sockets),
        ("unix_socket_permissions", "0700"),
        ("port", "5432"),
        ("max_connections", "50"),
        ("shared_buffers", "128MB"),
        ("wal_level", "minimal"),
        ("max_wal_senders", "0"),
        ("timezone", "UTC"),
        ("cluster_name", "stele"),
    ] {
        command.arg("-c").arg(format!("{name}={value}"));
    }
    command.current_dir(&places.root).stdin(Stdio::null()).stdout(log).stderr(errors);
    command.spawn().map_err(|source| PrivateError::Start { source })
}

/// A command as the account that the server runs as; `bound` when it is to end with us.
pub fn as_account(places: &Places, program: &Path, bound: bool) -> Command {
    let setpriv = bound && knows_parents();
    let mut command = if setpriv {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "INT"]);
        if let Some(account) = &places.account {
            command.arg(format!("--reuid={}", account.uid)).arg(format!("--regid={}", account.gid));
            command.arg("--clear-groups");
        }
        command.arg("--").arg(program);
        command
    } else {
        let mut command = Command::new(program);
        if let Some(account) = &places.account {
            command.uid(account.uid).gid(account.gid);
        }
        command
    };
    // A terminal's Ctrl-C is for us to pass on, after the tables are in order.
    command.process_group(0).env("LC_ALL", "C").env("HOME", &places.root);
    for name in ["PGDATA", "PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGPASSWORD", "PGOPTIONS"] {
        command.env_remove(name);
    }
    command
}

/// Whether the kernel can be asked to end a child with its parent.
fn knows_parents() -> bool {
    let said = Command::new("setpriv").args(["--pdeathsig", "INT", "true"]).output();
    said.is_ok_and(|said| said.status.success())
}

/// Stops the server of a desk that is gone, and takes its stale notes away. Only to be called by whoever holds
/// the lock of the folder.
pub fn stop_orphan(places: &Places) -> Result<(), PrivateError> {
    let note = places.data.join("postmaster.pid");
    let Ok(text) = std::fs::read_to_string(&note) else { return Ok(()) };
    let pid = text.lines().next().and_then(|line| line.trim().parse().ok()).and_then(Pid::from_raw);
    let Some(pid) = pid.filter(|pid| serves(*pid, places)) else {
        // The number may belong to somebody else by now, and the server would refuse to start.
        return match std::fs::remove_file(&note) {
            // It was ending, and has taken its note away itself.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(|error| PrivateError::file(&note, error)),
        };
    };
    for (signal, _, patience) in ENDS.into_iter().take(2) {
        let _ = kill_process(pid, signal);
        let until = Instant::now() + patience;
        while Instant::now() < until {
            if test_kill_process(pid).is_err() || !serves(pid, places) {
                observe::private_orphan(raw(pid));
                return Ok(());
            }
            wait();
        }
    }
    Err(PrivateError::Orphan { pid: raw(pid) })
}

#[expect(
    clippy::disallowed_methods,
    reason = "on a thread for blocking work; only children can be waited for"
)]
fn wait() {
    std::thread::sleep(LOOK);
}

/// Whether a process is a server on this folder.
fn serves(pid: Pid, places: &Places) -> bool {
    let number = raw(pid).to_string();
    let said = Command::new("ps").args(["-ww", "-o", "args=", "-p", &number]).output();
    let from_ps = || said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned()).unwrap_or_default();
    let arguments = std::fs::read_to_string(format!("/proc/{number}/cmdline")).unwrap_or_else(|_| from_ps());
    arguments.contains("postgres") && arguments.contains(&places.data.display().to_string())
}
