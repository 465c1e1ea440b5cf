//! Who asks: the seam between the API and what knows keys and cookies.
//!
//! There is one right here, to read. It includes deleting: whoever may see a session may remove it, and an agent's key, which may only
//! send, can neither read nor erase.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::request::Parts;

use super::Api;
use super::refusal::Refusal;
use crate::auth::{self, Authenticator, Denied, Right};
use crate::model::ids::Tenant;

/// Decides by the headers of a request whose data it may read; `peer` is whom wrong keys are counted against.
pub trait Guard: Send + Sync + 'static {
    fn reader(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> Result<Tenant, Denied>;
}

/// A caller who may read, as an argument of a handler.
pub(super) struct Reader(pub(super) Tenant);

// === impl Guard ===

impl Guard for Authenticator {
    fn reader(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> Result<Tenant, Denied> {
        self.from_headers(headers, peer, Right::Read)
    }
}

impl<F> Guard for F
where
    F: Fn(&HeaderMap) -> Result<Tenant, Denied> + Send + Sync + 'static,
{
    fn reader(&self, headers: &HeaderMap, _: Option<IpAddr>) -> Result<Tenant, Denied> {
        self(headers)
    }
}

// === impl Reader ===

impl FromRequestParts<Arc<Api>> for Reader {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Refusal> {
        Ok(Self(api.guard.reader(&parts.headers, auth::peer(&parts.extensions))?))
    }
}
