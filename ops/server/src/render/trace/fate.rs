//! What was commanded, what was sent, and what came of it.

use super::{Line, Step};
use crate::amounts::span;
use crate::render::reasons;
use crate::render::units::{clock, of_token};
use stele_domain::ids::TokenId;
use stele_domain::money::Units;
use stele_domain::pair::Pair;
use stele_domain::port::feeds::SettlementWord;
use stele_domain::time::Timestamp;
use stele_projections::models::demands::DemandRow;
use stele_projections::models::outcome::CommandState;
use stele_projections::models::relay::SettlementRow;
use stele_projections::models::results::{ResultRow, ResultStepRow};
use stele_projections::trace::CommandStory;

/// The command and all that followed, in the order of the log.
pub(super) fn steps(story: &CommandStory, demand: Option<&DemandRow>, pair: &Pair) -> Vec<Step> {
    let mut steps = vec![];
    if let Some(row) = &story.command {
        let closes = demand.map_or(row.closes_at, |demand| demand.closes_at);
        steps.push(Step::new(row.commanded_at, row.position, "The executor was told to make the offer").say(
            format!(
                "Command {}. Nothing may be sent after {}, when the auction closes.",
                row.command_id,
                clock(closes)
            ),
        ));
    }
    let mut later: Vec<Step> = story.steps.iter().map(|row| step(row, story, pair)).collect();
    later.extend(story.notices.iter().map(notice));
    later.sort_by_key(|step| step.position);
    steps.extend(later);
    steps
}

/// The outcome in a sentence.
pub(super) fn in_a_word(story: &CommandStory, began: Option<Timestamp>) -> String {
    let Some(result) = &story.result else {
        return "The desk decided to make an offer; the executor has not taken it up yet.".to_owned();
    };
    let took = began.map_or_else(String::new, |began| {
        format!(" {} after the request", span(result.state_at.millis_since(began)))
    });
    match result.state {
        CommandState::Commanded => {
            "The desk decided to make an offer; the executor has not taken it up yet.".to_owned()
        }
        CommandState::Refused => {
            let why = result.refusal.map_or("a rule said no", reasons::refused);
            format!("The desk decided to make an offer, and the executor refused: {why}.")
        }
        CommandState::Expired => {
            "The desk decided to make an offer, and it came too late to be executed.".to_owned()
        }
        CommandState::Started => "An offer was fixed; what became of it is not known yet.".to_owned(),
        CommandState::Abandoned => format!("An offer was fixed and never sent: {}.", result.detail),
        CommandState::Accepted => {
            "The desk made an offer and the relay took it; the auction is not settled yet.".to_owned()
        }
        CommandState::Rejected => "The desk made an offer and the relay said no.".to_owned(),
        CommandState::Uncertain => {
            "The desk made an offer and nobody knows yet what became of it.".to_owned()
        }
        CommandState::Settled => format!("The desk's offer won and was SETTLED{took}."),
        CommandState::SettleFailed => {
            "The desk's offer won, and the settlement failed; it may still be tried again.".to_owned()
        }
        CommandState::ExpiredUnfilled => format!("The desk's offer was NOT TAKEN; it ended unused{took}."),
    }
}

fn step(row: &ResultStepRow, story: &CommandStory, pair: &Pair) -> Step {
    let of = |title: &str| Step::new(row.at, row.position, title);
    let reply = || format!("The relay's words: {}", row.detail);
    match row.step.as_str() {
        "refused" => {
            let why = row.refusal.map_or("a rule said no", reasons::refused);
            of("The executor refused").say(format!("{}. {}", capital(why), row.detail)).say("Nothing was signed.")
        }
        "expired" => of("The command came too late").say(format!("It was {}. Nothing was signed.", row.detail)),
        "started" => started(of("The offer was fixed in the log, before anything was signed"), story, pair),
        "abandoned" => of("Nothing was sent").say(format!("{}. The offer will never be sent.", capital(&row.detail))),
        "accepted" => of("The relay took the offer into its auction").say("That is not a fill yet.").say(reply()),
        "rejected" => of("The relay said no").say(reply()).say(
            "The signature has left the house all the same, so the coin stays reserved until the offer can't be used any more.",
        ),
        "uncertain" => of("No trustworthy answer: the offer may be live").say(format!("{}.", capital(&row.detail))).say(
            "It is never sent again. The desk looks instead: is its nonce used at the verifier, and did the relay report a settlement?",
        ),
        "settled" => settled(of("SETTLED: the venue executed the offer"), story, row),
        "settle_failed" => of("The settlement transaction failed")
            .say("The signature stays valid until its deadline, so the coin stays reserved.")
            .say(transaction(row.tx_hash.as_deref())),
        "expired_unfilled" => unfilled(of("NOT TAKEN: the offer ended unused"), story),
        "released" => released(of("The reserved coin is free again"), row, story, pair),
        other => of(other).say(row.detail.clone()),
    }
}

fn started(step: Step, story: &CommandStory, pair: &Pair) -> Step {
    let Some(result) = &story.result else { return step };
    let mut step = step;
    if let (Some(give), Some(receive)) = (given(result, pair), received(result, pair)) {
        step = step.say(format!("Give {give}, receive {receive}. {give} are reserved from here on."));
    }
    if let Some(deadline) = result.offer_deadline {
        step = step.say(format!("It can be executed until {}.", clock(deadline)));
    }
    let rows = [
        ("what is signed", result.quote_hash.as_ref().map(ToString::to_string)),
        ("nonce", result.nonce.clone()),
        ("lease epoch", result.epoch.map(|epoch| epoch.to_string())),
    ];
    for (name, value) in rows {
        if let Some(value) = value {
            step.body.push(Line::Row(format!("  {name:<15} {value}")));
        }
    }
    step
}

fn settled(step: Step, story: &CommandStory, row: &ResultStepRow) -> Step {
    let proof = story.result.as_ref().and_then(|result| result.proof_height);
    let step = match proof {
        Some(height) => step.say(format!(
            "Proved by looking: its nonce is used, and the balances of block {height} contain it."
        )),
        None => step,
    };
    step.say(transaction(row.tx_hash.as_deref()))
}

fn unfilled(step: Step, story: &CommandStory) -> Step {
    let result = story.result.as_ref();
    let step = step.say("The taker took another maker's offer, or none.");
    match result.and_then(|result| result.proof_height) {
        Some(height) => step.say(format!(
            "Proved by looking: at block {height}, later than the offer's deadline and its margin, its nonce is unused. It can never be executed now."
        )),
        None => step,
    }
}

fn released(step: Step, row: &ResultStepRow, story: &CommandStory, pair: &Pair) -> Step {
    let coin =
        story.result.as_ref().and_then(|result| given(result, pair)).unwrap_or_else(|| "The coin".to_owned());
    let why = match row.detail.as_str() {
        "settled" => "went with the settlement, and the balances show it",
        "deadline_passed" => "can be offered again: the deadline and its margin have passed",
        "never_sent" => "can be offered again: nothing was ever sent",
        _ => "is not reserved any more",
    };
    step.say(format!("{coin} {why}."))
}

fn notice(row: &SettlementRow) -> Step {
    let title = match row.word {
        SettlementWord::Settled => "The relay reported the settlement",
        SettlementWord::Failed => "The relay reported that the settlement failed",
        SettlementWord::Ready => "The relay announced the settlement",
    };
    let step = Step::new(row.received_at, row.position, title);
    step.say("A report is not a proof: the desk went on to look at the verifier.")
        .say(transaction(row.tx_hash.as_deref()))
}

fn transaction(hash: Option<&str>) -> String {
    hash.map_or_else(|| "The relay named no transaction.".to_owned(), |hash| format!("Transaction {hash}."))
}

fn given(result: &ResultRow, pair: &Pair) -> Option<String> {
    amount(result.give_amount, result.give_token.as_ref(), pair)
}

fn received(result: &ResultRow, pair: &Pair) -> Option<String> {
    amount(result.receive_amount, result.receive_token.as_ref(), pair)
}

fn amount(units: Option<Units>, token: Option<&TokenId>, pair: &Pair) -> Option<String> {
    Some(of_token(units?, token?.as_str(), pair))
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
