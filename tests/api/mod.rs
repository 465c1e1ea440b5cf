//! The HTTP API over a store double: routes, parameters, bytes.

// clippy.toml allows it in tests, which does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

mod detail;
mod double;
mod list;
mod notes;
mod openapi;
mod refusals;
pub(crate) mod status;
mod streaming;
mod whole;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use prometheus_client::registry::Registry;
use sessionfold::api::{self, Api, ApiMetrics, StreamLimits};
use sessionfold::auth::{Authenticator, KeyEntry, Keys, Right, Secret};
use sessionfold::model::ids::Tenant;
use tower::ServiceExt;

use double::Double;

pub const LIST: &str = "/api/v1/observability/sessions/";

/// An answer, read to its end.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

/// Everyone may read the default tenant.
pub fn open_api(store: Arc<Double>) -> Api {
    let metrics = ApiMetrics::default();
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    Api {
        store,
        tempo: None,
        authenticator: Arc::new(Authenticator::off()),
        registry: Arc::new(registry),
        metrics,
        public_url: None,
        streams: StreamLimits::default(),
        asked: Default::default(),
        grafana: None,
        status: Arc::new(|_| status::plain()),
    }
}

/// `key-of-a-reader` reads the default tenant, `key-of-a-sender` may only send, `key-of-another-reader` reads another tenant.
pub fn guarded_api(store: Arc<Double>) -> Api {
    let key = |text: &str, tenant: Tenant, right| KeyEntry { key: Secret::Plain(text.into()), tenant, rights: vec![right] };
    let keys = Keys::new(vec![
        key("key-of-a-reader", Tenant::default(), Right::Read),
        key("key-of-another-reader", Tenant::new("other").unwrap(), Right::Read),
        key("key-of-a-sender", Tenant::default(), Right::Ingest),
    ]);
    Api { authenticator: Arc::new(Authenticator::with_keys(keys.unwrap())), ..open_api(store) }
}

pub fn router(store: Double) -> Router {
    api::router(Arc::new(open_api(Arc::new(store))))
}

pub async fn get(router: &Router, path: &str) -> Answer {
    send(router, "GET", path, &[]).await
}

pub async fn send(router: &Router, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Answer { status: parts.status, headers: parts.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The session ids of a list, in order.
    pub fn ids(&self) -> Vec<String> {
        let results = self.json()["results"].as_array().unwrap_or_else(|| panic!("no list: {}", self.text)).clone();
        results.iter().map(|line| line["session_id"].as_str().unwrap().to_owned()).collect()
    }
}
