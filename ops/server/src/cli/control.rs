//! What a person asks the desk to do, with a reason.

use super::args::{
    ArmArgs, Armable, FilterCommand, KillArgs, Mode, ReasonArgs, RefreshArgs, ServiceArgs, Which,
};
use super::desk::{ask, repeated, unsettled, wish};
use super::{say, say_json};
use crate::amounts::span;
use crate::config::Config;
use crate::exit::{Code, Failure, Outcome};
use crate::render::harmless::harmless;
use crate::render::units::{clock, moment, of_token};
use std::fmt::Write as _;
use stele_api::client::{Client, Reply, new_key};
use stele_api::dto::{self, Approval, Killed, Written};
use stele_domain::ids::derived;
use stele_domain::money::Units;
use stele_domain::pair::Pair;
use uuid::Uuid;

pub(super) fn arm(args: &ArmArgs, config: &Config, json: bool) -> Outcome {
    let Armable::Strategy = args.what;
    let mode = match args.mode {
        Mode::Full => dto::Mode::Full,
        Mode::Reducing => dto::Mode::Reducing,
    };
    let body = dto::Arm {
        reason: args.reason.clone(),
        mode,
        for_ms: Some(args.for_ms),
        until: None,
        limits_version: args.limits_version,
    };
    let (written, lease) = ask(config, |client| async move {
        let written = wish(args.again.command_id, async |id| client.arm(id, &body).await).await?;
        // The arming stands, whether its account can be looked at or not.
        let lease = client.account().await.map(|answer| answer.account.lease).ok();
        Ok((written, lease))
    })?;
    let how = match args.mode {
        Mode::Full => "Armed for both directions",
        Mode::Reducing => "Armed towards the base target only",
    };
    let for_how_long = span(i64::try_from(args.for_ms).unwrap_or(i64::MAX));
    if let Some(approval) = &written.approval {
        let nothing = "nothing is armed yet: the limits ask for a second person";
        return needs_approval(&written, approval, nothing, config, json);
    }
    answer(&written, &format!("{how}, for {for_how_long}"), "Armed like this already", json)?;
    match lease.filter(|_| !json).and_then(|lease| unsigned(lease.as_ref())) {
        Some(warning) => say(&warning),
        None => Ok(()),
    }
}

/// What whoever arms must know when no process holds the signing lease; an executor that takes it begins disarmed.
fn unsigned(lease: Option<&dto::Lease>) -> Option<String> {
    let nobody = match lease {
        Some(lease) if !lease.lapsed => return None,
        Some(lease) => format!(
            "the last lease was that of {} and ended at {}: it ran out or was given back",
            harmless(&lease.holder),
            moment(lease.until)
        ),
        None => "none ever did".to_owned(),
    };
    Some(format!(
        "WARNING: nothing is offered: no process holds the signing lease ({nobody}). Start an executor, and arm again: a new \
         lease begins disarmed."
    ))
}

/// Asked for, and not yet so: the exact command for the other person, who is shown the limits by it before they agree.
fn needs_approval(
    written: &Written,
    approval: &Approval,
    nothing: &str,
    config: &Config,
    json: bool,
) -> Outcome {
    if json {
        say_json(written)?;
    }
    let server =
        config.client.server.as_ref().map_or_else(String::new, |server| format!(" --server {server}"));
    let command = format!("stele approve {} --reason \"…\"{server}", approval.request_id);
    Err(Failure::new(
        Code::NeedsApproval,
        format!(
            "{nothing} (under limits version {}; it can be approved until {})",
            approval.limits_version,
            moment(approval.expires_at)
        ),
    )
    .advise(format!("another person approves it, with a key of their own:\n  {command}")))
}

pub(super) fn disarm(args: &ReasonArgs, config: &Config, json: bool) -> Outcome {
    let written = ask(config, |client| async move {
        wish(args.again.command_id, async |id| client.disarm(id, &args.reason).await).await
    })?;
    if let Some(approval) = &written.approval {
        let nothing = "the account stays KILLED: the limits ask for a second person to stand it down";
        return needs_approval(&written, approval, nothing, config, json);
    }
    answer(&written, "Disarmed: no offers are made", "Disarmed already", json)
}

/// Kills, and shows what is still out. A frame that could not be fenced off is told with its own exit code.
pub(super) fn kill(args: &KillArgs, config: &Config, json: bool) -> Outcome {
    let id = args.again.command_id.unwrap_or_else(new_key);
    let killed: Reply<Killed> = ask(config, |client| async move {
        let told = repeated(id, async |id| client.kill(id, &args.reason).await).await;
        told.map_err(|error| {
            let unknown = unsettled(&error);
            let failure = Failure::from(error);
            let advice = "run it again: killing twice is safe, and every run stops what it can reach";
            if unknown { failure.advise(advice) } else { failure }
        })
    })?;
    let killed = killed.answer;
    if json {
        say_json(&killed)?;
    } else {
        say(&killed_words(&killed, &config.pair))?;
    }
    if killed.fenced {
        return Ok(());
    }
    let words = "killed, but it could not be confirmed in time that no frame can leave any more: the process with the \
                 executor was writing one, or did not answer";
    Err(Failure::new(Code::Unavailable, words).advise(
        "look at the executor's process, and at the open signatures until their deadlines: stele status. Killing again is safe",
    ))
}

fn killed_words(killed: &Killed, pair: &Pair) -> String {
    let mut text = match killed.outcome {
        dto::Outcome::Recorded => format!("KILLED{}.", place(killed.log_position)),
        dto::Outcome::AlreadySo | dto::Outcome::ApprovalNeeded => "KILLED already.".to_owned(),
    };
    if killed.fenced {
        text.push_str(" No offer can leave this desk any more.");
    }
    if killed.open_signatures.is_empty() {
        text.push_str("\nNo signature is out.");
        return text;
    }
    text.push_str("\nThese signatures are out and could still be executed:");
    for open in &killed.open_signatures {
        let give = open.give.amount.parse::<Units>();
        let give =
            give.map_or_else(|_| open.give.amount.clone(), |units| of_token(units, &open.give.token, pair));
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "\n  {} until {}  (command {})",
            harmless(&give),
            clock(open.offer_deadline),
            open.command_id
        );
    }
    text
}

/// Asks each service in turn; one that refuses doesn't keep the others from it.
pub(super) fn switch(action: &'static str, args: &ServiceArgs, config: &Config, json: bool) -> Outcome {
    let services = args.service.services();
    let answers = ask(config, |client| async move {
        let mut answers = vec![];
        let one = services.len() == 1;
        for service in services {
            // One id per service: they are wishes of their own.
            let id = args.again.command_id.map(|id| if one { id } else { of_service(id, service.name()) });
            let answer = one_switch(&client, action, service.name(), &args.reason, id).await;
            let gone = answer.as_ref().err().is_some_and(|failure| failure.code == Code::Unavailable);
            answers.push((service.name(), answer));
            if gone {
                break;
            }
        }
        Ok(answers)
    })?;
    let (done, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(_, answer)| answer.is_ok());
    let done: Vec<_> =
        done.into_iter().filter_map(|(service, answer)| Some((service, answer.ok()?))).collect();
    let refused: Vec<_> =
        refused.into_iter().filter_map(|(service, answer)| Some((service, answer.err()?))).collect();
    if json {
        let done = done
            .iter()
            .map(|(service, written)| serde_json::json!({ "service": service, "answer": written }));
        say_json(&done.collect::<Vec<_>>())?;
    } else if !done.is_empty() {
        let lines = done.iter().map(|(service, written)| switched(action, service, written));
        say(&lines.collect::<Vec<_>>().join("\n"))?;
    }
    all_or_first(&refused)
}

fn switched(action: &str, service: &str, written: &Written) -> String {
    let (done, already) = match action {
        "pause" => ("paused", "paused already"),
        "resume" => ("running", "running already"),
        _ => ("draining", "draining already"),
    };
    match written.outcome {
        dto::Outcome::Recorded => format!("{service}: {done}{}", place(written.log_position)),
        dto::Outcome::AlreadySo | dto::Outcome::ApprovalNeeded => format!("{service}: {already}"),
    }
}

/// All refusals in one; the first says how the run ends.
fn all_or_first(refused: &[(&'static str, Failure)]) -> Outcome {
    let Some((_, first)) = refused.first() else { return Ok(()) };
    let (code, advice) = (first.code, first.advice.clone());
    let words = refused.iter().map(|(service, failure)| format!("{service}: {}", failure.what));
    Err(Failure { code, what: words.collect::<Vec<_>>().join("\n  "), advice })
}

async fn one_switch(
    client: &Client,
    action: &str,
    service: &str,
    reason: &str,
    id: Option<Uuid>,
) -> Result<Written, Failure> {
    wish(id, async |id| match action {
        "pause" => client.pause(id, service, reason).await,
        "resume" => client.resume(id, service, reason).await,
        _ => client.drain(id, service, reason).await,
    })
    .await
}

/// The id of a wish for one of several services.
fn of_service(id: Uuid, service: &str) -> Uuid {
    derived("service", &[&id.to_string(), service])
}

pub(super) fn refresh(args: &RefreshArgs, config: &Config, json: bool) -> Outcome {
    // Only what reads the outside can look again.
    let names = match args.service {
        Which::All => vec!["market", "inventory"],
        Which::Ingest
        | Which::Market
        | Which::Inventory
        | Which::Strategy
        | Which::Executor
        | Which::Projections => args.service.services().iter().map(|service| service.name()).collect(),
    };
    let answers = ask(config, |client| async move {
        let mut answers = vec![];
        for name in names {
            answers.push(client.refresh(name).await?);
        }
        Ok(answers)
    })?;
    if json {
        return say_json(&answers);
    }
    let lines = answers.iter().map(|answer| format!("{}: looking now", answer.service));
    say(&lines.collect::<Vec<_>>().join("\n"))
}

pub(super) fn filter(command: &FilterCommand, config: &Config, json: bool) -> Outcome {
    match command {
        FilterCommand::Get => {
            let filter = ask(config, |client| async move { Ok(client.filter().await?) })?;
            if json { say_json(&filter) } else { say(&filter_words(&filter)) }
        }
        FilterCommand::Set { entries, reason, again } => {
            let body = dto::SetFilter { entries: entries.clone(), reason: reason.clone() };
            let written = ask(config, |client| async move {
                wish(again.command_id, async |id| client.set_filter(id, &body).await).await
            })?;
            answer(&written, "The filter is set", "The filter was like this already", json)
        }
        FilterCommand::Reset(args) => {
            let written = ask(config, |client| async move {
                wish(args.again.command_id, async |id| client.reset_filter(id, &args.reason).await).await
            })?;
            answer(
                &written,
                "The configured pairs are listened to again",
                "The configured pairs were listened to already",
                json,
            )
        }
    }
}

fn filter_words(filter: &dto::Filter) -> String {
    let configured = harmless(&filter.configured.join(", "));
    match filter.mode {
        dto::FilterMode::Configured => format!("Every configured pair is listened to: {configured}"),
        dto::FilterMode::Only if filter.entries.is_empty() => {
            format!("Nothing is listened to, by an operator's wish. Configured: {configured}")
        }
        dto::FilterMode::Only => {
            format!(
                "Only these are listened to, by an operator's wish: {}\nConfigured: {configured}",
                harmless(&filter.entries.join(", "))
            )
        }
    }
}

/// The answer to a wish, for people or programs.
pub(super) fn answer(written: &Written, done: &str, already: &str, json: bool) -> Outcome {
    if json {
        return say_json(written);
    }
    let but = written.remark.as_deref().map_or_else(String::new, |but| format!("\n{}.", harmless(but)));
    match written.outcome {
        dto::Outcome::Recorded => say(&format!("{done}{}.{but}", place(written.log_position))),
        dto::Outcome::AlreadySo => say(&format!("{already}; nothing was recorded.{but}")),
        dto::Outcome::ApprovalNeeded => {
            say(&format!("Waits for a second person{}.", place(written.log_position)))
        }
    }
}

fn place(position: Option<u64>) -> String {
    position.map_or_else(String::new, |position| format!(" [log {position}]"))
}

#[cfg(test)]
mod tests {
    use super::{dto, unsigned};
    use stele_domain::time::Timestamp;

    #[test]
    fn who_arms_a_desk_without_an_executor_is_warned() {
        let until = Timestamp::parse("2026-11-20T12:00:00Z").unwrap();
        let lease = |lapsed| dto::Lease { epoch: 3, holder: "desk-2".to_owned(), until, lapsed };
        assert_eq!(unsigned(Some(&lease(false))), None);
        let lapsed = unsigned(Some(&lease(true))).unwrap();
        assert!(lapsed.contains("no process holds the signing lease"), "{lapsed}");
        assert!(lapsed.contains("desk-2 and ended at 2026-11-20 12:00:00 UTC"), "{lapsed}");
        assert!(unsigned(None).unwrap().contains("none ever did"));
    }
}
