//! Patience: what a command does while it takes its time, for a person who looks at a terminal. Nothing is shown of
//! what is over within two seconds, nothing to programs, and nothing on standard output.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// What is over sooner needs no patience.
const SHOWN_AFTER: Duration = Duration::from_secs(2);
/// Time between two drawings.
const TICK: Duration = Duration::from_millis(100);
/// With an end that is known.
const BAR: &str = "{msg} {bar:30} {percent} %, {eta} left";
/// The same, where bytes are counted.
const BYTES_BAR: &str = "{msg} {bar:30} {percent} %, {binary_bytes_per_sec}, {eta} left";
/// Without one.
const SPINNER: &str = "{spinner} {msg} {elapsed}";

/// Something that may take long. Gone from the terminal when it is dropped.
pub(crate) struct Progress {
    bar: ProgressBar,
    over: Option<(SyncSender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Begins; for a program nothing is shown.
    pub(crate) fn of_what(words: &'static str, json: bool) -> Self {
        if json || !std::io::stderr().is_terminal() {
            return Self::unseen();
        }
        let bar = ProgressBar::hidden();
        bar.set_message(words);
        bar.set_style(style(SPINNER));
        let (over, waiting) = sync_channel(1);
        let shown = bar.clone();
        let thread = std::thread::spawn(move || {
            if waiting.recv_timeout(SHOWN_AFTER) == Err(RecvTimeoutError::Timeout) {
                shown.set_draw_target(ProgressDrawTarget::stderr());
                shown.enable_steady_tick(TICK);
            }
        });
        Self { bar, over: Some((over, thread)) }
    }

    /// For nobody's eyes.
    pub(crate) fn unseen() -> Self {
        Self { bar: ProgressBar::hidden(), over: None }
    }

    /// How much there is to do.
    pub(crate) fn total(&self, total: u64) {
        self.bar.set_length(total);
        self.bar.set_style(style(BAR));
    }

    /// How many bytes there are to do.
    pub(crate) fn total_bytes(&self, total: u64) {
        self.bar.set_length(total);
        self.bar.set_style(style(BYTES_BAR));
    }

    /// How much is done.
    pub(crate) fn done(&self, done: u64) {
        self.bar.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((over, thread)) = self.over.take() {
            drop(over);
            // It only waits; a thread that could not be joined has nothing more to show.
            let _ = thread.join();
        }
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

#[cfg(test)]
mod tests {
    use super::{BAR, BYTES_BAR, Progress, SPINNER};
    use indicatif::ProgressStyle;

    #[test]
    fn every_template_is_understood() {
        for template in [BAR, BYTES_BAR, SPINNER] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn a_program_sees_nothing_and_waits_for_nothing() {
        let progress = Progress::of_what("working", true);
        assert!(progress.over.is_none() && progress.bar.is_hidden());
        progress.total(10);
        progress.done(5);
    }
}
