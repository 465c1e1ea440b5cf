//! Removes what demos left: every session whose id begins with `demo-`.

use http::StatusCode;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::client::{Client, ClientError};
use super::progress;
use super::traffic::PREFIX;

const SESSIONS: &str = "/api/v1/observability/sessions/";
/// The largest page the API gives.
const PAGE: u64 = 100;

#[derive(Deserialize)]
struct List {
    results: Vec<Listed>,
    count: u64,
}

#[derive(Deserialize)]
struct Listed {
    session_id: String,
}

/// The number of sessions removed.
pub async fn clean(client: &Client) -> Result<u64, ClientError> {
    let ids = demo_sessions(client).await?;
    let bar = progress::bar("removing sessions", ids.len() as u64);
    let mut removed = 0;
    for id in &ids {
        let path = format!("{SESSIONS}{}/", utf8_percent_encode(id, NON_ALPHANUMERIC));
        let answer = client.delete(&path).await?;
        // Gone already: somebody else cleans too.
        if answer.status != StatusCode::NOT_FOUND {
            client.expect_ok(&path, answer)?;
            removed += 1;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(removed)
}

/// Every id is read before the first is deleted, so that no page shifts under the reader.
async fn demo_sessions(client: &Client) -> Result<Vec<String>, ClientError> {
    let mut ids = Vec::new();
    for offset in (0..).step_by(PAGE as usize) {
        let path = format!("{SESSIONS}?search={PREFIX}&sort=session_id&limit={PAGE}&offset={offset}");
        let body = client.get(&path).await?;
        let list: List = serde_json::from_slice(&body).map_err(|error| client.unreadable(&path, error))?;
        let is_last = list.results.is_empty() || offset + PAGE >= list.count;
        // The search finds "demo-" anywhere in an id.
        ids.extend(list.results.into_iter().map(|listed| listed.session_id).filter(|id| id.starts_with(PREFIX)));
        if is_last {
            break;
        }
    }
    Ok(ids)
}
