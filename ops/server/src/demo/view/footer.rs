//! The two lines at the foot of a live terminal: whether the desk may trade, what a bitcoin costs, what it holds,
//! and how often it did what.

use super::paint::{Line, Tone, sparkline};
use super::words;
use crate::demo::story::{Arming, Fate, Story, fair, held};
use crate::render::units::number;
use std::time::Duration;
use stele_domain::time::Timestamp;

/// What a terminal of some width has room for.
struct Room {
    /// Prices in the sparkline.
    spark: usize,
    /// Steps of the bar that shows how much of the time has gone.
    bar: usize,
}

/// The width from which on everything is shown in full.
const WIDE: usize = 100;

impl Room {
    fn of(width: usize) -> Self {
        if width >= WIDE { Self { spark: 24, bar: 16 } } else { Self { spark: 10, bar: 6 } }
    }
}

/// What the foot shows besides the story.
pub(crate) struct Clock {
    pub now: Timestamp,
    pub elapsed: Duration,
    pub planned: Duration,
    /// Whether the desk's process lives.
    pub alive: bool,
    pub lost_to_rival: u64,
}

/// The two lines.
pub(crate) fn lines(story: &Story, clock: &Clock, width: usize) -> [Line; 2] {
    let room = Room::of(width);
    let (tone, state) = state(story, clock);
    let mids: Vec<i128> = story.mids.iter().copied().collect();
    let price = story.price.as_ref().and_then(fair).map(|fair| number(&fair.rate.decimal().to_string()));
    let first = Line::new()
        .column(tone, &format!("● {state}"), 17)
        .column(Tone::Strong, &price.unwrap_or_else(|| "no price".to_owned()), 9)
        .column(Tone::Act, &sparkline(&mids, room.spark), room.spark)
        .with(Tone::Plain, holdings(story))
        .with(Tone::Faint, format!("  {} open", story.open()));
    let second = Line::new()
        .column(Tone::Faint, &bar(clock, room.bar), room.bar)
        .with(Tone::Faint, "quotes ")
        .with(Tone::Strong, story.quotes.to_string())
        .with(Tone::Faint, "  offers ")
        .with(Tone::Act, story.offers.len().to_string())
        .with(Tone::Faint, "  settled ")
        .with(Tone::Good, story.count(Fate::Settled).to_string())
        .with(Tone::Faint, "  unfilled ")
        .with(Tone::Plain, story.count(Fate::Expired).to_string())
        .with(Tone::Faint, "  lost ")
        .with(Tone::Plain, clock.lost_to_rival.to_string())
        .with(Tone::Faint, "  refused ")
        .with(Tone::Plain, story.skipped.values().sum::<u64>().to_string());
    [first, second]
}

fn state(story: &Story, clock: &Clock) -> (Tone, String) {
    if !clock.alive {
        return (Tone::Bad, "THE DESK IS DOWN".to_owned());
    }
    match story.arming {
        Arming::Disarmed => (Tone::Warn, "DISARMED".to_owned()),
        Arming::Killed => (Tone::Bad, "KILLED".to_owned()),
        Arming::Armed(until) => {
            let left = until.millis_since(clock.now).max(0) / 1_000;
            (Tone::Good, format!("ARMED {}:{:02} left", left / 60, left % 60))
        }
    }
}

fn holdings(story: &Story) -> String {
    let held = held(&story.credited);
    format!("{}  {}", words::bitcoin(held.base), words::euro(held.quote))
}

fn bar(clock: &Clock, steps: usize) -> String {
    let planned = clock.planned.as_millis().max(1);
    let all = u128::try_from(steps).unwrap_or(0);
    let gone = (clock.elapsed.as_millis().saturating_mul(all) / planned).min(all);
    let gone = usize::try_from(gone).unwrap_or(steps);
    format!("{}{} {:>3} s", "━".repeat(gone), "─".repeat(steps.saturating_sub(gone)), clock.elapsed.as_secs())
}
