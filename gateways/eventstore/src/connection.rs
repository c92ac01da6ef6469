//! The client, and a new one where the old one would not find back.
//!
//! The client crate keeps a node that has died, and after a first connection that failed it never tries again. Whoever calls
//! tells what came of it; from that it follows when a new client is made.

use crate::address::Address;
use crate::failure::{lasting, of_the_way, unreachable};
use crate::observe;
use eventstore::{Authentication, Client, Error};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use stele_domain::port::event_log::LogError;

/// So many calls in a row that came to nothing, and the node counts as gone.
const FAILURES_MAX: u32 = 3;
/// A new client at most this often: a server that is away is asked again, and not besieged.
const ANEW_EVERY: Duration = Duration::from_millis(200);

/// A way to the server that mends itself. Belongs to the runtime that it was made in.
pub struct Connection {
    address: Address,
    state: Mutex<State>,
}

struct State {
    client: Option<Client>,
    /// Counts clients, so that what is said of an old one harms no new one.
    generation: u64,
    failures: u32,
    made: Option<Instant>,
}

/// A client, and which one it is.
pub struct Lent {
    pub client: Client,
    pub generation: u64,
    user: Option<Authentication>,
}

impl Lent {
    /// The options of a call, with who asks: in its settings the crate would take a password's escapes literally.
    pub fn signed<O>(&self, options: O, sign: impl FnOnce(O, Authentication) -> O) -> O {
        match &self.user {
            Some(user) => sign(options, user.clone()),
            None => options,
        }
    }
}

impl Connection {
    pub fn new(address: Address) -> Self {
        let state = State { client: None, generation: 0, failures: 0, made: None };
        Self { address, state: Mutex::new(state) }
    }

    /// The client of now. Connects by itself, with the first call.
    pub fn lend(&self) -> Result<Lent, LogError> {
        let mut state = self.state();
        let user = self.address.user().cloned();
        if let Some(client) = &state.client {
            return Ok(Lent { client: client.clone(), generation: state.generation, user });
        }
        let settings = self.address.settings();
        let client = Client::new(settings).map_err(|error| unreachable(error.to_string()))?;
        state.client = Some(client.clone());
        state.generation += 1;
        state.failures = 0;
        state.made = Some(Instant::now());
        Ok(Lent { client, generation: state.generation, user })
    }

    /// A call to this client was answered.
    pub fn held(&self, generation: u64) {
        let mut state = self.state();
        if state.generation == generation {
            state.failures = 0;
        }
    }

    /// A call to this client failed.
    pub fn failed(&self, generation: u64, error: &Error) {
        if of_the_way(error) {
            self.broken(generation, error, lasting(error));
        }
    }

    /// A call to this client got no answer.
    pub fn silent(&self, generation: u64) {
        self.broken(generation, &"no answer", false);
    }

    fn broken(&self, generation: u64, why: &dyn std::fmt::Display, for_ever: bool) {
        let mut state = self.state();
        if state.generation != generation || state.client.is_none() {
            return;
        }
        state.failures += 1;
        let rested = state.made.is_none_or(|made| made.elapsed() >= ANEW_EVERY);
        if (for_ever || state.failures >= FAILURES_MAX) && rested {
            state.client = None;
            observe::connected_anew(why);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; whatever is in it can be used.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
