//! Figures out of many measurements.

use serde_json::{Value, json};
use std::time::Instant;

/// Measurements in microseconds, in any order at first.
#[derive(Debug, Default)]
pub struct Micros(Vec<i64>);

impl FromIterator<i64> for Micros {
    fn from_iter<I: IntoIterator<Item = i64>>(measured: I) -> Self {
        let mut sorted: Vec<i64> = measured.into_iter().collect();
        sorted.sort_unstable();
        Self(sorted)
    }
}

impl Micros {
    /// The value that so many thousandths of all measurements do not pass (nearest rank); zero when there is none.
    pub fn permille(&self, rank: usize) -> i64 {
        let place = self.0.len().saturating_mul(rank).div_ceil(1_000).saturating_sub(1);
        self.0.get(place).copied().unwrap_or(0)
    }

    /// Half of all measurements do not pass it.
    pub fn median(&self) -> i64 {
        self.permille(500)
    }

    /// As milliseconds.
    pub fn said(&self) -> Value {
        json!({
            "samples": self.0.len(),
            "p50": millis(self.median()),
            "p90": millis(self.permille(900)),
            "p99": millis(self.permille(990)),
            "max": millis(self.permille(1_000)),
        })
    }
}

/// Microseconds as milliseconds, with the three digits that they have.
#[expect(clippy::cast_precision_loss, reason = "a figure for people: 52 bits of microseconds are 142 years")]
pub fn millis(micros: i64) -> f64 {
    micros as f64 / 1_000.0
}

/// `part` of `whole`, in hundredths of a percent.
pub fn share_bps(part: u64, whole: u64) -> u64 {
    part.saturating_mul(10_000).checked_div(whole).unwrap_or(0)
}

/// How many of something a second since `began`.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
pub fn per_second(count: u64, began: Instant) -> f64 {
    count as f64 / began.elapsed().as_secs_f64()
}

/// How many times `whole` goes into `part`; zero when there is nothing to divide by.
pub fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// The middle one of a few figures, the lower one of two.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len().saturating_sub(1) / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::Micros;

    #[test]
    fn a_rank_is_the_value_that_so_many_do_not_pass() {
        let measured: Micros = (1..=100).rev().collect();
        assert_eq!([500, 990, 1_000].map(|rank| measured.permille(rank)), [50, 99, 100]);
    }

    #[test]
    fn no_measurement_is_zero_and_one_is_every_rank() {
        assert_eq!(Micros::default().permille(990), 0);
        let one: Micros = [7].into_iter().collect();
        assert_eq!([1, 500, 1_000].map(|rank| one.permille(rank)), [7, 7, 7]);
    }
}
