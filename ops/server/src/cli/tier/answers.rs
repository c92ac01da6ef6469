//! What commands about partitions answer, for people and for programs.

use super::super::{say, say_json};
use super::failure;
use crate::amounts::span;
use crate::exit::{Code, Failure, Outcome};
use crate::render::table::framed;
use crate::render::units::moment;
use serde_json::{Value, json};
use stele_domain::causes::with_causes;
use stele_domain::operations::tiering::{Known, State};
use stele_domain::port::tiering::Partition;
use stele_projections::tier::{Asked, Difference, Done, Outcome as Became, Restored, ShelfOf, Verified, Why};

pub(super) fn ran(all: &[Done], asked: &Asked, json: bool) -> Outcome {
    if json {
        let partitions: Vec<Value> = all.iter().map(|done| of_done(done, asked)).collect();
        say_json(&json!({
            "asked": { "table": asked.table, "older_than_s": asked.older_than_s, "keep": asked.keep },
            "partitions": partitions,
        }))?;
    } else if all.is_empty() {
        say("There is no partition in the tables yet.")?;
    } else {
        let mut table = framed(&["history", "from", "to", "rows", "became", "why"]);
        for done in all {
            let Partition { table: name, from, to, .. } = &done.partition;
            let rows = if done.rows == 0 { String::new() } else { done.rows.to_string() };
            let became = became(&done.outcome).to_owned();
            let why = reason(done, asked);
            table.add_row([(*name).to_owned(), from.to_string(), to.to_string(), rows, became, why]);
        }
        say(&table.to_string())?;
        if let Some(name) = &asked.table {
            say(&format!("Partitions of other histories than {name} were not looked at."))?;
        }
    }
    let differ: Vec<&Difference> = all
        .iter()
        .filter_map(
            |done| if let Became::Differs(difference) = &done.outcome { Some(difference) } else { None },
        )
        .collect();
    if !differ.is_empty() {
        return Err(different(&differ));
    }
    let failed = all.iter().find_map(|done| match &done.outcome {
        Became::Failed(error) => Some(error),
        Became::Stays
        | Became::Tiered
        | Became::Both
        | Became::Held(_)
        | Became::Left
        | Became::Differs(_)
        | Became::Blocked(_) => None,
    });
    failed.map_or(Ok(()), |error| {
        let why = failure(error);
        Err(Failure { what: format!("not all was done: {}", why.what), ..why })
    })
}

fn different(all: &[&Difference]) -> Failure {
    let lines: Vec<String> = all.iter().map(|difference| format!("  {difference}")).collect();
    let words = format!("rows are not what was kept of them:\n{}", lines.join("\n"));
    Failure::new(Code::Mismatch, words)
        .advise("nothing of these was taken away: ops/runbooks/tiering.md says what to look at")
}

fn became(outcome: &Became) -> &'static str {
    match outcome {
        Became::Stays => "in the tables",
        Became::Tiered => "in both, since now",
        Became::Both | Became::Held(_) => "in both",
        Became::Left => "in the lake",
        Became::Differs(_) => "DIFFERS",
        Became::Blocked(_) => "waits",
        Became::Failed(_) => "failed",
    }
}

/// What is wrong with a partition, or until when it is held; nothing where its reason says it all.
fn detail(outcome: &Became) -> String {
    match outcome {
        Became::Stays | Became::Tiered | Became::Both | Became::Left => String::new(),
        Became::Held(until) => format!("held until {}", moment(*until)),
        Became::Differs(difference) => difference.to_string(),
        Became::Blocked(why) => why.clone(),
        Became::Failed(error) => with_causes(&**error),
    }
}

/// Why a partition is where it is, in a sentence.
fn reason(done: &Done, asked: &Asked) -> String {
    let newest = |at| format!("its newest row is of {}", moment(at));
    let newest = done.partition.newest.map(newest);
    let wanted = match asked.older_than_s.map(|age_s| i64::try_from(age_s.saturating_mul(1_000))) {
        Some(age_ms) => format!("older than {}", span(age_ms.unwrap_or(i64::MAX))),
        None => "old enough by the policy of its history".to_owned(),
    };
    let already = matches!(done.outcome, Became::Both);
    let there = if already { "it was in the lake already" } else { "it was put into the lake just now" };
    match done.why(asked) {
        Why::WrittenInto => "a projection still writes into it, or is not past its end".to_owned(),
        Why::TooYoung => match newest {
            Some(newest) => format!("too young: {newest}, which is not {wanted}"),
            None => "it has no rows whose age would count".to_owned(),
        },
        Why::BeingFolded => "the tables are being folded: what its rows come to is not known yet".to_owned(),
        Why::AskedToKeep => format!("{there}, and nothing was to leave the tables (--keep)"),
        Why::RetentionKeeps => format!("{there}; its age or keep_rows does not let it leave the tables yet"),
        Why::OlderStays => format!("{there}, and an older partition of its history stays in the tables"),
        Why::OldEnough => match newest {
            Some(newest) => format!("{newest}, which is {wanted}; the lake was proved to have it"),
            None => "the lake was proved to have it".to_owned(),
        },
        Why::Held | Why::Differs | Why::Blocked | Why::Failed => detail(&done.outcome),
    }
}

fn of_done(done: &Done, asked: &Asked) -> Value {
    let Partition { table, name, from, to, newest, .. } = &done.partition;
    let became = match &done.outcome {
        Became::Stays => "stays",
        Became::Tiered => "tiered",
        Became::Both => "both",
        Became::Held(_) => "held",
        Became::Left => "left",
        Became::Differs(_) => "differs",
        Became::Blocked(_) => "blocked",
        Became::Failed(_) => "failed",
    };
    json!({
        "table": table, "partition": name, "from": from.0, "to": to.0, "rows": done.rows, "became": became,
        "why": done.why(asked).code(), "reason": reason(done, asked), "newest": newest.map(|at| at.to_string()),
        "detail": detail(&done.outcome),
    })
}

/// Whether what is known of a partition is about this build's definition of its history, and this lake.
fn is_here(known: &Known, lake: &str) -> bool {
    let span = &known.tiered.span;
    known.tiered.lake == lake
        && ShelfOf::of(&span.table).is_ok_and(|history| history.shelf.version == span.version)
}

/// Every partition that is in the tables, or that the log says was put into a lake, by history and position.
fn entries(live: &[Partition], known: &State, lake: &str, only: Option<&str>) -> Vec<Value> {
    let meant = |table: &str| only.is_none_or(|only| only == table);
    let told = known.all().filter(|one| meant(&one.tiered.span.table));
    let (here, elsewhere): (Vec<&Known>, Vec<&Known>) = told.partition(|one| is_here(one, lake));
    let in_lake = |table: &str, from: u64| {
        let is_it = |one: &&Known| one.tiered.span.table == table && one.tiered.span.from_position == from;
        here.iter().copied().find(is_it)
    };
    let mut all = vec![];
    let flagged = here.iter().map(|one| (*one, true)).chain(elsewhere.iter().map(|one| (*one, false)));
    for (one, is_here) in flagged {
        let span = &one.tiered.span;
        // What another definition made, or is in another lake, is told where nothing else is known of these positions.
        let is_told = is_here || in_lake(&span.table, span.from_position).is_none();
        if is_told && !live.iter().any(|live| live.table == span.table && live.from.0 == span.from_position) {
            all.push(entry(&span.table, (span.from_position, span.to_position), None, Some(one), is_here));
        }
    }
    for one in live.iter().filter(|one| meant(one.table)) {
        let found = in_lake(one.table, one.from.0).filter(|found| found.tiered.span.to_position == one.to.0);
        all.push(entry(one.table, (one.from.0, one.to.0), Some(one), found, found.is_some()));
    }
    all.sort_by_key(|entry| (entry["table"].as_str().unwrap_or_default().to_owned(), entry["from"].as_u64()));
    all
}

pub(super) fn listed(
    live: &[Partition],
    known: &State,
    lake: &str,
    only: Option<&str>,
    json: bool,
) -> Outcome {
    let all = entries(live, known, lake, only);
    if json {
        return say_json(&json!({ "partitions": all }));
    }
    if all.is_empty() {
        return say("There is no partition in the tables, and none in the lake.");
    }
    let mut table = framed(&["history", "from", "to", "tables", "lake", "newest row", "manifest"]);
    for entry in &all {
        let text = |name: &str| match &entry[name] {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                other.to_string()
            }
        };
        table.add_row(["table", "from", "to", "in_tables", "in_lake", "newest", "manifest"].map(text));
    }
    say(&table.to_string())
}

fn entry(
    table: &str,
    (from, to): (u64, u64),
    live: Option<&Partition>,
    known: Option<&Known>,
    in_lake: bool,
) -> Value {
    json!({
        "table": table,
        "from": from,
        "to": to,
        "in_tables": live.is_some(),
        "in_lake": in_lake,
        "version": known.map(|one| one.tiered.span.version),
        "newest": live.and_then(|one| one.newest).map(|at| at.to_string()),
        "tier_due": live.is_some_and(|one| one.sealed && one.tier_due),
        "drop_due": live.is_some_and(|one| one.sealed && one.drop_due),
        "rows": known.map(|one| one.tiered.rows),
        "digest": known.map(|one| one.tiered.digest.clone()),
        "lake": known.map(|one| one.tiered.lake.clone()),
        "manifest": known.map(|one| one.tiered.manifest.clone()),
        "held_until": known.and_then(|one| one.held_until).map(|at| at.to_string()),
    })
}

pub(super) fn verified(told: &Verified, json: bool) -> Outcome {
    let Verified { sound, different, in_other_lakes, of_other_definitions } = told;
    let rows: u64 = sound.iter().map(|one| one.rows).sum();
    if json {
        let said: Vec<String> = different.iter().map(ToString::to_string).collect();
        say_json(&json!({
            "ok": different.is_empty(), "partitions": sound.len(), "rows": rows, "differences": said,
            "in_other_lakes": in_other_lakes, "of_other_definitions": of_other_definitions,
        }))?;
    } else {
        say(&format!("{} partitions with {rows} rows are in the lake as they were kept.", sound.len()))?;
        if *in_other_lakes > 0 || *of_other_definitions > 0 {
            say(&format!(
                "Not looked at: {in_other_lakes} partitions in other lakes, {of_other_definitions} of other definitions."
            ))?;
        }
    }
    if different.is_empty() { Ok(()) } else { Err(self::different(&different.iter().collect::<Vec<_>>())) }
}

pub(super) fn restored(table: &str, told: &Restored, json: bool) -> Outcome {
    let rows: u64 = told.partitions.iter().map(|one| one.rows).sum();
    let from = told.partitions.iter().map(|one| one.span.from_position).min();
    if json {
        return say_json(&json!({
            "table": table, "partitions": told.partitions.len(), "rows": rows, "from": from,
            "held_until": told.held_until.to_string(),
        }));
    }
    let (count, from) = (told.partitions.len(), from.unwrap_or_default());
    let until = moment(told.held_until);
    say(&format!(
        "{table} has its rows from {from} on: {count} partitions with {rows} rows, held until {until}."
    ))
}
