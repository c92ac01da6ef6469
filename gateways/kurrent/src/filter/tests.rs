//! What filters let through, and that nobody can make one expensive.

use super::Matcher;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{Position, Record, Revision, StreamId};
use stele_domain::time::Timestamp;
use stele_proto::kurrent::client::Empty;
use stele_proto::kurrent::client::streams::read_req::options::FilterOptions;
use stele_proto::kurrent::client::streams::read_req::options::filter_options::{Expression, Filter, Window};
use uuid::Uuid;

fn record(stream: &str, event_type: &str) -> Record {
    Record {
        position: Position(1),
        stream: StreamId::new(stream).unwrap(),
        revision: Revision(0),
        event_id: EventId(Uuid::nil()),
        event_type: event_type.into(),
        data: Arc::from([]),
        metadata: Arc::from([]),
        recorded_at: Timestamp::default(),
    }
}

fn options(filter: Option<Filter>) -> FilterOptions {
    FilterOptions { filter, window: None, checkpoint_interval_multiplier: 0 }
}

fn regex(text: &str) -> Expression {
    Expression { regex: text.to_owned(), prefix: vec![] }
}

fn of_type(expression: Expression) -> Result<Matcher, crate::no::No> {
    Matcher::read(options(Some(Filter::EventType(expression))))
}

#[test]
fn clients_own_expressions_look_ahead_and_are_understood() {
    // What clients send without being asked.
    let default = of_type(regex(r"^(?!(\$.+$|PersistentConfig\d+$|Result$))")).unwrap();
    for (event_type, wanted) in [
        ("Placed", true),
        ("$metadata", false),
        ("PersistentConfig1", false),
        ("Result", false),
        ("Results", true),
    ] {
        assert_eq!(default.wants(&record("a-1", event_type)).unwrap(), wanted, "{event_type}");
    }
    let no_system = of_type(regex(r"^[^\$].*")).unwrap();
    assert!(no_system.wants(&record("a-1", "Placed")).unwrap());
    assert!(!no_system.wants(&record("a-1", "$metadata")).unwrap());
}

#[test]
fn prefixes_are_of_the_names_that_are_said_outside() {
    let prefix = vec!["ord".to_owned(), "$$ord".to_owned()];
    let filter = Filter::StreamIdentifier(Expression { regex: String::new(), prefix });
    let matcher = Matcher::read(options(Some(filter))).unwrap();
    for (stream, wanted) in [("orders-1", true), ("~-orders", true), ("~-$$orders", true), ("carts-1", false)]
    {
        assert_eq!(matcher.wants(&record(stream, "x")).unwrap(), wanted, "{stream}");
    }
}

#[test]
fn nothing_at_all_wants_everything() {
    assert!(of_type(regex("")).unwrap().wants(&record("a-1", "x")).unwrap());
}

#[test]
fn an_expression_that_goes_back_for_ever_is_given_up_soon() {
    let hostile = of_type(regex(r"^(?=(a+)+$)(a|aa)+\1b$")).unwrap();
    let began = Instant::now();
    let refused = hostile.wants(&record("a-1", &"a".repeat(200))).unwrap_err().to_string();
    assert!(refused.contains("too long to decide"), "{refused}");
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[test]
fn what_can_not_be_a_filter_is_refused_and_says_why() {
    let long = regex(&"a".repeat(1_025));
    let both = Expression { regex: "a".to_owned(), prefix: vec!["b".to_owned()] };
    let many = Expression { regex: String::new(), prefix: vec!["a".to_owned(); 257] };
    let wide = Expression { regex: String::new(), prefix: vec!["a".repeat(20_000)] };
    let nested = regex(&format!("{}a{}", "(?:".repeat(200), "){1000}".repeat(50)));
    let repeated = regex(r"(?:(?:(?:a{1000}){1000}){1000}){1000}");
    for (expression, word) in [
        (regex("("), "can't be read"),
        (long, "1024"),
        (both, "one of the two"),
        (many, "prefixes"),
        (wide, "prefixes"),
        (nested, "can't be read"),
        (repeated, "can't be read"),
    ] {
        let refused = of_type(expression).unwrap_err().to_string();
        assert!(refused.contains(word), "{word}: {refused}");
    }
    assert!(Matcher::read(options(None)).is_err());
}

#[test]
fn checkpoints_come_by_windows_and_no_number_overflows() {
    let read = |window, checkpoint_interval_multiplier| {
        let filter = Some(Filter::EventType(regex("")));
        Matcher::read(FilterOptions { filter, window, checkpoint_interval_multiplier })
            .unwrap()
            .checkpoint_every
    };
    assert_eq!(read(Some(Window::Max(10)), 3), 30);
    assert_eq!(read(Some(Window::Max(0)), 0), 1);
    assert_eq!(read(Some(Window::Count(Empty {})), 1), 32);
    assert_eq!(read(Some(Window::Max(u32::MAX)), u32::MAX), u64::from(u32::MAX) * u64::from(u32::MAX));
}

#[tokio::test]
async fn an_expression_leaves_others_their_turn_within_a_page() {
    let prefix = Expression { regex: String::new(), prefix: vec!["P".to_owned()] };
    for (expression, expected) in [(regex("^P(?=l)"), 16), (prefix, 0)] {
        let mut matcher = of_type(expression).unwrap();
        let page = vec![record("a-1", "Placed"); 512];
        let mut asked = std::pin::pin!(async {
            for record in &page {
                assert!(matcher.wants_in_turn(record).await.unwrap());
            }
        });
        let mut turns = 0;
        std::future::poll_fn(|context| {
            let polled = asked.as_mut().poll(context);
            turns += usize::from(polled.is_pending());
            polled
        })
        .await;
        assert_eq!(turns, expected);
    }
}
