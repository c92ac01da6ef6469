//! The limits by name, as people write them: in whole tokens, percent and spans of time.
//!
//! One list for the command line and for what is shown, so that no limit can be set and not seen.

use crate::amounts;
use serde_json::{Value, json};
use stele_domain::money::Units;
use stele_domain::pair::Pair;

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A share of the price.
    Share,
    /// An amount of the quote asset.
    Quote,
    /// An amount of the base asset.
    Base,
    /// A number of offers.
    Count,
    /// A span of time.
    Span,
    /// Yes or no.
    Flag,
    /// Amounts per token.
    PerToken,
}

/// One limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub name: &'static str,
    pub kind: Kind,
    pub words: &'static str,
}

const fn field(name: &'static str, kind: Kind, words: &'static str) -> Field {
    Field { name, kind, words }
}

/// Every limit, in the order in which it is shown. The names are those of the API.
pub(crate) const FIELDS: [Field; 22] = [
    field("edge_min_bps", Kind::Share, "least gross edge of an offer"),
    field("spread_max_bps", Kind::Share, "widest usable spread of the reference"),
    field("notional_min", Kind::Quote, "least notional of one offer"),
    field("notional_max", Kind::Quote, "most notional of one offer"),
    field("fallback_notional_max", Kind::Quote, "the same while the price is a fallback"),
    field("buy_base_open_max", Kind::Quote, "most notional of all open offers that buy base"),
    field("sell_base_open_max", Kind::Quote, "most notional of all open offers that sell base"),
    field("open_offers_max", Kind::Count, "most open offers"),
    field("open_offers_per_partner_max", Kind::Count, "most open offers of one partner"),
    field("uncertain_offers_max", Kind::Count, "most offers with an unknown outcome"),
    field("cooldown_ms", Kind::Span, "no new offer for this long after a settlement"),
    field("price_age_ms_max", Kind::Span, "oldest usable primary price"),
    field("fallback_age_ms_max", Kind::Span, "oldest usable fallback price"),
    field("inventory_age_ms_max", Kind::Span, "oldest usable balances"),
    field("window_ms_min", Kind::Span, "shortest auction worth answering"),
    field("deadline_ms_max", Kind::Span, "longest validity a taker may ask for"),
    field("command_age_ms_max", Kind::Span, "oldest command that is executed"),
    field("clock_skew_ms_max", Kind::Span, "largest difference of the clocks"),
    field("answer_probes", Kind::Flag, "whether probes are answered"),
    field("second_person", Kind::Flag, "whether arming needs a second person"),
    field("base_target", Kind::Base, "how much base the desk wants to hold"),
    field("floor", Kind::PerToken, "what is never spent, per token"),
];

impl Field {
    /// The limit of this name, or of `floor.TOKEN`.
    pub(crate) fn named(name: &str) -> Result<&'static Self, String> {
        let base = name.split_once('.').map_or(name, |(base, _)| base);
        FIELDS.iter().find(|field| field.name == base).ok_or_else(|| {
            let alike = |field: &&Self| strsim::levenshtein(field.name, base);
            let nearest = FIELDS.iter().min_by_key(alike).map_or("", |field| field.name);
            format!("there is no limit `{name}`: did you mean `{nearest}`? `stele limits get` lists them all")
        })
    }

    /// Reads a person's text as the value that the log keeps.
    pub(crate) fn read(&self, text: &str, pair: &Pair) -> Result<Value, String> {
        let value = match self.kind {
            Kind::Share => json!(amounts::basis_points(text)?.0),
            Kind::Quote => json!(amounts::units_of_whole(text, pair.quote.asset.decimals)?),
            Kind::Base => json!(amounts::units_of_whole(text, pair.base.asset.decimals)?),
            Kind::Count => json!(text.parse::<u32>().map_err(|_| "a whole number is expected".to_owned())?),
            Kind::Span => match text.parse::<u64>() {
                Ok(ms) => json!(ms),
                Err(_) => json!(amounts::span_ms(text)?),
            },
            Kind::Flag => json!(text.parse::<bool>().map_err(|_| "true or false is expected".to_owned())?),
            Kind::PerToken => return Err("name the token: floor.TOKEN=AMOUNT".to_owned()),
        };
        Ok(value)
    }

    /// The value that the log keeps, for people.
    pub(crate) fn show(&self, value: &Value, pair: &Pair) -> String {
        let units = || value.as_str().and_then(|text| text.parse::<Units>().ok());
        let number = || value.as_i64();
        let amount =
            |decimals: u8, symbol: &str| Some(format!("{} {symbol}", amounts::whole(units()?, decimals)));
        let words = match self.kind {
            Kind::Share => number().map(|bps| stele_domain::money::BasisPoints(bps).to_string()),
            Kind::Quote => amount(pair.quote.asset.decimals, &pair.quote.asset.symbol),
            Kind::Base => amount(pair.base.asset.decimals, &pair.base.asset.symbol),
            Kind::Count => number().map(|count| count.to_string()),
            Kind::Span => number().map(amounts::span),
            Kind::Flag => value.as_bool().map(|flag| if flag { "yes" } else { "no" }.to_owned()),
            Kind::PerToken => value.as_object().map(|floor| {
                let lines = floor.iter().map(|(token, units)| per_token(token, units, pair));
                if floor.is_empty() { "none".to_owned() } else { lines.collect::<Vec<_>>().join("\n") }
            }),
        };
        words.unwrap_or_else(|| value.to_string())
    }
}

fn per_token(token: &str, units: &Value, pair: &Pair) -> String {
    let side =
        [&pair.base, &pair.quote].into_iter().find(|side| side.tokens.iter().any(|t| t.as_str() == token));
    let units = units.as_str().and_then(|text| text.parse::<Units>().ok());
    match (side, units) {
        (Some(side), Some(units)) => {
            format!("{} {} ({token})", amounts::whole(units, side.asset.decimals), side.asset.symbol)
        }
        (None | Some(_), None | Some(_)) => token.to_owned(),
    }
}
