//! What only the runs on disk promise: any amount of rows in little memory, past states, and a directory that says when it
//! is not to be believed.

#[cfg(test)]
#[path = "runs/damage.rs"]
mod damage;
#[cfg(test)]
#[path = "conformance/fixture.rs"]
#[expect(dead_code, reason = "the suite of the contract uses all of it")]
mod fixture;
#[cfg(test)]
#[path = "runs/laws.rs"]
mod laws;
#[cfg(test)]
#[path = "runs/opening.rs"]
mod opening;
#[cfg(test)]
#[path = "runs/support.rs"]
mod support;
