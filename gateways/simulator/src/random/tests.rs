//! The generator: the same for the same seed, and within its range.

use super::Random;

#[test]
fn the_same_seed_and_stream_give_the_same_numbers_and_another_stream_does_not() {
    let draws = |seed, stream| {
        let mut random = Random::new(seed, stream);
        (0..8).map(|_| random.next()).collect::<Vec<_>>()
    };
    assert_eq!(draws(7, "traffic"), draws(7, "traffic"));
    assert_ne!(draws(7, "traffic"), draws(7, "prices"));
    assert_ne!(draws(7, "traffic"), draws(8, "traffic"));
}

#[test]
fn a_draw_stays_within_its_range() {
    fn law(seed: u64, a: u64, b: u64) -> bool {
        let (low, high) = (a.min(b), a.max(b));
        let draw = Random::new(seed, "law").between(low, high);
        (low..=high).contains(&draw)
    }
    quickcheck::quickcheck(law as fn(u64, u64, u64) -> bool);
}
