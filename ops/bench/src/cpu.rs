//! Time that this thread has spent on a processor, which other work on the machine does not change much.

use anyhow::Context;

/// Nanoseconds on a processor so far, as Linux counts them.
pub(crate) fn nanos() -> anyhow::Result<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").context("schedstat")?;
    let first = text.split_whitespace().next().context("schedstat is empty")?;
    first.parse().context("schedstat is no number")
}
