//! The catalogue of metrics, `ops/prometheus/README.md`, and which metrics a Prometheus expression asks for.

use std::collections::{BTreeMap, BTreeSet};
use stele_acceptance::{root, text};

/// A row of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub kind: String,
    pub unit: String,
    pub labels: BTreeSet<String>,
    pub meaning: String,
    pub alerts: BTreeSet<String>,
    /// Whether only some desks have it: those with PostgreSQL, those that lost a connection.
    pub sometimes: bool,
}

/// Metric to what the catalogue says of it.
pub fn catalogue() -> BTreeMap<String, Entry> {
    let document = text(&root().join("ops/prometheus/README.md"));
    let rows = document.lines().filter(|line| line.starts_with("| `"));
    let read = rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, unit, labels, meaning, alerts] = cells[..] else { panic!("six cells: {row}") };
        let listed = |cell: &str| {
            let items = cell.split(',').map(|item| item.trim().trim_matches('`').to_owned());
            items.filter(|item| !item.is_empty() && item != "–").collect()
        };
        let entry = Entry {
            kind: kind.trim_end_matches('*').to_owned(),
            unit: unit.to_owned(),
            labels: listed(labels),
            meaning: meaning.to_owned(),
            alerts: listed(alerts),
            sometimes: kind.ends_with('*'),
        };
        (name.trim_matches('`').to_owned(), entry)
    });
    let rows: Vec<_> = read.collect();
    let catalogue: BTreeMap<_, _> = rows.iter().cloned().collect();
    assert_eq!(rows.len(), catalogue.len(), "a metric stands in the catalogue twice");
    catalogue
}

/// Metrics that an expression asks for. Words before a bracket are functions, words behind `by (` are labels.
pub fn asked_for(expression: &str) -> BTreeSet<String> {
    const WORDS: [&str; 7] = ["by", "and", "or", "unless", "on", "without", "bool"];
    // Prometheus's own.
    const OTHERS: [&str; 1] = ["up"];
    let mut found = BTreeSet::new();
    let bare = without_labels(expression);
    let mut rest = bare.as_str();
    while let Some(start) = rest.find(|letter: char| letter.is_ascii_alphabetic() || letter == '_') {
        let word_on = &rest[start..];
        let end = word_on.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let (word, after) = word_on.split_at(end.unwrap_or(word_on.len()));
        let follows = after.trim_start();
        let is_number_unit = rest[..start].ends_with(|letter: char| letter.is_ascii_digit());
        if WORDS.contains(&word) {
            // What is grouped by are labels.
            rest = if follows.starts_with('(') && word != "and" && word != "or" && word != "unless" {
                follows.split_once(')').map_or("", |(_, rest)| rest)
            } else {
                after
            };
            continue;
        }
        let is_function = ["(", "by ", "by(", "without "].iter().any(|sign| follows.starts_with(sign));
        if !is_function && !is_number_unit && !OTHERS.contains(&word) {
            let stem = ["_bucket", "_sum", "_count"].iter().find_map(|ending| word.strip_suffix(ending));
            found.insert(stem.unwrap_or(word).to_owned());
        }
        rest = after;
    }
    found
}

/// The expression without what stands in braces, in brackets and in quotes.
fn without_labels(expression: &str) -> String {
    let mut kept = String::new();
    let (mut depth, mut quoted) = (0_u32, false);
    for letter in expression.chars() {
        match letter {
            '"' => quoted = !quoted,
            '{' | '[' if !quoted => depth += 1,
            '}' | ']' if !quoted => depth -= 1,
            _ if depth == 0 && !quoted => kept.push(letter),
            _ => {}
        }
    }
    kept
}

#[test]
fn an_expression_asks_for_its_metrics_and_not_for_functions_labels_or_numbers() {
    let expression = "histogram_quantile(0.99, sum by (le) (rate(a_seconds_bucket{le!=\"b{c\"}[5m]))) > 2e9 and \
                      max by (account) (d) - time() < 3 * 86400 or changes(e[$__rate_interval]) >= 4";
    let asked: Vec<String> = asked_for(expression).into_iter().collect();
    assert_eq!(asked, ["a_seconds", "d", "e"]);
}
