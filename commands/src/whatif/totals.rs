//! Counting: decisions as they come, orders when their outcome is known in both histories.

use super::WhatIfError;
use super::question::{Desk, Question};
use super::report::{
    DIFFERENCES_MAX, Decisions, Difference, FORMAT, Fate, GateChange, GateSaid, Kind, LimitChange,
    NOT_REPRODUCED_MAX, Offer, ReasonChange, Report, Side, Span, Stand,
};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use stele_domain::ids::CommandId;
use stele_domain::port::event_log::Position;
use stele_domain::trading::account::event::SubmissionStarted;
use stele_domain::trading::gate::GateResult;
use stele_domain::trading::strategy::event::{Decided, Verdict};

/// Most decisions that wait for the outcome of an order before them. Beyond it the oldest counts as unanswered.
const WAITING_MAX: usize = 10_000;

/// The history that something happened in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Before,
    After,
}

/// All that is counted.
pub(super) struct Totals {
    waiting: BTreeMap<Position, Waiting>,
    ordered: BTreeMap<CommandId, Position>,
    decisions: Decisions,
    reasons: BTreeMap<(&'static str, &'static str), u64>,
    before: Side,
    after: Side,
    differences: Vec<Difference>,
    left_out: u64,
    not_reproduced: Vec<Position>,
    limits: Vec<LimitChange>,
    hash: Sha256,
}

/// A decision whose order has no outcome yet, or that waits behind such a one.
struct Waiting {
    difference: Difference,
    command: CommandId,
    figures: bool,
}

impl Totals {
    pub(super) fn new() -> Self {
        Self {
            waiting: BTreeMap::new(),
            ordered: BTreeMap::new(),
            decisions: Decisions::default(),
            reasons: BTreeMap::new(),
            before: Side::default(),
            after: Side::default(),
            differences: vec![],
            left_out: 0,
            not_reproduced: vec![],
            limits: vec![],
            hash: Sha256::new(),
        }
    }

    /// A decision that this build does not come to again.
    pub(super) fn not_reproduced(&mut self, at: Position) {
        self.decisions.not_reproduced = self.decisions.not_reproduced.saturating_add(1);
        if self.not_reproduced.len() < NOT_REPRODUCED_MAX {
            self.not_reproduced.push(at);
        }
    }

    /// Limits that the question has otherwise.
    pub(super) fn limits(&mut self, changes: Vec<LimitChange>) {
        for change in changes {
            if !self.limits.contains(&change) {
                self.limits.push(change);
            }
        }
    }

    /// A decision in both histories.
    pub(super) fn decided(
        &mut self,
        at: Position,
        before: &Decided,
        after: &Decided,
    ) -> Result<(), WhatIfError> {
        self.decisions.all = self.decisions.all.saturating_add(1);
        let (was, would) = (fate(before), fate(after));
        for (side, fate) in [(&mut self.before, was), (&mut self.after, would)] {
            if let Fate::NotOrdered { reason } = fate {
                count(&mut side.skipped, reason.code());
            }
        }
        let figures = before.gates != after.gates || before.proposal != after.proposal;
        if let (Fate::NotOrdered { .. }, Fate::NotOrdered { .. }) = (was, would)
            && was == would
        {
            self.unchanged(figures);
            return Ok(());
        }
        let difference = Difference {
            kind: Kind::Changed,
            position: at,
            at: before.decided_at,
            quote_id: before.quote_id.clone(),
            decision_id: before.decision_id,
            direction: before.direction,
            before: Stand { fate: was, offer: offer(before) },
            after: Stand { fate: would, offer: offer(after) },
            gates: gates(&before.gates, &after.gates),
        };
        let command = CommandId::of_decision(before.decision_id);
        self.ordered.insert(command, at);
        self.waiting.insert(at, Waiting { difference, command, figures });
        self.settle_down()
    }

    /// What became of an order in one history. One that stands before the range is nothing to it.
    pub(super) fn executed(
        &mut self,
        which: Which,
        command: CommandId,
        fate: Fate,
    ) -> Result<(), WhatIfError> {
        let Some(waiting) = self.ordered.get(&command).and_then(|at| self.waiting.get_mut(at)) else {
            return Ok(());
        };
        let stand = match which {
            Which::Before => &mut waiting.difference.before,
            Which::After => &mut waiting.difference.after,
        };
        if stand.fate == Fate::Unanswered {
            stand.fate = fate;
        }
        self.settle_down()
    }

    /// An offer that was fixed.
    pub(super) fn offered(&mut self, which: Which, started: &SubmissionStarted) {
        let side = self.side(which);
        let volume = side.offered.entry(started.direction.name()).or_default();
        volume.add(started.direction, started.receive.amount, started.give.amount, started.notional);
    }

    /// An offer that was executed; `estimated` when only a model says so.
    pub(super) fn settled(&mut self, which: Which, started: &SubmissionStarted, estimated: bool) {
        let side = self.side(which);
        let of = if estimated { &mut side.settled_estimated } else { &mut side.settled };
        let volume = of.entry(started.direction.name()).or_default();
        volume.add(started.direction, started.receive.amount, started.give.amount, started.notional);
    }

    fn side(&mut self, which: Which) -> &mut Side {
        match which {
            Which::Before => &mut self.before,
            Which::After => &mut self.after,
        }
    }

    /// Closes what is known of the oldest decisions.
    fn settle_down(&mut self) -> Result<(), WhatIfError> {
        while let Some(first) = self.waiting.first_entry() {
            let Waiting { difference, .. } = first.get();
            let open = [difference.before.fate, difference.after.fate].contains(&Fate::Unanswered);
            if open && self.waiting.len() <= WAITING_MAX {
                return Ok(());
            }
            self.close_first()?;
        }
        Ok(())
    }

    fn close_first(&mut self) -> Result<(), WhatIfError> {
        let Some((_, Waiting { difference, command, figures })) = self.waiting.pop_first() else {
            return Ok(());
        };
        self.ordered.remove(&command);
        let (was, would) = (difference.before.fate, difference.after.fate);
        for (side, fate) in [(&mut self.before, was), (&mut self.after, would)] {
            match fate {
                Fate::Refused { code } => count(&mut side.refused, code.code()),
                Fate::Expired => side.expired = side.expired.saturating_add(1),
                Fate::Unanswered => side.unanswered = side.unanswered.saturating_add(1),
                Fate::NotOrdered { .. } | Fate::Offered => {}
            }
        }
        let kind = match (was.why_not(), would.why_not()) {
            (None, None) if difference.before.offer == difference.after.offer => None,
            (None, None) => Some(Kind::Changed),
            (None, Some(_)) => Some(Kind::Removed),
            (Some(_), None) => Some(Kind::Added),
            (Some(before), Some(after)) => {
                if was != would {
                    let changes = self.reasons.entry((before, after)).or_default();
                    *changes = changes.saturating_add(1);
                    self.decisions.reason = self.decisions.reason.saturating_add(1);
                    return Ok(());
                }
                None
            }
        };
        if let Some(kind) = kind {
            return self.differs(Difference { kind, ..difference });
        }
        self.unchanged(figures);
        Ok(())
    }

    fn unchanged(&mut self, figures: bool) {
        let counted = if figures { &mut self.decisions.figures } else { &mut self.decisions.identical };
        *counted = counted.saturating_add(1);
    }

    fn differs(&mut self, difference: Difference) -> Result<(), WhatIfError> {
        let counted = match difference.kind {
            Kind::Added => &mut self.decisions.added,
            Kind::Removed => &mut self.decisions.removed,
            Kind::Changed => &mut self.decisions.changed,
        };
        *counted = counted.saturating_add(1);
        let line = serde_json::to_vec(&difference)
            .map_err(|source| WhatIfError::Unfit { name: "a difference".to_owned(), source })?;
        self.hash.update(&line);
        self.hash.update(b"\n");
        if self.differences.len() < DIFFERENCES_MAX {
            self.differences.push(difference);
        } else {
            self.left_out = self.left_out.saturating_add(1);
        }
        Ok(())
    }

    /// The report. Orders without an outcome are unanswered.
    pub(super) fn report(
        mut self,
        desk: &Desk,
        question: Question,
        deciders: String,
        positions: Option<Span>,
    ) -> Result<Report, WhatIfError> {
        while !self.waiting.is_empty() {
            self.close_first()?;
        }
        let reasons = self.reasons.iter();
        let reasons = reasons.map(|((before, after), count)| ReasonChange { before, after, count: *count });
        let mut report = Report {
            format: FORMAT,
            pair: desk.pair.id.clone(),
            account: desk.account.clone(),
            positions,
            question,
            deciders,
            limits: self.limits,
            decisions: self.decisions,
            reasons: reasons.collect(),
            before: self.before,
            after: self.after,
            differences: vec![],
            differences_left_out: self.left_out,
            not_reproduced: self.not_reproduced,
            result: String::new(),
        };
        // The list of differences has its own part in the hash, whether or not it was cut.
        let words = crate::canonical::text(&(desk, &report))
            .map_err(|source| WhatIfError::Unfit { name: "the totals".to_owned(), source })?;
        self.hash.update(words.as_bytes());
        report.result = hex(&self.hash.finalize());
        report.differences = self.differences;
        Ok(report)
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn count(counts: &mut BTreeMap<&'static str, u64>, name: &'static str) {
    let count = counts.entry(name).or_default();
    *count = count.saturating_add(1);
}

fn fate(decided: &Decided) -> Fate {
    match decided.verdict {
        Verdict::Act => Fate::Unanswered,
        Verdict::Skip { reason } => Fate::NotOrdered { reason },
    }
}

fn offer(decided: &Decided) -> Option<Offer> {
    decided.proposal.as_ref().map(|proposal| Offer {
        receive: proposal.receive.clone(),
        give: proposal.give.clone(),
        notional: proposal.notional,
        gross_edge: proposal.gross_edge,
    })
}

fn gates(before: &[GateResult], after: &[GateResult]) -> Vec<GateChange> {
    let said = |result: &GateResult| GateSaid {
        answer: result.answer,
        observed: result.observed,
        limit: result.limit,
    };
    let pairs = before.iter().zip(after).filter(|(before, after)| before != after);
    let change = |(before, after): (&GateResult, &GateResult)| GateChange {
        gate: before.gate,
        before: said(before),
        after: said(after),
    };
    pairs.map(change).collect()
}
