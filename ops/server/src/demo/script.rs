//! What happens in a demo, in order. Traffic comes from the seed; what the demo promises to show is scripted
//! besides, so that it does not depend on luck.

use super::settings::{OFFER_LIFE_MS_MAX, SHORT_DEADLINE_MS, TAKER_DEADLINE_MS};
use super::stage::{Ended, Stage};
use super::story::{Arming, Decision, Fate, OfferSeen, Story};
use super::view::paint::Line;
use crate::exit::{Code, Failure};
use std::time::Duration;
use stele_domain::ids::{CommandId, QuoteId};
use stele_domain::trading::gate::Reason;
use stele_simulator::Outcome;

/// Quotes that are refused before the desk is armed.
const REFUSED_FIRST: u64 = 3;
/// Settlements before the crash.
const SETTLED_FIRST: usize = 3;
/// Quotes that are published for one offer before it is given up.
const TRIES: usize = 10;
/// How long the desk may take to answer a quote.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// Time between two scripted quotes.
const BREATH: Duration = Duration::from_millis(350);
/// How long an act of the operator may take to be seen in the log.
const SEEN_MAX: Duration = Duration::from_secs(5);
/// How long the desk may take until it knows prices and balances.
const EYES_MAX: Duration = Duration::from_secs(20);
/// How long the desk stays down, at most.
const DOWN_MAX: Duration = Duration::from_secs(3);
/// The longest that an offer can stay open.
pub(crate) const OFFER_LIFE_MAX: Duration = Duration::from_millis(OFFER_LIFE_MS_MAX);
/// When the crash comes, in percent of the planned time.
const CRASH_AT: u32 = 55;

/// What the script leaves for the end to judge.
#[derive(Debug, Clone)]
pub(crate) struct Played {
    /// The quote whose reply was swallowed.
    pub swallowed: QuoteId,
    pub restarts: u32,
}

/// Plays everything but the end.
pub(crate) async fn play(stage: &mut Stage, seed: u64) -> Result<Played, Ended> {
    begin(stage, seed).await?;
    refuse(stage).await?;
    trade(stage).await?;
    let swallowed = crash(stage).await?;
    recover(stage, &swallowed).await?;
    Ok(Played { swallowed, restarts: 1 })
}

async fn begin(stage: &mut Stage, seed: u64) -> Result<(), Ended> {
    let text = format!(
        "On this machine, from seed {seed}: a solver relay with takers and a rival, the verifier contract behind two \
         NEAR nodes, Kraken and CoinGecko, all simulated behind real sockets and in their own wire formats. The desk \
         is a process of its own. It knows its market only through those sockets, and its past only through its log."
    );
    stage.view.heading(1, "A market and a desk", &text);
    let admin = stage.world.endpoints().admin;
    stage.view.note("market", &format!("journal of every frame: {admin}/sim/journal"));
    let pid = stage.start_desk().await?;
    let log = stage.place.log().display().to_string();
    stage.view.note("desk", &format!("process {pid} is ready, its log in {log}"));
    let (second, door) = (stage.start_second().await?, stage.door);
    stage.view.note("second", &format!("process {second} follows that log at {door}, with a key of its own"));
    let knows = stage.until(EYES_MAX, |story, _| story.sees()).await?;
    expected(knows, "the desk did not get to know prices and balances")
}

async fn refuse(stage: &mut Stage) -> Result<(), Ended> {
    stage.view.heading(
        2,
        "Nobody has armed it",
        "Takers ask for prices. The desk reads, prices and judges every request, writes down what it saw, and offers \
         nothing: no person has allowed it to.",
    );
    for _ in 0..TRIES {
        if stage.story.refused_for(Reason::Disarmed) >= REFUSED_FIRST {
            break;
        }
        stage.world.ask(Outcome::NobodyTakes, TAKER_DEADLINE_MS)?;
        stage.pass(BREATH).await?;
    }
    let refused =
        stage.until(ANSWER_MAX, |story, _| story.refused_for(Reason::Disarmed) >= REFUSED_FIRST).await?;
    expected(refused, "the disarmed desk refused nothing")?;
    let rest = stage.until_percent(10);
    stage.pass(rest).await
}

async fn trade(stage: &mut Stage) -> Result<(), Ended> {
    stage.view.heading(
        3,
        "Limits, arming, trading",
        "A person sets limits and arms the desk, each with a reason that stays in the log. An accepted offer is no \
         trade yet: it may be taken, lose to a rival, or expire. Its coin stays reserved until a block proves which.",
    );
    stage.operate(&["limits", "set", "--from-config", "--reason", "first limits"]).await?;
    arm(stage, "prices and balances look right").await?;
    let unfilled = offer(stage, Outcome::NobodyTakes, SHORT_DEADLINE_MS).await?;
    stage.pass(BREATH).await?;
    offer(stage, Outcome::RivalWins, SHORT_DEADLINE_MS).await?;
    for _ in 0..SETTLED_FIRST {
        stage.pass(BREATH).await?;
        offer(stage, Outcome::DeskWins, TAKER_DEADLINE_MS).await?;
    }
    let all = stage.until(OFFER_LIFE_MAX, |story, world| {
        let expired = fate(story, unfilled) == Some(Fate::Expired);
        expired && story.count(Fate::Settled) >= SETTLED_FIRST && world.summary().auctions.lost_to_rival > 0
    });
    expected(all.await?, "three settlements, a loss to a rival and an unfilled offer did not come")?;
    let rest = stage.until_percent(CRASH_AT);
    stage.pass(rest).await
}

/// Swallows a reply and kills the desk while it waits for it. Gives the quote.
async fn crash(stage: &mut Stage) -> Result<QuoteId, Ended> {
    stage.view.heading(
        4,
        "A lost reply and a crash",
        "The relay takes the next offer in and says nothing. While the desk waits for the reply, its process is \
         killed: SIGKILL, no time for anything. Somewhere there is a valid signature, and nobody knows what became \
         of it.",
    );
    stage.world.swallow_replies(true)?;
    let quote = swallowed(stage).await?;
    let settled_before = stage.world.summary().auctions.settled;
    stage.desk.kill().await?;
    stage.world.swallow_replies(false)?;
    let id: String = quote.as_str().chars().take(6).collect();
    stage.view.note("SIGKILL", &format!("the offer on {id} is out, its reply lost, the desk dead"));
    let settled = stage.until(DOWN_MAX, |_, world| world.summary().auctions.settled > settled_before).await?;
    if settled {
        stage.view.note("market", "meanwhile a taker brings an offer to the chain");
    }
    Ok(quote)
}

async fn swallowed(stage: &mut Stage) -> Result<QuoteId, Ended> {
    for _ in 0..TRIES {
        let quote = stage.world.ask(Outcome::DeskWins, TAKER_DEADLINE_MS)?;
        let journal = stage.world.journal();
        if stage.during(journal.response_came(&quote, ANSWER_MAX)).await? {
            // Its frame is out, so its start is in the log: let the ledger show that before the lights go out.
            stage.until(SEEN_MAX, |story, _| story.offer_on(&quote).is_some()).await?;
            return Ok(quote);
        }
        stage.pass(BREATH).await?;
    }
    Err(missing("the desk made no offer whose reply could be swallowed"))
}

async fn recover(stage: &mut Stage, swallowed: &QuoteId) -> Result<(), Ended> {
    stage.view.print(&Line::new());
    stage.view.text(
        "Started again, the desk has nothing but its log. It verifies it, takes a new lease, is disarmed by that, and \
         looks up what was open: is the nonce used? It never sends an offer again.",
    );
    stage.view.print(&Line::new());
    let epoch = stage.story.epoch;
    let pid = stage.start_desk().await?;
    stage.view.note("desk", &format!("process {pid} has recovered the log and is ready"));
    let disarmed =
        stage.until(SEEN_MAX, |story, _| story.epoch > epoch && story.arming == Arming::Disarmed).await?;
    expected(disarmed, "the restarted desk is not disarmed")?;
    let resolved = stage.until(OFFER_LIFE_MAX, |story, _| {
        let found = story.offer_on(swallowed).is_some_and(is_resolved);
        found && story.count(Fate::Uncertain) == 0 && story.count(Fate::Started) == 0 && story.sees()
    });
    expected(resolved.await?, "what was open at the crash was not resolved")?;
    let became = stage.story.offer_on(swallowed).map_or("lost from sight", |offer| offer.fate.words());
    stage.view.note("resolved", &format!("by looking: the offer without a reply is {became}"));
    arm(stage, "open outcomes are known").await?;
    let last = offer(stage, Outcome::DeskWins, TAKER_DEADLINE_MS).await?;
    let settled = stage.until(OFFER_LIFE_MAX, |story, _| fate(story, last) == Some(Fate::Settled)).await?;
    expected(settled, "the desk did not trade on after the crash")?;
    let rest = stage.until_percent(100);
    stage.pass(rest).await
}

/// Arms for longer than the run can take.
async fn arm(stage: &mut Stage, reason: &str) -> Result<(), Ended> {
    let minutes = stage.until_percent(100).as_secs() / 60 + 10;
    stage.operate(&["arm", "--for", &format!("{minutes}m"), "--reason", reason]).await?;
    let armed = stage.until(SEEN_MAX, |story, _| matches!(story.arming, Arming::Armed(_))).await?;
    expected(armed, "the desk was not armed")
}

/// Publishes quotes until an offer of the desk is in the auction of one of them.
async fn offer(stage: &mut Stage, outcome: Outcome, deadline_ms: u64) -> Result<CommandId, Ended> {
    for _ in 0..TRIES {
        let quote = stage.world.ask(outcome.clone(), deadline_ms)?;
        stage.until(ANSWER_MAX, |story, _| is_answered(story, &quote)).await?;
        if let Some(offer) = stage.story.offer_on(&quote)
            && matches!(offer.fate, Fate::Accepted | Fate::Settled)
        {
            return Ok(offer.terms.command_id);
        }
        stage.pass(BREATH).await?;
    }
    Err(missing("the armed desk made no offer on scripted quotes"))
}

fn is_answered(story: &Story, quote: &QuoteId) -> bool {
    let skipped = matches!(story.decided.get(quote), Some(Decision::Skip(_)));
    skipped || story.offer_on(quote).is_some_and(|offer| offer.fate != Fate::Started)
}

/// Whether it is known what became of an offer.
pub(crate) fn is_resolved(offer: &OfferSeen) -> bool {
    matches!(offer.fate, Fate::Settled | Fate::Expired) && !offer.open
}

fn fate(story: &Story, command: CommandId) -> Option<Fate> {
    story.offers.get(&command).map(|offer| offer.fate)
}

fn expected(came: bool, otherwise: &str) -> Result<(), Ended> {
    if came { Ok(()) } else { Err(missing(otherwise)) }
}

fn missing(what: &str) -> Ended {
    Ended::Failed(
        Failure::new(Code::Error, format!("the demo did not show what it promises: {what}"))
            .advise("run it again with --data DIR, and look at DIR/desk.jsonl"),
    )
}
