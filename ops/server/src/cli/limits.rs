//! Showing and changing limits. A change is made on whole limits: those in force, those of the configuration, or
//! those of a file, with the named ones replaced.

use super::args::{LimitsCommand, LimitsSetArgs};
use super::control::answer;
use super::desk::{ask, wish};
use super::{say, say_json};
use crate::config::{Config, LimitField};
use crate::exit::{Failure, Outcome};
use crate::render;
use serde_json::Value;
use stele_api::dto::{Limits, LimitsAnswer, LimitsVersion, SetLimits};
use stele_api::limits_outward;
use stele_domain::pair::Pair;

pub(super) fn run(command: &LimitsCommand, config: &Config, json: bool) -> Outcome {
    match command {
        LimitsCommand::Get => {
            let limits = ask(config, |client| async move { Ok(client.limits().await?) })?;
            if json { say_json(&limits) } else { say(&render::limits::limits(&limits, &config.pair)) }
        }
        LimitsCommand::Set(args) => set(args, config, json),
    }
}

fn set(args: &LimitsSetArgs, config: &Config, json: bool) -> Outcome {
    let given = if args.from_config {
        // What the configuration says is meant whatever was in force before.
        Some((limits_outward(&config.limits), None))
    } else {
        args.file.as_deref().map(from_file).transpose()?
    };
    if given.is_none() && args.changes.is_empty() {
        return Err(Failure::usage("nothing to set: name LIMIT=VALUE, --from-config or --file"));
    }
    let changes =
        args.changes.iter().map(|change| split(change, &config.pair)).collect::<Result<Vec<_>, _>>()?;
    let written = ask(config, |client| async move {
        let (base, limits_version) = match given {
            Some(given) => given,
            None => in_force(client.limits().await?)?,
        };
        let limits = changed(base, &changes)?;
        let body = SetLimits { limits, limits_version, effective_from: None, reason: args.reason.clone() };
        wish(args.again.command_id, async |id| client.set_limits(id, &body).await).await
    })?;
    answer(&written, "The limits are set", "The limits were like this already", json)
}

/// The newest limits, those that hold only later included: a change must not undo them unseen.
fn in_force(answer: LimitsAnswer) -> Result<(Limits, Option<u64>), Failure> {
    let newest: Option<LimitsVersion> = answer.upcoming.or(answer.in_force);
    newest.map(|newest| (newest.limits, Some(newest.version))).ok_or_else(|| {
        Failure::usage("no limits are set that could be changed").advise("begin with --from-config or --file")
    })
}

/// Limits as `limits get --json` prints them, or only a part of that. The newest version that the file knows of comes
/// along: what somebody has changed since is not undone unseen.
fn from_file(path: &std::path::Path) -> Result<(Limits, Option<u64>), Failure> {
    let named = |error: &dyn std::fmt::Display| Failure::usage(format!("{}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| named(&error))?;
    let value: Value = serde_json::from_str(&text).map_err(|error| named(&error))?;
    let inner = value.pointer("/in_force/limits").or_else(|| value.get("limits")).unwrap_or(&value);
    let limits = serde_json::from_value(inner.clone()).map_err(|error| named(&error))?;
    let versions = ["/upcoming/version", "/in_force/version", "/version"];
    let version = versions.iter().find_map(|place| value.pointer(place)?.as_u64());
    Ok((limits, version))
}

/// A change: the name, the token for a floor, and the value that the log keeps.
pub(super) struct Change {
    name: String,
    token: Option<String>,
    value: Value,
}

impl Change {
    /// The limit that it changes, by the name of the API.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// Reads a change in a person's words.
pub(super) fn split(text: &str, pair: &Pair) -> Result<Change, Failure> {
    let wrong = |why: String| Failure::usage(format!("{text:?}: {why}"));
    let (name, value) = text.split_once('=').ok_or_else(|| wrong("LIMIT=VALUE is expected".to_owned()))?;
    if let Some(token) = name.strip_prefix("floor.") {
        let side = render::units::side_of(token, pair)
            .ok_or_else(|| wrong("the pair has no such token".to_owned()))?;
        let units = crate::amounts::units_of_whole(value, side.asset.decimals).map_err(wrong)?;
        return Ok(Change {
            name: "floor".to_owned(),
            token: Some(token.to_owned()),
            value: Value::from(units.to_string()),
        });
    }
    let field = LimitField::named(name).map_err(wrong)?;
    let value = field.read(value, pair).map_err(|why| wrong(format!("{why} ({})", field.words)))?;
    Ok(Change { name: field.name.to_owned(), token: None, value })
}

/// Limits with these changes made, whether or not they make sense.
pub(super) fn changed(limits: Limits, changes: &[Change]) -> Result<Limits, Failure> {
    let mut value = serde_json::to_value(limits).map_err(|error| Failure::error(&error))?;
    for change in changes {
        let place = match &change.token {
            Some(token) => {
                value.get_mut(&change.name).and_then(Value::as_object_mut).map(|floor| (floor, token))
            }
            None => value.as_object_mut().map(|fields| (fields, &change.name)),
        };
        if let Some((fields, key)) = place {
            fields.insert(key.clone(), change.value.clone());
        }
    }
    serde_json::from_value(value).map_err(|error| Failure::error(&error))
}

#[cfg(test)]
mod tests {
    use super::{changed, from_file, limits_outward, split};
    use crate::config::{Config, LIMIT_FIELDS, Sources};
    use serde_json::Value;

    fn config() -> Config {
        Config::load(&Sources::default()).unwrap()
    }

    #[test]
    fn every_limit_can_be_named_set_and_shown() {
        let limits = serde_json::to_value(limits_outward(&config().limits)).unwrap();
        let limits = limits.as_object().unwrap();
        let names: Vec<&str> = LIMIT_FIELDS.iter().map(|field| field.name).collect();
        assert_eq!(limits.len(), names.len());
        for field in LIMIT_FIELDS {
            let value = limits.get(field.name).unwrap_or_else(|| panic!("the API knows no {}", field.name));
            let shown = field.show(value, &config().pair);
            assert_ne!(shown, value.to_string().repeat(2), "{} can't be shown", field.name);
        }
    }

    #[test]
    fn a_change_replaces_what_it_names_and_nothing_else() {
        let (config, before) = (config(), limits_outward(&config().limits));
        let changes = [
            "notional_max=7.5",
            "edge_min_bps=2.5%",
            "cooldown_ms=1m",
            "floor.nep141:nbtc.bridge.near=0.001",
        ];
        let changes: Vec<_> = changes.iter().map(|text| split(text, &config.pair).unwrap()).collect();
        let after = changed(before.clone(), &changes).unwrap();
        assert_eq!(after.notional_max, "7500000000000000000");
        assert_eq!((after.edge_min_bps, after.cooldown_ms), (250, 60_000));
        assert_eq!(after.floor.get("nep141:nbtc.bridge.near").map(String::as_str), Some("100000"));
        let diff = |a: &Value, b: &Value| {
            let keys = a.as_object().unwrap().keys();
            keys.filter(|key| a.get(*key) != b.get(*key)).cloned().collect::<Vec<_>>()
        };
        let (before, after) = (serde_json::to_value(before).unwrap(), serde_json::to_value(after).unwrap());
        assert_eq!(diff(&before, &after), ["cooldown_ms", "edge_min_bps", "floor", "notional_max"]);
    }

    #[test]
    fn a_file_of_limits_brings_the_newest_version_that_it_knows_of() {
        let limits = serde_json::to_value(limits_outward(&config().limits)).unwrap();
        let version = |number: u64| serde_json::json!({ "version": number, "limits": limits });
        for (text, expected) in [
            (serde_json::json!({ "in_force": version(3), "upcoming": null }), Some(3)),
            (serde_json::json!({ "in_force": version(3), "upcoming": version(4) }), Some(4)),
            (version(5), Some(5)),
            (limits.clone(), None),
        ] {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            std::io::Write::write_all(&mut file, text.to_string().as_bytes()).unwrap();
            let (read, found) = from_file(file.path()).unwrap();
            assert_eq!((read, found), (limits_outward(&config().limits), expected), "{text}");
        }
    }

    #[test]
    fn a_limit_that_is_not_there_is_answered_with_the_near_one() {
        let words = split("notional_mx=5", &config().pair).err().unwrap().what;
        assert!(words.contains("did you mean `notional_max`?"), "{words}");
        assert!(split("notional_max", &config().pair).is_err());
        assert!(split("notional_max=much", &config().pair).is_err());
        assert!(split("floor.nep141:other=1", &config().pair).is_err());
    }
}
