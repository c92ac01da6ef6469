//! What gates said is read as what was written, and nothing else is taken for it.

use super::{Answer, Gate, GateResult, Measure, Reason, line, parse};
use crate::money::{BasisPoints, Units};
use crate::trading::gate::json;
use quickcheck::{Arbitrary, Gen, quickcheck};
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Held {
    #[serde(with = "super")]
    gates: Vec<GateResult>,
}

impl Arbitrary for Measure {
    fn arbitrary(g: &mut Gen) -> Self {
        match u8::arbitrary(g) % 6 {
            0 => Self::Unknown,
            1 => Self::Millis(i64::arbitrary(g)),
            2 => Self::Bps(BasisPoints(i64::arbitrary(g))),
            3 => Self::Units(Units::from_be_bytes(std::array::from_fn(|_| u8::arbitrary(g)))),
            4 => Self::Count(u32::arbitrary(g)),
            _ => Self::Flag(bool::arbitrary(g)),
        }
    }
}

impl Arbitrary for GateResult {
    fn arbitrary(g: &mut Gen) -> Self {
        let answer = match u8::arbitrary(g) % 3 {
            0 => Answer::Pass,
            1 => Answer::NotAsked,
            _ => Answer::Deny(*g.choose(&Reason::ALL).unwrap()),
        };
        let gate = *g.choose(&Gate::ALL).unwrap();
        Self { gate, answer, observed: Measure::arbitrary(g), limit: Measure::arbitrary(g) }
    }
}

quickcheck! {
    fn a_line_is_read_as_what_was_written(gates: Vec<GateResult>) -> bool {
        parse(&line(&gates)) == Ok(gates)
    }

    fn the_json_of_tables_is_what_serde_writes(gates: Vec<GateResult>) -> bool {
        json::array(&gates) == serde_json::to_string(&gates).unwrap()
    }

    fn an_event_of_each_version_is_read_as_what_was_written(gates: Vec<GateResult>) -> bool {
        let first = serde_json::json!({ "gates": gates });
        let held = Held { gates };
        let written = serde_json::to_value(&held).unwrap();
        let [new, old] = [&written, &first].map(|form| serde_json::from_str(&form.to_string()).unwrap());
        held == new && held == old
    }
}

#[test]
fn a_line_reads_like_a_sentence() {
    let said = |gate, answer, observed, limit| GateResult { gate, answer, observed, limit };
    let [low, high] = [35, 50].map(|share| Measure::Bps(BasisPoints(share)));
    let [age, most] = [-52, 5_000].map(Measure::Millis);
    let [no, yes] = [false, true].map(Measure::Flag);
    let [two, nine] = [Measure::Count(2), Measure::Units("9".parse().unwrap())];
    let unknown = Measure::Unknown;
    let gates = [
        said(Gate::NoProbe, Answer::Pass, no, yes),
        said(Gate::PriceFresh, Answer::Pass, age, most),
        said(Gate::Edge, Answer::Deny(Reason::EdgeTooSmall), low, high),
        said(Gate::Funded, Answer::Pass, two, nine),
        said(Gate::Reduces, Answer::NotAsked, unknown, unknown),
    ];
    let words = "no_probe pass no yes; price_fresh pass -52ms 5000ms; edge deny:edge_too_small 35bps 50bps; \
                 funded pass 2 9u; reduces not_asked unknown unknown";
    assert_eq!(line(&gates), words);
    assert_eq!(parse(""), Ok(vec![]));
}

#[test]
fn what_is_no_answer_is_refused_and_named() {
    let wrong = [
        "edge",
        "edge pass",
        "edge pass 1bps",
        "edge pass 1bps ",
        "edge pass 1bps 2bps 3bps",
        "edge  pass 1bps 2bps",
        " edge pass 1bps 2bps",
        "edge pass 1bps 2bps;",
        "Edge pass 1bps 2bps",
        "sluice pass 1bps 2bps",
        "edge passed 1bps 2bps",
        "edge deny 1bps 2bps",
        "edge deny:because 1bps 2bps",
        "edge pass bps 2bps",
        "edge pass 1 -2",
        "edge pass -1u 2u",
        "edge pass 1pct 2bps",
        "edge pass 1-2bps 2bps",
        "edge pass maybe no",
        "edge pass no né",
        "edge pass 9223372036854775808ms 0ms",
        "edge pass 4294967296 0",
    ];
    for part in wrong {
        for (before, after) in [("", ""), ("running pass no no; ", ""), ("", "; running pass no no")] {
            let line = format!("{before}{part}{after}");
            assert_eq!(parse(&line), Err(part), "{line:?}");
            let form = serde_json::json!({ "gates": line }).to_string();
            let error = serde_json::from_str::<Held>(&form).unwrap_err().to_string();
            assert!(
                error.contains(&format!("{part:?}")) && error.contains("each with its answer"),
                "{error}"
            );
        }
    }
    assert_eq!(parse("edge pass 1bps 2bps; "), Err("edge pass 1bps 2bps"));
    for form in
        [r#"{"gates":[7]}"#, r#"{"gates":[[]]}"#, r#"{"gates":[{"gate":"edge"}]}"#, r#"{"gates":null}"#]
    {
        assert!(serde_json::from_str::<Held>(form).is_err(), "{form}");
    }
}
