//! Log lines as JSON, flat, with the field names of the trade-loop document at the top: `level`, `service`,
//! `component`, `event`, `namespace`, `venue`, `topic`, `pair`. These eight are in every line, `null` where a line
//! has nothing to say of one; so is `instance`. A topic is the trade-loop document's name for what the line is about.

use serde_json::{Map, Value};
use std::fmt::{Debug, Write as _};
use std::io::Write as _;
use std::time::SystemTime;
use stele_domain::time::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Writes lines to stderr.
pub(super) struct Lines {
    namespace: String,
    instance: String,
}

impl Lines {
    pub(super) fn new(namespace: String, instance: String) -> Self {
        Self { namespace, instance }
    }

    fn line(&self, level: &str, target: &str, fields: Fields) -> String {
        let mut facts = fields.facts;
        let mut take = |name: &str| facts.remove(name);
        let event = take("event").unwrap_or_else(|| Value::from("log"));
        let component = target.split("::").next().unwrap_or(target);
        let service = take("service").unwrap_or_else(|| service_of(&event, component));
        // A line that speaks of another instance keeps its own word.
        let instance = take("instance").unwrap_or_else(|| Value::from(self.instance.as_str()));
        let head = [
            ("ts", Value::from(now().to_string())),
            ("level", Value::from(level)),
            ("service", service),
            ("component", Value::from(component)),
            ("event", event),
            ("namespace", Value::from(self.namespace.as_str())),
            ("instance", instance),
            ("venue", take("venue").unwrap_or_default()),
            ("topic", take("topic").unwrap_or_default()),
            ("pair", take("pair").unwrap_or_default()),
            ("message", take("message").unwrap_or_default()),
        ];
        let mut line = String::with_capacity(256);
        for (name, value) in
            head.iter().map(|(name, value)| (*name, value)).chain(facts.iter().map(|(n, v)| (n.as_str(), v)))
        {
            line.push(if line.is_empty() { '{' } else { ',' });
            // Writing to a string does not fail.
            let _ = write!(line, "{}:{value}", Value::from(name));
        }
        line.push_str("}\n");
        line
    }
}

/// The desk's service that a line is about: what stands before the point of its event's name.
fn service_of(event: &Value, component: &str) -> Value {
    let named = event.as_str().and_then(|event| event.split_once('.')).map(|(service, _)| service);
    Value::from(named.unwrap_or(component))
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let meta = event.metadata();
        let level = meta.level().as_str().to_lowercase();
        let line = self.line(&level, meta.target(), fields);
        // A closed stderr must not stop the desk.
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }
}

#[derive(Default)]
struct Fields {
    facts: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.facts.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, format!("{value:?}"));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, crate::exit::chain(value));
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::{Fields, Lines};
    use serde_json::{Value, json};

    fn line(facts: &Value) -> Value {
        let facts = facts.as_object().unwrap().clone();
        let text = Lines::new("paper".into(), "desk-1".into()).line(
            "info",
            "stele_commands::observe",
            Fields { facts },
        );
        assert!(text.ends_with("}\n") && text.matches('\n').count() == 1, "not one line: {text:?}");
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn every_line_has_the_eight_fields_of_the_trade_loop_document() {
        let line = line(&json!({ "message": "nothing special" }));
        for name in ["level", "service", "component", "event", "namespace", "venue", "topic", "pair"] {
            assert!(line.get(name).is_some(), "no {name} in {line}");
        }
        assert_eq!((&line["service"], &line["event"]), (&json!("stele_commands"), &json!("log")));
        assert_eq!((&line["namespace"], &line["instance"]), (&json!("paper"), &json!("desk-1")));
    }

    #[test]
    fn facts_stand_beside_them_and_the_service_follows_from_the_event() {
        let line = line(
            &json!({ "event": "executor.submitted", "pair": "btc-eure", "quote_id": "q\n1", "count": 3 }),
        );
        assert_eq!(line["service"], "executor");
        assert_eq!(line["pair"], "btc-eure");
        assert_eq!((&line["quote_id"], &line["count"]), (&json!("q\n1"), &json!(3)));
    }
}
