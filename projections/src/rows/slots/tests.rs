//! In whatever order keys come, slots are a map.

use super::Slots;
use std::collections::BTreeMap;
use stele_domain::port::read_store::{Cell, Key};

fn key(number: u8) -> Key {
    Key(vec![Cell::Int(number.into())])
}

#[test]
fn slots_are_a_map_by_key_in_whatever_order_keys_come() {
    fn law(ordered: Vec<u8>, any: Vec<u8>) -> bool {
        let mut numbers = ordered;
        numbers.sort_unstable();
        numbers.extend(any);
        let (mut slots, mut map) = (Slots::<u32>::default(), BTreeMap::<Key, u32>::new());
        for (times, number) in (1..).zip(&numbers) {
            *slots.slot(key(*number)) += times;
            *map.entry(key(*number)).or_default() += times;
        }
        let found = (0..=u8::MAX).all(|number| slots.get(&key(number)) == map.get(&key(number)));
        found && slots.into_ordered() == map.into_iter().collect::<Vec<_>>()
    }
    let law: fn(Vec<u8>, Vec<u8>) -> bool = law;
    quickcheck::quickcheck(law);
}
