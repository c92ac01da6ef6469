//! Bad input and bad luck, over real sockets: each test is a row of the failure matrix or a fault of a start.
//!
//! A test starts a simulated world and the real binary, lets something go wrong, and looks at the decision's reason,
//! the result's state, the reservation, the history rows and the world's own journal.
//!
//! | row | tests |
//! |---|---|
//! | 1–3 | `relay` |
//! | 4–6 | `prices` |
//! | 7–9 | `requests` |
//! | 10, 20, a kill | `crashes` |
//! | 11–15 | `results` |
//! | 16, 19, 21, 23 | `inventory`, `refusals` |
//! | starts that can't be | `starts` |
//!
//! Boundary equality of deadlines (row 21) is held by unit tests of the domain's gates and of the simulator's engine.

mod crashes;
mod inventory;
mod prices;
mod refusals;
mod relay;
mod requests;
mod results;
mod scene;
mod starts;
