//! What would have been, for people: what was asked, what differs, and what of it is an estimate.

use super::table;
use super::units::{moment, of_side};
use crate::config::LIMIT_FIELDS;
use std::collections::BTreeMap;
use stele_commands::whatif::Report;
use stele_commands::whatif::report::{Difference, Fate, Kind, LimitChange, Stand, Volume};
use stele_domain::money::Units;
use stele_domain::pair::{Direction, Pair};
use stele_domain::trading::gate::Gate;

/// The whole answer; of the differences the first `show`.
pub(crate) fn report(report: &Report, pair: &Pair, show: usize) -> String {
    let Some(span) = report.positions else {
        return "Nothing stands in that part of the log.".to_owned();
    };
    let mut parts = vec![format!(
        "{}, account {}, positions {} to {}: {}",
        report.pair,
        report.account,
        span.from,
        span.to,
        verdict(report)
    )];
    parts.extend(asked(report, pair));
    parts.push(totals(report, pair));
    parts.extend(changed_reasons(report));
    if show > 0 && !report.differences.is_empty() {
        parts.push(differences(report, pair, show));
    }
    parts.extend(warnings(report));
    parts.push(table::facts([
        ("fills", fills(report)),
        ("deciders", report.deciders.clone()),
        ("result", report.result.clone()),
    ]));
    parts.join("\n\n")
}

/// What it comes to, in a sentence.
fn verdict(report: &Report) -> String {
    let decisions = &report.decisions;
    if report.question.changes_nothing() && decisions.not_reproduced == 0 {
        return format!("this build comes to all {} recorded decisions again.", decisions.all);
    }
    match decisions.offers_that_differ() {
        0 => format!("no offer differs, in {} decisions.", decisions.all),
        differ => {
            let differ =
                if differ == 1 { "one offer differs".to_owned() } else { format!("{differ} offers differ") };
            format!(
                "{differ} in {} decisions: {} more, {} fewer, {} of other amounts.",
                decisions.all, decisions.added, decisions.removed, decisions.changed
            )
        }
    }
}

/// What was asked for other than what was in force.
fn asked(report: &Report, pair: &Pair) -> Option<String> {
    let mut table = table::framed(&["asked for", "in force then", "asked", "version"]);
    for change in &report.limits {
        let LimitChange { version, name, then, asked } = change;
        let field =
            LIMIT_FIELDS.iter().find(|field| field.name.strip_suffix("_bps").unwrap_or(field.name) == name);
        let Some(field) = field else { continue };
        let (then, asked) = (field.show(then, pair), field.show(asked, pair));
        table.add_row([field.name.to_owned(), then, asked, version.to_string()]);
    }
    let pricing = &report.question.pricing;
    let parts = [
        ("pricing.base_bps", pricing.base),
        ("pricing.per_second_of_age_bps", pricing.per_second_of_age),
        ("pricing.fallback_bps", pricing.fallback),
        ("pricing.assumed_parity_bps", pricing.assumed_parity),
    ];
    let mut any = !report.limits.is_empty();
    for (name, asked) in parts {
        if let Some(asked) = asked {
            any = true;
            table.add_row([
                name.to_owned(),
                "as each decision says".to_owned(),
                asked.to_string(),
                String::new(),
            ]);
        }
    }
    if any {
        return Some(table.to_string());
    }
    (!report.question.changes_nothing()).then(|| "All that was asked for was in force already.".to_owned())
}

fn totals(report: &Report, pair: &Pair) -> String {
    let mut table = table::framed(&["", "before", "after"]);
    let (before, after) = (&report.before, &report.after);
    for direction in Direction::ALL {
        let name = direction.name();
        let what = match direction {
            Direction::BuyBase => "buying",
            Direction::SellBase => "selling",
        };
        let what = format!("{what} {}", pair.base.asset.symbol);
        volume(&mut table, &format!("offers {what}"), (&before.offered, &after.offered), name, pair);
        volume(
            &mut table,
            &format!("settled {what}, recorded"),
            (&before.settled, &after.settled),
            name,
            pair,
        );
        let estimates = (&before.settled_estimated, &after.settled_estimated);
        volume(&mut table, &format!("settled {what}, estimated"), estimates, name, pair);
    }
    counts(&mut table, "skipped", (&before.skipped, &after.skipped));
    counts(&mut table, "refused by the account", (&before.refused, &after.refused));
    row(&mut table, "too late", before.expired, after.expired);
    row(&mut table, "without an outcome", before.unanswered, after.unanswered);
    table.to_string()
}

type Volumes = BTreeMap<&'static str, Volume>;

fn volume(table: &mut table::Framed, what: &str, of: (&Volumes, &Volumes), direction: &str, pair: &Pair) {
    let (before, after) = (of.0.get(direction), of.1.get(direction));
    if before.is_none() && after.is_none() {
        return;
    }
    let words = |volume: Option<&Volume>| {
        let Volume { count, notional, edge } = volume.copied().unwrap_or_default();
        let (notional, edge) = (of_side(notional, &pair.quote), of_side(edge, &pair.quote));
        format!("{count} worth {notional}, edge {edge}")
    };
    table.add_row([what.to_owned(), words(before), words(after)]);
}

type Counts = BTreeMap<&'static str, u64>;

fn counts(table: &mut table::Framed, what: &str, of: (&Counts, &Counts)) {
    let names: std::collections::BTreeSet<_> = of.0.keys().chain(of.1.keys()).collect();
    for name in names {
        let count = |counts: &Counts| counts.get(name).copied().unwrap_or_default();
        row(table, &format!("{what}: {name}"), count(of.0), count(of.1));
    }
}

fn row(table: &mut table::Framed, what: &str, before: u64, after: u64) {
    if before > 0 || after > 0 {
        table.add_row([what.to_owned(), before.to_string(), after.to_string()]);
    }
}

fn changed_reasons(report: &Report) -> Option<String> {
    let of = |reason: &stele_commands::whatif::report::ReasonChange| {
        format!("{} for {} and not for {}", reason.count, reason.after, reason.before)
    };
    let words: Vec<_> = report.reasons.iter().map(of).collect();
    (!words.is_empty())
        .then(|| format!("No offer before or after, for another reason: {}.", words.join("; ")))
}

fn differences(report: &Report, pair: &Pair, show: usize) -> String {
    let mut table = table::framed(&["position", "when", "direction", "before", "after", "gates"]);
    for difference in report.differences.iter().take(show) {
        let Difference { position, at, direction, before, after, .. } = difference;
        table.add_row([
            position.to_string(),
            moment(*at),
            direction.name().to_owned(),
            stand(before, *direction, pair),
            stand(after, *direction, pair),
            shut_or_opened(difference),
        ]);
    }
    let listed = u64::try_from(report.differences.len().min(show)).unwrap_or(u64::MAX);
    let left = report.decisions.offers_that_differ().saturating_sub(listed);
    if left == 0 {
        return table.to_string();
    }
    format!("{table}\n… and {left} more: --show N shows more of them, --report FILE keeps up to 10,000")
}

fn stand(stand: &Stand, direction: Direction, pair: &Pair) -> String {
    let offer = stand.offer.as_ref();
    match (stand.fate, offer) {
        (Fate::Offered, Some(offer)) => {
            let (base, quote): (Units, Units) = match direction {
                Direction::BuyBase => (offer.receive.amount, offer.give.amount),
                Direction::SellBase => (offer.give.amount, offer.receive.amount),
            };
            let (base, quote) = (of_side(base, &pair.base), of_side(quote, &pair.quote));
            format!("{base} for {quote}, edge {}", offer.gross_edge)
        }
        (Fate::Offered, None) => "offered".to_owned(),
        (Fate::NotOrdered { reason }, _) => reason.code().to_owned(),
        (Fate::Refused { code }, _) => format!("refused: {}", code.code()),
        (Fate::Expired, _) => "too late".to_owned(),
        (Fate::Unanswered, _) => "no outcome".to_owned(),
    }
}

/// The gates whose answer is another, by name.
fn shut_or_opened(difference: &Difference) -> String {
    let changed = difference.gates.iter().filter(|gate| gate.before.answer != gate.after.answer);
    let names: Vec<_> = changed.map(|change| name_of(change.gate)).collect();
    match (names.is_empty(), difference.kind) {
        (false, _) => names.join(", "),
        (true, Kind::Changed) => "the same".to_owned(),
        (true, Kind::Added | Kind::Removed) => "the account's own".to_owned(),
    }
}

fn name_of(gate: Gate) -> String {
    match serde_json::to_value(gate) {
        Ok(serde_json::Value::String(name)) => name,
        Ok(_) | Err(_) => String::new(),
    }
}

fn warnings(report: &Report) -> Option<String> {
    let count = report.decisions.not_reproduced;
    let first = report.not_reproduced.first()?;
    Some(format!(
        "{count} recorded decisions are not what this build comes to, the first at position {first}: another build or \
         another configuration made them. Where the question changes nothing for such a one, it counts as it was."
    ))
}

fn fills(report: &Report) -> String {
    use stele_commands::whatif::Fills;
    let words = match report.question.fills {
        Fills::Recorded => {
            "an offer that was never made is taken where the record says that ours was, on terms no better for \
                            the taker"
        }
        Fills::None => "no offer that was never made is taken",
        Fills::All => "every offer that was never made is taken",
    };
    format!("{}: {words}; what rests on it is an estimate", report.question.fills.name())
}
