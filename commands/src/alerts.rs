//! The alert watch: a reactor that raises what needs a person, and clears it when it no longer does.
//!
//! It says nothing that is not on the log; staleness alone, which no event announces, it works out from the
//! newest balances and the time.

use crate::envelope::Failure;
use crate::ledger::Ledger;
use crate::observe;
use crate::service::{ServiceError, Waited, own, survivable, unstartable, wait_for_log};
use crate::stop::Stop;
use crate::strategy::readable;
use crate::streams;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use stele_domain::event::{Event, Recorded};
use stele_domain::ids::Actor;
use stele_domain::market::reference::event::Verdict;
use stele_domain::operations::alert::event::Kind;
use stele_domain::operations::alert::{self, Alert, Command, State};
use stele_domain::operations::service::event::Service;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{Direction, EventLog, Filter, Position, Record, Revision, StreamId};
use stele_domain::time::Timestamp;
use stele_domain::treasury::inventory::event::Drift;
use stele_domain::{intents, market, operations, treasury};

/// Records that are read in one go.
const PAGE: usize = 512;
/// How far back the present is looked for at the start.
const LOOK_BACK: usize = 64;
/// Most words about single facts that wait for the log. Beyond it nothing more is read until they are said.
const UNSAID_MAX: usize = 256;
/// How often staleness is looked at.
const TICK: Duration = Duration::from_secs(1);
/// How long the relay may be gone before a person is called: a reconnect takes a moment.
const RELAY_GONE_MS_MAX: i64 = 5_000;

/// The service.
pub struct AlertWatch {
    /// The log.
    pub log: Arc<dyn EventLog>,
    /// What is watched: price, relay and balances.
    pub watched: Vec<StreamId>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Oldest balances that are not stale, in milliseconds.
    pub inventory_age_ms_max: u64,
}

/// What is to be said of an alert.
struct Word {
    kind: Kind,
    raised: bool,
    detail: String,
    /// The fact that it is about, where each such fact is to be said.
    cause: Option<Position>,
}

impl Word {
    /// What holds until something else does.
    fn of(kind: Kind, raised: bool, detail: String) -> Self {
        Self { kind, raised, detail, cause: None }
    }
}

/// The alerts and what was said of each last, so that only changes are said again.
struct Watch {
    ledgers: BTreeMap<Kind, Ledger<Alert>>,
    said: BTreeMap<Kind, bool>,
    balances_at: Option<Timestamp>,
    relay_gone: Option<(Timestamp, String)>,
    /// What is about one fact and the log did not take: nothing else would ever say it again. Oldest first.
    unsaid: VecDeque<Word>,
}

impl AlertWatch {
    /// Runs until it is told to stop.
    pub async fn run(self, mut stop: Stop) -> Result<(), ServiceError> {
        let who = Actor::try_from("service:alerts".to_owned())?;
        let (mut watch, head) = loop {
            match self.begin(&who).await {
                Ok(begun) => break begun,
                // The alerts have no switch of their own; they stand with what they watch.
                Err(error) => {
                    if wait_for_log(Service::Projections, error, &mut stop).await? == Waited::ToldToStop {
                        return Ok(());
                    }
                }
            }
        };
        let categories = [streams::PRICE, streams::RELAY, streams::INVENTORY, streams::ALERT];
        let mut follow = self.log.follow(head.next(), Filter::categories(&categories));
        let mut ticks = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                biased;
                () = stop.requested() => return Ok(()),
                _ = ticks.tick() => {
                    self.say_unsaid(&who, &mut watch).await?;
                    self.stale(&who, &mut watch).await?;
                }
                page = follow.next(PAGE), if watch.unsaid.len() < UNSAID_MAX => match page {
                    Ok(page) => self.see(&who, &mut watch, &page.records).await?,
                    Err(error) => survivable::<()>(Service::Projections, error.into())?,
                },
            }
        }
    }

    /// The alerts as they stand at the head of the log.
    async fn begin(&self, who: &Actor) -> Result<(Watch, Position), ServiceError> {
        let mut ledgers = BTreeMap::new();
        for kind in Kind::ALL {
            let ledger: Ledger<Alert> = Ledger::new(Arc::clone(&self.log), streams::alert(kind)?);
            let raised = ledger.look(State::is_raised).await;
            let raised = raised.map_err(unstartable)?;
            observe::alert_stands(kind, raised);
            ledgers.insert(kind, ledger);
        }
        let (said, unsaid) = (BTreeMap::new(), VecDeque::new());
        let mut watch = Watch { ledgers, said, balances_at: None, relay_gone: None, unsaid };
        let head = self.log.head().await.map_err(ServiceError::Log)?;
        self.look_back(who, &mut watch, head).await?;
        Ok((watch, head))
    }

    /// What the newest facts up to the head come to: of each alert, only the last word is said.
    async fn look_back(&self, who: &Actor, watch: &mut Watch, head: Position) -> Result<(), ServiceError> {
        let mut last: BTreeMap<Kind, Word> = BTreeMap::new();
        for stream in &self.watched {
            let newest =
                self.log.read_stream(stream, Revision(u64::MAX), Direction::Backward, LOOK_BACK).await;
            let records = newest.map_err(ServiceError::Log)?;
            for recorded in records
                .iter()
                .rev()
                .filter(|r| r.position <= head)
                .filter_map(|record| readable("alerts", record))
            {
                last.extend(words(&recorded, watch).into_iter().map(|word| (word.kind, word)));
            }
        }
        for word in last.into_values() {
            self.say(who, watch, word).await?;
        }
        Ok(())
    }

    async fn see(&self, who: &Actor, watch: &mut Watch, records: &[Record]) -> Result<(), ServiceError> {
        for recorded in records
            .iter()
            .filter(|record| self.concerns(&record.stream))
            .filter_map(|record| readable("alerts", record))
        {
            for word in words(&recorded, watch) {
                self.say(who, watch, word).await?;
            }
        }
        Ok(())
    }

    /// Whether a stream is watched. Others of the same categories are about other pairs and accounts: what is well
    /// there clears nothing here.
    fn concerns(&self, stream: &StreamId) -> bool {
        stream.category() == streams::ALERT || self.watched.contains(stream)
    }

    /// Says again what the log did not take.
    async fn say_unsaid(&self, who: &Actor, watch: &mut Watch) -> Result<(), ServiceError> {
        for word in std::mem::take(&mut watch.unsaid) {
            self.say(who, watch, word).await?;
        }
        Ok(())
    }

    /// What time alone makes true.
    async fn stale(&self, who: &Actor, watch: &mut Watch) -> Result<(), ServiceError> {
        let now = self.clock.now();
        if let Some((since, reason)) = watch.relay_gone.clone()
            && now.millis_since(since) > RELAY_GONE_MS_MAX
        {
            let detail = format!("the relay has been gone since {since}: {reason}");
            self.say(who, watch, Word::of(Kind::RelayDown, true, detail)).await?;
        }
        let Some(balances_at) = watch.balances_at else { return Ok(()) };
        let age_ms = now.millis_since(balances_at);
        if age_ms <= i64::try_from(self.inventory_age_ms_max).unwrap_or(i64::MAX) {
            return Ok(());
        }
        let detail = format!("balances are {age_ms} ms old");
        self.say(who, watch, Word::of(Kind::InventoryStale, true, detail)).await
    }

    async fn say(&self, who: &Actor, watch: &mut Watch, word: Word) -> Result<(), ServiceError> {
        // In the order of the facts: an alert passes over what stands before the last that it was told of.
        if word.cause.is_some() && !watch.unsaid.is_empty() {
            watch.unsaid.push_back(word);
            return Ok(());
        }
        let Word { kind, raised, detail, cause } = word;
        // What is about one fact is news whatever was said before; the alert itself knows which facts it was told.
        if cause.is_none() && watch.said.get(&kind) == Some(&raised) {
            return Ok(());
        }
        let Some(ledger) = watch.ledgers.get(&kind) else { return Ok(()) };
        let at = self.clock.now();
        let words = detail.clone();
        let about_one_fact = cause.map(|_| Word { kind, raised, detail: detail.clone(), cause });
        let command = if raised {
            Command::Raise { kind, cause, detail: words, at }
        } else {
            Command::Clear { kind, detail: words, at }
        };
        match ledger.handle(own(who, at, command)).await {
            Ok(outcome) => {
                // A fact that was told before may have been looked at since.
                if cause.is_none() || !outcome.events().is_empty() {
                    observe::alert_stands(kind, raised);
                }
                if !outcome.events().is_empty() {
                    observe::alert(kind, raised, &detail);
                }
                watch.said.insert(kind, raised);
                Ok(())
            }
            Err(failure) => {
                if matches!(failure, Failure::Log(_) | Failure::Contended(_)) {
                    watch.unsaid.extend(about_one_fact);
                }
                survivable(Service::Projections, failure)
            }
        }
    }
}

/// What an event says of the alerts.
fn words(recorded: &Recorded, watch: &mut Watch) -> Vec<Word> {
    match &recorded.event {
        Event::Market(market::event::Event::Reference(market::reference::Event::ReferencePriced(priced))) => {
            let (raised, detail) = match &priced.verdict {
                Verdict::Primary { .. } => (false, "the primary source prices again".to_owned()),
                Verdict::Fallback { .. } => (false, "the fallback source prices".to_owned()),
                Verdict::Blocked { block } => (true, format!("no usable price: {}", block.code())),
            };
            vec![Word::of(Kind::PriceBlocked, raised, detail)]
        }
        Event::Intents(intents::event::Event::Relay(event)) => relay_words(event, watch),
        Event::Treasury(treasury::event::Event::Inventory(event)) => {
            inventory_words(event, recorded.position, watch)
        }
        // A person clears these, perhaps in another process.
        Event::Operations(operations::event::Event::Alert(event)) => {
            let (kind, raised) = match event {
                alert::Event::AlertRaised(fact) => (fact.kind, true),
                alert::Event::AlertCleared(fact) => (fact.kind, false),
            };
            if kind.waits_for_a_person() {
                observe::alert_stands(kind, raised);
            }
            vec![]
        }
        Event::Market(_)
        | Event::Intents(_)
        | Event::Trading(_)
        | Event::Operations(_)
        | Event::Access(_) => vec![],
    }
}

/// A relay that comes back within a moment is nobody's business; [`AlertWatch::stale`] raises what lasts.
fn relay_words(event: &intents::relay::Event, watch: &mut Watch) -> Vec<Word> {
    match event {
        intents::relay::Event::RelayConnected(_) => {
            watch.relay_gone = None;
            vec![Word::of(Kind::RelayDown, false, "the relay is connected".to_owned())]
        }
        intents::relay::Event::RelayDisconnected(gone) => {
            watch.relay_gone = Some((gone.at, gone.reason.clone()));
            vec![]
        }
        intents::relay::Event::FrameRejected(_)
        | intents::relay::Event::SettlementReported(_)
        | intents::relay::Event::ReplyReported(_) => vec![],
    }
}

fn inventory_words(event: &treasury::inventory::Event, at: Position, watch: &mut Watch) -> Vec<Word> {
    match event {
        treasury::inventory::Event::BalancesObserved(fact) => {
            watch.balances_at = Some(fact.observed_at);
            let fresh = format!("balances of block {} were read", fact.height);
            let (blocked, why) = match fact.blocked.first() {
                Some(block) => (true, format!("the venue would refuse our signature: {}", block.name())),
                None => (false, "the venue would take our signature".to_owned()),
            };
            vec![Word::of(Kind::InventoryStale, false, fresh), Word::of(Kind::ExecutionBlocked, blocked, why)]
        }
        treasury::inventory::Event::InventoryUnavailable(gone) => {
            let detail = format!("balances can't be read: {}", gone.reason);
            vec![Word::of(Kind::InventoryStale, true, detail)]
        }
        // A drift stays raised until a person has looked; the next reading does not explain it.
        treasury::inventory::Event::DriftDetected(drift) => {
            let kind = match drift.drift {
                Drift::Drop => Kind::UnexpectedDrop,
                Drift::Credit => Kind::UnmatchedCredit,
            };
            let detail = format!("{}: {} expected, {} seen", drift.token, drift.expected, drift.observed);
            vec![Word { kind, raised: true, detail, cause: Some(at) }]
        }
    }
}
