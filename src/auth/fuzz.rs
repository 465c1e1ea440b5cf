//! The body of a fuzz target: what must hold for any headers that may carry a credential.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Authenticator, KeyEntry, Keys, Right};
use crate::model::ids::Tenant;

const READER: &str = "reader-key";
const WRITER: &str = "writer-key";

/// Any headers: nobody is let in who does not present a key whole, and nobody does more than the key allows.
///
/// Each line is a header, `name: value`.
pub fn check_credentials(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n').take(64) {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default().trim_ascii();
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(&line[..colon]), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    let authenticator = authenticator();
    for (right, key, tenant) in [(Right::Read, READER, "blue"), (Right::Ingest, WRITER, "red")] {
        if let Ok(allowed) = authenticator.from_headers(&headers, None, right) {
            let holds = |bytes: &[u8]| bytes.windows(key.len()).any(|window| window == key.as_bytes());
            // The right to read is never had by what a browser sends on its own.
            let is_basic = right == Right::Ingest && super::basics(&headers).iter().any(|secret| secret == key.as_bytes());
            assert!(is_basic || headers.values().any(|value| holds(value.as_bytes())), "let in without {key}");
            assert_eq!(allowed.as_str(), tenant);
        }
    }
}

fn authenticator() -> Authenticator {
    let entry =
        |key: &str, tenant: &str, right| KeyEntry { key: key.into(), tenant: Tenant::new(tenant).expect("a name"), rights: vec![right] };
    let entries = vec![entry(READER, "blue", Right::Read), entry(WRITER, "red", Right::Ingest)];
    Authenticator::with_keys(Keys::new(entries).expect("two keys"))
}
