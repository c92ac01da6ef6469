//! Which events of the log a reading wants: by stream or type, by prefixes or a regular expression. Expressions come from
//! others, so what they may cost is bounded.

use crate::no::No;
use fancy_regex::{Regex, RegexBuilder};
use std::borrow::Cow;
use stele_domain::port::event_log::Record;
use stele_proto::kurrent::client::streams::read_req::options::FilterOptions;
use stele_proto::kurrent::client::streams::read_req::options::filter_options::{Expression, Filter, Window};

/// Longest expression, in bytes.
const PATTERN_BYTES_MAX: usize = 1_024;
/// Most steps of one match that has to go back.
const BACKTRACKS_MAX: usize = 10_000;
/// Most bytes of a compiled expression.
const COMPILED_BYTES_MAX: usize = 1024 * 1024;
/// Most steps of a compiled expression.
const PROGRAM_MAX: usize = 10_000;
/// Most prefixes, and most bytes of all of them.
const PREFIXES_MAX: usize = 256;
const PREFIX_BYTES_MAX: usize = 16 * 1024;
/// Records that an expression is asked about before others have their turn.
const TURN: u64 = 32;
/// Events that are looked at before a checkpoint, when nothing is said.
const WINDOW_DEFAULT: u64 = 32;

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Stream,
    Type,
}

/// What matches.
#[derive(Debug)]
enum Rule {
    Anything,
    Prefixes(Vec<String>),
    Expression(Box<Regex>),
}

/// Which events are wanted.
#[derive(Debug)]
pub struct Matcher {
    part: Part,
    rule: Rule,
    /// How many events are looked at before a checkpoint.
    pub checkpoint_every: u64,
    /// How many records an expression was asked about.
    asked: u64,
}

impl Matcher {
    /// Reads what a client asks for.
    pub fn read(options: FilterOptions) -> Result<Self, No> {
        let (part, expression) = match options.filter {
            Some(Filter::StreamIdentifier(expression)) => (Part::Stream, expression),
            Some(Filter::EventType(expression)) => (Part::Type, expression),
            None => return Err(No::Malformed("the filter says neither stream nor type".to_owned())),
        };
        let window = match options.window {
            Some(Window::Max(max)) => u64::from(max.max(1)),
            Some(Window::Count(_)) | None => WINDOW_DEFAULT,
        };
        let multiplier = u64::from(options.checkpoint_interval_multiplier.max(1));
        let checkpoint_every = window.saturating_mul(multiplier);
        Ok(Self { part, rule: rule(expression)?, checkpoint_every, asked: 0 })
    }

    /// Whether a record is wanted. An expression may take long for each of a page, so others have their turn meanwhile.
    ///
    /// # Errors
    ///
    /// As [`Matcher::wants`].
    pub async fn wants_in_turn(&mut self, record: &Record) -> Result<bool, No> {
        if matches!(self.rule, Rule::Expression(_)) {
            self.asked = self.asked.wrapping_add(1);
            if self.asked.is_multiple_of(TURN) {
                tokio::task::yield_now().await;
            }
        }
        self.wants(record)
    }

    /// Whether a record is wanted.
    ///
    /// # Errors
    ///
    /// [`No::Malformed`] when the expression can't be decided within its bounds.
    pub fn wants(&self, record: &Record) -> Result<bool, No> {
        let text: Cow<'_, str> = match self.part {
            Part::Type => (&*record.event_type).into(),
            Part::Stream => match crate::name::outside(&record.stream) {
                Some(name) => name,
                None => return Ok(false),
            },
        };
        match &self.rule {
            Rule::Anything => Ok(true),
            Rule::Prefixes(prefixes) => Ok(prefixes.iter().any(|prefix| text.starts_with(prefix.as_str()))),
            Rule::Expression(regex) => regex.is_match(&*text).map_err(|error| {
                let words =
                    format!("the filter's expression takes too long to decide ({error}): use a simpler one");
                No::Malformed(words)
            }),
        }
    }
}

fn rule(expression: Expression) -> Result<Rule, No> {
    let Expression { regex, prefix } = expression;
    if !regex.is_empty() && !prefix.is_empty() {
        return Err(No::Malformed("the filter has prefixes and an expression: one of the two".to_owned()));
    }
    if !regex.is_empty() {
        return compiled(&regex).map(|regex| Rule::Expression(Box::new(regex)));
    }
    let bytes: usize = prefix.iter().map(String::len).sum();
    if prefix.len() > PREFIXES_MAX || bytes > PREFIX_BYTES_MAX {
        let words =
            format!("a filter has at most {PREFIXES_MAX} prefixes of {PREFIX_BYTES_MAX} bytes together");
        return Err(No::Malformed(words));
    }
    Ok(if prefix.is_empty() { Rule::Anything } else { Rule::Prefixes(prefix) })
}

fn compiled(pattern: &str) -> Result<Regex, No> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(No::Malformed(format!("a filter's expression has at most {PATTERN_BYTES_MAX} bytes")));
    }
    RegexBuilder::new(pattern)
        .backtrack_limit(BACKTRACKS_MAX)
        .delegate_size_limit(COMPILED_BYTES_MAX)
        .delegate_dfa_size_limit(COMPILED_BYTES_MAX)
        .max_prog_size(PROGRAM_MAX)
        .build()
        .map_err(|error| No::Malformed(format!("the filter's expression can't be read: {error}")))
}

#[cfg(test)]
mod tests;
