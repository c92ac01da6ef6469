//! Which past states are forgotten when there are too many: those that leave the smallest gaps.

use stele_domain::port::event_log::Position;

/// The states to forget, so that at most `most` of these are left, as evenly spread as can be. Always left are the newest
/// one, and one.
pub(super) fn forgotten(kept: &[Position], most: usize) -> Vec<Position> {
    let mut left: Vec<Position> = kept.to_vec();
    let mut gone = vec![];
    while left.len() > most.max(1) {
        // How far apart its neighbours are, when one is gone: the beginning of the log is the first one's.
        let gap = |place: usize| {
            let before = place.checked_sub(1).and_then(|place| left.get(place)).copied().unwrap_or_default();
            left.get(place.saturating_add(1)).map(|after| after.0.saturating_sub(before.0))
        };
        let smallest = (0..left.len()).filter_map(|place| Some((gap(place)?, place))).min();
        let Some((_, place)) = smallest else { break };
        gone.push(left.remove(place));
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::forgotten;
    use stele_domain::port::event_log::Position;

    fn every(ten: u64, states: u64) -> Vec<Position> {
        (1..=states).map(|state| Position(state * ten)).collect()
    }

    fn left(kept: &[Position], most: usize) -> Vec<u64> {
        let gone = forgotten(kept, most);
        kept.iter().filter(|at| !gone.contains(at)).map(|at| at.0).collect()
    }

    #[test]
    fn half_of_them_are_every_second_one_and_the_newest() {
        assert_eq!(left(&every(10, 8), 4), [20, 40, 60, 80]);
        assert_eq!(left(&every(10, 9), 5), [20, 40, 60, 80, 90]);
    }

    #[test]
    fn enough_room_forgets_none_and_the_newest_stays_whatever_happens() {
        assert_eq!(forgotten(&every(10, 8), 8), []);
        assert_eq!(forgotten(&[], 0), []);
        assert_eq!(left(&every(10, 8), 0), [80]);
    }

    /// States go on being kept, and the oldest are thinned again and again: no gap grows beyond four times what an even
    /// spread has.
    #[test]
    fn no_stretch_is_left_without_a_state_however_often_they_are_thinned() {
        let mut kept = vec![];
        for at in (10..=10_000).step_by(10) {
            kept.push(Position(at));
            if kept.len() > 32 {
                let gone = forgotten(&kept, 24);
                kept.retain(|at| !gone.contains(at));
            }
            let begun = std::iter::once(Position::START).chain(kept.iter().copied());
            let widest = begun.zip(&kept).map(|(before, after)| after.0 - before.0).max().unwrap();
            assert!(widest <= (at / 24 * 4).max(10), "{widest} at {at}: {kept:?}");
        }
    }
}
