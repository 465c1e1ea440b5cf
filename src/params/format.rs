//! Numbers and moments as every door writes them: from integers, without floating point in between.

use chrono::{DateTime, Datelike, Timelike};

use crate::model::time::{Nanos, UnixNanos};
use crate::model::usage::NanoUsd;

/// Seconds with at most six decimals, halves rounded up.
pub fn seconds(length: Nanos) -> String {
    decimal(length.0 / 1_000 + u64::from(length.0 % 1_000 >= 500), 6)
}

/// Dollars with at most nine decimals, exact.
pub fn dollars(cost: NanoUsd) -> String {
    decimal(cost.0, 9)
}

/// RFC 3339 in UTC with `Z`: without a fraction, or with exactly six digits, which is what every client parses. Finer parts are cut off.
pub fn timestamp(moment: UnixNanos) -> String {
    let seconds = i64::try_from(moment.0 / 1_000_000_000).expect("2^64 ns are 1.8e10 s");
    let at = DateTime::from_timestamp(seconds, 0).expect("2^64 ns after 1970 is the year 2554");
    let mut text = format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", at.year(), at.month(), at.day(), at.hour(), at.minute(), at.second());
    match moment.0 % 1_000_000_000 / 1_000 {
        0 => {}
        micros => text += &format!(".{micros:06}"),
    }
    text + "Z"
}

/// A size for people: `0 B`, `1.5 GiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // 1023.96 KiB would be rounded to 1024.0 KiB.
    let mut power = (bytes.ilog2() / 10) as usize;
    let tenths = |power: usize| (u128::from(bytes) * 10 + (1 << (10 * power - 1))) >> (10 * power);
    if tenths(power) >= 10_240 && power < UNITS.len() {
        power += 1;
    }
    let tenths = tenths(power);
    match tenths % 10 {
        0 => format!("{} {}", tenths / 10, UNITS[power - 1]),
        rest => format!("{}.{rest} {}", tenths / 10, UNITS[power - 1]),
    }
}

/// A length of time for people, in two units at most: `12 s`, `3 min 20 s`, `2 d 4 h`.
pub fn length(length: Nanos) -> String {
    let seconds = length.0 / 1_000_000_000;
    let two = |large: u64, large_unit: &str, small: u64, small_unit: &str| match seconds % large / small {
        0 => format!("{} {large_unit}", seconds / large),
        rest => format!("{} {large_unit} {rest} {small_unit}", seconds / large),
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => two(60, "min", 1, "s"),
        3_600..86_400 => two(3_600, "h", 60, "min"),
        _ => two(86_400, "d", 3_600, "h"),
    }
}

/// `units` of 10^-`places`, without superfluous zeros and always with a decimal point: a field that is a float stays one.
fn decimal(units: u64, places: u32) -> String {
    let one = 10_u64.pow(places);
    let mut text = format!("{}.{:0width$}", units / one, units % one, width = places as usize);
    let shortest = text.find('.').map_or(text.len(), |point| point + 2);
    while text.len() > shortest && text.ends_with('0') {
        text.pop();
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::params::instant;

    #[test]
    fn sizes_have_three_or_four_digits_and_a_unit() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            ((1 << 20) - 1, "1 MiB"),
            (8 << 30, "8 GiB"),
            (52_000_000, "49.6 MiB"),
            (u64::MAX, "16 EiB"),
        ] {
            assert_eq!(size(bytes), text, "{bytes}");
        }
        for (seconds, text) in [(0, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (7_200, "2 h"), (90_000, "1 d 1 h")] {
            assert_eq!(length(Nanos::from_secs(seconds)), text);
        }
    }

    #[test]
    fn money_is_exact_and_never_has_an_exponent_or_noise() {
        for (nanos, text) in [
            (0, "0.0"),
            (1, "0.000000001"),
            (600, "0.0000006"),
            (600_000, "0.0006"),
            (23_400_000, "0.0234"),
            (300_000_000, "0.3"),
            (1_000_000_000, "1.0"),
            (10_000_000_000, "10.0"),
            (1_234_567_890_123, "1234.567890123"),
            (u64::MAX, "18446744073.709551615"),
        ] {
            assert_eq!(dollars(NanoUsd(nanos)), text);
        }
    }

    #[test]
    fn durations_are_seconds_rounded_to_six_decimals() {
        for (nanos, text) in [
            (0, "0.0"),
            (499, "0.0"),
            (500, "0.000001"),
            (2_100_000_000, "2.1"),
            (12_450_000_000, "12.45"),
            (1_999_999_499, "1.999999"),
            (1_999_999_500, "2.0"),
            (u64::MAX, "18446744073.709552"),
        ] {
            assert_eq!(seconds(Nanos(nanos)), text);
        }
    }

    #[test]
    fn moments_have_no_fraction_or_six_digits() {
        for (nanos, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (999, "1970-01-01T00:00:00Z"),
            (1_000, "1970-01-01T00:00:00.000001Z"),
            (1_770_458_732_000_000_000, "2026-02-07T10:05:32Z"),
            (1_770_458_732_120_000_999, "2026-02-07T10:05:32.120000Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00Z"),
            (u64::MAX, "2554-07-21T23:34:33.709551Z"),
        ] {
            assert_eq!(timestamp(UnixNanos(nanos)), text);
        }
    }

    proptest! {
        #[test]
        fn a_moment_read_back_is_the_moment_to_the_microsecond(nanos: u64) {
            let text = timestamp(UnixNanos(nanos));
            prop_assert_eq!(instant::parse(&text), Some(UnixNanos(nanos / 1_000 * 1_000)));
            prop_assert!(DateTime::parse_from_rfc3339(&text).is_ok());
        }

        #[test]
        fn a_decimal_read_back_is_the_number_and_the_shortest(units: u64, places in prop::sample::select(vec![6u32, 9])) {
            let text = decimal(units, places);
            let (whole, fraction) = text.split_once('.').expect("always a point");
            let padded = format!("{whole}{fraction:0<width$}", width = places as usize);
            prop_assert_eq!(padded.parse::<u128>().unwrap(), u128::from(units));
            prop_assert!(fraction.len() <= places as usize && (fraction.len() == 1 || !fraction.ends_with('0')));
            prop_assert!(whole == "0" || !whole.starts_with('0'));
        }
    }
}
