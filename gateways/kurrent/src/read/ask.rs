//! What a client asks to read, taken apart. Pure; what is left out is refused and never guessed.

use crate::filter::Matcher;
use crate::inward;
use crate::name::Name;
use crate::no::No;
use crate::outward::IdForm;
use stele_domain::port::event_log::{Direction, Position};
use stele_proto::kurrent::client::streams::ReadReq;
use stele_proto::kurrent::client::streams::read_req::Options;
use stele_proto::kurrent::client::streams::read_req::options::all_options::AllOption;
use stele_proto::kurrent::client::streams::read_req::options::stream_options::RevisionOption;
use stele_proto::kurrent::client::streams::read_req::options::uuid_option::Content as UuidForm;
use stele_proto::kurrent::client::streams::read_req::options::{
    CountOption, FilterOption, ReadDirection, StreamOption,
};

/// From where in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    Start,
    End,
    Revision(u64),
}

/// From where in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllFrom {
    Start,
    End,
    Position(Position),
}

/// What to read.
#[derive(Debug)]
pub enum What {
    Stream { stream: Name, from: From },
    All { from: AllFrom, filter: Option<Matcher> },
}

/// What a client asks to read.
#[derive(Debug)]
pub struct Ask {
    pub what: What,
    pub direction: Direction,
    /// At most so many events; `None` for ever.
    pub count: Option<u64>,
    pub links: bool,
    pub form: IdForm,
    /// Whether the client wants to know where the stream or the log ends.
    pub tells_ends: bool,
}

fn missing(what: &str) -> No {
    No::Malformed(format!("the request does not say {what}"))
}

/// Takes a request apart.
pub fn ask(request: ReadReq) -> Result<Ask, No> {
    let options = request.options.ok_or_else(|| missing("what to read"))?;
    let direction = match ReadDirection::try_from(options.read_direction) {
        Ok(ReadDirection::Forwards) => Direction::Forward,
        Ok(ReadDirection::Backwards) => Direction::Backward,
        Err(_) => return Err(No::Malformed("the direction is neither forwards nor backwards".to_owned())),
    };
    let count = match options.count_option {
        Some(CountOption::Count(count)) => Some(count),
        Some(CountOption::Subscription(_)) => None,
        None => return Err(missing("how long to read")),
    };
    if count.is_none() && direction == Direction::Backward {
        return Err(No::Malformed("a subscription goes forwards".to_owned()));
    }
    let form = match options.uuid_option.as_ref().and_then(|option| option.content.as_ref()) {
        Some(UuidForm::String(_)) => IdForm::Text,
        Some(UuidForm::Structured(_)) | None => IdForm::Structured,
    };
    let tells_ends = options.control_option.is_some_and(|option| option.compatibility >= 1);
    let links = options.resolve_links;
    Ok(Ask { what: what(options)?, direction, count, links, form, tells_ends })
}

fn what(options: Options) -> Result<What, No> {
    let filter = match options.filter_option {
        Some(FilterOption::Filter(filter)) => Some(Matcher::read(filter)?),
        Some(FilterOption::NoFilter(_)) | None => None,
    };
    match options.stream_option {
        None => Err(missing("which stream to read")),
        Some(StreamOption::Stream(_)) if filter.is_some() => {
            Err(No::Malformed("only readings of the whole log are filtered".to_owned()))
        }
        Some(StreamOption::Stream(asked)) => {
            let from = match asked.revision_option {
                Some(RevisionOption::Start(_)) => From::Start,
                Some(RevisionOption::End(_)) => From::End,
                Some(RevisionOption::Revision(revision)) => From::Revision(revision),
                None => return Err(missing("from which revision to read")),
            };
            Ok(What::Stream { stream: inward::stream(asked.stream_identifier)?, from })
        }
        Some(StreamOption::All(asked)) => {
            let from = match asked.all_option {
                Some(AllOption::Start(_)) => AllFrom::Start,
                Some(AllOption::End(_)) => AllFrom::End,
                Some(AllOption::Position(at)) => AllFrom::Position(Position(at.commit_position)),
                None => return Err(missing("from which position to read")),
            };
            Ok(What::All { from, filter })
        }
    }
}
