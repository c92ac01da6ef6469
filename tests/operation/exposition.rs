//! What `/metrics` says, read as Prometheus reads it.

use std::collections::{BTreeMap, BTreeSet};

/// One metric with all of its samples.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metric {
    pub kind: String,
    pub help: String,
    /// Names of labels; `le` of histograms left out.
    pub labels: BTreeSet<String>,
    /// Labels as they are written, and the value.
    pub samples: Vec<(String, f64)>,
}

/// Reads the text form.
pub fn read(text: &str) -> BTreeMap<String, Metric> {
    let mut metrics: BTreeMap<String, Metric> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a help text");
            help.clone_into(&mut metrics.entry(name.to_owned()).or_default().help);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type");
            kind.clone_into(&mut metrics.entry(name.to_owned()).or_default().kind);
        } else {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let labels = labels.trim_end_matches('}');
            let metric = metrics.entry(family(name, &metrics)).or_default();
            metric.labels.extend(names(labels).into_iter().filter(|label| label != "le"));
            let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
            metric.samples.push((labels.to_owned(), value));
        }
    }
    metrics
}

/// The metric that a sample belongs to: histograms have three kinds of samples.
fn family(name: &str, known: &BTreeMap<String, Metric>) -> String {
    let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|ending| {
        let stem = name.strip_suffix(ending)?;
        known.get(stem).filter(|metric| metric.kind == "histogram").map(|_| stem)
    });
    histogram.unwrap_or(name).to_owned()
}

/// Names of labels; values are quoted and may hold anything but a bare quote.
fn names(labels: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = labels;
    while let Some((name, after)) = rest.split_once("=\"") {
        names.push(name.trim_start_matches(',').to_owned());
        let mut end = after.len();
        let mut escaped = false;
        for (at, letter) in after.char_indices() {
            match letter {
                '\\' if !escaped => escaped = true,
                '"' if !escaped => {
                    end = at;
                    break;
                }
                _ => escaped = false,
            }
        }
        rest = after.get(end + 1..).unwrap_or_default();
    }
    names
}

#[test]
fn samples_of_a_histogram_belong_to_it_and_quotes_in_labels_do_not_end_them() {
    let text = "# HELP a_seconds Why.\n# TYPE a_seconds histogram\na_seconds_bucket{route=\"/v1/{id}\",le=\"1\"} 2\n\
                a_seconds_sum{route=\"say \\\"x=\\\"\"} 0.5\n# TYPE b gauge\nb -1\n";
    let metrics = read(text);
    assert_eq!(metrics.keys().collect::<Vec<_>>(), ["a_seconds", "b"]);
    assert_eq!(metrics["a_seconds"].labels, BTreeSet::from(["route".to_owned()]));
    assert_eq!((metrics["a_seconds"].help.as_str(), metrics["b"].samples[0].1), ("Why.", -1.0));
}
