//! What-if on logs that are not as this build would write them: of newer and older builds, and with something missing.

use crate::desk::eure;
use crate::whatif::{answer, between, is_history, limited, three_of_which_one_was_taken};
use stele_commands::whatif::{Question, WhatIfError};

#[tokio::test]
async fn an_event_that_this_build_does_not_know_is_named_and_nothing_is_answered() {
    let records = three_of_which_one_was_taken().await;
    for category in ["quote", "price", "inventory", "account", "strategy", "service"] {
        let mut newer = records.clone();
        let place = newer.iter().position(|record| record.stream.category() == category).unwrap();
        let position = newer[place].position;
        newer[place].event_type = "trading.FromTheFuture".into();
        let error = between(&newer, Question::default(), (None, None)).unwrap_err();
        assert!(
            matches!(error, WhatIfError::Unreadable { position: at, .. } if at == position),
            "{category}"
        );
        let words = stele_domain::causes::with_causes(&error);
        assert!(words.contains("trading.FromTheFuture") && words.contains(&position.to_string()), "{words}");
    }
}

#[tokio::test]
async fn a_log_that_lacks_what_a_decision_names_is_not_replayed() {
    let records = three_of_which_one_was_taken().await;
    for (category, words) in
        [("quote", "names a demand"), ("price", "names a price"), ("inventory", "or balances")]
    {
        let without: Vec<_> =
            records.iter().filter(|record| record.stream.category() != category).cloned().collect();
        let error = between(&without, Question::default(), (None, None)).unwrap_err();
        assert!(matches!(&error, WhatIfError::Broken { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn limits_that_make_no_sense_beside_those_that_stay_are_refused_with_their_version() {
    let records = three_of_which_one_was_taken().await;
    let question = limited(&["notional_max"], |limits| limits.notional_max = eure(40));
    let error = between(&records, question, (None, None)).unwrap_err();
    let words = stele_domain::causes::with_causes(&error);
    assert!(words.contains("version 1") && words.contains("fallback_notional_max"), "{words}");
}

/// The form of a decision of an old build: what it stood on is supposed.
#[tokio::test]
async fn decisions_of_builds_that_did_not_say_what_they_stood_on_are_made_again_all_the_same() {
    let mut records = three_of_which_one_was_taken().await;
    for record in records.iter_mut().filter(|record| &*record.event_type == "trading.Decided") {
        let mut data: serde_json::Value = serde_json::from_slice(&record.data).unwrap();
        assert!(data.as_object_mut().unwrap().remove("footing").is_some());
        record.data = serde_json::to_vec(&data).unwrap().into();
    }
    is_history(&answer(&records, Question::default()));
}

/// A decision that this build would not make: the question is told apart from that.
#[tokio::test]
async fn a_decision_that_is_not_reproduced_is_named_and_counts_as_it_was() {
    let mut records = three_of_which_one_was_taken().await;
    let decided = records.iter_mut().find(|record| &*record.event_type == "trading.Decided").unwrap();
    let position = decided.position;
    let mut data: serde_json::Value = serde_json::from_slice(&decided.data).unwrap();
    data["footing"]["pricing"]["base"] = 400.into();
    decided.data = serde_json::to_vec(&data).unwrap().into();
    let report = answer(&records, Question::default());
    assert_eq!(
        (report.decisions.not_reproduced, report.not_reproduced.as_slice()),
        (1, [position].as_slice())
    );
    assert_eq!(report.decisions.offers_that_differ(), 0);
    assert_eq!(report.before, report.after);
}
