//! What a call sends, looked at before it is taken in: a large message only where there is room for all of it, and not
//! for ever. It knows where messages begin and end, and nothing of what they say.

use crate::no::No;
use crate::seats::Room;
use crate::streams::PATIENCE;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::time::Sleep;
use tonic::Status;
use tonic::body::Body;

/// Most bytes of one message, as clients have it: 17 MiB.
pub const MESSAGE_BYTES_MAX: usize = 17 * 1024 * 1024;
/// Most bytes of a question that brings no events, and of any message for which no room is asked: 64 KiB.
pub const QUESTION_BYTES_MAX: usize = 64 * 1024;
/// What is before a message: whether it is compressed, and its length in four bytes.
const PREFIX_BYTES: usize = 5;

/// The body of a call.
pub struct Intake {
    body: Body,
    longest: usize,
    /// None of it is taken: of it, others are made.
    room: Room,
    place: Place,
    /// A large message that is on its way.
    coming: Option<Coming>,
    /// The room of one that has come whole, kept until more is asked for: by then it was taken out.
    come: Option<Room>,
}

struct Coming {
    room: Room,
    until: Pin<Box<Sleep>>,
}

/// Where in a message the next byte is.
#[derive(Debug, Clone, Copy)]
enum Place {
    Prefix { seen: usize, length: usize },
    Message { left: usize },
}

impl Place {
    const START: Self = Self::Prefix { seen: 0, length: 0 };
}

impl Intake {
    /// A body with messages of at most `longest` bytes, from whomever the room is for.
    pub fn of(body: Body, room: Room, longest: usize) -> Self {
        Self { body, longest, room, place: Place::START, coming: None, come: None }
    }

    fn saw(&mut self, mut data: &[u8]) -> Result<(), No> {
        while let Some((byte, rest)) = data.split_first() {
            match self.place {
                Place::Prefix { seen, length } => {
                    let length = if seen == 0 { 0 } else { (length << 8) | usize::from(*byte) };
                    data = rest;
                    self.place = Place::Prefix { seen: seen + 1, length };
                    if seen + 1 == PREFIX_BYTES {
                        self.begins(length)?;
                        self.place = if length == 0 { Place::START } else { Place::Message { left: length } };
                    }
                }
                Place::Message { left } => {
                    let here = left.min(data.len());
                    data = data.get(here..).unwrap_or_default();
                    self.place = Place::Message { left: left - here };
                    if left == here {
                        self.place = Place::START;
                        self.come = self.coming.take().map(|coming| coming.room);
                    }
                }
            }
        }
        Ok(())
    }

    fn begins(&mut self, length: usize) -> Result<(), No> {
        if length > self.longest && self.longest < MESSAGE_BYTES_MAX {
            let words = format!(
                "the question has {length} bytes, at most {} are allowed: ask for less",
                self.longest
            );
            return Err(No::Malformed(words));
        }
        // One beyond the last limit is refused by whoever decodes it, before any of it is kept.
        if (QUESTION_BYTES_MAX + 1..=MESSAGE_BYTES_MAX).contains(&length) {
            let mut room = self.room.another();
            room.more(length)?;
            self.coming = Some(Coming { room, until: Box::pin(tokio::time::sleep(PATIENCE)) });
        }
        Ok(())
    }
}

impl hyper::body::Body for Intake {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        this.come = None;
        let polled = Pin::new(&mut this.body).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref()
                    && let Err(no) = this.saw(data)
                {
                    return Poll::Ready(Some(Err(no.status())));
                }
            }
            Poll::Pending => {
                if let Some(coming) = &mut this.coming
                    && coming.until.as_mut().poll(context).is_ready()
                {
                    let words = format!("the message did not come whole within {} s", PATIENCE.as_secs());
                    return Poll::Ready(Some(Err(No::Late(words).status())));
                }
            }
            Poll::Ready(Some(Err(_)) | None) => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
