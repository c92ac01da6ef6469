//! The question, from a person's words: limits and parts of the margin by name, and the part of the log.

use crate::amounts;
use crate::cli::args::{Model, WhatIfArgs};
use crate::cli::limits::{Change, changed, split};
use crate::config::{Config, LIMIT_FIELDS, LimitField};
use crate::exit::Failure;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::Path;
use stele_api::{dto, limits_inward, limits_outward};
use stele_commands::whatif::question::{LimitChanges, PricingChanges};
use stele_commands::whatif::{Edge, Fills, Question};
use stele_domain::money::{BasisPoints, Units};
use stele_domain::port::event_log::Position;
use stele_domain::time::Timestamp;
use stele_domain::trading::limits::Limits;

/// Largest file of limits that is read, in bytes: 1 MiB.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Largest part of a margin, in basis points, as the configuration has it.
const PRICING_MAX: i64 = 5_000;
/// The parts of the margin, by the names that the configuration has for them.
const PRICING: [&str; 4] = ["base_bps", "per_second_of_age_bps", "fallback_bps", "assumed_parity_bps"];
/// What stands beside limits in the answers of the desk.
const BESIDE: [&str; 10] = [
    "in_force",
    "upcoming",
    "as_of",
    "head",
    "version",
    "effective_from",
    "set_at",
    "reason",
    "limits",
    "hash",
];

/// What is asked.
pub(super) struct Asked {
    pub(super) question: Question,
    pub(super) from: Option<Edge>,
    pub(super) to: Option<Edge>,
}

impl Asked {
    /// Reads the arguments, and the file that they name.
    pub(super) fn of(args: &WhatIfArgs, config: &Config) -> Result<Self, Failure> {
        let from = args.from.as_deref().map(|text| edge("--from", text)).transpose()?;
        let to = args.to.as_deref().map(|text| edge("--to", text)).transpose()?;
        match (from, to) {
            (Some(Edge::Position(from)), Some(Edge::Position(to))) if from > to => {
                return Err(Failure::usage(format!("--from {from} lies after --to {to}")));
            }
            (Some(Edge::Time(from)), Some(Edge::Time(to))) if from > to => {
                return Err(Failure::usage(format!("--from {from} lies after --to {to}")));
            }
            _ => {}
        }
        let mut named = Named {
            limits: limits_outward(&config.limits),
            names: BTreeSet::new(),
            pricing: PricingChanges::default(),
        };
        if let Some(path) = &args.limits {
            named.read(path)?;
        }
        for change in &args.changes {
            named.take(change, config)?;
        }
        let limits = named.changes()?;
        let fills = match args.fills {
            Model::Recorded => Fills::Recorded,
            Model::None => Fills::None,
            Model::All => Fills::All,
        };
        Ok(Self { question: Question { limits, pricing: named.pricing, fills }, from, to })
    }
}

/// What was named so far. Of the limits only those that were named matter.
struct Named {
    limits: dto::Limits,
    names: BTreeSet<&'static str>,
    pricing: PricingChanges,
}

impl Named {
    /// Takes all that a file names. What it names twice, or what nobody knows, is refused.
    fn read(&mut self, path: &Path) -> Result<(), Failure> {
        let wrong = |why: String| Failure::usage(format!("{}: {why}", path.display()));
        let size = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?.len();
        if size > FILE_BYTES_MAX {
            return Err(wrong(format!("{size} bytes: limits need no more than {FILE_BYTES_MAX}")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        if text.trim().is_empty() {
            return Err(wrong("it is empty: `stele limits get --json` prints what it could hold".to_owned()));
        }
        let value: Value = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let Value::Object(top) = value else {
            return Err(wrong("limits by name are expected: {\"edge_min_bps\": 100}".to_owned()));
        };
        let inner = Value::Object(top.clone());
        let inner = inner.pointer("/in_force/limits").or_else(|| top.get("limits"));
        let limits = match inner {
            Some(Value::Object(limits)) => {
                let beside = |name: &&String| *name != "pricing" && !BESIDE.contains(&name.as_str());
                if let Some(unknown) = top.keys().find(beside) {
                    return Err(wrong(format!("`{unknown}` is not known beside limits")));
                }
                limits.clone()
            }
            Some(_) => return Err(wrong("its limits are no object".to_owned())),
            None => top
                .iter()
                .filter(|(name, _)| *name != "pricing")
                .map(|(n, v)| (n.clone(), v.clone()))
                .collect(),
        };
        if let Some(pricing) = top.get("pricing") {
            self.pricing_of(pricing).map_err(&wrong)?;
        }
        if limits.is_empty() && self.pricing == PricingChanges::default() {
            return Err(wrong(
                "it names no limit: `stele limits get --json` prints what it could hold".to_owned(),
            ));
        }
        self.limits_of(limits).and_then(|()| self.sensible()).map(drop).map_err(wrong)
    }

    fn limits_of(&mut self, named: Map<String, Value>) -> Result<(), String> {
        let mut all = match serde_json::to_value(&self.limits) {
            Ok(Value::Object(all)) => all,
            Ok(_) | Err(_) => Map::new(),
        };
        for (name, value) in named {
            let field = LIMIT_FIELDS.iter().find(|field| field.name == name);
            let Some(field) = field else {
                return Err(LimitField::named(&name).err().unwrap_or(format!("`{name}` is no limit")));
            };
            all.insert(name, value.clone());
            let tried: Result<dto::Limits, _> = serde_json::from_value(Value::Object(all.clone()));
            self.limits = tried.map_err(|error| format!("{}: {error} ({})", field.name, field.words))?;
            self.names.insert(field.name);
        }
        Ok(())
    }

    fn pricing_of(&mut self, value: &Value) -> Result<(), String> {
        let Value::Object(parts) = value else { return Err("its pricing is no object".to_owned()) };
        for (name, value) in parts {
            let bps = value
                .as_i64()
                .ok_or_else(|| format!("pricing.{name}: a number of basis points is expected"))?;
            self.part(name, BasisPoints(bps))?;
        }
        Ok(())
    }

    /// One part of the margin.
    fn part(&mut self, name: &str, value: BasisPoints) -> Result<(), String> {
        if !(0..=PRICING_MAX).contains(&value.0) {
            return Err(format!("pricing.{name} is {value}: it must be between 0.00% and 50.00%"));
        }
        let part = match name {
            "base_bps" => &mut self.pricing.base,
            "per_second_of_age_bps" => &mut self.pricing.per_second_of_age,
            "fallback_bps" => &mut self.pricing.fallback,
            "assumed_parity_bps" => &mut self.pricing.assumed_parity,
            _ => {
                let known = PRICING.join(", ");
                return Err(format!("there is no pricing.{name}: the parts of the margin are {known}"));
            }
        };
        *part = Some(value);
        Ok(())
    }

    /// One change in a person's words.
    fn take(&mut self, text: &str, config: &Config) -> Result<(), Failure> {
        if let Some(part) = text.strip_prefix("pricing.") {
            let wrong = |why: String| Failure::usage(format!("{text:?}: {why}"));
            let (name, value) =
                part.split_once('=').ok_or_else(|| wrong("pricing.PART=VALUE is expected".to_owned()))?;
            let value = amounts::basis_points(value).map_err(wrong)?;
            return self.part(name, value).map_err(wrong);
        }
        let change: Change = split(text, &config.pair)?;
        let field = LIMIT_FIELDS.iter().find(|field| field.name == change.name());
        self.names.extend(field.map(|field| field.name));
        self.limits = changed(self.limits.clone(), &[change])?;
        Ok(())
    }

    /// The limits, each in its range. How they stand to each other is asked where they meet those of the log.
    fn sensible(&self) -> Result<Limits, String> {
        let limits = limits_inward(self.limits.clone())?;
        let alone =
            Limits { notional_min: Units::ZERO, fallback_notional_max: Units::ZERO, ..limits.clone() };
        alone.check().map_err(|error| error.to_string())?;
        Ok(limits)
    }

    /// The limits that were named, in the form in which the log keeps them.
    fn changes(&self) -> Result<LimitChanges, Failure> {
        let limits = self.sensible().map_err(Failure::usage)?;
        LimitChanges::of(&limits, self.names.iter().map(|name| stored(name)))
            .map_err(|error| Failure::error(&error))
    }
}

/// The name under which the log keeps a limit. Shares are kept in basis points, so nothing has to say it there.
fn stored(name: &str) -> &str {
    name.strip_suffix("_bps").unwrap_or(name)
}

fn edge(flag: &str, text: &str) -> Result<Edge, Failure> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return match text.parse() {
            Ok(0) | Err(_) => Err(Failure::usage(format!("{flag} {text}: positions begin with 1"))),
            Ok(position) => Ok(Edge::Position(Position(position))),
        };
    }
    Timestamp::parse(text).map(Edge::Time).map_err(|error| {
        Failure::usage(format!("{flag} {text:?}: a position or a moment is expected: {error}"))
            .advise("2026-11-20T12:00:00Z is a moment")
    })
}
