use proptest::prelude::*;

use super::include::Include;
use super::instant;
use super::pairs::{Pairs, encode};
use super::runs::RunsParams;
use super::sessions::ListParams;
use crate::model::query::{SessionQuery, Sort, SortField, StatusFilter};
use crate::model::time::UnixNanos;
use crate::store::RunPage;

/// 2026-02-07T10:00:00Z
const TEN: u64 = 1_770_458_400_000_000_000;
const SECOND: u64 = 1_000_000_000;

fn list(query: &str) -> SessionQuery {
    ListParams::parse(Some(query)).unwrap_or_else(|bad| panic!("{query}: {bad}")).query
}

fn refused(query: &str) -> (&'static str, String) {
    let bad = ListParams::parse(Some(query)).expect_err(query);
    (bad.parameter, bad.detail)
}

fn ignored(query: &str) -> Vec<String> {
    ListParams::parse(Some(query)).unwrap().pairs.ignored().to_vec()
}

// --- moments

#[test]
fn a_moment_is_read_in_every_form_of_iso_8601_that_people_write() {
    for (text, nanos) in [
        ("2026-02-07T10:00:00Z", TEN),
        ("2026-02-07t10:00:00z", TEN),
        ("2026-02-07 10:00:00", TEN),
        ("2026-02-07T10:00", TEN),
        ("2026-02-07T10", TEN),
        ("20260207T100000Z", TEN),
        ("20260207T1000", TEN),
        (" 2026-02-07T10:00:00Z ", TEN),
        ("2026-02-07T12:00:00+02:00", TEN),
        ("2026-02-07T12:00:00 02:00", TEN),
        ("2026-02-07 12:00:00 +0200", TEN),
        ("2026-02-07T12:00:00+02", TEN),
        ("20260207T120000+0200", TEN),
        ("2026-02-07T04:30:00-05:30", TEN),
        ("2026-02-06T23:59:59.5-10:00", TEN - SECOND / 2),
        ("2026-02-07T10:00:00.123456789Z", TEN + 123_456_789),
        ("2026-02-07T10:00:00,5", TEN + SECOND / 2),
        ("2026-02-07", TEN - 36_000 * SECOND),
        ("20260207", TEN - 36_000 * SECOND),
        ("2026-02-06T24:00:00Z", TEN - 36_000 * SECOND),
        ("2026-02-07T09:59:60Z", TEN),
        ("2024-02-29", 1_709_164_800 * SECOND),
        ("1970-01-01T00:00:00.000000001Z", 1),
    ] {
        assert_eq!(instant::parse(text), Some(UnixNanos(nanos)), "{text}");
    }
}

#[test]
fn a_moment_outside_of_what_a_span_can_have_is_the_nearest_that_it_can() {
    for text in ["1969-12-31T23:59:59Z", "0000-01-01", "0001-01-01T00:00:00Z", "1970-01-01T00:30:00+01:00"] {
        assert_eq!(instant::parse(text), Some(UnixNanos(0)), "{text}");
    }
    for text in ["9999-12-31", "9999-12-31T23:59:59.999999999-23:59", "2554-07-22"] {
        assert_eq!(instant::parse(text), Some(UnixNanos(u64::MAX)), "{text}");
    }
}

#[test]
fn what_is_no_moment_is_not_guessed_at() {
    for text in [
        "yesterday",
        "1770458400",
        "2026",
        "2026-02",
        "2026-2-7",
        "2026-02-30",
        "2025-02-29",
        "2026-13-01",
        "2026-00-01",
        "2026-01-00",
        "02/07/2026",
        "12026-02-07",
        "+12026-02-07",
        "-2026-02-07",
        "2026-0207",
        "202602-07",
        "2026-02-07T",
        "2026-02-07Z",
        "2026-02-07T25:00",
        "2026-02-07T24:00:01",
        "2026-02-07T10:60",
        "2026-02-07T10:00:61",
        "2026-02-07T10:00:00.",
        "2026-02-07T10:00:00.1234567890Z",
        "2026-02-07T10:00:00+24:00",
        "2026-02-07T10:00:00+02:60",
        "2026-02-07T10:00:00+2",
        "2026-02-07T10:00:00Zx",
        "2026-02-07T10:00:00 x",
        "2026-02-07T10:00:00 UTC",
        "2026-02-07T1:00",
        "２０２６-02-07",
        "2026-02-07T10:00:00\u{2212}01:00",
    ] {
        assert_eq!(instant::parse(text), None, "{text}");
    }
}

// --- the list

#[test]
fn without_parameters_the_list_is_the_documented_default() {
    for query in [
        None,
        Some(""),
        Some("&"),
        Some("search=&agent=&start=&end=&sort=&limit=&offset=&status=&session_id=&include="),
        Some("sort&limit"),
    ] {
        assert_eq!(ListParams::parse(query).unwrap().query, SessionQuery::default(), "{query:?}");
    }
}

#[test]
fn every_parameter_reaches_the_query() {
    let query = list(
        "search=a%2Fb&agent=chat+agent&start=2026-02-07T10:00:00%2B00:00&end=2026-02-07T10:00:01&status=error&session_id=s%20%F0%9F%92%AC&sort=first_run&limit=7&offset=14",
    );
    assert_eq!(query.search.as_deref(), Some("a/b"));
    assert_eq!(query.agent.as_deref(), Some("chat agent"));
    assert_eq!(query.start, Some(UnixNanos(TEN)));
    assert_eq!(query.end, Some(UnixNanos(TEN + SECOND)));
    assert_eq!(query.status, Some(StatusFilter::Error));
    assert_eq!(query.session_id.as_ref().map(|id| id.as_str()), Some("s 💬"));
    assert_eq!(query.sort, Sort { field: SortField::FirstRun, descending: false });
    assert_eq!((query.limit, query.offset), (7, 14));
    assert_eq!(list("status=running").status, Some(StatusFilter::Running));
    assert_eq!(list("status=tool_error").status, Some(StatusFilter::ToolError));
}

#[test]
fn an_unencoded_plus_in_an_offset_is_still_an_offset() {
    assert_eq!(list("start=2026-02-07T12:00:00+02:00").start, Some(UnixNanos(TEN)));
}

#[test]
fn every_field_sorts_in_both_directions() {
    for field in SortField::ALL {
        assert_eq!(list(&format!("sort={}", field.as_str())).sort, Sort { field, descending: false });
        assert_eq!(list(&format!("sort=-{}", field.as_str())).sort, Sort { field, descending: true });
    }
}

#[test]
fn a_large_limit_is_clamped_and_a_large_offset_is_kept_in_bounds() {
    assert_eq!(list("limit=100").limit, 100);
    assert_eq!(list("limit=101").limit, 100);
    assert_eq!(list("limit=99999999999999999999999999").limit, 100);
    assert_eq!(list("limit=007").limit, 7);
    assert_eq!(list("offset=99999999999999999999999999").offset, i64::MAX as usize);
}

#[test]
fn of_several_values_the_last_one_counts_and_an_empty_one_clears_it() {
    assert_eq!(list("limit=x&limit=5").limit, 5);
    assert_eq!(list("search=a&search=b").search.as_deref(), Some("b"));
    assert_eq!(list("search=a&search=").search, None);
    assert_eq!(list("search=%FF&%73earch=ok").search.as_deref(), Some("ok"));
}

#[test]
fn a_bad_value_is_named_with_what_is_allowed() {
    for (query, parameter, allowed) in [
        ("sort=cost", "sort", "last_activity, first_run, run_count"),
        ("sort=--run_count", "sort", "last_activity"),
        ("sort=Run_Count", "sort", "last_activity"),
        ("sort=-", "sort", "last_activity"),
        ("limit=0", "limit", "from 1"),
        ("limit=000", "limit", "from 1"),
        ("limit=-1", "limit", "from 1"),
        ("limit=%2B5", "limit", "from 1"),
        ("limit=1.0", "limit", "from 1"),
        ("limit=ten", "limit", "from 1"),
        ("limit=%D9%A1", "limit", "from 1"),
        ("offset=-1", "offset", "from 0"),
        ("offset=1e3", "offset", "from 0"),
        ("start=soon", "start", "ISO 8601"),
        ("end=2026-02-31", "end", "ISO 8601"),
        ("status=success", "status", "running, error or tool_error"),
        ("include=everything", "include", "usage, users, models, errors, scores, links"),
        ("include=usage,%00", "include", "usage, users"),
        ("search=%FF", "search", "valid UTF-8"),
    ] {
        let (name, detail) = refused(query);
        assert_eq!(name, parameter, "{query}");
        assert!(detail.contains(allowed), "{query}: {detail}");
    }
    assert_eq!(refused("sort=%22cost%22").1.split(" must").next(), Some(r#"Invalid sort "\"cost\"":"#));
    assert_eq!(refused(&format!("session_id={}", "x".repeat(513))).0, "session_id");
}

#[test]
fn a_long_bad_value_is_repeated_only_in_part() {
    let detail = refused(&format!("sort={}", "é".repeat(10_000))).1;
    assert!(detail.contains("ééé\"...") && detail.chars().count() < 400, "{detail}");
}

#[test]
fn what_is_not_known_is_ignored_and_named_once() {
    assert_eq!(ignored("_=1&limit=5&page=2&_=3&a%0d%0ab=1&=5"), ["_", "page", "a%0D%0Ab"]);
    assert_eq!(ignored("include=links,models,usage,errors,links"), ["include=models"]);
    assert!(ignored("search=x&agent=&sort=-run_count").is_empty());
    let many: String = (0..1_000).map(|n| format!("{}{n}=1&", "é".repeat(200))).collect();
    assert!(ignored(&many).iter().map(String::len).sum::<usize>() <= 4 * 1024);
}

#[test]
fn include_names_groups_in_any_order_with_spaces() {
    let include = ListParams::parse(Some("include=+errors,,+usage")).unwrap().include;
    assert!(include.has(Include::Errors) && include.has(Include::Usage) && !include.has(Include::Models));
    assert!(ListParams::parse(Some("include=,")).unwrap().include.is_empty());
}

#[test]
fn include_may_be_given_in_parts() {
    for query in
        ["include=usage&limit=5&include=errors", "include=usage&include=&include=errors,usage", "include=&include=errors&include=usage"]
    {
        let params = ListParams::parse(Some(query)).unwrap();
        assert!(
            params.include.has(Include::Usage) && params.include.has(Include::Errors) && !params.include.has(Include::Links),
            "{query}"
        );
        // The link to another page asks for the same.
        let again = ListParams::parse(Some(params.pairs.link(0, 5).trim_start_matches('?'))).unwrap();
        assert_eq!(again.include, params.include, "{query}");
    }
    assert!(ListParams::parse(Some("include=usage&include=everything")).is_err());
}

// --- a session's runs

#[test]
fn all_runs_are_wanted_unless_a_page_is_asked_for() {
    let page = |query| RunsParams::parse(query).map(|params| params.page);
    assert_eq!(page(None), Ok(RunPage { limit: None, offset: 0 }));
    assert_eq!(page(Some("limit=5000&offset=10")), Ok(RunPage { limit: Some(5000), offset: 10 }));
    assert_eq!(page(Some("offset=10")), Ok(RunPage { limit: None, offset: 10 }));
    assert_eq!(page(Some("limit=0")).unwrap_err().parameter, "limit");
    let params = RunsParams::parse(Some("include=usage,users,models,errors,links&sort=x")).unwrap();
    assert_eq!(params.pairs.ignored(), ["sort"]);
}

proptest! {
    #[test]
    fn no_query_string_makes_the_parser_panic(query in "\\PC{0,80}|([a-z_]{0,10}=[%0-9A-Fa-f+.:TZ -]{0,30}&?){0,6}") {
        let _ = ListParams::parse(Some(&query));
        let _ = RunsParams::parse(Some(&query));
    }

    #[test]
    fn no_text_makes_the_reader_of_moments_panic(text in "\\PC{0,40}|[0-9]{4}-?[0-9]{2}-?[0-9]{2}[Tt ][0-9:.,+Zz -]{0,24}") {
        let _ = instant::parse(&text);
    }

    #[test]
    fn what_chrono_reads_as_rfc_3339_we_read_the_same(seconds in -100_000_000i64..7_000_000_000, nanos in 0u32..1_000_000_000, east in -86_340i32..86_340) {
        let zone = chrono::FixedOffset::east_opt(east / 60 * 60).unwrap();
        let moment = chrono::DateTime::from_timestamp(seconds, nanos).unwrap();
        let expected = (i128::from(seconds) * i128::from(SECOND) + i128::from(nanos)).max(0);
        prop_assert_eq!(instant::parse(&moment.with_timezone(&zone).to_rfc3339()).map(|read| i128::from(read.0)), Some(expected));
    }

    #[test]
    fn a_link_carries_every_value_to_the_next_page(search in "\\PC{1,30}|[&=%+#? ]{1,6}", limit in 1u64..200, offset in 0u64..1_000) {
        let first = Pairs::read(Some(&format!("search={}&offset=3&sort=-run_count", encode(&search))), &["search", "sort", "limit", "offset"]).unwrap();
        let query = first.link(offset, limit);
        prop_assert!(query.bytes().all(|b| b.is_ascii_graphic() && b != b'>' && b != b'"'));
        let next = Pairs::read(Some(&query[1..]), &["search", "sort", "limit", "offset"]).unwrap();
        prop_assert_eq!(next.get("search"), Some(search.as_str()));
        prop_assert_eq!(next.get("sort"), Some("-run_count"));
        prop_assert_eq!(next.get("offset").map(str::to_owned), Some(offset.to_string()));
        prop_assert_eq!(next.get("limit").map(str::to_owned), Some(limit.to_string()));
        prop_assert!(next.ignored().is_empty());
    }
}
