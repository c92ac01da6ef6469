//! Counting what comes too often to be kept one by one. Pure: it is told the time.
//!
//! Whoever is turned away is kept at once the first time, and counted for a minute from then on. Callers that can't be
//! told apart any more, because there are too many of them, are counted together.

use std::collections::BTreeMap;
use stele_domain::access::attempt::{
    Attempted, AttemptsUnkept, KEY_IDS_MAX, OTHER_ADDRESSES, StrangersRefused,
};
use stele_domain::access::{Action, Origin};
use stele_domain::ids::Actor;
use stele_domain::time::Timestamp;

/// How long alike attempts are counted together, in milliseconds.
pub const WINDOW_MS: i64 = 60_000;
/// How many addresses of strangers are told apart.
pub const ADDRESSES_MAX: usize = 256;
/// How many callers, actions and codes of known callers are told apart.
pub const REFUSALS_MAX: usize = 1_024;
/// How many codes are told apart in one count; there are fewer.
const CODES_MAX: usize = 32;
/// The code of those beyond [`CODES_MAX`].
const OTHER_CODES: &str = "other";

/// What makes two refusals alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Alike {
    pub actor: Actor,
    pub key_id: Option<String>,
    pub address: String,
    pub action: Action,
    pub code: &'static str,
}

impl Alike {
    pub(super) fn origin(&self) -> Origin {
        Origin { key_id: self.key_id.clone(), address: self.address.clone() }
    }
}

/// Refusals since the one that was kept.
#[derive(Debug)]
struct Since {
    opened: Timestamp,
    last: Timestamp,
    count: u64,
    detail: String,
}

/// A count with its codes.
#[derive(Debug, Clone)]
struct Count {
    from: Timestamp,
    to: Timestamp,
    total: u64,
    codes: BTreeMap<String, u64>,
}

impl Count {
    fn empty(at: Timestamp) -> Self {
        Self { from: at, to: at, total: 0, codes: BTreeMap::new() }
    }

    fn add(&mut self, code: &str, count: u64, at: Timestamp) {
        if self.total == 0 {
            self.from = at;
        }
        self.to = self.to.max(at);
        self.total = self.total.saturating_add(count);
        let known = self.codes.contains_key(code) || self.codes.len() < CODES_MAX;
        let of_code = self.codes.entry(if known { code } else { OTHER_CODES }.to_owned()).or_default();
        *of_code = of_code.saturating_add(count);
    }
}

#[derive(Debug)]
struct Strangers {
    opened: Timestamp,
    count: Count,
    key_ids: Vec<String>,
}

/// The counts.
#[derive(Debug, Default)]
pub(super) struct Tally {
    refusals: BTreeMap<Alike, Since>,
    strangers: BTreeMap<String, Strangers>,
    unkept: Option<Count>,
}

/// What is to be kept of the counts.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    Refusals(Alike, Attempted),
    Strangers(StrangersRefused),
    Unkept(AttemptsUnkept),
}

impl Tally {
    /// A known caller was refused; true when this one is to be kept by itself.
    pub(super) fn refused(&mut self, alike: Alike, detail: &str, at: Timestamp) -> bool {
        if let Some(since) = self.refusals.get_mut(&alike) {
            since.count = since.count.saturating_add(1);
            since.last = since.last.max(at);
            return false;
        }
        if self.refusals.len() >= REFUSALS_MAX {
            self.unkept(alike.code, 1, at);
            return false;
        }
        self.refusals.insert(alike, Since { opened: at, last: at, count: 0, detail: detail.to_owned() });
        true
    }

    /// A stranger was turned away; their own record, when this one is to be kept by itself.
    pub(super) fn stranger(
        &mut self,
        address: &str,
        code: &str,
        key_id: Option<&str>,
        at: Timestamp,
    ) -> Option<StrangersRefused> {
        let told_apart = self.strangers.contains_key(address) || self.strangers.len() < ADDRESSES_MAX;
        let name = if told_apart { address } else { OTHER_ADDRESSES };
        let known = self.strangers.get_mut(name);
        if let Some(known) = known {
            known.count.add(code, 1, at);
            note(&mut known.key_ids, key_id);
            return None;
        }
        let fresh = Strangers { opened: at, count: Count::empty(at), key_ids: vec![] };
        self.strangers.insert(name.to_owned(), fresh);
        let mut alone = Count::empty(at);
        alone.add(code, 1, at);
        Some(strangers(name, alone, key_id.map(str::to_owned).into_iter().collect()))
    }

    /// Something was not kept.
    pub(super) fn unkept(&mut self, code: &str, count: u64, at: Timestamp) {
        self.unkept.get_or_insert_with(|| Count::empty(at)).add(code, count, at);
    }

    /// What was counted for long enough; everything when it is the `last` time.
    pub(super) fn due(&mut self, now: Timestamp, last: bool) -> Vec<Due> {
        let over = |opened: Timestamp| last || now.millis_since(opened) >= WINDOW_MS;
        let mut due = vec![];
        let refusals = self.refusals.extract_if(.., |_, since| over(since.opened));
        due.extend(refusals.filter(|(_, since)| since.count > 0).map(|(alike, since)| {
            let attempted = Attempted {
                command_id: None,
                action: alike.action.name().to_owned(),
                outcome: stele_domain::access::attempt::Outcome::Refused,
                code: alike.code.to_owned(),
                detail: since.detail,
                reason: String::new(),
                count: since.count,
                at: since.last,
            };
            Due::Refusals(alike, attempted)
        }));
        let gone = self.strangers.extract_if(.., |_, strangers| over(strangers.opened));
        due.extend(
            gone.filter(|(_, counted)| counted.count.total > 0).map(|(address, counted)| {
                Due::Strangers(strangers(&address, counted.count, counted.key_ids))
            }),
        );
        due.extend(self.unkept.take().map(|count| {
            let Count { from, to, total: count, codes } = count;
            Due::Unkept(AttemptsUnkept { from, to, count, codes })
        }));
        due
    }
}

fn note(key_ids: &mut Vec<String>, key_id: Option<&str>) {
    if let Some(id) = key_id
        && key_ids.len() < KEY_IDS_MAX
        && !key_ids.iter().any(|known| known == id)
    {
        key_ids.push(id.to_owned());
    }
}

fn strangers(address: &str, count: Count, key_ids: Vec<String>) -> StrangersRefused {
    let Count { from, to, total: count, codes } = count;
    StrangersRefused { address: address.to_owned(), from, to, count, codes, key_ids }
}

#[cfg(test)]
mod tests {
    use super::{ADDRESSES_MAX, Alike, Due, REFUSALS_MAX, Tally};
    use stele_domain::access::Action;
    use stele_domain::ids::Actor;
    use stele_domain::time::Timestamp;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn alike(n: usize) -> Alike {
        let actor = Actor::try_from(format!("person:p{n}")).unwrap();
        Alike { actor, key_id: None, address: "unix".to_owned(), action: Action::Kill, code: "forbidden" }
    }

    #[test]
    fn the_first_stranger_of_an_address_is_kept_at_once_and_the_rest_of_the_minute_together() {
        let mut tally = Tally::default();
        let first = tally.stranger("203.0.113.7", "bad-key", Some("aaaa"), at(0)).unwrap();
        assert_eq!((first.count, first.key_ids), (1, vec!["aaaa".to_owned()]));
        for n in 1..=10 {
            let code = if n % 2 == 0 { "bad-key" } else { "no-credential" };
            assert_eq!(tally.stranger("203.0.113.7", code, None, at(n * 1_000)), None);
        }
        assert_eq!(tally.due(at(59_999), false), vec![]);
        let due = tally.due(at(60_000), false);
        let [Due::Strangers(rest)] = due.as_slice() else { panic!("{due:?}") };
        assert_eq!((rest.count, rest.from, rest.to), (10, at(1_000), at(10_000)));
        assert_eq!(rest.codes["bad-key"], 5);
        assert!(tally.stranger("203.0.113.7", "bad-key", None, at(60_001)).is_some());
    }

    #[test]
    fn addresses_beyond_the_limit_are_counted_together_and_none_is_lost() {
        let mut tally = Tally::default();
        let mut alone = 0;
        for n in 0..ADDRESSES_MAX * 3 {
            alone += u64::from(
                tally.stranger(&format!("10.0.{}.{}", n / 256, n % 256), "bad-key", None, at(0)).is_some(),
            );
        }
        let counted: u64 = tally
            .due(at(1), true)
            .iter()
            .map(|due| if let Due::Strangers(some) = due { some.count } else { 0 })
            .sum();
        assert_eq!(alone + counted, u64::try_from(ADDRESSES_MAX * 3).unwrap());
        assert!(tally.due(at(1), true).is_empty(), "what was told is told once");
    }

    #[test]
    fn key_ids_that_strangers_claim_are_noted_up_to_eight() {
        let mut tally = Tally::default();
        tally.stranger("a", "bad-key", None, at(0));
        for n in 0..100 {
            tally.stranger("a", "bad-key", Some(&format!("key{}", n / 2)), at(1));
        }
        let due = tally.due(at(2), true);
        let [Due::Strangers(rest)] = due.as_slice() else { panic!("{due:?}") };
        assert_eq!(rest.key_ids.len(), 8);
    }

    #[test]
    fn a_caller_who_is_refused_again_and_again_is_kept_once_and_counted() {
        let mut tally = Tally::default();
        assert!(tally.refused(alike(1), "no", at(0)));
        assert!(!tally.refused(alike(1), "no", at(10)));
        assert!(!tally.refused(alike(1), "no", at(20)));
        assert!(tally.refused(alike(2), "no", at(20)));
        let due = tally.due(at(60_020), false);
        let [Due::Refusals(who, attempted)] = due.as_slice() else { panic!("{due:?}") };
        assert_eq!((who, attempted.count, attempted.at), (&alike(1), 2, at(20)));
    }

    #[test]
    fn refusals_beyond_the_limit_are_counted_as_unkept() {
        let mut tally = Tally::default();
        for n in 0..REFUSALS_MAX {
            assert!(tally.refused(alike(n), "no", at(0)));
        }
        assert!(!tally.refused(alike(REFUSALS_MAX), "no", at(5)));
        let due = tally.due(at(6), false);
        let [Due::Unkept(unkept)] = due.as_slice() else { panic!("{due:?}") };
        assert_eq!((unkept.count, unkept.from, unkept.codes["forbidden"]), (1, at(5), 1));
    }

    #[test]
    fn codes_beyond_the_limit_share_one_count() {
        let mut tally = Tally::default();
        for n in 0..100 {
            tally.unkept(&format!("code-{n}"), 1, at(0));
        }
        let due = tally.due(at(0), false);
        let [Due::Unkept(unkept)] = due.as_slice() else { panic!("{due:?}") };
        assert_eq!((unkept.codes.len(), unkept.count, unkept.codes.values().sum::<u64>()), (33, 100, 100));
    }
}
