//! Rebuilds: begun in the desk that runs, or here where none does, and followed to their end.

mod here;

use super::args::{Again, RebuildArgs, RebuildCommand};
use super::desk::{ask, unanswered, wish};
use super::progress::Progress;
use super::{say, say_json};
use crate::config::Config;
use crate::exit::{Code, Failure, Outcome};
use crate::offline;
use crate::render::harmless::harmless;
use crate::render::table;
use crate::render::units::moment;
use std::fmt::Write as _;
use std::time::Duration;
use stele_api::client::{Client, ClientError, new_key};
use stele_api::dto::{Rebuild, RebuildPhase, RebuildsAnswer, StartRebuild};

/// How often the desk is asked how far it is.
const LOOK: Duration = Duration::from_millis(300);
/// How often in a row it may not answer.
const SILENCES_MAX: u32 = 20;

pub(super) fn run(args: &RebuildArgs, config: &Config, json: bool) -> Outcome {
    match &args.command {
        Some(RebuildCommand::DropOld { which, reason, again }) => {
            drop_old(which.name(), reason, again, config, json)
        }
        Some(RebuildCommand::Status) => {
            let known = ask(config, |client| async move { Ok(client.rebuilds("all").await?) })?;
            if json { say_json(&known) } else { say(&words(&known)) }
        }
        None => rebuilt(args, config, json),
    }
}

fn drop_old(name: &str, reason: &str, again: &Again, config: &Config, json: bool) -> Outcome {
    let dropped = ask(config, |client| async move {
        // The answer names what was asked for, and this what was there.
        let there = client.rebuilds(name).await.ok().map(|known| of_replaced(&known));
        match wish(again.command_id, async |id| client.drop_old(id, name, reason).await).await {
            Err(failure) if is_no_desk(&failure, config) => Ok(None),
            dropped => dropped.map(|answer| Some((answer, there))),
        }
    })?;
    let there = match dropped {
        Some((answer, _)) if json => return say_json(&answer),
        Some((_, there)) => there,
        None => Some(here::drop_old(config, name)?),
    };
    say(&dropped_words(name, there.as_deref()))
}

/// The projections of which replaced tables are there.
fn of_replaced(known: &RebuildsAnswer) -> Vec<String> {
    known.replaced.iter().map(|old| old.projection.clone()).collect()
}

/// `there` is what was there to be dropped, where that is known.
fn dropped_words(name: &str, there: Option<&[String]>) -> String {
    let asked = if name == "all" { "any projection" } else { name };
    match there {
        None => format!("No replaced tables are left of {asked}."),
        Some([]) => format!("Nothing was dropped: there were no replaced tables of {asked}."),
        Some(there) => format!("Dropped the replaced tables of {}.", there.join(", ")),
    }
}

fn rebuilt(args: &RebuildArgs, config: &Config, json: bool) -> Outcome {
    if !args.others.is_empty() {
        return Err(Failure::usage("one projection is rebuilt at a time: name one, or --all for every one"));
    }
    let name = args.which.as_ref().map_or("all", |which| which.name());
    let body = StartRebuild {
        reason: args.why().to_owned(),
        from_zero: args.from_zero,
        despite_difference: args.despite_difference,
    };
    let progress = Progress::of_what("rebuilding", json);
    let by_desk = ask(config, |client| {
        let progress = &progress;
        async move {
            let id = args.again.command_id.unwrap_or_else(new_key);
            match client.rebuild(id, name, &body).await {
                Ok(_) => followed(&client, name, progress).await.map(Some),
                Err(ClientError::Unreachable { .. }) if offline::possible(config) => Ok(None),
                Err(error) => Err(unanswered(error, id)),
            }
        }
    })?;
    let known = match by_desk {
        Some(known) => known,
        None => here::rebuilt(args, config, name, &progress)?,
    };
    drop(progress);
    if json {
        say_json(&known)?;
    } else {
        say(&words(&known))?;
    }
    verdict(&known)
}

/// Whether nobody answers on the machine with the log.
fn is_no_desk(failure: &Failure, config: &Config) -> bool {
    failure.code == Code::Unavailable
        && failure.what.starts_with("no desk answers")
        && offline::possible(config)
}

/// Looks until none of them is under way.
async fn followed(client: &Client, name: &str, progress: &Progress) -> Result<RebuildsAnswer, Failure> {
    let mut silences = 0;
    loop {
        match client.rebuilds(name).await {
            Ok(known) => {
                silences = 0;
                shown(&known.rebuilds, progress);
                if !known.rebuilds.iter().any(|rebuild| under_way(rebuild.phase)) {
                    return Ok(known);
                }
            }
            Err(error) => {
                silences += 1;
                if silences > SILENCES_MAX {
                    let failure = Failure::from(error);
                    return Err(failure.advise(
                        "the rebuild goes on in the desk while that runs; when it does not, the same command goes on from \
                         where it was",
                    ));
                }
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn shown(rebuilds: &[Rebuild], progress: &Progress) {
    let sum = |of: fn(&Rebuild) -> u64| rebuilds.iter().map(of).fold(0, u64::saturating_add);
    progress.total(sum(|rebuild| rebuild.target));
    progress.done(sum(|rebuild| rebuild.position));
}

fn under_way(phase: RebuildPhase) -> bool {
    match phase {
        RebuildPhase::Folding | RebuildPhase::Comparing => true,
        RebuildPhase::Swapped | RebuildPhase::Different | RebuildPhase::Interrupted => false,
    }
}

fn name_of(phase: RebuildPhase) -> &'static str {
    match phase {
        RebuildPhase::Folding => "folding",
        RebuildPhase::Comparing => "comparing",
        RebuildPhase::Swapped => "swapped",
        RebuildPhase::Different => "DIFFERENT",
        RebuildPhase::Interrupted => "interrupted",
    }
}

fn words(known: &RebuildsAnswer) -> String {
    if known.rebuilds.is_empty() && known.replaced.is_empty() {
        return "Nothing was ever rebuilt here.".to_owned();
    }
    let row = |rebuild: &Rebuild| {
        let left = rebuild.remaining_s.map_or_else(String::new, |left| format!("{left} s left"));
        [
            rebuild.projection.clone(),
            name_of(rebuild.phase).to_owned(),
            format!("{} of {}", rebuild.position, rebuild.target),
            format!("{}/s", rebuild.per_second),
            if left.is_empty() { harmless(&rebuild.detail) } else { left },
        ]
    };
    let mut framed = table::framed(&["projection", "state", "position", "pace", ""]);
    for rebuild in &known.rebuilds {
        framed.add_row(row(rebuild));
    }
    let mut text = framed.to_string();
    if !known.replaced.is_empty() {
        text.push_str(
            "\n\nThe replaced tables are in the schema read_model_old until `stele rebuild drop-old`:",
        );
        for old in &known.replaced {
            let (name, version, position) = (&old.projection, old.version, old.position);
            // Writing to a string does not fail.
            let _ = write!(
                text,
                "\n  {name} version {version} as of position {position}, replaced {}",
                moment(old.replaced_at)
            );
        }
    }
    text
}

/// The exit code of what came of it.
fn verdict(known: &RebuildsAnswer) -> Outcome {
    let of = |phase| known.rebuilds.iter().filter(move |rebuild| rebuild.phase == phase);
    let names = |phase| of(phase).map(|rebuild| rebuild.projection.clone()).collect::<Vec<_>>().join(", ");
    if of(RebuildPhase::Different).next().is_some() {
        let mut words = format!(
            "the live tables of {} are not what follows from the log; they were not swapped, and both are kept",
            names(RebuildPhase::Different)
        );
        for rebuild in of(RebuildPhase::Different) {
            // Writing to a string does not fail.
            let _ = write!(words, "\n  {}: {}", rebuild.projection, harmless(&rebuild.detail));
        }
        return Err(Failure::new(Code::Mismatch, words).advise(
            "who changed them? Look at both (read_model, read_model_next) before --despite-difference --reason …: ops/runbooks/rebuild.md",
        ));
    }
    if let Some(first) = of(RebuildPhase::Interrupted).next() {
        let words =
            format!("the rebuild of {} ended early: {}", names(RebuildPhase::Interrupted), first.detail);
        return Err(
            Failure::new(Code::Unavailable, words).advise("the same command goes on from where it was")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::dropped_words;

    #[test]
    fn what_was_dropped_is_told_from_nothing_that_was() {
        let there = ["quotes".to_owned(), "results".to_owned()];
        assert_eq!(dropped_words("all", Some(&there)), "Dropped the replaced tables of quotes, results.");
        let nothing = dropped_words("all", Some(&[]));
        assert_eq!(nothing, "Nothing was dropped: there were no replaced tables of any projection.");
        assert_eq!(dropped_words("quotes", None), "No replaced tables are left of quotes.");
    }
}
