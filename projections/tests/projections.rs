//! Projections from outside: the laws of folding, the runner with its bad luck, the trace, and the comparison.

#[path = "projections/support.rs"]
mod support;

#[path = "projections/comparison.rs"]
mod comparison;
#[path = "projections/laws.rs"]
mod laws;
#[path = "projections/running.rs"]
mod running;
#[path = "projections/story.rs"]
mod story;
#[path = "projections/toy.rs"]
mod toy;
