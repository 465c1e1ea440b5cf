//! The headers that an answer to a query has beside its body.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::params::pairs::Pairs;

/// Names the parameters that were not heeded, percent-encoded and separated by commas.
const IGNORED: HeaderName = HeaderName::from_static("x-sessionfold-ignored");

pub(super) fn headers(pairs: &Pairs, link: Option<HeaderValue>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if !pairs.ignored().is_empty() {
        let names = HeaderValue::from_str(&pairs.ignored().join(", "));
        headers.insert(IGNORED, names.expect("percent-encoded text is visible ASCII"));
    }
    if let Some(link) = link {
        headers.insert(header::LINK, link);
    }
    headers
}
