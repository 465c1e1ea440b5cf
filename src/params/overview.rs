//! The parameters of the overview: a window of time, how finely, and of whom.

use super::pairs::Pairs;
use super::{BadParam, sessions};
use crate::model::Str;
use crate::model::time::{Nanos, UnixNanos};
use crate::store::series::{STEPS, SeriesQuery};

pub const KNOWN: &[&str] = &["last", "since", "until", "step", "agent", "model", "user", "limit"];

const HOUR: Nanos = Nanos::from_secs(3_600);
const DAY: Nanos = Nanos::from_secs(86_400);

/// Windows that end now: the value of `last`, its words, and its length.
pub const RANGES: [(&str, &str, Nanos); 5] = [
    ("1h", "Last hour", HOUR),
    ("6h", "Last 6 hours", Nanos(6 * HOUR.0)),
    ("24h", "Last 24 hours", DAY),
    ("7d", "Last 7 days", Nanos(7 * DAY.0)),
    ("30d", "Last 30 days", Nanos(30 * DAY.0)),
];
/// The window of an address that names none.
pub const RANGE_DEFAULT: &str = "24h";

/// Points that a window has at most where no step is asked for, give or take the one at its border.
const POINTS: u64 = 60;
/// How many agents, models, users and runs each list has at most.
const LIMIT_DEFAULT: u64 = 10;
const LIMIT_MAX: u64 = 50;

/// What a request for the overview asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OverviewParams {
    window: Window,
    step: Option<Nanos>,
    pub agent: Option<Str>,
    pub model: Option<Str>,
    pub user: Option<Str>,
    pub limit: usize,
    pub pairs: Pairs,
}

/// The time that is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Window {
    /// So long, until now.
    Last(Nanos),
    /// Without an end until now; without a start a day before its end.
    Own(Option<UnixNanos>, Option<UnixNanos>),
}

// === impl OverviewParams ===

impl OverviewParams {
    /// Reads the part of the address after `?`. `last` goes before `since` and `until`.
    pub fn parse(query: Option<&str>) -> Result<Self, BadParam> {
        let pairs = Pairs::read(query, KNOWN)?;
        let window = Window::read(&pairs, RANGE_DEFAULT)?;
        let limit = super::limit(&pairs, "a whole number from 1; more than 50 counts as 50")?;
        let name = |name: &str| pairs.get(name).map(Str::from);
        Ok(Self {
            window,
            step: pairs.get("step").map(step).transpose()?,
            agent: name("agent"),
            model: name("model"),
            user: name("user"),
            limit: limit.unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX) as usize,
            pairs,
        })
    }

    /// What it asks of the store at this moment.
    pub fn query(&self, now: UnixNanos) -> SeriesQuery {
        let query = SeriesQuery { agent: self.agent.clone(), model: self.model.clone(), user: self.user.clone(), ..self.window.query(now) };
        SeriesQuery { step: self.step.unwrap_or(query.step), ..query }
    }

    /// The window of the same length that ends where one begins.
    pub fn before(query: &SeriesQuery, since: UnixNanos, until: UnixNanos, step: Nanos) -> SeriesQuery {
        SeriesQuery { since: since.minus(until.since(since)), until: since, step, ..query.clone() }
    }
}

// === impl Window ===

impl Window {
    /// `last` goes before `since` and `until`.
    pub(super) fn read(pairs: &Pairs, default: &str) -> Result<Self, BadParam> {
        let (since, until) = (sessions::moment(pairs, "since")?, sessions::moment(pairs, "until")?);
        let window = match pairs.get("last") {
            Some(last) => Self::Last(range(last)?),
            None if since.is_none() && until.is_none() => Self::Last(range(default)?),
            None => Self::Own(since, until),
        };
        if let Some((since, until)) = since.zip(until).filter(|(since, until)| since >= until && matches!(window, Self::Own(..))) {
            let text = super::format::timestamp(until);
            return Err(BadParam::new("until", &text, &format!("after since, which is {}", super::format::timestamp(since))));
        }
        Ok(window)
    }

    /// The window at this moment, of everything, in a number of points that can be drawn.
    pub(super) fn query(self, now: UnixNanos) -> SeriesQuery {
        let (since, until) = match self {
            // What ended at this very moment is in it.
            Self::Last(length) => (now.minus(length), now.plus(Nanos(1))),
            Self::Own(since, until) => {
                let until = until.unwrap_or(now.plus(Nanos(1)));
                (since.unwrap_or(until.minus(DAY)).min(until), until)
            }
        };
        let wanted = Nanos(until.since(since).0 / POINTS);
        let step = STEPS.into_iter().find(|step| *step >= wanted).unwrap_or(wanted);
        SeriesQuery { since, until, step, agent: None, model: None, user: None, tool: None }
    }
}

fn range(text: &str) -> Result<Nanos, BadParam> {
    let range = RANGES.into_iter().find(|(value, ..)| *value == text);
    range.map(|(.., length)| length).ok_or_else(|| BadParam::new("last", text, "1h, 6h, 24h, 7d or 30d"))
}

/// `10m`, `3h`, `1d`.
fn step(text: &str) -> Result<Nanos, BadParam> {
    let unit = match text.as_bytes().last() {
        Some(b'm') => Some(60),
        Some(b'h') => Some(3_600),
        Some(b'd') => Some(86_400),
        _ => None,
    };
    let length = unit.and_then(|unit| super::whole_number(&text[..text.len() - 1])?.checked_mul(unit));
    // A thousand years are enough for everybody, and far from what nanoseconds can count.
    let length = length.filter(|seconds| (600..=365_000 * 86_400).contains(seconds)).and_then(|seconds| seconds.checked_mul(1_000_000_000));
    length.map(Nanos).ok_or_else(|| BadParam::new("step", text, "a length of at least ten minutes, such as 10m, 3h or 1d"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixNanos = UnixNanos(40 * DAY.0);

    fn asked(query: &str) -> (u64, u64, u64) {
        let query = OverviewParams::parse(Some(query)).unwrap().query(NOW);
        let minutes = |nanos: u64| nanos / 60_000_000_000;
        (
            minutes(NOW.0.saturating_sub(query.since.0)),
            minutes((NOW.0 + 60_000_000_000).saturating_sub(query.until.0)),
            minutes(query.step.0),
        )
    }

    #[test]
    fn a_window_ends_now_unless_it_says_where() {
        assert_eq!(asked(""), (1_440, 0, 30));
        assert_eq!(asked("last=1h"), (60, 0, 10));
        assert_eq!(asked("last=6h&since=1970-01-02"), (360, 0, 10));
        assert_eq!(asked("last=7d"), (7 * 1_440, 0, 180));
        assert_eq!(asked("last=30d&step=1d"), (30 * 1_440, 0, 1_440));
        assert_eq!(asked("since=1970-02-09T00:00:00Z"), (1_440, 0, 30));
        assert_eq!(asked("until=1970-02-09T00:00:00Z"), (2 * 1_440, 1_441, 30));
        assert_eq!(asked("since=1971-01-01").1, 0, "what begins in the future is empty");
    }

    #[test]
    fn bad_values_are_named() {
        for (query, parameter) in [
            ("last=2h", "last"),
            ("since=soon", "since"),
            ("until=2026-13-01", "until"),
            ("since=2026-01-02&until=2026-01-01", "until"),
            ("step=5m", "step"),
            ("step=h", "step"),
            ("step=é", "step"),
            ("step=99999999999999999d", "step"),
            ("limit=0", "limit"),
        ] {
            assert_eq!(OverviewParams::parse(Some(query)).unwrap_err().parameter, parameter, "{query}");
        }
        let named = OverviewParams::parse(Some("agent=a+b&model=m&user=%C3%BC&limit=900")).unwrap();
        assert_eq!(
            (named.agent.as_deref(), named.model.as_deref(), named.user.as_deref(), named.limit),
            (Some("a b"), Some("m"), Some("ü"), 50)
        );
    }
}
