//! What the desk says of itself, and to whom.

use super::Check;
use crate::config::{Problem, raw};
use crate::telemetry;

impl Check<'_> {
    pub(super) fn telemetry(
        &self,
        raw: &raw::Telemetry,
        instance: &str,
    ) -> Result<telemetry::Options, Problem> {
        let format = match raw.format.as_str() {
            "auto" => telemetry::Format::Auto,
            "json" => telemetry::Format::Json,
            "pretty" => telemetry::Format::Pretty,
            _ => return Err(self.refused("telemetry.format", "\"auto\", \"json\" or \"pretty\" is possible")),
        };
        self.parsed("telemetry.level", telemetry::filter(&raw.level))?;
        let traces = match raw.otlp_endpoint.as_str() {
            "" => None,
            url => {
                let endpoint = self.url("telemetry.otlp_endpoint", url, ["http", "https"])?;
                Some(telemetry::Traces { endpoint, skipped: raw.otlp_skipped })
            }
        };
        let (level, namespace, instance) = (raw.level.clone(), raw.namespace.clone(), instance.to_owned());
        Ok(telemetry::Options { format, level, namespace, instance, traces })
    }
}
