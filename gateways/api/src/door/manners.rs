//! What a caller may take of a connection: time and room.

use std::time::Duration;

/// Bounds of one connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manners {
    /// Longest time for the head of a request; with HTTP/1.1 also between two requests.
    pub(super) head: Duration,
    /// Longest time without any request.
    pub(super) idle: Duration,
    /// Longest time in which an answer makes no way because its reader takes nothing.
    pub(super) stall: Duration,
    /// Most bytes of the head of a request.
    pub(super) head_bytes_max: usize,
    /// Most header lines with HTTP/1.1.
    pub(super) headers_max: usize,
    /// Most requests at the same time with HTTP/2.
    pub(super) streams_max: u32,
    /// How often, with HTTP/2, a silent peer is asked whether it is there, and how long it may take to say so.
    pub(super) ping: Duration,
    /// How long a connection that is asked to end may go on with what is being said.
    pub(super) farewell: Duration,
}

impl Manners {
    /// On the machine itself.
    pub(super) const UNIX: Self = Self {
        head: Duration::from_secs(30),
        idle: Duration::from_mins(5),
        stall: Duration::from_mins(1),
        head_bytes_max: 64 * 1024,
        headers_max: 64,
        streams_max: 128,
        ping: Duration::from_secs(20),
        farewell: Duration::from_secs(30),
    };

    /// From anywhere.
    pub(super) const TCP: Self = Self {
        head: Duration::from_secs(10),
        idle: Duration::from_mins(1),
        stall: Duration::from_secs(30),
        ..Self::UNIX
    };
}
