//! The end of a rebuild: the live tables are held for a moment, the next ones brought to exactly where they are, both
//! compared, and swapped.

use super::compare::{Compared, of_kept, of_what_is_left, other_gaps};
use super::{Job, Outcome, PartDifference, RebuildError, fill};
use crate::digest::Digests;
use crate::fold::{Page as Items, Place};
use crate::observe;
use crate::parking::Parker;
use crate::runner::Hold;
use std::time::Duration;
use stele_domain::port::event_log::{Filter, Position};
use stele_domain::port::read_store::{Checkpoint, Claim, RebuildPhase, StoreError, Swap};
use tokio::time::{Instant, timeout};

/// Most parts that are named in the note of a difference; all of them are in the outcome.
const PARTS_NAMED_MAX: usize = 20;
/// Longest wait for the live runner to come to rest between two pages.
const HOLD_WAIT: Duration = Duration::from_secs(10);

/// What stands in the way for now.
enum Tried {
    Done(Outcome),
    Not(String),
}

/// The live side of a comparison.
struct Live {
    at: Checkpoint,
    /// What was kept with its rows; `None` when that can't be compared.
    digests: Result<Digests, Compared>,
}

impl Job {
    /// Compares and swaps one projection, or says that it differs.
    pub(super) async fn settled(
        &mut self,
        claim: &dyn Claim,
        mut place: Place,
        of_rows: Vec<PartDifference>,
    ) -> Result<Outcome, RebuildError> {
        let began = Instant::now();
        let projection = place.projection.name;
        self.tell(claim, projection, RebuildPhase::Comparing, "").await?;
        let (mut why, mut tries) = (String::new(), 0_u64);
        while began.elapsed() < self.parts.options.settle {
            match self.tried(claim, &mut place, &of_rows).await? {
                Tried::Done(outcome) => {
                    let (phase, detail) = said(&outcome);
                    self.tell(claim, projection, phase, &detail).await?;
                    observe::rebuild_ended(&outcome, tries, self.parts.clock.now());
                    return Ok(outcome);
                }
                Tried::Not(reason) => why = reason,
            }
            tries = tries.saturating_add(1);
            tokio::time::sleep(self.parts.options.swap_pause).await;
        }
        Err(RebuildError::Unsettled { projection, waited: began.elapsed(), why })
    }

    /// Once, while the runner of the live tables is held. It goes on when this returns.
    async fn tried(
        &mut self,
        claim: &dyn Claim,
        place: &mut Place,
        of_rows: &[PartDifference],
    ) -> Result<Tried, RebuildError> {
        let hold = match &self.parts.runner {
            Some(runner) => match timeout(HOLD_WAIT, runner.hold()).await {
                Ok(hold) => Some(hold),
                Err(_) => return Ok(Tried::Not("the live runner does not come to rest".to_owned())),
            },
            None => None,
        };
        let live = self.live(place).await?;
        let goal = match live.digests {
            Err(Compared::OtherDefinition) => self.goal(place).await?,
            Ok(_)
            | Err(Compared::Equal | Compared::Different(_) | Compared::OtherGaps(_) | Compared::NoDigests) => {
                live.at.position
            }
        };
        if place.position > goal {
            return Ok(Tried::Not(format!(
                "the live tables are at {} and the next ones at {}",
                goal, place.position
            )));
        }
        self.brought(claim, place, goal).await?;
        let compared = match live.digests {
            Err(nothing) => nothing,
            Ok(kept) => {
                let mut differences = of_rows.to_vec();
                let next = claim.next();
                let left = of_what_is_left(&*self.parts.live, &*next, &place.projection).await?;
                let (cut, of_left) = left;
                let of_kept = of_kept(&kept, &place.digests).into_iter();
                differences.extend(of_kept.filter(|difference| !cut.contains(difference.table)));
                differences.extend(of_left);
                let gaps = other_gaps(&*self.parts.live, place).await?;
                if differences.is_empty() {
                    Compared::Equal
                } else if !gaps.is_empty() && of_rows.is_empty() {
                    Compared::OtherGaps(gaps)
                } else {
                    Compared::Different(differences)
                }
            }
        };
        let outcome = Outcome {
            projection: place.projection.name,
            version: place.projection.version,
            live_version: live.at.version,
            position: place.position,
            compared,
            swap: None,
        };
        if matches!(outcome.compared, Compared::Different(_)) && !self.asked.despite_difference {
            return Ok(Tried::Done(outcome));
        }
        self.swapped(claim, live.at, hold, outcome).await
    }

    async fn swapped(
        &mut self,
        claim: &dyn Claim,
        live: Checkpoint,
        hold: Option<Hold>,
        outcome: Outcome,
    ) -> Result<Tried, RebuildError> {
        let (projection, next) = (outcome.projection, outcome.position);
        let swap = Swap { projection, live, next, patience: self.parts.options.swap_patience };
        let began = Instant::now();
        self.swapping = Some(Outcome { swap: Some(Duration::ZERO), ..outcome.clone() });
        match claim.swap(swap).await {
            Ok(true) => {
                let took = began.elapsed();
                if let Some(hold) = hold {
                    hold.took_place();
                }
                Ok(Tried::Done(Outcome { swap: Some(took), ..outcome }))
            }
            Ok(false) => Ok(Tried::Not("somebody reads them without a pause".to_owned())),
            Err(StoreError::Conflict { actual, .. }) => {
                Ok(Tried::Not(format!("somebody else has moved the live tables to {actual}")))
            }
            // Whether it was swapped is unknown, and looked for when the store answers again.
            Err(error) => Err(error.into()),
        }
    }

    async fn live(&self, place: &Place) -> Result<Live, RebuildError> {
        let projection = place.projection.name;
        let undigested = match self.parts.live.digests(projection).await {
            Ok((at, _)) if at.version != 0 && at.version != place.projection.version => {
                return Ok(Live { at, digests: Err(Compared::OtherDefinition) });
            }
            Ok(_) => false,
            Err(StoreError::Undigested { .. }) => true,
            Err(error) => return Err(error.into()),
        };
        if undigested {
            let at = self.parts.live.checkpoint(projection).await?;
            return Ok(Live { at, digests: Err(Compared::NoDigests) });
        }
        let (at, live) = Place::of(&*self.parts.live, &place.projection).await?;
        Ok(Live { at, digests: Ok(live.digests) })
    }

    /// Folds the little that is missing.
    async fn brought(
        &self,
        claim: &dyn Claim,
        place: &mut Place,
        goal: Position,
    ) -> Result<(), RebuildError> {
        let (next, everything) = (claim.next(), Filter::all());
        while place.position < goal {
            let most = self.parts.options.batch_records_max;
            let page = self.parts.log.read_all(place.position.next(), &everything, most).await?;
            let last = Position(page.next.0.saturating_sub(1));
            if last <= place.position {
                let (projection, head) = (place.projection.name, place.position);
                return Err(RebuildError::Short { projection, at: goal, head });
            }
            let to = last.min(goal);
            let end = page.records.iter().find(|record| record.position == to).map(|record| record.event_id);
            let items = Items::read(page.records);
            if let Some(newer) = items.newer().filter(|newer| newer.at <= to) {
                return Err(newer.clone().into());
            }
            let keeper = Parker { log: &*self.parts.log, clock: &*self.parts.clock };
            fill::keep(keeper, place, &*next, &items, (to, end)).await?;
        }
        if let Some(mark) = self.told.mark(place.projection.name) {
            mark.at(place.position);
        }
        Ok(())
    }

    async fn tell(
        &self,
        claim: &dyn Claim,
        projection: &'static str,
        phase: RebuildPhase,
        detail: &str,
    ) -> Result<(), RebuildError> {
        if let Some(note) = self.told.note(projection, phase, detail, self.parts.clock.now()) {
            observe::rebuild_is(&note);
            claim.note(note).await?;
        }
        Ok(())
    }
}

/// How it ended, for whoever looks later.
fn said(outcome: &Outcome) -> (RebuildPhase, String) {
    let named = |parts: &[PartDifference]| {
        let some = parts.iter().take(PARTS_NAMED_MAX).map(ToString::to_string).collect::<Vec<_>>().join("; ");
        let more = parts.len().saturating_sub(PARTS_NAMED_MAX);
        if more == 0 { some } else { format!("{some}; and {more} more") }
    };
    let phase = if outcome.swap.is_some() { RebuildPhase::Swapped } else { RebuildPhase::Different };
    let detail = match &outcome.compared {
        Compared::Equal => "the digests of both were equal".to_owned(),
        Compared::Different(parts) => named(parts),
        Compared::OtherDefinition => {
            let (old, new) = (outcome.live_version, outcome.version);
            format!("the definition has changed from version {old} to {new}: there was nothing to compare")
        }
        Compared::OtherGaps(gaps) => {
            let gaps: Vec<String> = gaps.iter().take(PARTS_NAMED_MAX).map(ToString::to_string).collect();
            format!(
                "one of both lacks events that the other has taken in, at positions {}: there was nothing to compare",
                gaps.join(", ")
            )
        }
        Compared::NoDigests => {
            "the replaced rows were kept without digests: there was nothing to compare".to_owned()
        }
    };
    (phase, detail)
}
