//! One quote's whole story for a person who has never seen the code: what was asked, what the desk saw, what
//! every gate said, what it did and what came of it. Each step names its place in the log, so that every word
//! can be checked.

mod decision;
mod fate;
mod request;

use super::harmless::harmless;
use super::units::{clock, moment, wrapped};
use crate::amounts::span;
use std::fmt::Write as _;
use stele_domain::pair::Pair;
use stele_domain::port::event_log::Position;
use stele_domain::time::Timestamp;
use stele_projections::models::outcome::CommandState;
use stele_projections::trace::{CommandStory, FoundBy, Trace};

/// Indent of what stands under a step's heading.
const INDENT: usize = 4;

/// One step of the story.
struct Step {
    at: Timestamp,
    position: Position,
    title: String,
    body: Vec<Line>,
}

/// What stands under a heading.
enum Line {
    /// A sentence, broken where needed.
    Text(String),
    /// As it is.
    Row(String),
}

impl Step {
    fn new(at: Timestamp, position: Position, title: impl Into<String>) -> Self {
        Self { at, position, title: title.into(), body: vec![] }
    }

    fn say(mut self, sentence: impl Into<String>) -> Self {
        self.body.push(Line::Text(sentence.into()));
        self
    }
}

/// The story.
pub(crate) fn story(trace: &Trace, pair: &Pair) -> String {
    let mut steps = request::steps(trace, pair);
    for story in &trace.decisions {
        steps.extend(decision::steps(story, trace.demand.as_ref(), pair));
    }
    for story in &trace.commands {
        steps.extend(fate::steps(story, trace.demand.as_ref(), pair));
    }
    let began = steps.first().map(|step| step.at);
    let mut text = heading(trace, pair, began);
    for (index, step) in steps.iter().enumerate() {
        let _ = write!(text, "\n\n{}", told(index + 1, step, began));
    }
    text.push_str("\n\n");
    text.push_str(&ending(trace));
    text
}

fn heading(trace: &Trace, pair: &Pair, began: Option<Timestamp>) -> String {
    let asked = match trace.found_by {
        FoundBy::Quote => String::new(),
        FoundBy::Decision => format!("  (asked for by its decision {})", trace.asked),
        FoundBy::Command => format!("  (asked for by its command {})", trace.asked),
        FoundBy::QuoteHash => format!("  (asked for by what was signed, {})", trace.asked),
        FoundBy::Transaction => format!("  (asked for by its transaction {})", trace.asked),
    };
    let mut text = format!("{}\n", harmless(&format!("Quote {}{asked}", trace.quote_id)));
    if let Some(began) = began {
        let _ = writeln!(text, "{}, pair {}", moment(began), pair.id);
    }
    text.push_str(&broken(&verdict(trace, pair, began), 0));
    text
}

/// The story in one sentence.
fn verdict(trace: &Trace, pair: &Pair, began: Option<Timestamp>) -> String {
    let asked = trace.demand.as_ref().map_or_else(
        || "The request could not be turned into a demand".to_owned(),
        |demand| request::wish(demand, pair),
    );
    let fate = match trace.commands.first() {
        Some(command) => fate::in_a_word(command, began),
        None => match trace.decisions.first() {
            Some(story) => decision::in_a_word(story),
            None if trace.demand.is_some() => "No decision is known yet.".to_owned(),
            None => "Nothing followed from it.".to_owned(),
        },
    };
    format!("{asked}. {fate}")
}

fn told(number: usize, step: &Step, began: Option<Timestamp>) -> String {
    let since = began.map_or_else(String::new, |began| after(step.at.millis_since(began)));
    let title = harmless(&step.title);
    let mut text = format!("{number:>2}. {}  {title}{since}  [log {}]", clock(step.at), step.position);
    for line in &step.body {
        let line = match line {
            Line::Text(sentence) => broken(sentence, INDENT),
            Line::Row(row) => format!("{:INDENT$}{}", "", harmless(row)),
        };
        text.push('\n');
        text.push_str(&line);
    }
    text
}

/// A sentence in lines. What others wrote ends no line of it: their ends of lines are gaps between words here.
fn broken(sentence: &str, indent: usize) -> String {
    wrapped(sentence, indent).lines().map(harmless).collect::<Vec<_>>().join("\n")
}

/// How long after the beginning, where that says something.
fn after(ms: i64) -> String {
    match ms {
        0 => String::new(),
        1.. => format!("  (+{})", span(ms)),
        _ => format!("  ({} before)", span(ms.saturating_neg())),
    }
}

fn ending(trace: &Trace) -> String {
    let mut lines = vec![];
    if trace.commands.iter().any(still_open) {
        lines.push("The story is not over: an offer is still open.".to_owned());
    }
    if !trace.cut_tables.is_empty() {
        let tables = trace.cut_tables.join(", ");
        lines.push(format!("The oldest rows of {tables} have been dropped from memory: what is missing here is still in the log."));
    }
    lines.push(format!(
        "Told as of log position {}. Each [log N] is one event, word for word: stele log get N",
        trace.as_of
    ));
    lines.push(format!("Every event of this story carries the correlation id {}.", trace.correlation_id.0));
    lines.iter().map(|line| broken(line, 0)).collect::<Vec<_>>().join("\n")
}

fn still_open(story: &CommandStory) -> bool {
    story.result.as_ref().is_none_or(|result| match result.state {
        CommandState::Commanded
        | CommandState::Started
        | CommandState::Accepted
        | CommandState::Rejected
        | CommandState::Uncertain
        | CommandState::SettleFailed => true,
        CommandState::Refused
        | CommandState::Expired
        | CommandState::Abandoned
        | CommandState::Settled
        | CommandState::ExpiredUnfilled => false,
    })
}

#[cfg(test)]
mod tests;
