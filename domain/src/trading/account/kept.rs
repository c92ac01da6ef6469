//! The state as it is written down: what follows from the rest is left out.
//!
//! Both ways name every field, so that a new one breaks the build here.

use super::event::{ArmRequested, LeaseTaken, LimitsSet, StandDownAsked, SubmissionStarted};
use super::state::{Arming, Fate, OpenOffer, Phase, Request, State};
use crate::ids::{CommandId, QuoteHash, QuoteId};
use crate::port::event_log::Position;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The state on paper.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    lease: Option<LeaseTaken>,
    arming: Arming,
    requests: Vec<(ArmRequested, Fate)>,
    approved: bool,
    bound: bool,
    kill_confirmed: Option<u64>,
    stand_down: Option<StandDownAsked>,
    limits: Vec<LimitsSet>,
    open: Vec<(SubmissionStarted, Phase, bool)>,
    recent: Vec<(CommandId, Option<QuoteId>)>,
    closed: Vec<(QuoteHash, QuoteId)>,
    last_command: Position,
    last_release_height: u64,
    last_settled_at: Option<Timestamp>,
}

impl From<State> for Kept {
    fn from(state: State) -> Self {
        let State {
            lease,
            arming,
            requests,
            approved,
            bound,
            kill_confirmed,
            stand_down,
            limits,
            open,
            // Both follow from what is open and what is recent.
            finished: _,
            quotes: _,
            recent,
            closed,
            last_command,
            last_release_height,
            last_settled_at,
        } = state;
        let offer = |offer: OpenOffer| {
            let OpenOffer { started, phase, contradicted } = offer;
            (Arc::unwrap_or_clone(started), phase, contradicted)
        };
        let request = |Request { asked, fate }: Request| (Arc::unwrap_or_clone(asked), fate);
        Self {
            lease,
            arming,
            requests: requests.into_iter().map(request).collect(),
            approved,
            bound,
            kill_confirmed,
            stand_down: stand_down.map(Arc::unwrap_or_clone),
            limits: limits.into_iter().map(Arc::unwrap_or_clone).collect(),
            open: open.into_values().map(offer).collect(),
            recent: recent.into(),
            closed: closed.into(),
            last_command,
            last_release_height,
            last_settled_at,
        }
    }
}

impl From<Kept> for State {
    fn from(kept: Kept) -> Self {
        let Kept {
            lease,
            arming,
            requests,
            approved,
            bound,
            kill_confirmed,
            stand_down,
            limits,
            open,
            recent,
            closed,
            last_command,
            last_release_height,
            last_settled_at,
        } = kept;
        let finished = recent.iter().map(|(command, _)| *command).collect();
        let open_quotes = open.iter().map(|(started, ..)| &started.quote_id);
        let quotes = recent.iter().filter_map(|(_, quote)| quote.as_ref()).chain(open_quotes);
        let quotes = quotes.cloned().collect();
        let offer = |(started, phase, contradicted): (SubmissionStarted, Phase, bool)| {
            (started.command_id, OpenOffer { started: Arc::new(started), phase, contradicted })
        };
        let request = |(asked, fate): (ArmRequested, Fate)| Request { asked: Arc::new(asked), fate };
        Self {
            lease,
            arming,
            requests: requests.into_iter().map(request).collect(),
            approved,
            bound,
            kill_confirmed,
            stand_down: stand_down.map(Arc::new),
            limits: limits.into_iter().map(Arc::new).collect(),
            open: open.into_iter().map(offer).collect(),
            finished,
            quotes,
            recent: recent.into(),
            closed: closed.into(),
            last_command,
            last_release_height,
            last_settled_at,
        }
    }
}
