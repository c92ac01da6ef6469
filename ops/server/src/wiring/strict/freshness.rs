//! How old what stands in the tables is, as far as somebody can know who only looks at both ends. Pure.

use std::time::Duration;
use stele_commands::strict::Tables;
use stele_domain::port::event_log::Position;
use tokio::time::Instant;

/// What was seen so far.
pub(super) struct Freshness {
    age_max: Duration,
    /// Everything that the log had at this moment is in the tables.
    certain: Option<Instant>,
    /// Where the log ended at a later moment, which the tables have not reached yet.
    awaited: Option<(Position, Instant)>,
    /// Why the last look saw nothing.
    unseen: Option<String>,
}

impl Freshness {
    /// Nothing was seen yet.
    pub(super) fn new(age_max: Duration) -> Self {
        Self { age_max, certain: None, awaited: None, unseen: None }
    }

    /// A look that began then: the end of the log and the place of the tables, or why nothing was seen.
    pub(super) fn saw(&mut self, began: Instant, seen: Result<(Position, Position), String>) {
        let (head, reached) = match seen {
            Ok(seen) => seen,
            Err(why) => {
                self.unseen = Some(why);
                return;
            }
        };
        self.unseen = None;
        if reached >= head {
            (self.certain, self.awaited) = (Some(began), None);
            return;
        }
        match self.awaited {
            Some((position, at)) if reached >= position => {
                (self.certain, self.awaited) = (Some(at), Some((head, began)));
            }
            Some(_) => {}
            None => self.awaited = Some((head, began)),
        }
    }

    /// Kept only while it is certain that they are young enough. The words stay the same while the cause does.
    pub(super) fn verdict(&self, now: Instant) -> Tables {
        if self.certain.is_some_and(|at| now.saturating_duration_since(at) <= self.age_max) {
            return Tables::Kept;
        }
        let why = match &self.unseen {
            Some(why) => format!("how far they are can't be seen: {why}"),
            None => format!(
                "they are more than {} ms behind the log: does the process with the role projections run?",
                self.age_max.as_millis()
            ),
        };
        Tables::Away { why }
    }
}

#[cfg(test)]
mod tests {
    use super::Freshness;
    use std::time::Duration;
    use stele_commands::strict::Tables;
    use stele_domain::port::event_log::Position;
    use tokio::time::Instant;

    const AGE_MAX: Duration = Duration::from_secs(5);

    /// Looks, one a second: the end of the log and the place of the tables, or none. Whether they count as kept after each.
    fn after(looks: &[Option<(u64, u64)>]) -> Vec<bool> {
        let (began, mut freshness) = (Instant::now(), Freshness::new(AGE_MAX));
        let looks = (0..).zip(looks).map(|(second, seen)| {
            let at = began + Duration::from_secs(second);
            let seen = seen.map(|(head, reached)| (Position(head), Position(reached)));
            freshness.saw(at, seen.ok_or_else(|| "no answer".to_owned()));
            freshness.verdict(at) == Tables::Kept
        });
        looks.collect()
    }

    #[test]
    fn tables_that_follow_a_busy_log_are_kept_although_they_never_reach_its_end() {
        let busy: Vec<_> = (1..20).map(|look| Some((look * 10 + 3, look * 10))).collect();
        let kept = after(&busy);
        assert_eq!(kept[..2], [false, true], "nothing is certain at the first look");
        assert!(kept[1..].iter().all(|kept| *kept), "{kept:?}");
    }

    #[test]
    fn tables_that_nobody_writes_any_more_are_away_as_soon_as_the_log_has_gone_on_for_too_long() {
        let mut looks = vec![Some((10, 10)), Some((12, 10))];
        looks.extend((13..20).map(|head| Some((head, 10))));
        // Certain as of second 0; too old after second 5.
        assert_eq!(after(&looks), [true, true, true, true, true, true, false, false, false]);
        looks.push(Some((20, 19)));
        assert!(after(&looks).last().is_some_and(|kept| !kept), "what was awaited first is 12, long ago");
        looks.push(Some((21, 21)));
        assert_eq!(after(&looks).last(), Some(&true));
    }

    #[test]
    fn a_quiet_log_whose_tables_have_everything_keeps_them_fresh() {
        assert_eq!(after(&[Some((7, 7)); 20]), [true; 20]);
    }

    #[test]
    fn what_can_t_be_seen_counts_as_old_after_the_same_time_and_says_why() {
        let mut looks = vec![Some((7, 7))];
        looks.extend([None; 7]);
        assert_eq!(after(&looks), [true, true, true, true, true, true, false, false]);
        let mut freshness = Freshness::new(AGE_MAX);
        freshness.saw(Instant::now(), Err("PostgreSQL does not answer".to_owned()));
        let Tables::Away { why } = freshness.verdict(Instant::now()) else { panic!("nothing was ever seen") };
        assert!(why.contains("PostgreSQL does not answer"), "{why}");
    }
}
