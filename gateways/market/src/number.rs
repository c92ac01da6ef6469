//! Prices as they stand in JSON: read from the text of the number, never through a float.

use serde_json::value::RawValue;
use stele_domain::money::Rate;

/// How much of a wrong number stands in a message, in characters.
const SHOWN_CHARS_MAX: usize = 40;

/// Reads a JSON number, or a JSON string that holds one. Exponents are fine.
///
/// # Errors
///
/// Says what was found when it is not a number above zero that fits 28 digits.
pub fn rate(what: &str, json: Option<&RawValue>) -> Result<Rate, String> {
    let json = json.ok_or_else(|| format!("{what} is missing"))?.get();
    let text = json.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(json);
    // `Decimal` would take signs, underscores and other liberties that JSON numbers don't have.
    let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    text.parse::<Rate>().ok().filter(|_| plain && !text.is_empty()).ok_or_else(|| {
        let shown: String = json.chars().take(SHOWN_CHARS_MAX).collect();
        format!("{what} is {shown}, not a price above zero")
    })
}

#[cfg(test)]
mod tests {
    use super::rate;
    use serde_json::value::RawValue;

    fn read(json: &str) -> Result<String, String> {
        let raw: Box<RawValue> = serde_json::from_str(json).unwrap();
        rate("bid", Some(&raw)).map(|rate| rate.to_string())
    }

    #[test]
    fn every_digit_of_a_number_survives() {
        // 0.1 + 0.2 has no exact double, and neither has the second.
        for text in ["0.1", "83817.123456789012345678", "0.00000001", "79228162514264337593543950335"] {
            assert_eq!(read(text).as_deref(), Ok(text));
        }
    }

    #[test]
    fn exponents_are_read_exactly() {
        assert_eq!(read("8.38171e4").as_deref(), Ok("83817.1"));
        assert_eq!(read("1E-8").as_deref(), Ok("0.00000001"));
        assert_eq!(read("83817.10").as_deref(), Ok("83817.1"));
    }

    #[test]
    fn a_number_in_a_string_is_read_too() {
        assert_eq!(read("\"83817.1\"").as_deref(), Ok("83817.1"));
    }

    #[test]
    fn what_is_no_price_is_said() {
        for json in ["0", "-1", "0.0", "null", "true", "\"\"", "\"1_000\"", "[1]", "{}", "1e99", "\"abc\""] {
            assert!(read(json).is_err_and(|error| error.starts_with("bid is ")), "{json}");
        }
        assert_eq!(rate("ask", None), Err("ask is missing".to_owned()));
    }
}
