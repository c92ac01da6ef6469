//! Names of streams, as they are said outside and as the log keeps them. Pure.
//!
//! Outside, a name is any text; the log wants `category-id` without control characters. A name that the log takes is kept
//! as it is, so a desk's own streams have one name everywhere. Any other stands in the category `~`, its text as the id
//! and what the log does not take as `%` and two hexadecimal digits. The category `~` itself counts as "any other", so
//! that no two names meet.

use std::fmt;
use std::sync::Arc;
use stele_domain::port::event_log::{STREAM_ID_BYTES_MAX, StreamId};

/// The category of names that are no `category-id`.
const ESCAPED: &str = "~";
/// What a metadata stream's name begins with.
const META: &str = "$$";
/// What names of the system begin with.
const SYSTEM: char = '$';

/// A stream's name outside.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    text: Arc<str>,
    stream: StreamId,
}

/// Why a text names no stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// There is nothing.
    #[error("the stream has no name")]
    Empty,
    /// It is no text.
    #[error("the stream's name is no UTF-8")]
    NotText,
    /// It is longer than the log takes.
    #[error(
        "the stream's name is too long: {STREAM_ID_BYTES_MAX} bytes at most, less where it has to be escaped"
    )]
    TooLong,
}

impl Name {
    /// The name that a text says.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        if text.is_empty() {
            return Err(InvalidName::Empty);
        }
        let kept = StreamId::new(text).ok().filter(|stream| stream.category() != ESCAPED);
        let stream = match kept {
            Some(stream) => stream,
            None => StreamId::new(&escaped(text)).map_err(|_| InvalidName::TooLong)?,
        };
        Ok(Self { text: Arc::from(text), stream })
    }

    /// The name that bytes say.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidName> {
        Self::new(std::str::from_utf8(bytes).map_err(|_| InvalidName::NotText)?)
    }

    /// As it is said outside.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// As the log has it.
    pub fn stream(&self) -> &StreamId {
        &self.stream
    }

    /// What stands before the first `-`; all of it where there is none.
    pub fn category(&self) -> &str {
        self.text.split_once('-').map_or(&*self.text, |(category, _)| category)
    }

    /// The stream that this one describes; `None` for one that is no metadata stream.
    pub fn described(&self) -> Option<Self> {
        self.text.strip_prefix(META).and_then(|described| Self::new(described).ok())
    }

    /// The stream that describes this one.
    pub fn describing(&self) -> Result<Self, InvalidName> {
        Self::new(&format!("{META}{}", self.text))
    }

    /// Whether the system keeps such names for itself.
    pub fn is_system(&self) -> bool {
        self.text.starts_with(SYSTEM)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 2);
    escaped.push_str(ESCAPED);
    escaped.push('-');
    for letter in text.chars() {
        if letter.is_control() || letter == '%' {
            let mut bytes = [0; 4];
            for byte in letter.encode_utf8(&mut bytes).bytes() {
                escaped.push('%');
                escaped.extend(
                    [byte >> 4, byte & 15].map(|half| char::from_digit(half.into(), 16).unwrap_or('0')),
                );
            }
        } else {
            escaped.push(letter);
        }
    }
    escaped
}

/// How a stream of the log is called outside; `None` for one that no name leads to.
pub fn outside(stream: &StreamId) -> Option<std::borrow::Cow<'_, str>> {
    if stream.category() != ESCAPED {
        return Some(stream.as_str().into());
    }
    let (_, id) = stream.as_str().split_once('-')?;
    let text = unescaped(id)?;
    let leads_back = Name::new(&text).is_ok_and(|name| name.stream() == stream);
    leads_back.then(|| text.into())
}

fn unescaped(id: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(id.len());
    let mut rest = id.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = after.get(2..)?;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::{InvalidName, Name, outside};
    use quickcheck::quickcheck;
    use stele_domain::port::event_log::StreamId;

    #[test]
    fn every_name_is_kept_and_comes_back() {
        fn law(text: &str) -> bool {
            match Name::new(text) {
                Ok(name) => outside(name.stream()).as_deref() == Some(text),
                Err(InvalidName::Empty) => text.is_empty(),
                Err(InvalidName::TooLong) => text.len() > 160,
                Err(InvalidName::NotText) => false,
            }
        }
        quickcheck((|text: String| law(&text)) as fn(String) -> bool);
        for text in
            ["orders", "-", "a-", "-a", "~", "~-a", "~-~-a", "50%", "a-50%", "a\u{1}-b", "$$a", "$$a-b", "é"]
        {
            assert!(law(text), "{text}");
        }
    }

    #[test]
    fn no_two_names_are_one_stream() {
        fn law(one: &str, other: &str) -> bool {
            match (Name::new(one), Name::new(other)) {
                (Ok(first), Ok(second)) => (one == other) == (first.stream() == second.stream()),
                (Ok(_), Err(_)) | (Err(_), Ok(_) | Err(_)) => true,
            }
        }
        quickcheck((|one: String, other: String| law(&one, &other)) as fn(String, String) -> bool);
        assert!(law("a", "~-a"));
        assert!(law("%31", "1"));
        assert!(law("%01", "\u{1}"));
    }

    #[test]
    fn what_the_log_takes_is_kept_as_it_is() {
        for text in ["account-1", "$$account-1", "quote-btc-eure"] {
            assert_eq!(Name::new(text).unwrap().stream().as_str(), text);
        }
    }

    #[test]
    fn a_stream_that_no_name_leads_to_has_none() {
        for kept in ["~-account-1", "~-%41", "~-%zz", "~-%", "~-%ff"] {
            assert_eq!(outside(&StreamId::new(kept).unwrap()), None, "{kept}");
        }
    }

    #[test]
    fn metadata_streams_lead_to_what_they_describe() {
        let name = Name::new("orders").unwrap();
        let describing = name.describing().unwrap();
        assert_eq!((describing.as_str(), describing.described()), ("$$orders", Some(name)));
        assert_eq!(Name::new("orders").unwrap().described(), None);
        assert_eq!(Name::new("$$").unwrap().described(), None);
    }

    #[test]
    fn the_longest_name_is_taken_and_one_byte_more_is_not() {
        assert!(Name::new(&format!("a-{}", "x".repeat(510))).is_ok());
        assert_eq!(Name::new(&format!("a-{}", "x".repeat(511))), Err(InvalidName::TooLong));
        assert!(Name::new(&"x".repeat(510)).is_ok());
        assert_eq!(Name::new(&"x".repeat(511)), Err(InvalidName::TooLong));
    }
}
