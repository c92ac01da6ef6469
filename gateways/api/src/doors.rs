//! What the doors of one desk share: room for callers, their pace, the live follower of the log, and the log's name.

mod rates;
mod rooms;

pub(crate) use rates::{Allowance, Rates, TooFast, network};
pub use rates::{Pace, RateOptions};
pub(crate) use rooms::{Bounds, Hall, Room, Rooms, Seat, Who};

use crate::api::Api;
use crate::desk::live::Hub;
use crate::problem::Problem;
use tokio::sync::OnceCell;
use uuid::Uuid;

/// What the doors of one desk share. Made once, whatever number of doors there is.
#[derive(Debug, Default)]
pub struct Doors {
    pub(crate) rooms: Rooms,
    pub(crate) rates: Rates,
    pub(crate) hub: Hub,
    log_id: OnceCell<Uuid>,
}

impl Doors {
    /// Doors that let callers in at this pace.
    #[must_use]
    pub fn new(rates: RateOptions) -> Self {
        Self { rates: Rates::new(rates), ..Self::default() }
    }

    /// The identity of the log, which never changes.
    pub(crate) async fn log_id(&self, api: &Api) -> Result<Uuid, Problem> {
        let asked = self.log_id.get_or_try_init(async || api.log_admin.identity().await);
        Ok(*asked.await?)
    }
}
