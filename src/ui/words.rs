//! Numbers, times and names as people read them. What is exact stands in a `title` or `value` beside it.

use maud::{Markup, html};

use crate::model::time::{Nanos, UnixNanos};
use crate::model::usage::NanoUsd;
use crate::params::format;

const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MILLISECOND;
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

/// Two units at most, rounded to the smaller one: `820 ms`, `2.1 s`, `1 min 12 s`, `3 d 4 h`. What rounds up to a full unit is written as
/// that one: 59.96 s is `1 min`.
pub(super) fn length(length: Nanos) -> String {
    match length.0 {
        0 => return "0 s".into(),
        1..MILLISECOND => return "< 1 ms".into(),
        _ => {}
    }
    let rounded_to = |unit: u64| length.0 / unit + u64::from(length.0 % unit >= unit / 2);
    let (millis, tenths, seconds, minutes) = (rounded_to(MILLISECOND), rounded_to(SECOND / 10), rounded_to(SECOND), rounded_to(MINUTE));
    if millis < 1_000 {
        format!("{millis} ms")
    } else if tenths < 600 {
        match tenths % 10 {
            0 => format!("{} s", tenths / 10),
            rest => format!("{}.{rest} s", tenths / 10),
        }
    } else if seconds < 3_600 {
        two(seconds, 60, "min", "s")
    } else if minutes < 24 * 60 {
        two(minutes, 60, "h", "min")
    } else {
        two(rounded_to(HOUR), 24, "d", "h")
    }
}

/// A number of small units, of which so many are a large one.
fn two(n: u64, n_in_large: u64, large: &str, small: &str) -> String {
    match n % n_in_large {
        0 => format!("{} {large}", n / n_in_large),
        rest => format!("{} {large} {rest} {small}", n / n_in_large),
    }
}

/// Two decimals from a dollar on, else four significant places at most: `$12.35`, `$0.0110`, `$0.0000084`.
pub(super) fn dollars(cost: NanoUsd) -> String {
    let nanos = cost.0;
    if nanos == 0 {
        return "$0".into();
    }
    if cost >= FROM_CENTS {
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
            span.least { "at least" } " " data value=(format::dollars(cost)) title=(format!("{exact} and {missing}")) { (dollars(cost)) }
        }
    }
}

/// The least that a column of costs tells from nothing: a ten-thousandth of a dollar.
const COLUMN_MIN: NanoUsd = NanoUsd(100_000);
/// From here on costs have two decimals.
const FROM_CENTS: NanoUsd = NanoUsd(995_000_000);

/// [`cost`] for a column: at most four decimals, set so that the decimal points stand below each other. All digits are in the title.
pub(super) fn cost_in_column(cost: NanoUsd, unpriced_calls: u64) -> Markup {
    if cost.0 == 0 && unpriced_calls > 0 {
        return self::cost(cost, unpriced_calls);
    }
    let n_least = cost.0.saturating_add(COLUMN_MIN.0 / 2) / COLUMN_MIN.0;
    let (sign, text) = match cost.0 {
        0 => ("", "$0".to_owned()),
        nanos if nanos < COLUMN_MIN.0 => ("< ", "$0.0001".to_owned()),
        nanos if nanos < FROM_CENTS.0 => ("", format!("$0.{n_least:04}")),
        _ => ("", dollars(cost)),
    };
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let exact = format!("${}", format::dollars(cost));
    let title = match unpriced_calls {
        0 => exact,
        n => format!("at least {exact}: {} without a known price", counted(n, "call", "calls")),
    };
    html! {
        data.money value=(format::dollars(cost)) title=(title) {
            @if unpriced_calls > 0 { span aria-hidden="true" { "≥ " } span.for-readers { "at least " } }
            (sign) (whole) span.fraction { (fraction) }
        }
    }
}

/// How a second number differs from a first: `+12`, `−3`, nothing where it does not. `shown` writes what it differs by.
pub(super) fn difference(first: u64, second: u64, shown: impl Fn(u64) -> String) -> Markup {
    let (sign, by) = if second >= first { ("+", second - first) } else { ("−", first - second) };
    html! { @if by > 0 { (sign) (shown(by)) } }
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

/// `2026-02-07 10:05:32`, UTC. Here and below `live.js` turns what is shown into the browser's zone; the title stays.
pub(super) fn moment(at: UnixNanos) -> Markup {
    let exact = format::timestamp(at);
    // Where there is no room it breaks between day and time.
    html! { time datetime=(exact) title=(utc(&exact)) { span { (day(&exact)) } " " (clock(&exact)) } }
}

/// The same with how long ago that was, if it is less than a day.
pub(super) fn moment_and_age(at: UnixNanos, now: UnixNanos) -> Markup {
    html! { (moment(at)) " " (age_of(at, now)) }
}

/// How long ago that was; nothing after a day. Where a page is live `live.js` goes on counting from the moment that stands before it,
/// and the server does not send it again (`live`).
pub(super) fn age_of(at: UnixNanos, now: UnixNanos) -> Markup {
    html! { span.age data-age { (age(at, now).unwrap_or_default()) } }
}

/// `10:05:32`, with the date for those who ask.
pub(super) fn time_of_day(at: UnixNanos) -> Markup {
    let exact = format::timestamp(at);
    html! { time datetime=(exact) title=(utc(&exact)) data-form="clock" { (clock(&exact)) } }
}

/// The day of a moment, as a heading of others on it.
pub(super) fn day_of(at: UnixNanos) -> Markup {
    let exact = format::timestamp(at);
    html! { time datetime=(exact) title=(utc(&exact)) data-form="day" { (day(&exact)) } }
}

/// As short as it can be read beside another moment, which is now where none is given: `10:05:32` on the same day, else `7 Feb 10:05`, and
/// `7 Feb 2025` in another year.
pub(super) fn brief(at: UnixNanos, beside: Option<UnixNanos>, now: UnixNanos) -> Markup {
    let exact = format::timestamp(at);
    let text = brief_text(&exact, &format::timestamp(beside.unwrap_or(now)));
    html! { time datetime=(exact) title=(utc(&exact)) data-form="brief" data-beside=[beside.map(format::timestamp)] { (text) } }
}

fn brief_text(at: &str, beside: &str) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    if day(at) == day(beside) {
        return clock(at).to_owned();
    }
    let (year, month, day) = (&at[..4], at[5..7].parse().unwrap_or(1_usize), at[8..10].trim_start_matches('0'));
    let month = MONTHS.get(month.wrapping_sub(1)).copied().unwrap_or_default();
    match beside.starts_with(year) {
        true => format!("{day} {month} {}", &clock(at)[..5]),
        false => format!("{day} {month} {year}"),
    }
}

/// For titles: `2026-02-07 10:05:32.25 UTC`.
pub(super) fn utc(timestamp: &str) -> String {
    timestamp.replacen('T', " ", 1).replace('Z', " UTC")
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
    use proptest::prelude::*;

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
            (7_472_080_000, "7.5 s"),
            (22_366_000_000, "22.4 s"),
            (1_100_000_000, "1.1 s"),
            (999_499_999, "999 ms"),
            (999_500_000, "1 s"),
            (59_949_999_999, "59.9 s"),
            (59_960_000_000, "1 min"),
            (59 * MINUTE + 59 * SECOND + 499_999_999, "59 min 59 s"),
            (59 * MINUTE + 59 * SECOND + 500_000_000, "1 h"),
            (23 * HOUR + 59 * MINUTE + 30 * SECOND, "1 d"),
            (72 * SECOND, "1 min 12 s"),
            (2 * HOUR + 3 * MINUTE, "2 h 3 min"),
            (3 * DAY + 4 * HOUR + 29 * MINUTE, "3 d 4 h"),
            (2 * DAY, "2 d"),
        ] {
            assert_eq!(length(Nanos(nanos)), text);
        }
    }

    /// The nanoseconds that a text says, and those of its last place.
    fn read_length(text: &str) -> (u128, u128) {
        let words: Vec<&str> = text.split(' ').collect();
        words.chunks(2).fold((0, 0), |(sum, _), pair| {
            let unit =
                [("ms", MILLISECOND), ("s", SECOND), ("min", MINUTE), ("h", HOUR), ("d", DAY)].iter().find(|(unit, _)| *unit == pair[1]);
            let unit = u128::from(unit.unwrap().1);
            match pair[0].split_once('.') {
                None => (sum + pair[0].parse::<u128>().unwrap() * unit, unit),
                Some((whole, tenths)) => {
                    (sum + whole.parse::<u128>().unwrap() * unit + tenths.parse::<u128>().unwrap() * unit / 10, unit / 10)
                }
            }
        })
    }

    proptest! {
        /// The nearest value of the notation that fits the size, whatever carries over.
        #[test]
        fn a_length_is_rounded_to_its_last_place(magnitude in 6_u32..20, digits in any::<u64>(), near in 0_u64..3) {
            // Half of them lie within a nanosecond of where something carries over.
            let borders = [MILLISECOND, SECOND, MINUTE, HOUR, DAY];
            let nanos = match near {
                0 => digits % 10_u64.saturating_pow(magnitude) + MILLISECOND,
                _ => {
                    let border = borders[(digits % 5) as usize];
                    border * (1 + digits / 7 % 99) + near - 1 - borders[(digits % 5).saturating_sub(1) as usize] / 2
                }
            };
            let nanos = nanos.max(MILLISECOND);
            let text = length(Nanos(nanos));
            let (said, _) = read_length(&text);
            // What the last place is follows from the value said, not from which zeros are left out.
            let place = u128::from(match said {
                _ if said < u128::from(SECOND) => MILLISECOND,
                _ if said < u128::from(MINUTE) => SECOND / 10,
                _ if said < u128::from(HOUR) => SECOND,
                _ if said < u128::from(DAY) => MINUTE,
                _ => HOUR,
            });
            prop_assert_eq!(said % place, 0);
            prop_assert!(said.abs_diff(u128::from(nanos)) * 2 <= place, "{} ns is not {}", nanos, text);
        }
    }

    #[test]
    fn costs_of_a_column_have_four_decimals_at_most_and_their_points_below_each_other() {
        let text = |nanos, unpriced| cost_in_column(NanoUsd(nanos), unpriced).into_string();
        for (nanos, sign, whole, fraction) in [
            (0, "", "$0", ""),
            (1, "&lt; ", "$0", ".0001"),
            (440, "&lt; ", "$0", ".0001"),
            (99_999, "&lt; ", "$0", ".0001"),
            (100_000, "", "$0", ".0001"),
            (23_456_789, "", "$0", ".0235"),
            (994_960_000, "", "$0", ".9950"),
            (4_510_000_000, "", "$4", ".51"),
            (1_234_567_890_123, "", "$1,234", ".57"),
        ] {
            let shown = text(nanos, 0);
            assert!(shown.contains(&format!(">{sign}{whole}<span class=\"fraction\">{fraction}</span>")), "{nanos}: {shown}");
            assert!(shown.contains(&format!("title=\"${}\"", format::dollars(NanoUsd(nanos)))), "{nanos}: {shown}");
        }
        assert!(text(20_000_000, 2).contains("at least $0.02: 2 calls without"));
        assert!(text(0, 1).contains(">unknown<"));
    }

    #[test]
    fn a_moment_is_as_short_as_what_stands_beside_it_allows() {
        let at = "2026-02-07T10:05:32Z";
        for (beside, text) in
            [("2026-02-07T23:59:59Z", "10:05:32"), ("2026-02-08T00:00:00Z", "7 Feb 10:05"), ("2027-02-07T10:05:32Z", "7 Feb 2026")]
        {
            assert_eq!(brief_text(at, beside), text);
        }
        assert_eq!(utc("2026-02-07T10:05:32.250000Z"), "2026-02-07 10:05:32.250000 UTC");
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
        assert!(text(20_000_000, 2).starts_with("<span class=\"least\">at least</span> <data"));
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
