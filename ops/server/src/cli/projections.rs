//! Events that projections could not take in: listed, looked at, tried again with a rebuild, skipped for good.

use super::args::{ParkedArgs, ProjectionsCommand, RebuildArgs, WhichProjections};
use super::control::answer;
use super::desk::{ask, wish};
use super::{rebuild, say, say_json};
use crate::config::Config;
use crate::exit::Outcome;
use crate::render::parked;

pub(super) fn run(command: &ProjectionsCommand, config: &Config, json: bool) -> Outcome {
    match command {
        ProjectionsCommand::Parked { projection } => {
            let name = projection.as_deref().unwrap_or("all");
            let known = ask(config, |client| async move { Ok(client.parked(name).await?) })?;
            if json { say_json(&known) } else { say(&parked::list(&known)) }
        }
        ProjectionsCommand::Show { which } => {
            let (name, position) = place(which);
            let known = ask(config, |client| async move { Ok(client.parked_event(name, position).await?) })?;
            if json { say_json(&known) } else { say(&parked::detail(&known)) }
        }
        ProjectionsCommand::Retry { which, reason, no_rebuild, again } => {
            let which_one = place(which);
            let written = ask(config, |client| async move {
                wish(again.command_id, async |id| client.retry_parked(id, which_one, reason).await).await
            })?;
            if *no_rebuild || !json {
                let done = format!(
                    "{} takes in the event at {} with its next rebuild",
                    which.projection, which.position
                );
                let already = format!("{} does that already", which.projection);
                answer(&written, &done, &already, json)?;
            }
            if *no_rebuild { Ok(()) } else { rebuild::run(&rebuilding(which, reason), config, json) }
        }
        ProjectionsCommand::Skip { which, reason, again } => {
            let which_one = place(which);
            let written = ask(config, |client| async move {
                wish(again.command_id, async |id| client.skip_parked(id, which_one, reason).await).await
            })?;
            let done = format!("{} leaves out the event at {} for good", which.projection, which.position);
            let already = format!("{} does that already", which.projection);
            answer(&written, &done, &already, json)
        }
    }
}

fn place(which: &ParkedArgs) -> (&str, u64) {
    (&which.projection, which.position.get())
}

fn rebuilding(which: &ParkedArgs, reason: &str) -> RebuildArgs {
    let projection = Some(which.projection.clone());
    RebuildArgs {
        command: None,
        which: Some(WhichProjections { projection, all: false }),
        from_zero: false,
        despite_difference: false,
        reason: Some(reason.to_owned()),
        again: super::args::Again { command_id: None },
        others: vec![],
    }
}
