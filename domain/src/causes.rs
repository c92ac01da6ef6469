//! An error and what led to it, in one line.

use std::error::Error;

/// The words of an error and of its causes, the outermost first. A cause that the words before it end with is not said
/// again.
#[must_use]
pub fn with_causes(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !words.ends_with(&more) {
            words.push_str(": ");
            words.push_str(&more);
        }
        source = cause.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::with_causes;

    #[derive(Debug, thiserror::Error)]
    #[error("{words}")]
    struct Step {
        words: &'static str,
        #[source]
        cause: Option<Box<Step>>,
    }

    fn story(words: &[&'static str]) -> Step {
        let (first, rest) = words.split_first().unwrap();
        let cause = (!rest.is_empty()).then(|| Box::new(story(rest)));
        Step { words: first, cause }
    }

    #[test]
    fn every_cause_is_said_once_in_its_order() {
        assert_eq!(with_causes(&story(&["no price"])), "no price");
        let told = with_causes(&story(&["no price", "no connection", "refused"]));
        assert_eq!(told, "no price: no connection: refused");
        let told = with_causes(&story(&["no price: refused", "refused", "by the peer"]));
        assert_eq!(told, "no price: refused: by the peer");
    }
}
