//! Filtered reads of the official client.

use crate::support::{Desk, events, plain};
use eventstore::{Client, ReadAllOptions, StreamPosition, SubscriptionFilter};

async fn found(client: &Client, filter: SubscriptionFilter) -> Vec<(String, String)> {
    let options = ReadAllOptions::default().position(StreamPosition::Start).filter(filter).max_count(100);
    let mut read = client.read_all(&options).await.unwrap();
    let mut found = vec![];
    while let Some(event) = read.next().await.unwrap() {
        let event = event.get_original_event();
        found.push((event.stream_id().to_owned(), event.event_type.clone()));
    }
    found
}

#[tokio::test]
async fn streams_and_types_are_found_by_prefix_and_by_expression() {
    let desk = Desk::open();
    let client = desk.client();
    for (stream, event_type) in
        [("orders-1", "Placed"), ("orders-2", "Paid"), ("carts", "Placed"), ("orders-1", "Paid")]
    {
        client.append_to_stream(stream, &plain(), events(event_type, 1)).await.unwrap();
    }
    client.delete_stream("carts", &plain()).await.unwrap();
    let pair = |stream: &str, event_type: &str| (stream.to_owned(), event_type.to_owned());
    let by_type = SubscriptionFilter::on_event_type();
    let by_stream = SubscriptionFilter::on_stream_name();
    assert_eq!(
        found(&client, by_type.clone().add_prefix("Pla")).await,
        [pair("orders-1", "Placed"), pair("carts", "Placed")]
    );
    assert_eq!(
        found(&client, by_type.clone().regex("^Pai.$")).await,
        [pair("orders-2", "Paid"), pair("orders-1", "Paid")]
    );
    assert_eq!(found(&client, by_stream.clone().add_prefix("orders-")).await.len(), 3);
    assert_eq!(
        found(&client, by_stream.regex("^(?!orders)")).await,
        [pair("carts", "Placed"), pair("$$carts", "$metadata")]
    );
    assert_eq!(found(&client, by_type.exclude_system_events()).await.len(), 4);
}

#[tokio::test]
async fn a_filter_that_can_not_be_read_is_refused_at_once() {
    let desk = Desk::open();
    let client = desk.client();
    let options = ReadAllOptions::default().filter(SubscriptionFilter::on_event_type().regex("("));
    let refused = client.read_all(&options).await;
    let refused = refused.err().map(|refused| refused.to_string()).unwrap_or_default();
    assert!(refused.contains("can't be read"), "{refused}");
}
