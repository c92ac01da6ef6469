//! What the operating system knows of this process, in the names that every Prometheus dashboard expects.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::time::SystemTime;

/// Ticks of the kernel's accounting in a second: `USER_HZ`, fixed by the Linux ABI.
const TICKS_A_SECOND: f64 = 100.0;

/// When this process first asked; near enough to its start.
static STARTED: OnceLock<SystemTime> = OnceLock::new();

/// Says what the metrics of this file mean.
pub(super) fn announce() {
    metrics::describe_gauge!("process_start_time_seconds", "When the process started, as Unix time.");
    metrics::describe_gauge!("process_cpu_seconds", "Processor time that the process has used.");
    metrics::describe_gauge!("process_resident_memory_bytes", "Memory of the process that is in RAM.");
    metrics::describe_gauge!("process_open_fds", "Open files and sockets of the process.");
    metrics::describe_gauge!("data_disk_free_bytes", "Room that is left where the data directory is.");
    metrics::describe_gauge!("data_disk_size_bytes", "Size of the file system where the data directory is.");
    STARTED.get_or_init(SystemTime::now);
}

/// Reads everything anew. What can't be read keeps its last value.
pub(super) fn sample(data_dir: &Path) {
    let started = STARTED.get_or_init(SystemTime::now);
    if let Ok(since) = started.duration_since(SystemTime::UNIX_EPOCH) {
        metrics::gauge!("process_start_time_seconds").set(since.as_secs_f64());
    }
    if let Some(seconds) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(cpu_seconds) {
        metrics::gauge!("process_cpu_seconds").set(seconds);
    }
    if let Some(bytes) = fs::read_to_string("/proc/self/status").ok().as_deref().and_then(resident_bytes) {
        metrics::gauge!("process_resident_memory_bytes").set(bytes);
    }
    if let Ok(entries) = fs::read_dir("/proc/self/fd") {
        metrics::gauge!("process_open_fds").set(float(u64::try_from(entries.count()).unwrap_or(u64::MAX)));
    }
    if let Ok(disk) = rustix::fs::statvfs(data_dir) {
        let block = float(disk.f_frsize);
        metrics::gauge!("data_disk_free_bytes").set(float(disk.f_bavail) * block);
        metrics::gauge!("data_disk_size_bytes").set(float(disk.f_blocks) * block);
    }
}

/// Fields 14 and 15 of `/proc/self/stat`: user and system time. The name in field 2 may hold anything, so the count
/// begins after its closing bracket.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some((float(ticks()?) + float(ticks()?)) / TICKS_A_SECOND)
}

/// `VmRSS` of `/proc/self/status`.
fn resident_bytes(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(float(kibibytes) * 1024.0)
}

#[expect(clippy::cast_precision_loss, reason = "metrics are floats")]
fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::{cpu_seconds, resident_bytes};

    #[test]
    fn a_process_name_with_brackets_and_spaces_does_not_shift_the_fields() {
        let stat = "1 (a) b (c) R 1 1 1 0 -1 0 0 0 0 0 250 50 0 0 20 0";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(cpu_seconds("nonsense"), None);
    }

    #[test]
    fn resident_memory_is_read_in_bytes() {
        assert_eq!(resident_bytes("Name:\tstele\nVmRSS:\t    2048 kB\n"), Some(2_097_152.0));
        assert_eq!(resident_bytes("Name:\tstele\n"), None);
    }
}
