//! What holds of every what-if, whatever the story.

use crate::desk::eure;
use crate::story::{Step, Story};
use crate::whatif::{answer, is_history, limited, the_desk};
use quickcheck::TestResult;
use stele_commands::whatif::question::PricingChanges;
use stele_commands::whatif::report::Kind;
use stele_commands::whatif::{Edge, Fills, Question, Replay, Report};
use stele_domain::money::{BasisPoints, Units};
use stele_domain::port::event_log::{Position, Record};
use stele_domain::trading::limits::Limits;

/// How many stories each law is tried on.
const STORIES: u64 = 40;

fn law<A: quickcheck::Testable>(law: A) {
    let check = quickcheck::QuickCheck::new().tests(STORIES).max_tests(STORIES * 20);
    check.min_tests_passed(STORIES).quickcheck(law);
}

/// A limit by its stored name, and a value for it.
type Named = (&'static str, fn(&mut Limits));

/// Limits that allow more than any of the stories'; each of them by itself or with others.
const LOOSER: [Named; 6] = [
    ("edge_min", |limits| limits.edge_min = BasisPoints(0)),
    ("notional_max", |limits| limits.notional_max = eure(100_000)),
    ("notional_min", |limits| limits.notional_min = Units::ZERO),
    ("open_offers_max", |limits| limits.open_offers_max = 250),
    ("open_offers_per_partner_max", |limits| limits.open_offers_per_partner_max = 250),
    ("cooldown_ms", |limits| limits.cooldown_ms = 0),
];

/// Limits that allow less than any of the stories'.
const TIGHTER: [Named; 4] = [
    ("edge_min", |limits| limits.edge_min = BasisPoints(300)),
    ("open_offers_max", |limits| limits.open_offers_max = 1),
    ("cooldown_ms", |limits| limits.cooldown_ms = 20_000),
    ("price_age_ms_max", |limits| limits.price_age_ms_max = 500),
];

fn some_of(changes: &[Named], which: u8) -> Question {
    let chosen: Vec<_> =
        changes.iter().enumerate().filter(|(n, _)| which >> n & 1 == 1).map(|(_, change)| change).collect();
    let names: Vec<_> = chosen.iter().map(|(name, _)| *name).collect();
    limited(&names, |limits| chosen.iter().for_each(|(_, change)| change(limits)))
}

#[test]
fn what_changes_nothing_is_history() {
    fn law_of(story: Story, from: u16, to: u16, model: u8) -> bool {
        let records = story.records();
        let fills = Fills::ALL[usize::from(model) % 3];
        let question = Question { fills, ..Question::default() };
        is_history(&answer(&records, question.clone()));
        let place = |n: u16| u64::from(n) % records.len() as u64 + 1;
        let (from, to) = (place(from).min(place(to)), place(from).max(place(to)));
        let edges = (Some(Edge::Position(Position(from))), Some(Edge::Position(Position(to))));
        is_history(&crate::whatif::between(&records, question, edges).unwrap());
        true
    }
    law(law_of as fn(Story, u16, u16, u8) -> bool);
}

/// Until the first offer that differs both histories are one, so what allows more can only add there. Later ones may be
/// missing: what was added holds coin and room.
#[test]
fn looser_limits_add_before_they_take_anything() {
    fn law_of(story: Story, which: u8) -> TestResult {
        let report = answer(&story.records(), some_of(&LOOSER, which));
        match report.differences.first() {
            None => TestResult::discard(),
            Some(first) => TestResult::from_bool(first.kind == Kind::Added),
        }
    }
    law(law_of as fn(Story, u8) -> TestResult);
}

#[test]
fn tighter_limits_take_before_they_add_anything() {
    fn law_of(story: Story, which: u8) -> TestResult {
        let report = answer(&story.records(), some_of(&TIGHTER, which));
        match report.differences.first() {
            None => TestResult::discard(),
            Some(first) => TestResult::from_bool(first.kind == Kind::Removed),
        }
    }
    law(law_of as fn(Story, u8) -> TestResult);
}

/// What is counted is counted once, and the two sides hold what the differences say.
#[test]
fn the_totals_are_those_of_the_differences() {
    fn law_of(story: Story, which: u8, margin: u8, model: u8) -> bool {
        let changes =
            if which.is_multiple_of(2) { some_of(&LOOSER, which / 2) } else { some_of(&TIGHTER, which / 2) };
        let pricing =
            PricingChanges { base: Some(BasisPoints(i64::from(margin) * 2)), ..PricingChanges::default() };
        let fills = Fills::ALL[usize::from(model) % 3];
        let report = answer(&story.records(), Question { pricing, fills, ..changes });
        let decisions = report.decisions;
        let parts = decisions.identical + decisions.figures + decisions.reason;
        assert_eq!(decisions.all, parts + decisions.offers_that_differ(), "{decisions:?}");
        let listed =
            |kind| report.differences.iter().filter(|difference| difference.kind == kind).count() as u64;
        assert_eq!((listed(Kind::Added), listed(Kind::Removed)), (decisions.added, decisions.removed));
        assert_eq!(listed(Kind::Changed), decisions.changed);
        let offers =
            |side: &stele_commands::whatif::report::Side| side.offered.values().map(|v| v.count).sum::<u64>();
        assert_eq!(offers(&report.before) + decisions.added, offers(&report.after) + decisions.removed);
        assert_eq!(decisions.not_reproduced, 0);
        assert!(report.before.settled_estimated.is_empty());
        if fills == Fills::None {
            assert!(report.after.settled_estimated.is_empty());
        }
        true
    }
    law(law_of as fn(Story, u8, u8, u8) -> bool);
}

#[test]
fn the_same_question_has_the_same_answer_to_the_byte() {
    fn law_of(story: Story, which: u8) -> bool {
        let records = story.records();
        let question = some_of(&LOOSER, which);
        let (one, other) = (answer(&records, question.clone()), answer(&records, question.clone()));
        assert_eq!(one, other);
        // Another question has another hash, also where nothing comes of it.
        let another = Question { fills: Fills::All, ..question };
        assert_ne!(answer(&records, another).result, one.result);
        // Records of other streams change nothing: not even one of a type that nobody knows.
        let mut more: Vec<Record> = vec![];
        for record in &records {
            more.push(record.clone());
            let mut foreign = record.clone();
            foreign.stream = stele_domain::port::event_log::StreamId::new("notes-mine").unwrap();
            foreign.event_type = "note.Taken".into();
            more.push(foreign);
        }
        answer(&more, some_of(&LOOSER, which)) == one
    }
    law(law_of as fn(Story, u8) -> bool);
}

/// A story that is always the same, of which every kind of difference comes.
fn fixed() -> Vec<Record> {
    let step = |n: u8| match n % 12 {
        0 | 6 => Step::Price(n.wrapping_mul(7) | 2),
        3 => Step::Block(n.wrapping_mul(11)),
        9 if n % 36 == 33 => Step::Restart,
        9 => Step::Limits(n.wrapping_mul(29)),
        10 => Step::Arm,
        11 => Step::Passes(n % 24),
        _ => Step::Demand(n.wrapping_mul(53)),
    };
    let steps = (0..240).map(step).collect();
    Story(steps).records()
}

fn fixed_answer() -> Report {
    let question = Question {
        pricing: PricingChanges { base: Some(BasisPoints(120)), ..PricingChanges::default() },
        fills: Fills::Recorded,
        ..limited(&["edge_min", "open_offers_max"], |limits| {
            limits.edge_min = BasisPoints(100);
            limits.open_offers_max = 12;
        })
    };
    let mut replay = Replay::new(the_desk(), question, None, None).unwrap();
    for record in fixed() {
        replay.see(&record).unwrap();
    }
    replay.finish_as("golden".to_owned()).unwrap()
}

/// Printed by every machine alike. A change of it is a change of what the deciders or the replay come to.
#[test]
fn the_answer_to_a_fixed_question_never_changes() {
    let report = fixed_answer();
    let kinds = |kind| report.differences.iter().any(|difference| difference.kind == kind);
    assert!(kinds(Kind::Added) && kinds(Kind::Changed), "{:?}", report.decisions);
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/whatif.json");
    let text = serde_json::to_string_pretty(&report).unwrap() + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden")).unwrap();
        std::fs::write(golden, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(golden).unwrap(), text);
}
