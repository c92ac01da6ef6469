//! How fast an open log grows: its numbers from time to time, and the differences between them. By a clock that only goes
//! on, so that nobody who sets the machine's time makes rates of it.

use crate::stat::Stat;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// The shorter of the spans that are told.
const MINUTE: Duration = Duration::from_mins(1);

/// The longer one: nothing older is remembered but the beginning.
const FIVE_MINUTES: Duration = Duration::from_mins(5);

/// Most samples that are remembered: one every two seconds for the longer span.
const SAMPLES_MAX: usize = 150;

/// What came into a log in a span of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grown {
    /// The span that is asked about; `None` for all since the log was opened.
    pub asked: Option<Duration>,
    /// What was measured of it: less while the log has not been open for as long, and up to the time between two samples
    /// more.
    pub measured: Duration,
    /// Records.
    pub events: u64,
    /// Bytes of segments.
    pub bytes: u64,
    /// Records per category; those without any are left out.
    pub categories: BTreeMap<String, u64>,
}

/// A log's numbers at a moment.
#[derive(Debug, Clone)]
struct Sample {
    at: Instant,
    events: u64,
    bytes: u64,
    categories: BTreeMap<String, u64>,
}

impl Sample {
    fn of(stat: &Stat, at: Instant) -> Self {
        Self { at, events: stat.events, bytes: stat.bytes, categories: stat.categories.clone() }
    }
}

/// What is remembered.
#[derive(Debug)]
pub struct Pace {
    opened: Sample,
    /// Oldest first.
    samples: VecDeque<Sample>,
}

impl Pace {
    /// Begins with what there is.
    pub fn begin(stat: &Stat, at: Instant) -> Self {
        Self { opened: Sample::of(stat, at), samples: VecDeque::new() }
    }

    /// Remembers what there is, and forgets what nobody asks about any more.
    pub fn sample(&mut self, stat: &Stat, at: Instant) {
        self.samples.push_back(Sample::of(stat, at));
        // The last sample that is old enough is where the longer span begins.
        while self.samples.len() > SAMPLES_MAX
            || self.samples.get(1).is_some_and(|next| at.duration_since(next.at) >= FIVE_MINUTES)
        {
            self.samples.pop_front();
        }
    }

    /// What came in since a minute, since five, and since the beginning.
    pub fn grown(&self, stat: &Stat, at: Instant) -> Vec<Grown> {
        let spans = [Some(MINUTE), Some(FIVE_MINUTES), None];
        spans.into_iter().map(|asked| since(self.begin_of(asked, at), asked, stat, at)).collect()
    }

    fn begin_of(&self, asked: Option<Duration>, at: Instant) -> &Sample {
        let Some(span) = asked else { return &self.opened };
        let old = |sample: &&Sample| at.duration_since(sample.at) >= span;
        let fits = self.samples.iter().rev().find(old);
        // Nothing is old enough: since the beginning, or what is remembered of it.
        let first = if self.samples.len() < SAMPLES_MAX { Some(&self.opened) } else { self.samples.front() };
        fits.or(first).unwrap_or(&self.opened)
    }
}

fn since(begin: &Sample, asked: Option<Duration>, stat: &Stat, at: Instant) -> Grown {
    let before = |name: &String| begin.categories.get(name).copied().unwrap_or_default();
    let grown = |(name, count): (&String, &u64)| (name.clone(), count.saturating_sub(before(name)));
    Grown {
        asked,
        measured: at.duration_since(begin.at),
        events: stat.events.saturating_sub(begin.events),
        // Segments that were given to the archive are no negative growth.
        bytes: stat.bytes.saturating_sub(begin.bytes),
        categories: stat.categories.iter().map(grown).filter(|(_, count)| *count > 0).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Pace, SAMPLES_MAX};
    use crate::stat::Stat;
    use std::time::{Duration, Instant};
    use stele_domain::port::event_log::Position;
    use uuid::Uuid;

    fn stat(events: u64) -> Stat {
        Stat {
            log: Uuid::nil(),
            events,
            commits: events,
            bytes: events * 300,
            streams: 1,
            segments: 1,
            head: Position(events),
            categories: [("quote".to_owned(), events / 2), ("price".to_owned(), events - events / 2)].into(),
        }
    }

    #[test]
    fn a_steady_log_has_the_same_rate_in_every_span_and_a_silent_minute_has_none() {
        let begun = Instant::now();
        let at = |seconds: u64| begun + Duration::from_secs(seconds);
        let mut pace = Pace::begin(&stat(1_000), begun);
        for second in (5..=1_000).step_by(5) {
            pace.sample(&stat(1_000 + second * 10), at(second));
        }
        let grown = pace.grown(&stat(1_000 + 1_003 * 10), at(1_003));
        for (told, seconds) in grown.iter().zip([63, 303, 1_003]) {
            assert_eq!((told.measured.as_secs(), told.events), (seconds, seconds * 10), "{told:?}");
            assert_eq!(told.bytes, told.events * 300);
            assert_eq!(told.categories.values().sum::<u64>(), told.events);
        }
        for second in (1_005..=1_100).step_by(5) {
            pace.sample(&stat(11_000), at(second));
        }
        let grown = pace.grown(&stat(11_000), at(1_100));
        assert_eq!((grown[0].events, grown[0].categories.len()), (0, 0));
        assert!(grown[1].events > 0 && grown[2].events == 10_000, "{grown:?}");
    }

    #[test]
    fn a_log_that_was_opened_a_moment_ago_is_measured_since_then() {
        let begun = Instant::now();
        let mut pace = Pace::begin(&stat(5), begun);
        pace.sample(&stat(6), begun + Duration::from_secs(5));
        let grown = pace.grown(&stat(8), begun + Duration::from_secs(7));
        assert!(grown.iter().all(|told| told.measured.as_secs() == 7 && told.events == 3), "{grown:?}");
        // Numbers that went down are no growth.
        let grown = pace.grown(&stat(2), begun + Duration::from_secs(8));
        assert!(grown.iter().all(|told| told.events == 0 && told.bytes == 0), "{grown:?}");
    }

    #[test]
    fn no_more_is_remembered_than_is_asked_about() {
        let begun = Instant::now();
        let mut pace = Pace::begin(&stat(0), begun);
        for nth in 0..10_000 {
            pace.sample(&stat(nth), begun + Duration::from_millis(nth * 100));
        }
        assert_eq!(pace.samples.len(), SAMPLES_MAX);
        let grown = pace.grown(&stat(10_000), begun + Duration::from_secs(1_000));
        assert!(grown[0].measured < Duration::from_secs(20), "what is remembered: {:?}", grown[0].measured);
        assert_eq!(grown[2].events, 10_000);
        let mut slow = Pace::begin(&stat(0), begun);
        for nth in 0..1_000 {
            slow.sample(&stat(nth), begun + Duration::from_secs(nth * 5));
        }
        assert!(slow.samples.len() <= 62, "{}", slow.samples.len());
    }
}
