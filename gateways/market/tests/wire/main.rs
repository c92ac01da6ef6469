//! The feed over real sockets. The far ends do what a test says and stand for the outside only; the whole desk meets
//! the simulator elsewhere.

#[cfg(test)]
mod support;

#[cfg(test)]
mod coin_gecko;
#[cfg(test)]
mod kraken;
