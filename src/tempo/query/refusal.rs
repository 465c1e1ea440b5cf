//! What a refusal of Tempo's query API means, decided once for HTTP and gRPC.
//!
//! The limits on an answer are spread over its parts, and each says so in its own words (3.0 and 3.1): the querier gives up after
//! `query_timeout`, hands back at most 16 MiB ("response larger than the max", sent on as 500), a gRPC message has a limit of its own ("received
//! message larger than max"), a trace may be above `max_bytes_per_trace` (422), a range above `max_duration`, a limit above `max_result_limit`.

use super::QueryError;

/// The status is that of HTTP; `words` is the body.
pub(super) fn refused(status: u16, words: &str) -> QueryError {
    let said = || words.trim().chars().take(200).collect::<String>();
    if let Some(error) = named(words) {
        return error;
    }
    match status {
        413 | 422 => QueryError::TooLarge(said()),
        408 | 504 => QueryError::GaveUp(said()),
        _ => QueryError::Refused { status, words: said() },
    }
}

/// What the words alone say, whatever the code.
pub(super) fn named(words: &str) -> Option<QueryError> {
    let said = || words.trim().chars().take(200).collect::<String>();
    if words.contains("no org id") {
        return Some(QueryError::NoTenant);
    }
    if let Some(max) = number_after(words, "exceeds max limit ") {
        return Some(QueryError::TooManyTraces { max });
    }
    if let Some(max) = number_after(words, "spans per span set exceeds ") {
        return Some(QueryError::TooManySpans { max });
    }
    const TOO_LONG: [&str; 2] = ["range specified by start and end exceeds", "exceeds the maximum allowed duration"];
    if TOO_LONG.iter().any(|known| words.contains(known)) {
        return Some(QueryError::TooLong(said()));
    }
    const TOO_LARGE: [&str; 3] = ["larger than", "length too large", "exceeds max size"];
    if TOO_LARGE.iter().any(|known| words.contains(known)) {
        return Some(QueryError::TooLarge(said()));
    }
    const GAVE_UP: [&str; 2] = ["context deadline exceeded", "context canceled"];
    GAVE_UP.iter().any(|known| words.contains(known)).then(|| QueryError::GaveUp(said()))
}

fn number_after(words: &str, phrase: &str) -> Option<usize> {
    let rest = &words[words.find(phrase)? + phrase.len()..];
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok().filter(|max| *max > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_in_which_tempo_says_that_it_is_too_much_is_understood() {
        for (status, words) in [
            (500, "response larger than the max (44567133 vs 16777216)"),
            (500, "rpc error: code = ResourceExhausted desc = grpc: received message after decompression larger than max 16777216"),
            (422, "trace exceeds max size (max bytes: 5000000)"),
            (413, ""),
        ] {
            assert!(matches!(refused(status, words), QueryError::TooLarge(_)), "{status} {words}");
        }
        for (status, words) in [
            (400, "range specified by start and end exceeds 1h0m0s. received start=1 end=7200"),
            (400, "metrics query time range exceeds the maximum allowed duration of 24h0m0s"),
        ] {
            assert!(matches!(refused(status, words), QueryError::TooLong(_)), "{status} {words}");
        }
        for (status, words) in [(504, ""), (500, "error querying: context deadline exceeded"), (499, "context canceled")] {
            assert!(matches!(refused(status, words), QueryError::GaveUp(_)), "{status} {words}");
        }
        assert_eq!(refused(400, "limit 8000 exceeds max limit 1000\n"), QueryError::TooManyTraces { max: 1_000 });
        assert_eq!(refused(400, "spans per span set exceeds 20. received 100"), QueryError::TooManySpans { max: 20 });
        assert_eq!(refused(401, "no org id"), QueryError::NoTenant);
        assert_eq!(refused(429, "job queue full"), QueryError::Refused { status: 429, words: "job queue full".into() });
    }
}
