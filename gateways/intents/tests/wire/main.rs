//! The wire, byte by byte and frame by frame: the published vectors, and everything that talks over a socket. The far
//! ends do what a test says and stand for the outside only; the whole desk meets the simulator elsewhere.

#[cfg(test)]
mod support;

#[cfg(test)]
mod relay;
#[cfg(test)]
mod vectors;
#[cfg(test)]
mod verifier;
