//! Numbers, times and names as people read them. What is exact stands in a `title` or `value` beside it.

use maud::{Markup, html};

use crate::model::time::{Nanos, UnixNanos};
use crate::model::usage::NanoUsd;
use crate::params::format;

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// `4,520`
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 run`, `2 runs`
pub(super) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// Two units at most: `820 ms`, `2.1 s`, `1 min 12 s`, `3 d 4 h`.
pub(super) fn length(length: Nanos) -> String {
    match length.0 {
        0 => "0 s".into(),
        1..1_000_000 => "< 1 ms".into(),
        nanos @ 1_000_000..SECOND => format!("{} ms", nanos / 1_000_000),
        nanos @ SECOND..MINUTE => tenths(nanos / (SECOND / 10), "s"),
        nanos @ MINUTE..HOUR => two(nanos, MINUTE, "min", SECOND, "s"),
        nanos @ HOUR..DAY => two(nanos, HOUR, "h", MINUTE, "min"),
        nanos => two(nanos, DAY, "d", HOUR, "h"),
    }
}

fn tenths(tenths: u64, unit: &str) -> String {
    match tenths % 10 {
        0 => format!("{} {unit}", tenths / 10),
        rest => format!("{}.{rest} {unit}", tenths / 10),
    }
}

fn two(nanos: u64, large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    match nanos % large / small {
        0 => format!("{} {large_unit}", nanos / large),
        rest => format!("{} {large_unit} {rest} {small_unit}", nanos / large),
    }
}

/// Two decimals from a dollar on, else four significant places at most: `$12.35`, `$0.0110`, `$0.0000084`.
pub(super) fn dollars(cost: NanoUsd) -> String {
    let nanos = cost.0;
    if nanos == 0 {
        return "$0".into();
    }
    if nanos >= 995_000_000 {
        let cents = nanos / 10_000_000 + u64::from(nanos % 10_000_000 >= 5_000_000);
        return format!("${}.{:02}", count(cents / 100), cents % 100);
    }
    // The place of the first digit that is not zero, and two more; at least four decimals.
    let leading = 9 - nanos.ilog10() as usize - 1;
    let places = (leading + 3).clamp(4, 9);
    let unit = 10_u64.pow(9 - places as u32);
    let rounded = nanos / unit + u64::from(unit > 1 && nanos % unit >= unit / 2);
    let mut text = format!("$0.{rounded:0places$}");
    while text.len() > "$0.0000".len() && text.ends_with('0') {
        text.pop();
    }
    text
}

/// A cost with what is known about it: calls without a price make it an "at least", or unknown where there is nothing else.
pub(super) fn cost(cost: NanoUsd, unpriced_calls: u64) -> Markup {
    let exact = format!("${}", format::dollars(cost));
    let missing = format!("{} without a known price", counted(unpriced_calls, "call", "calls"));
    html! {
        @if unpriced_calls == 0 {
            data value=(format::dollars(cost)) title=(exact) { (dollars(cost)) }
        } @else if cost.0 == 0 {
            span.unknown title=(missing) { "unknown" }
        } @else {
            "at least " data value=(format::dollars(cost)) title=(format!("{exact} and {missing}")) { (dollars(cost)) }
        }
    }
}

/// A length that may not be over.
pub(super) fn duration(duration: Option<Nanos>) -> Markup {
    html! {
        @match duration {
            Some(exact) => data value=(format::seconds(exact)) title=(format!("{} s", format::seconds(exact))) { (length(exact)) },
            None => span.unknown title="It has not ended" { "–" },
        }
    }
}

pub(super) fn tokens(tokens: u64) -> Markup {
    html! { data value=(tokens) { (count(tokens)) } }
}

/// `2026-02-07 10:05:32`, UTC.
pub(super) fn moment(at: UnixNanos) -> Markup {
    let exact = format::timestamp(at);
    // Where there is no room it breaks between day and time.
    html! { time datetime=(exact) title=(exact) { span { (day(&exact)) } " " (clock(&exact)) } }
}

/// The same with how long ago that was, if it is less than a day.
pub(super) fn moment_and_age(at: UnixNanos, now: UnixNanos) -> Markup {
    html! {
        (moment(at))
        @if let Some(age) = age(at, now) { " " span.age { (age) } }
    }
}

/// `10:05:32`, with the date for those who ask.
pub(super) fn time_of_day(at: UnixNanos) -> Markup {
    let exact = format::timestamp(at);
    html! { time datetime=(exact) title=(exact) { (clock(&exact)) } }
}

/// `2026-02-07`
pub(super) fn day(timestamp: &str) -> &str {
    timestamp.get(..10).unwrap_or(timestamp)
}

/// `10:05:32`
pub(super) fn clock(timestamp: &str) -> &str {
    timestamp.get(11..19).unwrap_or_default()
}

fn age(at: UnixNanos, now: UnixNanos) -> Option<String> {
    if at > now.plus(Nanos::from_secs(5)) {
        return None;
    }
    match now.since(at).0 {
        0..SECOND => Some("just now".into()),
        nanos @ SECOND..MINUTE => Some(format!("{} s ago", nanos / SECOND)),
        nanos @ MINUTE..HOUR => Some(format!("{} min ago", nanos / MINUTE)),
        nanos @ HOUR..DAY => Some(format!("{} h ago", nanos / HOUR)),
        _ => None,
    }
}

/// The beginning of a sentence.
pub(super) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// A name that somebody else chose: set apart, so that its direction turns nothing around it.
pub(super) fn name(name: &str) -> Markup {
    html! { bdi { (visible(name)) } }
}

/// An agent's name, or what stands for one.
pub(super) fn agent(agent: &str) -> Markup {
    html! {
        @if agent.is_empty() { span.unknown { "no name" } } @else { (name(agent)) }
    }
}

/// Control characters as their pictures, since HTML cannot hold them and nobody could see them.
pub(super) fn visible(text: &str) -> String {
    text.chars().map(picture).collect()
}

/// The same, for texts of several lines: line ends and tabs stay.
pub(super) fn visible_lines(text: &str) -> String {
    text.replace("\r\n", "\n").chars().map(|c| if matches!(c, '\n' | '\t') { c } else { picture(c) }).collect()
}

fn picture(c: char) -> char {
    match c {
        '\0'..='\x1f' => char::from_u32(0x2400 + c as u32).unwrap_or(c),
        '\x7f' => '␡',
        '\u{80}'..='\u{9f}' => char::REPLACEMENT_CHARACTER,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_commas() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
    }

    #[test]
    fn lengths_are_two_units_at_most() {
        for (nanos, text) in [
            (0, "0 s"),
            (999_999, "< 1 ms"),
            (820_400_000, "820 ms"),
            (2_140_000_000, "2.1 s"),
            (59_999_000_000, "59.9 s"),
            (72 * SECOND, "1 min 12 s"),
            (2 * HOUR + 3 * MINUTE, "2 h 3 min"),
            (3 * DAY + 4 * HOUR + 59 * MINUTE, "3 d 4 h"),
            (2 * DAY, "2 d"),
        ] {
            assert_eq!(length(Nanos(nanos)), text);
        }
    }

    #[test]
    fn small_money_keeps_its_first_digits() {
        for (nanos, text) in [
            (0, "$0"),
            (1, "$0.000000001"),
            (8_400, "$0.0000084"),
            (600_000, "$0.0006"),
            (10_972_500, "$0.0110"),
            (23_400_000, "$0.0234"),
            (300_000_000, "$0.3000"),
            (994_999_999, "$0.9950"),
            (995_000_000, "$1.00"),
            (12_345_000_000, "$12.35"),
            (1_234_567_890_123, "$1,234.57"),
        ] {
            assert_eq!(dollars(NanoUsd(nanos)), text, "{nanos}");
        }
    }

    #[test]
    fn a_cost_without_every_price_is_at_least_or_unknown() {
        let text = |nanos, unpriced| cost(NanoUsd(nanos), unpriced).into_string();
        assert!(text(20_000_000, 0).contains(">$0.0200<"));
        assert!(text(20_000_000, 2).starts_with("at least <data"));
        assert!(text(0, 1).contains(">unknown<") && text(0, 1).contains("1 call without"));
    }

    #[test]
    fn what_cannot_be_seen_is_shown() {
        assert_eq!(visible("a\0b\r\n\u{7f}"), "a␀b␍␊␡");
        assert_eq!(visible_lines("a\r\n\tb\rc"), "a\n\tb␍c");
    }

    #[test]
    fn ages_are_told_for_a_day() {
        let now = UnixNanos(10 * DAY);
        for (ago, text) in [(0, Some("just now")), (61 * SECOND, Some("1 min ago")), (5 * HOUR, Some("5 h ago")), (DAY, None)] {
            assert_eq!(age(now.minus(Nanos(ago)), now).as_deref(), text);
        }
        assert_eq!(age(now.plus(Nanos(MINUTE)), now), None);
    }
}
