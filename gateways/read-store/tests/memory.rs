//! What only the memory store promises.

#[cfg(test)]
#[path = "memory/caps.rs"]
mod caps;
#[cfg(test)]
#[path = "memory/fixture.rs"]
mod fixture;
#[cfg(test)]
#[path = "memory/scans.rs"]
mod scans;
