//! The text of an offer, deterministic to the byte, and the check of a text against what it should say.
//!
//! `{"signer_id":…,"deadline":…,"intents":[{"intent":"token_diff","diff":{IN:"+…",OUT:"-…"}}]}` without blanks,
//! in this order, IN (what we receive) first and without a plus sign. The deadline is RFC 3339 in UTC with three
//! digits; what is below a millisecond is cut off, so that the offer never outlives the deadline on record.

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use stele_domain::money::Units;
use stele_domain::port::venue::{ExactSide, OfferTerms};
use stele_domain::time::Timestamp;

/// Why terms can't be worded, or why words are not the offer that was meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsayable {
    /// A side of nothing is no swap.
    #[error("the amount to {0} is zero")]
    Zero(&'static str),
    /// The venue's amounts are 128-bit signed.
    #[error("the amount to {side}, {amount}, does not fit the venue's 128 bits")]
    TooLarge {
        /// Which side.
        side: &'static str,
        /// The amount.
        amount: Units,
    },
    /// Both sides are the same token.
    #[error("{0} can't be swapped for itself")]
    SameToken(String),
    /// A deadline that RFC 3339 can't carry.
    #[error("the deadline {0} is not between the years 0 and 9999")]
    Deadline(Timestamp),
    /// The nonce would die before the offer.
    #[error("the nonce deadline {nonce} is before the offer deadline {offer}")]
    NonceBeforeOffer {
        /// When the nonce dies.
        nonce: Timestamp,
        /// When the offer does.
        offer: Timestamp,
    },
    /// The text is not one `token_diff` of two tokens.
    #[error("the message is not an offer: {0}")]
    NotAnOffer(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    signer_id: String,
    deadline: String,
    intents: Vec<Intent>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "intent", rename_all = "snake_case", deny_unknown_fields)]
enum Intent {
    TokenDiff { diff: Diff },
}

/// Token and signed amount, in the order of the text.
struct Diff(Vec<(String, String)>);

/// The text to sign.
///
/// # Errors
///
/// [`Unsayable`].
pub fn offer(terms: &OfferTerms) -> Result<String, Unsayable> {
    let receive = amount("receive", terms.receive.amount)?;
    let give = amount("give", terms.give.amount)?;
    if terms.receive.token == terms.give.token {
        return Err(Unsayable::SameToken(terms.give.token.to_string()));
    }
    if terms.nonce_deadline < terms.offer_deadline {
        return Err(Unsayable::NonceBeforeOffer { nonce: terms.nonce_deadline, offer: terms.offer_deadline });
    }
    let diff = Diff(vec![
        (terms.receive.token.to_string(), receive),
        (terms.give.token.to_string(), format!("-{give}")),
    ]);
    let message = Message {
        signer_id: terms.account.to_string(),
        deadline: deadline(terms.offer_deadline)?,
        intents: vec![Intent::TokenDiff { diff }],
    };
    serde_json::to_string(&message).map_err(|error| Unsayable::NotAnOffer(error.to_string()))
}

/// The amount that the maker chose, read back from the text: what is given for [`ExactSide::In`], what is asked
/// for [`ExactSide::Out`].
///
/// # Errors
///
/// [`Unsayable::NotAnOffer`] when the text is anything but one swap of two tokens.
pub fn chosen_amount(message: &str, exact: ExactSide) -> Result<Units, Unsayable> {
    let no_offer = |why: String| Unsayable::NotAnOffer(why);
    let message: Message = serde_json::from_str(message).map_err(|error| no_offer(error.to_string()))?;
    let [Intent::TokenDiff { diff: Diff(sides) }] = message.intents.as_slice() else {
        return Err(no_offer(format!("{} intents in place of one", message.intents.len())));
    };
    let [(_, receive), (_, give)] = sides.as_slice() else {
        return Err(no_offer(format!("{} tokens in place of two", sides.len())));
    };
    let give =
        give.strip_prefix('-').ok_or_else(|| no_offer("the second amount is not below zero".into()))?;
    let units = |text: &str| text.parse::<Units>().map_err(|error| no_offer(error.to_string()));
    let (receive, give) = (units(receive)?, units(give)?);
    Ok(match exact {
        ExactSide::In => give,
        ExactSide::Out => receive,
    })
}

/// RFC 3339 in UTC with milliseconds: `2035-01-02T03:04:15.678Z`.
///
/// # Errors
///
/// [`Unsayable::Deadline`] at the ends of the range of times, where a sum that left the range has been cut to.
pub fn deadline(at: Timestamp) -> Result<String, Unsayable> {
    /// Up to the third digit of the second.
    const KEPT: usize = "2035-01-02T03:04:15.678".len();
    let text = at.to_string();
    let meant = at != Timestamp::MIN && at != Timestamp::MAX;
    let kept = text.get(..KEPT).filter(|_| meant).ok_or(Unsayable::Deadline(at))?;
    Ok(format!("{kept}Z"))
}

fn amount(side: &'static str, amount: Units) -> Result<String, Unsayable> {
    if amount.is_zero() {
        return Err(Unsayable::Zero(side));
    }
    if !amount.fits_venue() {
        return Err(Unsayable::TooLarge { side, amount });
    }
    Ok(amount.to_string())
}

impl Serialize for Diff {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (token, amount) in &self.0 {
            map.serialize_entry(token, amount)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Diff {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

/// Keeps the order of the text, which a map type would lose.
struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Diff;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of token to amount")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Diff, A::Error> {
        let mut sides = Vec::new();
        while let Some(side) = map.next_entry()? {
            sides.push(side);
        }
        Ok(Diff(sides))
    }
}

#[cfg(test)]
mod tests;
