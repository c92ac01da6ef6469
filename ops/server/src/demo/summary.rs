//! The last page that a person sees: what was promised and kept, how fast it was, and what to try next.

use super::report::{Percentiles, Report};
use super::stage::Stage;
use super::story::Fate;
use super::view::paint::{Line, Tone};

/// Shows what the run came to.
pub(crate) fn show(stage: &mut Stage, report: &Report) {
    let view = &mut stage.view;
    view.print(&Line::new());
    for promise in report.promises() {
        let (tone, mark) = if promise.holds { (Tone::Good, "✓") } else { (Tone::Bad, "✗") };
        view.print(
            &Line::new().with(Tone::Plain, "    ").column(tone, mark, 1).with(Tone::Plain, promise.words),
        );
    }
    view.print(&Line::new());
    if let Some(words) = stage.story.earned() {
        view.text(&words);
    }
    view.text(&format!(
        "From quote to decision {}. From the market's quote to the signed response in its hands, with every step \
         durable before the next, {}.",
        spans(report.quote_to_decision),
        spans(report.quote_to_response),
    ));
    next(stage);
}

fn spans(spans: Percentiles) -> String {
    format!("{:.1} ms (median) and {:.1} ms (99 of 100)", spans.p50, spans.p99)
}

/// Command lines that work on what the run has left.
fn next(stage: &mut Stage) {
    let view = &mut stage.view;
    view.print(&Line::new());
    let mut commands = vec![];
    if stage.place.kept {
        let directory = stage.place.shown();
        let told = stage
            .story
            .offers
            .values()
            .filter(|offer| offer.fate == Fate::Settled)
            .max_by_key(|offer| offer.was_uncertain);
        if let Some(offer) = told {
            commands.push((
                format!("stele trace {} --data {directory}", offer.terms.quote_id),
                "one quote's whole story",
            ));
        }
        let checkpoint = stage.place.checkpoint_file().display().to_string();
        commands.push((
            format!("stele log verify --data {directory} --against {checkpoint}"),
            "prove the log again",
        ));
        let config = stage.place.config_file().display().to_string();
        commands.push((format!("stele serve --config {config}"), "the same desk again, its market gone"));
    } else {
        commands.push(("stele demo --data DIR".to_owned(), "the same, with a log to look into"));
        commands.push(("stele demo --seed 2".to_owned(), "another market"));
    }
    commands.push(("stele simulator".to_owned(), "a market for a desk of your own"));
    view.print(&Line::new().with(Tone::Strong, "    What next"));
    for (command, words) in commands {
        view.print(
            &Line::new().with(Tone::Plain, "      ").column(Tone::Faint, words, 38).with(Tone::Act, command),
        );
    }
    view.print(&Line::new());
}
