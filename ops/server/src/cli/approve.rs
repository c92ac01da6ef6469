//! Agreeing, as a second person, to what somebody else has asked for: an arming, bound to the limits that were seen, or
//! the way back after a kill.

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

/// What a person is shown before they agree.
struct Asked {
    /// The limits in force: what an arming is bound to.
    in_force: LimitsVersion,
    what: What,
}

#[derive(Clone, Copy)]
enum What {
    /// Arming, under these limits.
    Arm,
    /// The way back after a kill.
    StandDown,
}

pub(super) fn run(args: &ApproveArgs, config: &Config, json: bool) -> Outcome {
    let request_id: Uuid = args.request_id.parse().map_err(|_| {
        Failure::usage(format!("{:?} is no request: `stele arm` says its id", args.request_id))
    })?;
    let (written, done) = ask(config, |client| async move {
        let asked = shown(&client, request_id, config).await?;
        let limits_hash = match &args.limits_hash {
            Some(hash) => hash.clone(),
            None => agreed_to(&asked, request_id)?,
        };
        let body = Approve { request_id, limits_hash, reason: args.reason.clone() };
        let written = wish(args.again.command_id, async |id| client.approve(id, &body).await).await?;
        Ok((written, asked.done()))
    })?;
    answer(&written, done, "Approved already", json)
}

/// Shows what would be approved, always: nobody agrees to what they had no chance to see.
async fn shown(client: &Client, request_id: Uuid, config: &Config) -> Result<Asked, Failure> {
    let limits = client.limits().await?;
    let in_force = limits
        .in_force
        .clone()
        .ok_or_else(|| Failure::new(Code::Refused, "no limits are in force, so nothing can be armed"))?;
    let account = client.account().await?.account;
    // On standard error: what is asked for is no answer.
    if let Some(asked) = account.stand_down_request.filter(|asked| asked.request_id == request_id) {
        eprintln!("{}", render::limits::stand_down(&asked));
        return Ok(Asked { in_force, what: What::StandDown });
    }
    eprintln!("{}", render::limits::limits(&limits, &config.pair));
    match account.arm_request.filter(|asked| asked.request_id == request_id) {
        Some(asked) => eprintln!("{}", render::limits::request(&asked)),
        None => eprintln!("Request {request_id} is not open any more, or the desk does not know it."),
    }
    Ok(Asked { in_force, what: What::Arm })
}

impl Asked {
    /// What is so afterwards.
    fn done(&self) -> &'static str {
        match self.what {
            What::Arm => "Approved, and armed",
            What::StandDown => "Approved: the account is stood down, and disarmed",
        }
    }

    /// What the person lets happen.
    fn lets(&self) -> String {
        match self.what {
            What::Arm => format!("let the desk make offers under limits version {}", self.in_force.version),
            What::StandDown => "take the kill back".to_owned(),
        }
    }
}

/// Asks whoever sits there; the hash of what was shown.
fn agreed_to(asked: &Asked, request_id: Uuid) -> Result<String, Failure> {
    if !std::io::stdin().is_terminal() {
        let hash = harmless(&asked.in_force.hash);
        let command = format!("stele approve {request_id} --reason \"…\" --limits-hash {hash}");
        return Err(Failure::new(Code::NeedsApproval, "nothing is approved: nobody is there to be asked")
            .advise(format!("whoever has seen this approves it so:\n  {command}")));
    }
    if agreed(asked)? {
        Ok(asked.in_force.hash.clone())
    } else {
        Err(Failure::new(Code::NeedsApproval, "nothing is approved"))
    }
}

fn agreed(asked: &Asked) -> Result<bool, Failure> {
    eprint!("Type `{YES}` to {}: ", asked.lets());
    std::io::stderr().flush().map_err(|error| Failure::error(&error))?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(|error| Failure::error(&error))?;
    Ok(line.trim() == YES)
}
