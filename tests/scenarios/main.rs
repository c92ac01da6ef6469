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
//! | 11–15 | `results`, `replies` |
//! | 16, 19, 21 | `inventory` |
//! | 22 | `tables` |
//! | tables that are folded anew | `rebuilds` |
//! | 23 | `refusals` |
//! | starts that can't be | `starts` |
//! | several processes on one log | `processes`, `processes_kurrent`, `processes_one_stream`, `processes_proofs`, `processes_snapshots`, `processes_tls`, `standby` |
//!
//! Rows 17 and 18 wait for funding to be tracked. What needs a moment that no test
//! from outside can hit stands in the tests of the parts: a crash before the send, a kill and a disarming between an
//! offer's fixing and its sending in `commands/tests/desk`, the equality of moments at a deadline in the tests of the
//! simulator's engine and of the account's releases.
#![expect(clippy::expect_used, clippy::panic, reason = "the support of tests is test code too")]

mod crashes;
mod inventory;
mod keys;
mod prices;
mod processes;
mod processes_kurrent;
mod processes_one_stream;
mod processes_proofs;
mod processes_snapshots;
mod processes_tls;
mod rebuilds;
mod refusals;
mod relay;
mod replies;
mod requests;
mod results;
mod scene;
mod standby;
mod starts;
mod tables;
