//! One verdict on every demand, and what it rests on.

mod decisions;
mod examples;
mod gates;
