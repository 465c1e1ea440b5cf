//! ISO 8601 as people and clients write it, to nanoseconds since the epoch.
//!
//! - Dates: `2026-02-07` or `20260207`; a date alone is its first moment, UTC.
//! - Times after `T`, `t` or a space: `10`, `10:00`, `10:00:32`, `100032`, with 1 to 9 decimals of a second after `.` or `,`.
//! - Zones: `Z`, `+02:00`, `+0200`, `+02`; none is UTC; a space in place of the sign stands for a `+` that was not percent-encoded.
//! - Years have four digits. What lies outside 1970-01-01 .. 2554-07-21, the range of a span's times, is clamped to it, so that
//!   `9999-12-31` means "no end".
//! - A leap second is the first moment of the next minute; `24:00` is the end of the day.

use chrono::NaiveDate;

use crate::model::time::UnixNanos;

const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// `None` if the text is not a moment.
pub fn parse(text: &str) -> Option<UnixNanos> {
    let mut rest = Cursor(text.trim_ascii().as_bytes());
    let days = rest.date()?;
    let (seconds, nanos) = match rest.next() {
        None => (0, 0),
        Some(b'T' | b't' | b' ') => rest.time()?,
        Some(_) => return None,
    };
    let offset_seconds = rest.zone()?;
    let moment = (i128::from(days) * 86_400 + i128::from(seconds) - i128::from(offset_seconds)) * NANOS_PER_SECOND + i128::from(nanos);
    rest.0.is_empty().then(|| UnixNanos(u64::try_from(moment.max(0)).unwrap_or(u64::MAX)))
}

/// What is still to be read.
struct Cursor<'t>(&'t [u8]);

// === impl Cursor ===

impl Cursor<'_> {
    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn eat(&mut self, any_of: &[u8]) -> bool {
        let found = self.0.first().is_some_and(|first| any_of.contains(first));
        if found {
            self.0 = &self.0[1..];
        }
        found
    }

    fn sees_digit(&self) -> bool {
        self.0.first().is_some_and(u8::is_ascii_digit)
    }

    /// Exactly `n` digits that make a number of at most `max`.
    fn number(&mut self, n: usize, max: u32) -> Option<u32> {
        let (digits, rest) = self.0.split_at_checked(n)?;
        let mut number = 0;
        for digit in digits {
            number = number * 10 + char::from(*digit).to_digit(10)?;
        }
        self.0 = rest;
        (number <= max).then_some(number)
    }

    /// Days since 1970-01-01, which is negative before it.
    fn date(&mut self) -> Option<i64> {
        let year = self.number(4, 9999)?;
        let is_extended = self.eat(b"-");
        let month = self.number(2, 12)?;
        if is_extended && !self.eat(b"-") {
            return None;
        }
        let day = self.number(2, 31)?;
        let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
        Some(date.signed_duration_since(NaiveDate::default()).num_days())
    }

    /// Seconds since midnight, and nanoseconds.
    fn time(&mut self) -> Option<(u32, u32)> {
        let hour = self.number(2, 24)?;
        let is_extended = self.eat(b":");
        let minute = if is_extended || self.sees_digit() { self.number(2, 59)? } else { 0 };
        let has_seconds = if is_extended { self.eat(b":") } else { self.sees_digit() };
        let (second, nanos) = if has_seconds { (self.number(2, 60)?, self.fraction()?) } else { (0, 0) };
        if hour == 24 && (minute, second, nanos) != (0, 0, 0) {
            return None;
        }
        Some((hour * 3600 + minute * 60 + second, nanos))
    }

    /// Nanoseconds: zero where there is no decimal mark.
    fn fraction(&mut self) -> Option<u32> {
        if !self.eat(b".,") {
            return Some(0);
        }
        let n_digits = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        if !(1..=9).contains(&n_digits) {
            return None;
        }
        Some(self.number(n_digits, u32::MAX)? * 10_u32.pow(9 - n_digits as u32))
    }

    /// Seconds east of UTC; zero where no zone is written.
    fn zone(&mut self) -> Option<i32> {
        if self.0.is_empty() || self.eat(b"Zz") {
            return Some(0);
        }
        let has_space = self.eat(b" ");
        let sign = match self.0.first()? {
            b'-' => -1,
            b'+' => 1,
            _ if has_space => 1,
            _ => return None,
        };
        self.eat(b"+-");
        let hours = self.number(2, 23)?;
        let minutes = if self.eat(b":") || self.sees_digit() { self.number(2, 59)? } else { 0 };
        Some(sign * i32::try_from(hours * 3600 + minutes * 60).ok()?)
    }
}
