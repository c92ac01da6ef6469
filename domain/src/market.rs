//! Reference prices: what sources say, and the fair price that follows by a written policy.

pub mod event;
pub mod reference;
