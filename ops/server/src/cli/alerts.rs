//! What needs a person now, and a person's word that it has been seen to.

use super::args::{AlertsArgs, AlertsCommand};
use super::control::answer;
use super::desk::{ask, wish};
use super::{say, say_json};
use crate::config::Config;
use crate::exit::Outcome;
use crate::render;

pub(super) fn run(args: &AlertsArgs, config: &Config, json: bool) -> Outcome {
    match &args.command {
        None => {
            let raised = ask(config, |client| async move { Ok(client.alerts().await?) })?;
            if json { say_json(&raised) } else { say(&render::alerts::list(&raised)) }
        }
        Some(AlertsCommand::Clear { kind, reason, again }) => {
            let name = kind.name();
            let written = ask(config, |client| async move {
                wish(again.command_id, async |id| client.clear_alert(id, name, reason).await).await
            })?;
            let (done, already) = (format!("{name} is cleared"), format!("{name} is not raised"));
            answer(&written, &done, &already, json)
        }
    }
}
