//! A gate's answer as the JSON object that tables show, without serde's machinery in between: every decision has 25 of
//! them. The same bytes as the derived form gives, which is what reads them.

use super::{Answer, GateResult, Measure};
use crate::money::BasisPoints;

/// What one object takes, as a rule.
const OBJECT_BYTES: usize = 112;

/// The answers as a JSON array.
#[must_use]
pub fn array(gates: &[GateResult]) -> String {
    let mut out = String::with_capacity(gates.len().saturating_mul(OBJECT_BYTES).saturating_add(2));
    write_array(gates, &mut out);
    out
}

/// Appends the answers as a JSON array.
pub fn write_array(gates: &[GateResult], out: &mut String) {
    for (i, result) in gates.iter().enumerate() {
        out.push(if i == 0 { '[' } else { ',' });
        object(out, result);
    }
    out.push_str(if gates.is_empty() { "[]" } else { "]" });
}

fn object(out: &mut String, result: &GateResult) {
    out.push_str("{\"gate\":\"");
    out.push_str(result.gate.code());
    match result.answer {
        Answer::Pass => out.push_str("\",\"answer\":\"pass\",\"observed\":"),
        Answer::NotAsked => out.push_str("\",\"answer\":\"not_asked\",\"observed\":"),
        Answer::Deny(reason) => {
            out.push_str("\",\"answer\":{\"deny\":\"");
            out.push_str(reason.code());
            out.push_str("\"},\"observed\":");
        }
    }
    measure(out, result.observed);
    out.push_str(",\"limit\":");
    measure(out, result.limit);
    out.push('}');
}

fn measure(out: &mut String, measure: Measure) {
    let mut digits = itoa::Buffer::new();
    match measure {
        Measure::Unknown => out.push_str("\"unknown\""),
        Measure::Millis(span) => {
            out.push_str("{\"millis\":");
            out.push_str(digits.format(span));
            out.push('}');
        }
        Measure::Bps(BasisPoints(share)) => {
            out.push_str("{\"bps\":");
            out.push_str(digits.format(share));
            out.push('}');
        }
        Measure::Units(units) => {
            out.push_str("{\"units\":\"");
            units.write(out);
            out.push_str("\"}");
        }
        Measure::Count(count) => {
            out.push_str("{\"count\":");
            out.push_str(digits.format(count));
            out.push('}');
        }
        Measure::Flag(true) => out.push_str("{\"flag\":true}"),
        Measure::Flag(false) => out.push_str("{\"flag\":false}"),
    }
}
