//! Tokens and dollars as instrumentations really send them: integers, doubles, and text of either.
//!
//! - What cannot be true (negative, not finite, absurd, not a number) is not believed, and says so.
//! - What is not meant as a number (a boolean, an array, empty text) is absent.
//! - Plain decimals are read digit by digit: money never passes through a float that it did not come in.

use crate::model::usage::{NanoUsd, SPAN_COST_MAX, SPAN_TOKENS_MAX};
use crate::wire::otlp::Value;

/// No honest number is longer than this, in bytes; what is longer is not read.
const TEXT_MAX_BYTES: usize = 64;

const NANOS_PER_DOLLAR: u64 = 1_000_000_000;

/// What an attribute has to say where a number is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reading<T> {
    Absent,
    Stated(T),
    /// It is there and cannot be believed.
    Invalid,
}

/// A count of tokens, at most [`SPAN_TOKENS_MAX`]. A fraction is rounded.
pub(super) fn tokens(value: Value<'_>) -> Reading<u64> {
    match value {
        Value::Int(number) => believed(u64::try_from(number).ok().filter(|&n| n <= SPAN_TOKENS_MAX)),
        Value::Double(number) => believed(tokens_from_double(number)),
        Value::Str(text) => of_text(text, tokens_from_text),
        Value::Empty | Value::Bool(_) | Value::Bytes(_) | Value::Array(_) | Value::Map(_) => Reading::Absent,
    }
}

/// An amount of dollars, at most [`SPAN_COST_MAX`], to the nearest nano-dollar.
pub(super) fn dollars(value: Value<'_>) -> Reading<NanoUsd> {
    match value {
        Value::Int(number) => believed(u64::try_from(number).ok().and_then(|whole| nanos(whole, 0))),
        Value::Double(number) => believed(dollars_from_double(number)),
        Value::Str(text) => of_text(text, dollars_from_text),
        Value::Empty | Value::Bool(_) | Value::Bytes(_) | Value::Array(_) | Value::Map(_) => Reading::Absent,
    }
}

fn believed<T>(number: Option<T>) -> Reading<T> {
    number.map_or(Reading::Invalid, Reading::Stated)
}

fn of_text<T>(text: &str, read: fn(&str) -> Option<T>) -> Reading<T> {
    if text.len() > TEXT_MAX_BYTES {
        return Reading::Invalid;
    }
    let text = text.trim_ascii();
    if text.is_empty() { Reading::Absent } else { believed(read(text)) }
}

fn tokens_from_text(text: &str) -> Option<u64> {
    match text.parse::<u64>() {
        Ok(number) => Some(number).filter(|&n| n <= SPAN_TOKENS_MAX),
        Err(_) => tokens_from_double(text.parse().ok()?),
    }
}

fn tokens_from_double(number: f64) -> Option<u64> {
    // NaN compares false with everything, so it falls out here as well.
    (number >= 0.0 && number <= SPAN_TOKENS_MAX as f64).then(|| number.round() as u64)
}

fn dollars_from_text(text: &str) -> Option<NanoUsd> {
    match decimal(text) {
        Some((whole, nano_digits)) => nanos(whole?, nano_digits),
        None => dollars_from_double(text.parse().ok()?),
    }
}

fn dollars_from_double(number: f64) -> Option<NanoUsd> {
    // A tiny negative amount would round to zero; it is as wrong as a large one.
    if number < 0.0 { None } else { NanoUsd::from_dollars(number) }
}

fn nanos(whole: u64, nano_digits: u64) -> Option<NanoUsd> {
    let nanos = whole.checked_mul(NANOS_PER_DOLLAR)?.checked_add(nano_digits)?;
    Some(NanoUsd(nanos)).filter(|&cost| cost <= SPAN_COST_MAX)
}

/// The whole part (`None` where it is too large for any use) and the nano-dollars of `12`, `12.`, `.5` or `0.0006`; `None` if the text is of
/// another form. The tenth decimal rounds, half up.
fn decimal(text: &str) -> Option<(Option<u64>, u64)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) || whole.len() + fraction.len() == 0 {
        return None;
    }
    let digit = |place: usize| fraction.as_bytes().get(place).map_or(0, |b| u64::from(b - b'0'));
    let nano_digits = (0..9).fold(0, |sum, place| sum * 10 + digit(place)) + u64::from(digit(9) >= 5);
    let whole = if whole.is_empty() { Some(0) } else { whole.parse().ok() };
    Some((whole, nano_digits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nano(n: u64) -> Reading<NanoUsd> {
        Reading::Stated(NanoUsd(n))
    }

    #[test]
    fn tokens_come_as_integers_doubles_and_text() {
        for value in [Value::Int(12), Value::Double(12.0), Value::Double(11.6), Value::Str("12"), Value::Str(" 12.0 "), Value::Str("1.2e1")]
        {
            assert_eq!(tokens(value), Reading::Stated(12), "{value:?}");
        }
        assert_eq!(tokens(Value::Int(0)), Reading::Stated(0));
        assert_eq!(tokens(Value::Double(-0.0)), Reading::Stated(0));
        assert_eq!(tokens(Value::Int(SPAN_TOKENS_MAX as i64)), Reading::Stated(SPAN_TOKENS_MAX));
    }

    #[test]
    fn tokens_that_cannot_be_true_are_not_believed() {
        let long = "1".repeat(65);
        for value in [
            Value::Int(-1),
            Value::Int(i64::MAX),
            Value::Int(SPAN_TOKENS_MAX as i64 + 1),
            Value::Double(-0.4),
            Value::Double(f64::NAN),
            Value::Double(f64::INFINITY),
            Value::Double(1e13),
            Value::Str("-5"),
            Value::Str("NaN"),
            Value::Str("inf"),
            Value::Str("many"),
            Value::Str("99999999999999999999"),
            Value::Str(&long),
        ] {
            assert_eq!(tokens(value), Reading::Invalid, "{value:?}");
        }
    }

    #[test]
    fn what_is_not_meant_as_a_number_is_absent() {
        for value in [Value::Empty, Value::Str(""), Value::Str("  "), Value::Bool(true), Value::Bytes(b"12")] {
            assert_eq!(tokens(value), Reading::Absent, "{value:?}");
            assert_eq!(dollars(value), Reading::Absent, "{value:?}");
        }
    }

    #[test]
    fn dollars_are_exact_to_the_nano() {
        assert_eq!(dollars(Value::Double(0.0006000000000000001)), nano(600_000));
        assert_eq!(dollars(Value::Double(0.1 + 0.2)), nano(300_000_000));
        assert_eq!(dollars(Value::Int(2)), nano(2_000_000_000));
        assert_eq!(dollars(Value::Str("0.0006")), nano(600_000));
        assert_eq!(dollars(Value::Str(".5")), nano(500_000_000));
        assert_eq!(dollars(Value::Str("5.")), nano(5_000_000_000));
        assert_eq!(dollars(Value::Str("6e-4")), nano(600_000));
        assert_eq!(dollars(Value::Str("0.0000000004")), nano(0));
        assert_eq!(dollars(Value::Str("0.0000000005")), nano(1));
        assert_eq!(dollars(Value::Str("0.9999999995")), nano(1_000_000_000));
        assert_eq!(dollars(Value::Str("1000000")), Reading::Stated(SPAN_COST_MAX));
        assert_eq!(dollars(Value::Str("123456.123456789")), nano(123_456_123_456_789));
        assert_eq!(dollars(Value::Str("-0.0")), nano(0));
    }

    #[test]
    fn dollars_that_cannot_be_true_are_not_believed() {
        for value in [
            Value::Int(-1),
            Value::Int(1_000_001),
            Value::Int(i64::MAX),
            Value::Double(-1e-12),
            Value::Double(f64::NAN),
            Value::Double(f64::NEG_INFINITY),
            Value::Double(1e300),
            Value::Str("-0.5"),
            Value::Str("1000000.000000001"),
            Value::Str("99999999999999999999999"),
            Value::Str("$1"),
            Value::Str("1,5"),
            Value::Str("."),
            Value::Str("NaN"),
        ] {
            assert_eq!(dollars(value), Reading::Invalid, "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn a_plain_decimal_is_read_without_loss(whole in 0u64..1_000_000, nano_digits in 0u64..NANOS_PER_DOLLAR) {
            let text = format!("{whole}.{nano_digits:09}");
            prop_assert_eq!(dollars(Value::Str(&text)), nano(whole * NANOS_PER_DOLLAR + nano_digits));
        }

        #[test]
        fn a_double_and_its_shortest_text_agree_within_a_nano(cost in 0.0f64..1e6) {
            let text = cost.to_string();
            match (dollars(Value::Double(cost)), dollars(Value::Str(&text))) {
                (Reading::Stated(a), Reading::Stated(b)) => prop_assert!(a.0.abs_diff(b.0) <= 1, "{} {}", a.0, b.0),
                other => prop_assert!(false, "{:?}", other),
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,80}") {
            tokens(Value::Str(&text));
            dollars(Value::Str(&text));
        }
    }
}
