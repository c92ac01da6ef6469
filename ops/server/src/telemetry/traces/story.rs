//! From facts to spans: what was awaited, from when to when, and how it ended. Pure, and bounded.

use std::collections::{BTreeMap, VecDeque};
use stele_domain::event::{Event, Recorded};
use stele_domain::ids::{CommandId, CorrelationId, QuoteId, derived};
use stele_domain::port::event_log::Position;
use stele_domain::time::Timestamp;
use stele_domain::trading;
use stele_domain::trading::account::event::Event as AccountEvent;
use stele_domain::trading::strategy::event::{Decided, Event as StrategyEvent, Verdict};

/// Most stories that are open at the same time; the oldest is forgotten.
const OPEN_MAX: usize = 10_000;

/// One span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    pub trace: u128,
    pub id: u64,
    /// Zero is none.
    pub parent: u64,
    pub name: &'static str,
    pub start: Timestamp,
    pub end: Timestamp,
    pub attributes: Vec<(&'static str, String)>,
    /// Why it did not end as hoped.
    pub failed: Option<String>,
}

/// The quotes that are being acted on.
#[derive(Debug)]
pub(super) struct Stories {
    skipped: bool,
    open: BTreeMap<CommandId, Story>,
    order: VecDeque<CommandId>,
}

#[derive(Debug, Clone)]
struct Story {
    trace: u128,
    command_id: CommandId,
    /// What every span of it names.
    names: Vec<(&'static str, String)>,
    began: Timestamp,
    /// When the last step ended.
    since: Timestamp,
    /// How it ended, as far as is known.
    result: &'static str,
    failed: Option<String>,
}

impl Stories {
    pub(super) fn new(skipped: bool) -> Self {
        Self { skipped, open: BTreeMap::new(), order: VecDeque::new() }
    }

    /// What a fact tells.
    pub(super) fn see(&mut self, recorded: &Recorded) -> Vec<Span> {
        // All that a quote's story is told by is in this context.
        let Event::Trading(event) = &recorded.event else { return vec![] };
        match event {
            trading::event::Event::Strategy(StrategyEvent::Decided(decided)) => {
                self.decided(decided, recorded.position)
            }
            trading::event::Event::Strategy(StrategyEvent::ExecutionCommanded(order)) => {
                if let Some(story) = self.open.get_mut(&order.command_id) {
                    story.since = order.commanded_at;
                }
                vec![]
            }
            trading::event::Event::Account(event) => self.account(event, recorded.position),
        }
    }

    fn decided(&mut self, decided: &Decided, position: Position) -> Vec<Span> {
        let story = Story::of(decided);
        let (outcome, reason) = match decided.verdict {
            Verdict::Act => ("act", None),
            Verdict::Skip { reason } => ("skip", Some(reason.code())),
        };
        let mut facts = vec![
            ("decision", outcome.to_owned()),
            ("direction", format!("{:?}", decided.direction)),
            ("limits_version", decided.limits_version.to_string()),
            ("position", position.0.to_string()),
        ];
        facts.extend(reason.map(|reason| ("decision_reason", reason.to_owned())));
        if let Some(seen) = &decided.price {
            facts.push(("price_freshness_ms", seen.freshness_ms.to_string()));
        }
        if let Some(seen) = &decided.inventory {
            facts.push(("inventory_id", seen.event_id.to_string()));
        }
        if let Some(proposal) = &decided.proposal {
            facts.push(("gross_edge_bps", proposal.gross_edge.0.to_string()));
        }
        let step = story.step("decide", decided.received_at, decided.decided_at, position, facts);
        match decided.verdict {
            Verdict::Skip { reason } if self.skipped => {
                let whole = Story { result: reason.code(), ..story }.whole(decided.decided_at);
                vec![step, whole]
            }
            Verdict::Skip { .. } => vec![],
            Verdict::Act => {
                self.keep(story);
                vec![step]
            }
        }
    }

    fn keep(&mut self, story: Story) {
        while self.order.len() >= OPEN_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.open.remove(&oldest);
            }
        }
        self.order.push_back(story.command_id);
        self.open.insert(story.command_id, story);
    }

    fn account(&mut self, event: &AccountEvent, position: Position) -> Vec<Span> {
        match event {
            AccountEvent::SubmissionStarted(it) => {
                let facts = vec![("quote_hash", it.prepared.quote_hash.to_string())];
                self.next(it.command_id, Step::new("fix", it.at, "started").saying(facts), position)
            }
            AccountEvent::ExecutionRefused(it) => {
                let step = Step::new("fix", it.at, it.code.code()).failing(&it.detail);
                self.last(it.command_id, step, position)
            }
            AccountEvent::ExecutionExpired(it) => {
                let step = Step::new("fix", it.at, "expired").failing("the order came too late");
                self.last(it.command_id, step, position)
            }
            AccountEvent::SubmissionAbandoned(it) => {
                let step = Step::new("submit", it.at, "abandoned").failing(&it.why);
                self.next(it.command_id, step, position)
            }
            AccountEvent::SubmissionAccepted(it) => {
                self.next(it.command_id, Step::new("submit", it.at, "accepted"), position)
            }
            AccountEvent::SubmissionRejected(it) => {
                let step = Step::new("submit", it.at, "rejected").failing(&it.reply);
                self.next(it.command_id, step, position)
            }
            AccountEvent::SubmissionUncertain(it) => {
                let step = Step::new("submit", it.at, "uncertain").failing(&it.why);
                self.next(it.command_id, step, position)
            }
            AccountEvent::ReplyContradicted(it) => {
                let step = Step::new("submit", it.at, "contradicted").failing(&it.reply);
                self.next(it.command_id, step, position)
            }
            AccountEvent::SubmissionSettled(it) => {
                let facts = it.tx_hash.iter().map(|hash| ("tx_hash", hash.clone())).collect();
                self.next(it.command_id, Step::new("settle", it.at, "settled").saying(facts), position)
            }
            AccountEvent::SubmissionSettleFailed(it) => {
                let step = Step::new("settle", it.at, "settle_failed").failing("the venue tried and failed");
                self.next(it.command_id, step, position)
            }
            AccountEvent::SubmissionExpiredUnfilled(it) => {
                self.next(it.command_id, Step::new("settle", it.at, "expired_unfilled"), position)
            }
            AccountEvent::ReservationReleased(it) => {
                self.last(it.command_id, Step::new("release", it.at, "released"), position)
            }
            AccountEvent::LeaseTaken(_)
            | AccountEvent::LeaseRenewed(_)
            | AccountEvent::LimitsSet(_)
            | AccountEvent::Armed(_)
            | AccountEvent::ArmRequested(_)
            | AccountEvent::ArmApproved(_)
            | AccountEvent::Disarmed(_)
            | AccountEvent::Killed(_)
            | AccountEvent::KillConfirmed(_)
            | AccountEvent::StandDownAsked(_) => vec![],
        }
    }

    /// A step of a story that goes on.
    fn next(&mut self, command_id: CommandId, step: Step, position: Position) -> Vec<Span> {
        let Some(story) = self.open.get_mut(&command_id) else { return vec![] };
        vec![story.take(step, position)]
    }

    /// A step that ends a story.
    fn last(&mut self, command_id: CommandId, step: Step, position: Position) -> Vec<Span> {
        let Some(mut story) = self.open.remove(&command_id) else { return vec![] };
        self.order.retain(|known| *known != command_id);
        let at = step.at;
        vec![story.take(step, position), story.whole(at)]
    }
}

/// One step of a story, as a fact tells it.
struct Step {
    name: &'static str,
    at: Timestamp,
    result: &'static str,
    facts: Vec<(&'static str, String)>,
    failed: Option<String>,
}

impl Step {
    fn new(name: &'static str, at: Timestamp, result: &'static str) -> Self {
        Self { name, at, result, facts: vec![], failed: None }
    }

    fn saying(self, facts: Vec<(&'static str, String)>) -> Self {
        Self { facts, ..self }
    }

    fn failing(self, why: &str) -> Self {
        Self { failed: Some(why.to_owned()), ..self }
    }
}

impl Story {
    fn of(decided: &Decided) -> Self {
        let command_id = CommandId::of_decision(decided.decision_id);
        let mut names = vec![
            ("quote_id", decided.quote_id.to_string()),
            ("decision_id", decided.decision_id.to_string()),
            ("pair", decided.pair.to_string()),
        ];
        if decided.verdict == Verdict::Act {
            names.push(("command_id", command_id.to_string()));
        }
        Self {
            trace: trace_id(&decided.quote_id),
            command_id,
            names,
            began: decided.received_at,
            since: decided.decided_at,
            result: "decided",
            failed: None,
        }
    }

    fn take(&mut self, step: Step, position: Position) -> Span {
        // A release says nothing of how the offer ended.
        if step.name != "release" {
            self.result = step.result;
            self.failed.clone_from(&step.failed);
        }
        let mut facts = step.facts;
        facts.extend([("result", step.result.to_owned()), ("position", position.0.to_string())]);
        let mut span = self.step(step.name, self.since, step.at, position, facts);
        span.failed = step.failed;
        self.since = step.at;
        span
    }

    fn step(
        &self,
        name: &'static str,
        start: Timestamp,
        end: Timestamp,
        position: Position,
        facts: Vec<(&'static str, String)>,
    ) -> Span {
        let id = span_id(self.trace, name, position.0);
        let mut attributes = self.names.clone();
        attributes.extend(facts);
        // Two clocks may differ by a little: no span ends before it begins.
        let end = end.max(start);
        Span {
            trace: self.trace,
            id,
            parent: root_id(self.trace),
            name,
            start,
            end,
            attributes,
            failed: None,
        }
    }

    fn whole(self, end: Timestamp) -> Span {
        let mut attributes = self.names;
        attributes.push(("result", self.result.to_owned()));
        Span {
            trace: self.trace,
            id: root_id(self.trace),
            parent: 0,
            name: "quote",
            start: self.began,
            end: end.max(self.began),
            attributes,
            failed: self.failed,
        }
    }
}

/// The trace of a quote: its correlation id.
pub(super) fn trace_id(quote_id: &QuoteId) -> u128 {
    CorrelationId::of_quote(quote_id).0.as_u128()
}

fn root_id(trace: u128) -> u64 {
    span_id(trace, "quote", 0)
}

/// Never zero: that is no span.
fn span_id(trace: u128, name: &str, position: u64) -> u64 {
    let id = derived("span", &[&trace.to_string(), name, &position.to_string()]);
    id.as_u64_pair().1.max(1)
}
