//! Room for open files and connections, as far as the operating system grants it. How many callers are let in is the
//! doors' own bound.

use crate::observe;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// As many as all listeners, connections, segments and databases of one process can need at once.
const WANTED: u64 = 16_384;

/// Asks for that many, or for as many as this process may have; says when they are few.
pub(super) fn make_room() {
    let now = getrlimit(Resource::Nofile);
    let has = now.current.unwrap_or(u64::MAX);
    if has >= WANTED {
        return;
    }
    let current = now.maximum.map_or(WANTED, |most| most.min(WANTED));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum: now.maximum });
    let granted = if raised.is_ok() { current } else { has };
    if granted < WANTED {
        observe::few_handles(granted, WANTED);
    }
}

#[cfg(test)]
mod tests {
    use super::{WANTED, make_room};
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    #[test]
    fn a_process_that_begins_with_few_asks_for_as_many_as_it_may_have() {
        let maximum = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: Some(1_024), maximum }).unwrap();
        make_room();
        let granted = getrlimit(Resource::Nofile).current.unwrap();
        assert_eq!(granted, maximum.map_or(WANTED, |most| most.min(WANTED)));
    }
}
