//! Agreeing, as a second person, to an arming that somebody else has asked for: bound to the limits that were seen.

use super::args::ApproveArgs;
use super::control::answer;
use super::desk::{ask, wish};
use crate::config::Config;
use crate::exit::{Code, Failure, Outcome};
use crate::render;
use crate::render::harmless::harmless;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use stele_api::client::Client;
use stele_api::dto::{Approve, LimitsVersion};
use uuid::Uuid;

/// What a person types to agree; nothing shorter, so that no stray key does.
const YES: &str = "approve";

pub(super) fn run(args: &ApproveArgs, config: &Config, json: bool) -> Outcome {
    let request_id: Uuid = args.request_id.parse().map_err(|_| {
        Failure::usage(format!("{:?} is no request: `stele arm` says its id", args.request_id))
    })?;
    let written = ask(config, |client| async move {
        let in_force = shown(&client, request_id, config).await?;
        let limits_hash = match &args.limits_hash {
            Some(hash) => hash.clone(),
            None => agreed_to(in_force, request_id)?,
        };
        let body = Approve { request_id, limits_hash, reason: args.reason.clone() };
        wish(args.again.command_id, async |id| client.approve(id, &body).await).await
    })?;
    answer(&written, "Approved, and armed", "Approved already", json)
}

/// Shows what would be approved, always: nobody agrees to what they had no chance to see. The limits that were shown.
async fn shown(client: &Client, request_id: Uuid, config: &Config) -> Result<LimitsVersion, Failure> {
    let limits = client.limits().await?;
    let in_force = limits
        .in_force
        .clone()
        .ok_or_else(|| Failure::new(Code::Refused, "no limits are in force, so nothing can be armed"))?;
    // On standard error: what is asked for is no answer.
    eprintln!("{}", render::limits::limits(&limits, &config.pair));
    match client.account().await?.account.arm_request.filter(|asked| asked.request_id == request_id) {
        Some(asked) => eprintln!("{}", render::limits::request(&asked)),
        None => eprintln!("Request {request_id} is not open any more, or the desk does not know it."),
    }
    Ok(in_force)
}

/// Asks whoever sits there; the hash of what was shown.
fn agreed_to(in_force: LimitsVersion, request_id: Uuid) -> Result<String, Failure> {
    let command =
        format!("stele approve {request_id} --reason \"…\" --limits-hash {}", harmless(&in_force.hash));
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(Code::NeedsApproval, "nothing is approved: nobody is there to be asked")
            .advise(format!("whoever has seen these limits approves them so:\n  {command}")));
    }
    if agreed(&in_force)? {
        Ok(in_force.hash)
    } else {
        Err(Failure::new(Code::NeedsApproval, "nothing is approved"))
    }
}

fn agreed(limits: &LimitsVersion) -> Result<bool, Failure> {
    eprint!("Type `{YES}` to let the desk make offers under limits version {}: ", limits.version);
    std::io::stderr().flush().map_err(|error| Failure::error(&error))?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(|error| Failure::error(&error))?;
    Ok(line.trim() == YES)
}
