//! Amounts, rates and margins: exact, checked, and rounded in a direction that the caller names.
//!
//! There is no float in this crate. An amount is a whole number of base units (satoshi, wei); a rate is an
//! exact decimal; every product is formed in 512 bits, because wei times a price overflows 256.

use crate::compact;
use ruint::Uint;
use ruint::aliases::U256;
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

type U512 = Uint<512, 8>;

/// Why a text or number is not an amount, a rate or an asset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMoney {
    /// Not a whole decimal number of base units.
    #[error("{0:?} is not a whole number of base units")]
    Units(String),
    /// Not a decimal above zero.
    #[error("{0:?} is not a rate: a decimal number above zero with at most 28 digits")]
    Rate(String),
    /// More decimals than any token has.
    #[error("{0} decimals are too many: at most 38")]
    Decimals(u8),
}

/// Base units of one token (satoshi, wei). Never negative. Stored as a decimal string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Units(U256);

/// Longest text of an amount: 2^256 has 78 digits.
const UNITS_DIGITS_MAX: usize = 78;
/// An amount as bytes.
const UNITS_BYTES: usize = 32;

impl Units {
    /// Nothing.
    pub const ZERO: Self = Self(U256::ZERO);

    /// From a machine number.
    #[must_use]
    pub fn new(units: u128) -> Self {
        Self(U256::from(units))
    }

    /// From 256 bits, the highest byte first.
    #[must_use]
    pub const fn from_be_bytes(bytes: [u8; 32]) -> Self {
        Self(U256::from_be_bytes(bytes))
    }

    /// Its 32 bytes, the highest first.
    #[must_use]
    pub const fn to_be_bytes(self) -> [u8; UNITS_BYTES] {
        self.0.to_be_bytes()
    }

    /// Whether this is nothing.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// Whether the venue could carry this amount: its amounts are 128-bit signed.
    #[must_use]
    pub fn fits_venue(self) -> bool {
        self.0 <= U256::from(i128::MAX.unsigned_abs())
    }

    /// The sum, or `None` past 256 bits.
    #[must_use]
    pub fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, or `None` below zero.
    #[must_use]
    pub fn minus(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// The difference, or zero.
    #[must_use]
    pub fn minus_or_zero(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The amount as a decimal number of whole tokens, for people: `"0.00100000"`.
    #[must_use]
    pub fn in_whole(self, decimals: u8) -> String {
        let digits = self.0.to_string();
        let decimals = usize::from(decimals);
        if decimals == 0 {
            return digits;
        }
        let padded = format!("{digits:0>width$}", width = decimals.saturating_add(1));
        let (whole, part) = padded.split_at(padded.len().saturating_sub(decimals));
        format!("{whole}.{part}")
    }
}

impl Units {
    /// Appends the decimal digits.
    pub fn write(self, out: &mut String) {
        self.shown(|digits| out.push_str(digits));
    }

    /// Appends the decimal digits.
    pub fn write_bytes(self, out: &mut Vec<u8>) {
        self.shown(|digits| out.extend_from_slice(digits.as_bytes()));
    }

    fn shown(self, show: impl FnOnce(&str)) {
        // Nearly all amounts fit one machine number, which is written faster than two.
        match (u64::try_from(self.0), u128::try_from(self.0)) {
            (Ok(small), _) => show(itoa::Buffer::new().format(small)),
            (Err(_), Ok(large)) => show(itoa::Buffer::new().format(large)),
            (Err(_), Err(_)) => show(&self.0.to_string()),
        }
    }
}

/// So many decimal digits always fit 64 bits.
const U64_DIGITS: usize = 19;

/// Ten to that power.
const U64_POWER: u128 = 10_000_000_000_000_000_000;

/// At most [`U64_DIGITS`] decimal digits as a number; no digits are zero.
fn small(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then(|| number.wrapping_mul(10).wrapping_add(u64::from(digit)))
    })
}

impl FromStr for Units {
    type Err = InvalidMoney;
    fn from_str(text: &str) -> Result<Self, InvalidMoney> {
        let invalid = || InvalidMoney::Units(text.chars().take(96).collect());
        if text.is_empty() || text.len() > UNITS_DIGITS_MAX {
            return Err(invalid());
        }
        // Nearly all amounts fit one machine number or two, which are read faster.
        let (high, low) = text.as_bytes().split_at(text.len().saturating_sub(U64_DIGITS));
        if high.len() > U64_DIGITS {
            // The library takes more than digits.
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            let units = U256::from_str_radix(text, 10).ok().filter(|_| digits);
            return units.map(Self).ok_or_else(invalid);
        }
        let (high, low) = small(high).zip(small(low)).ok_or_else(invalid)?;
        if high == 0 {
            return Ok(Self(U256::from(low)));
        }
        let whole = u128::from(high).checked_mul(U64_POWER).and_then(|high| high.checked_add(low.into()));
        whole.map(|whole| Self(U256::from(whole))).ok_or_else(invalid)
    }
}

impl fmt::Display for Units {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match u128::try_from(self.0) {
            Ok(small) => f.pad_integral(true, "", itoa::Buffer::new().format(small)),
            Err(_) => self.0.fmt(f),
        }
    }
}

impl Serialize for Units {
    /// Decimal digits where people read along, else 32 bytes, the highest first.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_bytes(&self.to_be_bytes())
        }
    }
}

impl<'de> Deserialize<'de> for Units {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            compact::text(deserializer, str::parse)
        } else {
            compact::bytes(deserializer).map(Self::from_be_bytes)
        }
    }
}

/// A share in hundredths of a percent. May be negative: an edge can be a loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BasisPoints(pub i64);

impl BasisPoints {
    /// All of it.
    pub const ONE: i64 = 10_000;

    /// The sum; saturates.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl BasisPoints {
    /// The same in percent.
    #[must_use]
    pub fn percent(self) -> Decimal {
        Decimal::new(self.0, 2)
    }
}

impl fmt::Display for BasisPoints {
    /// As a percentage with two decimals: `2.00%`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let size = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}%", size.div_euclid(100), size.rem_euclid(100))
    }
}

/// Which way a remainder goes. There is no default: the caller says whom it favours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// Towards zero: what the desk gives.
    Down,
    /// Away from zero: what the desk receives.
    Up,
}

/// How many whole quote tokens one whole base token costs. Above zero, exact. Stored as a decimal string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(Decimal);

/// Largest number of decimals of a token.
const DECIMALS_MAX: u8 = 38;

/// A side of a pair: what it is called, and how many base units make a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asset {
    /// Ticker, such as `BTC`.
    pub symbol: String,
    /// Ten to this power base units make one whole token.
    pub decimals: u8,
}

impl Rate {
    /// One for one.
    pub const ONE: Self = Self(Decimal::ONE);

    /// A rate above zero.
    ///
    /// # Errors
    ///
    /// [`InvalidMoney::Rate`] at or below zero.
    pub fn new(rate: Decimal) -> Result<Self, InvalidMoney> {
        if rate > Decimal::ZERO {
            Ok(Self(rate.normalize()))
        } else {
            Err(InvalidMoney::Rate(rate.to_string()))
        }
    }

    /// The number.
    #[must_use]
    pub fn decimal(self) -> Decimal {
        self.0
    }

    /// Half-way between two rates, or `None` when it does not fit 28 digits.
    #[must_use]
    pub fn mid(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0)?.checked_div(Decimal::TWO).map(Self)
    }

    /// This rate times a factor above zero, or `None` when it does not fit.
    #[must_use]
    pub fn times(self, factor: Decimal) -> Option<Self> {
        self.0.checked_mul(factor).and_then(|rate| Self::new(rate).ok())
    }

    /// This rate divided by a factor above zero, or `None` when it does not fit.
    #[must_use]
    pub fn over(self, divisor: Decimal) -> Option<Self> {
        self.0.checked_div(divisor).and_then(|rate| Self::new(rate).ok())
    }

    /// This rate moved by a share: `+100` basis points make it one percent higher.
    #[must_use]
    pub fn moved(self, by: BasisPoints) -> Option<Self> {
        let factor = Decimal::from(BasisPoints::ONE.checked_add(by.0)?)
            .checked_div(Decimal::from(BasisPoints::ONE))?;
        self.times(factor)
    }

    /// How far `other` is from this rate, in basis points of this rate, rounded up in size. Never negative.
    #[must_use]
    pub fn distance(self, other: Self) -> BasisPoints {
        let apart = self.0.checked_sub(other.0).map(|d| d.abs());
        let scaled = apart.and_then(|d| d.checked_mul(Decimal::from(BasisPoints::ONE)));
        let share = scaled.and_then(|d| d.checked_div(self.0)).map(|d| d.ceil());
        BasisPoints(share.and_then(|d| i64::try_from(d).ok()).unwrap_or(i64::MAX))
    }

    /// Numerator and denominator of the rate as whole numbers.
    fn ratio(self) -> Option<(U512, U512)> {
        let mantissa = U512::from(u128::try_from(self.0.mantissa()).ok()?);
        let scale = ten_to(u8::try_from(self.0.scale()).ok()?)?;
        Some((mantissa, scale))
    }

    /// What `base` units are worth in quote units, times `num / den`.
    ///
    /// `base · rate · 10^quote_decimals / 10^base_decimals · num / den`, one division, one rounding; `None`
    /// when it does not fit 256 bits.
    #[must_use]
    pub fn worth(self, base: Units, pair: Decimals, share: Share, rounding: Rounding) -> Option<Units> {
        let (rate, scale) = self.ratio()?;
        let above = product(&[U512::from(base.0), rate, ten_to(pair.quote)?, U512::from(share.num)])?;
        let below = product(&[scale, ten_to(pair.base)?, U512::from(share.den)])?;
        divide(above, below, rounding)
    }

    /// How many base units `quote` units buy, times `num / den`; the reverse of [`Self::worth`].
    #[must_use]
    pub fn buys(self, quote: Units, pair: Decimals, share: Share, rounding: Rounding) -> Option<Units> {
        let (rate, scale) = self.ratio()?;
        let above = product(&[U512::from(quote.0), scale, ten_to(pair.base)?, U512::from(share.num)])?;
        let below = product(&[rate, ten_to(pair.quote)?, U512::from(share.den)])?;
        divide(above, below, rounding)
    }

    /// The rate at which `base` units change hands for `quote` units, cut to 12 decimals.
    #[must_use]
    pub fn implied(base: Units, quote: Units, pair: Decimals) -> Option<Self> {
        const SHOWN: u8 = 12;
        let above = product(&[U512::from(quote.0), ten_to(pair.base)?, ten_to(SHOWN)?])?;
        let below = product(&[U512::from(base.0), ten_to(pair.quote)?])?;
        let scaled = divide(above, below, Rounding::Down)?;
        let mantissa = i128::try_from(scaled.0).ok()?;
        Decimal::try_from_i128_with_scale(mantissa, u32::from(SHOWN))
            .ok()
            .and_then(|rate| Self::new(rate).ok())
    }
}

/// Decimals of both sides of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimals {
    base: u8,
    quote: u8,
}

impl Decimals {
    /// Decimals of the base and of the quote token.
    ///
    /// # Errors
    ///
    /// [`InvalidMoney::Decimals`] above 38.
    pub fn new(base: u8, quote: u8) -> Result<Self, InvalidMoney> {
        for decimals in [base, quote] {
            if decimals > DECIMALS_MAX {
                return Err(InvalidMoney::Decimals(decimals));
            }
        }
        Ok(Self { base, quote })
    }

    /// Decimals of the base token.
    #[must_use]
    pub fn base(self) -> u8 {
        self.base
    }

    /// Decimals of the quote token.
    #[must_use]
    pub fn quote(self) -> u8 {
        self.quote
    }
}

/// A fraction that scales a product: `num / den`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    num: u64,
    den: u64,
}

impl Share {
    /// All of it.
    pub const WHOLE: Self = Self { num: 1, den: 1 };

    /// `1 − edge`; `None` unless the edge is below 100 %.
    #[must_use]
    pub fn less(edge: BasisPoints) -> Option<Self> {
        let left = u64::try_from(BasisPoints::ONE.checked_sub(edge.0)?).ok()?;
        let den = u64::try_from(BasisPoints::ONE).ok()?;
        (left > 0).then_some(Self { num: left, den })
    }

    /// `1 / (1 − edge)`; `None` unless the edge is below 100 %.
    #[must_use]
    pub fn grossed_up(edge: BasisPoints) -> Option<Self> {
        Self::less(edge).map(|share| Self { num: share.den, den: share.num })
    }
}

/// `1 − given / received` in basis points, rounded down (against the desk).
///
/// This is the one definition of gross edge in Stele. `received` above zero; a given amount above the received
/// one makes a negative edge.
#[must_use]
pub fn gross_edge(received: Units, given: Units) -> Option<BasisPoints> {
    let one = U512::from(u64::try_from(BasisPoints::ONE).ok()?);
    let share = divide(product(&[U512::from(given.0), one])?, U512::from(received.0), Rounding::Up)?;
    let share = i64::try_from(share.0).ok()?;
    BasisPoints::ONE.checked_sub(share).map(BasisPoints)
}

/// Every power that is asked for fits 128 bits: tokens have at most 38 decimals, rates at most 28.
fn ten_to(power: u8) -> Option<U512> {
    10_u128.checked_pow(u32::from(power)).map(U512::from)
}

fn product(factors: &[U512]) -> Option<U512> {
    factors.iter().try_fold(U512::from(1_u64), |product, factor| product.checked_mul(*factor))
}

fn divide(above: U512, below: U512, rounding: Rounding) -> Option<Units> {
    let quotient = above.checked_div(below)?;
    let exact = quotient.checked_mul(below)? == above;
    let rounded = match rounding {
        Rounding::Up if !exact => quotient.checked_add(U512::from(1_u64))?,
        Rounding::Up | Rounding::Down => quotient,
    };
    U256::checked_from_limbs_slice(rounded.as_limbs()).map(Units)
}

impl FromStr for Rate {
    type Err = InvalidMoney;
    fn from_str(text: &str) -> Result<Self, InvalidMoney> {
        let invalid = || InvalidMoney::Rate(text.chars().take(64).collect());
        let rate = Decimal::from_str_exact(text).or_else(|_| Decimal::from_scientific(text));
        Self::new(rate.map_err(|_| invalid())?).map_err(|_| invalid())
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Rate {
    /// A decimal number where people read along, else the 16 bytes of [`Decimal::serialize`].
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(&self.0)
        } else {
            serializer.serialize_bytes(&self.0.serialize())
        }
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            compact::text(deserializer, str::parse)
        } else {
            let number = Decimal::deserialize(compact::bytes(deserializer)?);
            Self::new(number).map_err(de::Error::custom)
        }
    }
}

#[cfg(test)]
mod tests;
