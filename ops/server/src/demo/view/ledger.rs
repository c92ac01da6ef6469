//! The ledger: which events are worth a line, and what it says.

use super::paint::{Line, Tone};
use super::words;
use crate::amounts::span;
use crate::demo::story::{Story, fair};
use crate::render::units::number;
use stele_domain::event::Event;
use stele_domain::ids::{Actor, CommandId, QuoteId};
use stele_domain::intents::event::Event as Intents;
use stele_domain::intents::intake::event::Event as Intake;
use stele_domain::intents::relay::event::Event as Relay;
use stele_domain::market::reference::event::{ReferencePriced, Role};
use stele_domain::operations::alert::event::Event as Alert;
use stele_domain::operations::event::Event as Operations;
use stele_domain::pair::Direction;
use stele_domain::port::venue::ExactSide;
use stele_domain::trading::account::event::{Event as Account, SubmissionStarted};
use stele_domain::trading::event::Event as Trading;
use stele_domain::trading::strategy::event::{Decided, Event as Strategy, Verdict};
use stele_domain::treasury::event::Event as Treasury;
use stele_domain::treasury::inventory::event::Event as Inventory;

/// Characters of a quote's id that are shown: enough to follow it by eye.
pub(crate) const ID_CHARS: usize = 6;
/// Width of the word that says what happened.
pub(crate) const WORD: usize = 9;
/// Width of what a taker asks for.
const WISH: usize = 28;

/// What stands before the words: the id that ties the lines of one quote together.
fn begin(id: &str, tone: Tone, word: &str) -> Line {
    let id: String = id.chars().take(ID_CHARS).collect();
    Line::new().column(Tone::Faint, &id, ID_CHARS).column(tone, word, WORD)
}

/// The line for an event, when it is worth one. `story` has taken the event in.
pub(crate) fn line(event: &Event, story: &Story, actor: &Actor) -> Option<Line> {
    match event {
        Event::Trading(Trading::Strategy(Strategy::Decided(decided))) => Some(decision(decided, story)),
        Event::Trading(Trading::Account(fact)) => account(fact, story, actor),
        Event::Intents(Intents::Intake(fact)) => intake(fact),
        Event::Intents(Intents::Relay(fact)) => relay(fact),
        Event::Treasury(Treasury::Inventory(Inventory::DriftDetected(drift))) => {
            let text = format!("{} is {}, {} was expected", drift.token, drift.observed, drift.expected);
            Some(begin("", Tone::Bad, "drift").with(Tone::Plain, text))
        }
        Event::Operations(Operations::Alert(Alert::AlertRaised(alert))) => {
            Some(begin("", Tone::Warn, "alert").with(Tone::Plain, &*alert.detail))
        }
        Event::Operations(Operations::Alert(Alert::AlertCleared(alert))) => {
            Some(begin("", Tone::Good, "cleared").with(Tone::Faint, &*alert.detail))
        }
        Event::Trading(Trading::Strategy(Strategy::ExecutionCommanded(_)))
        | Event::Treasury(_)
        | Event::Market(_)
        | Event::Intents(Intents::Filter(_))
        | Event::Operations(_)
        | Event::Access(_) => None,
    }
}

/// The price, once in a while.
pub(crate) fn price(priced: &ReferencePriced) -> Line {
    let Some(fair) = fair(priced) else {
        return begin("", Tone::Warn, "price").with(Tone::Plain, "blocked: nothing is decided on it");
    };
    let rate = number(&fair.rate.decimal().to_string());
    let used = |role: Role| priced.sources.iter().any(|source| source.role == role);
    let origin = if used(Role::Fallback) { "CoinGecko, Kraken is out" } else { "Kraken" };
    let check = match priced.disagreement {
        Some(apart) => format!(", CoinGecko {apart} apart"),
        None => String::new(),
    };
    begin("", Tone::Plain, "price")
        .column(Tone::Strong, &format!("{rate} EURe per BTC"), WISH)
        .with(Tone::Faint, format!("{origin}{check}, spread {}", fair.spread))
}

fn decision(decided: &Decided, story: &Story) -> Line {
    let line = begin(decided.quote_id.as_str(), Tone::Plain, "quote");
    let line = line.column(Tone::Plain, &wish(&decided.quote_id, story), WISH);
    match (decided.verdict, &decided.proposal) {
        (Verdict::Act, Some(proposal)) => {
            let (verb, side) = match story.demands.get(&decided.quote_id).map(|demand| demand.exact) {
                Some(ExactSide::Out) => ("asks", &proposal.receive),
                Some(ExactSide::In) | None => ("gives", &proposal.give),
            };
            let amount = words::amount(side.amount, side.token.as_str());
            line.with(Tone::Act, format!("yes  {verb} {amount}"))
                .with(Tone::Extra, format!(", edge {}", proposal.gross_edge))
        }
        (Verdict::Act, None) => line.with(Tone::Act, "yes"),
        (Verdict::Skip { reason }, _) => {
            line.with(Tone::Warn, "no   ").with(Tone::Plain, words::skipped(reason, &decided.gates))
        }
    }
}

/// What the taker wants, in the taker's terms.
fn wish(quote: &QuoteId, story: &Story) -> String {
    let Some(demand) = story.demands.get(quote) else { return "a taker asks".to_owned() };
    let token = match demand.exact {
        ExactSide::In => &demand.token_in,
        ExactSide::Out => &demand.token_out,
    };
    let amount = words::amount(demand.amount, token.as_str());
    match (demand.direction, demand.exact) {
        (Direction::BuyBase, ExactSide::In) => format!("sells {amount}"),
        (Direction::BuyBase, ExactSide::Out) => format!("sells BTC for {amount}"),
        (Direction::SellBase, ExactSide::In) => format!("buys BTC for {amount}"),
        (Direction::SellBase, ExactSide::Out) => format!("buys {amount}"),
    }
}

fn intake(fact: &Intake) -> Option<Line> {
    match fact {
        Intake::RequestRejected(rejected) => {
            let why = rejected.fault.code().replace('_', " ");
            let line = begin(rejected.quote_id.as_str(), Tone::Plain, "quote").column(
                Tone::Plain,
                "makes no sense",
                WISH,
            );
            Some(line.with(Tone::Warn, "no   ").with(Tone::Faint, why))
        }
        Intake::DuplicateReceived(again) => {
            let line =
                begin(again.quote_id.as_str(), Tone::Plain, "quote").column(Tone::Plain, "comes again", WISH);
            Some(line.with(Tone::Warn, "no   ").with(Tone::Faint, "the first one counts"))
        }
        Intake::QuoteReceived(_) | Intake::DemandNormalised(_) => None,
    }
}

fn relay(fact: &Relay) -> Option<Line> {
    match fact {
        Relay::RelayConnected(_) => {
            Some(begin("", Tone::Plain, "relay").with(Tone::Faint, "connected and subscribed"))
        }
        Relay::RelayDisconnected(gone) => {
            Some(begin("", Tone::Warn, "relay").with(Tone::Plain, format!("disconnected: {}", gone.reason)))
        }
        Relay::FrameRejected(frame) => Some(
            begin("", Tone::Warn, "relay")
                .with(Tone::Plain, format!("a frame that can't be read: {}", frame.why)),
        ),
        // What the account makes of it is told.
        Relay::SettlementReported(_) | Relay::ReplyReported(_) => None,
    }
}

fn account(fact: &Account, story: &Story, actor: &Actor) -> Option<Line> {
    let of = |command: CommandId, tone: Tone, word: &str| {
        let quote = story.offers.get(&command).map(|offer| offer.terms.quote_id.as_str());
        begin(quote.unwrap_or_default(), tone, word)
    };
    let terms =
        |command: CommandId| story.offers.get(&command).map_or_else(String::new, |offer| done(&offer.terms));
    let line = match fact {
        Account::SubmissionAccepted(fact) => {
            of(fact.command_id, Tone::Faint, "accepted").with(Tone::Faint, "by the relay, into its auction")
        }
        Account::SubmissionRejected(fact) => {
            of(fact.command_id, Tone::Warn, "rejected").with(Tone::Plain, &*fact.reply)
        }
        Account::SubmissionUncertain(fact) => of(fact.command_id, Tone::Warn, "unknown")
            .with(Tone::Plain, "it may be live: it is looked up, never sent again"),
        Account::ReplyContradicted(fact) => of(fact.command_id, Tone::Warn, "unknown")
            .with(Tone::Plain, format!("{} before, and now: {}", fact.before.name(), fact.reply)),
        Account::SubmissionAbandoned(fact) => {
            of(fact.command_id, Tone::Warn, "not sent").with(Tone::Plain, &*fact.why)
        }
        Account::SubmissionSettled(fact) => of(fact.command_id, Tone::Good, "settled")
            .with(Tone::Good, terms(fact.command_id))
            .with(Tone::Extra, format!(", seen in block {}", fact.height)),
        Account::SubmissionSettleFailed(fact) => of(fact.command_id, Tone::Bad, "failed")
            .with(Tone::Plain, "on chain; the signature lives until its deadline"),
        Account::SubmissionExpiredUnfilled(fact) => of(fact.command_id, Tone::Faint, "unfilled")
            .with(Tone::Faint, "its deadline has passed, its coin is free again"),
        Account::ExecutionRefused(fact) => {
            begin(fact.quote_id.as_str(), Tone::Warn, "held back").with(Tone::Plain, &*fact.detail)
        }
        Account::ExecutionExpired(fact) => begin(fact.quote_id.as_str(), Tone::Warn, "held back")
            .with(Tone::Plain, format!("the command was {} ms old", fact.age_ms)),
        Account::LimitsSet(set) => {
            person("limits", format!("version {} set by {}", set.version, who(actor)), &set.reason)
        }
        Account::Armed(armed) => {
            // The moment of the wish is not that of the fact: the span is shown as it was wished.
            let seconds = (armed.until.millis_since(armed.at) + 999) / 1_000;
            person("armed", format!("for {} by {}", span(seconds * 1_000), who(actor)), &armed.reason)
        }
        Account::Disarmed(fact) => person("disarmed", format!("by {}", who(actor)), &fact.reason),
        Account::ArmRequested(asked) => {
            person("arm?", format!("asked by {}: another person must approve", who(actor)), &asked.reason)
        }
        Account::Killed(fact) => person("killed", format!("by {}", who(actor)), &fact.reason),
        Account::LeaseTaken(lease) => begin("", Tone::Plain, "lease")
            .with(Tone::Faint, format!("epoch {}: this process may sign, and is disarmed", lease.epoch)),
        Account::LeaseRenewed(_)
        | Account::ArmApproved(_)
        | Account::KillConfirmed(_)
        | Account::StandDownAsked(_)
        | Account::SubmissionStarted(_)
        | Account::ReservationReleased(_) => return None,
    };
    Some(line)
}

fn person(word: &str, what: String, reason: &str) -> Line {
    begin("", Tone::Person, word).with(Tone::Strong, what).with(Tone::Plain, format!(": \"{reason}\""))
}

/// `operator:alice` is alice.
fn who(actor: &Actor) -> String {
    let text = actor.to_string();
    text.strip_prefix("operator:").unwrap_or(&text).to_owned()
}

/// What an executed offer came to.
fn done(terms: &SubmissionStarted) -> String {
    let receive = words::amount(terms.receive.amount, terms.receive.token.as_str());
    let give = words::amount(terms.give.amount, terms.give.token.as_str());
    match terms.direction {
        Direction::BuyBase => format!("bought {receive} for {give}"),
        Direction::SellBase => format!("sold {give} for {receive}"),
    }
}
