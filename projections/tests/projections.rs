//! Projections from outside: the laws of folding, the runner with its bad luck, the trace, and the comparison.

#[cfg(test)]
#[path = "projections/support.rs"]
mod support;

#[cfg(test)]
#[path = "projections/access.rs"]
mod access;
#[cfg(test)]
#[path = "projections/arming.rs"]
mod arming;
#[cfg(test)]
#[path = "projections/audit.rs"]
mod audit;
#[cfg(test)]
#[path = "projections/audit_pages.rs"]
mod audit_pages;
#[cfg(test)]
#[path = "projections/closed.rs"]
mod closed;
#[cfg(test)]
#[path = "projections/comparison.rs"]
mod comparison;
#[cfg(test)]
#[path = "projections/digests.rs"]
mod digests;
#[cfg(test)]
#[path = "projections/distant.rs"]
mod distant;
#[cfg(test)]
#[path = "projections/faults.rs"]
mod faults;
#[cfg(test)]
#[path = "projections/laws.rs"]
mod laws;
#[cfg(test)]
#[path = "projections/meddled.rs"]
mod meddled;
#[cfg(test)]
#[path = "projections/newer.rs"]
mod newer;
#[cfg(test)]
#[path = "projections/parking.rs"]
mod parking;
#[cfg(test)]
#[path = "projections/past.rs"]
mod past;
#[cfg(test)]
#[path = "projections/past_keeper.rs"]
mod past_keeper;
#[cfg(test)]
#[path = "projections/past_parked.rs"]
mod past_parked;
#[cfg(test)]
#[path = "projections/rebuilding.rs"]
mod rebuilding;
#[cfg(test)]
#[path = "projections/running.rs"]
mod running;
#[cfg(test)]
#[path = "projections/status.rs"]
mod status;
#[cfg(test)]
#[path = "projections/story.rs"]
mod story;
#[cfg(test)]
#[path = "projections/toy.rs"]
mod toy;
