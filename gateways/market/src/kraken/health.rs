//! What is known of Kraken, and what of it is worth a report. Pure.
//!
//! `link` is about the way a price comes: alive while the stream is, or else while polling is answered. `healthy` is
//! about Kraken itself: its last word on its system, and whether its book makes sense. A lost connection does not
//! make that word better, and where there is none yet, nobody knows that all is well.

use stele_domain::market::reference::event::Link;

/// Kraken's only word for "all is well". In any other state its last price may be frozen.
const ONLINE: &str = "online";

/// What is said as long as Kraken has said nothing of its system.
const NO_WORD: &str = "no word on the state of Kraken's system yet";

/// What is known, and what was reported of it.
#[derive(Debug)]
pub struct Health {
    stream: Link,
    stream_why: String,
    poll: Poll,
    system: Option<String>,
    book_fault: Option<String>,
    reported: Option<(Link, bool)>,
}

/// How asking goes, while the stream is not alive.
#[derive(Debug, PartialEq, Eq)]
enum Poll {
    Untried,
    Answers,
    Fails(String),
}

impl Default for Health {
    fn default() -> Self {
        Self {
            stream: Link::Down,
            stream_why: "not connected yet".into(),
            poll: Poll::Untried,
            system: None,
            book_fault: None,
            reported: None,
        }
    }
}

impl Health {
    pub fn stream_is(&mut self, link: Link, why: &str) {
        self.stream = link;
        why.clone_into(&mut self.stream_why);
        if link == Link::Alive {
            self.poll = Poll::Untried;
        }
    }

    pub fn stream_is_alive(&self) -> bool {
        self.stream == Link::Alive
    }

    pub fn poll_answers(&mut self) {
        self.poll = Poll::Answers;
    }

    pub fn poll_fails(&mut self, why: &str) {
        self.poll = Poll::Fails(why.into());
    }

    pub fn system_is(&mut self, system: &str) {
        self.system = Some(system.into());
    }

    /// What is wrong with the last book; `None` when nothing is.
    pub fn book_is(&mut self, fault: Option<&str>) {
        self.book_fault = fault.map(str::to_owned);
    }

    /// Link, health and reason, when link or health is not what was reported last.
    pub fn news(&mut self) -> Option<(Link, bool, String)> {
        let link = match (self.stream, &self.poll) {
            (Link::Alive, _) | (Link::Down | Link::Silent, Poll::Answers) => Link::Alive,
            (stream @ (Link::Down | Link::Silent), Poll::Untried | Poll::Fails(_)) => stream,
        };
        let healthy = self.fault().is_none();
        if self.reported == Some((link, healthy)) {
            return None;
        }
        self.reported = Some((link, healthy));
        Some((link, healthy, self.reason()))
    }

    fn fault(&self) -> Option<&str> {
        match self.system.as_deref() {
            None => Some(NO_WORD),
            Some(ONLINE) => self.book_fault.as_deref(),
            Some(other) => Some(other),
        }
    }

    fn reason(&self) -> String {
        let way = match (self.stream, &self.poll) {
            (Link::Alive, _) => String::new(),
            (Link::Down | Link::Silent, Poll::Untried) => self.stream_why.clone(),
            (Link::Down | Link::Silent, Poll::Answers) => format!("polled, because {}", self.stream_why),
            (Link::Down | Link::Silent, Poll::Fails(why)) => {
                format!("{}; polling fails: {why}", self.stream_why)
            }
        };
        match (self.fault(), way.as_str()) {
            (None, "") => ONLINE.into(),
            (None, _) => way,
            (Some(fault), "") => fault.to_owned(),
            (Some(fault), _) => format!("{fault}; {way}"),
        }
    }
}

#[cfg(test)]
mod tests;
