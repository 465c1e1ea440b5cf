//! Who asks, by the key or the cookie that came with a request.
//!
//! There is one right here, to read. It includes deleting: whoever may see a session may remove it, and an agent's key, which may only
//! send, can neither read nor erase.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;

use super::Api;
use super::refusal::Refusal;
use crate::auth::{self, Right};
use crate::model::ids::Tenant;

/// A caller who may read, as an argument of a handler.
pub(super) struct Reader(pub(super) Tenant);

// === impl Reader ===

impl FromRequestParts<Arc<Api>> for Reader {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Refusal> {
        Ok(Self(api.authenticator.from_headers(&parts.headers, auth::peer(&parts.extensions), Right::Read)?))
    }
}
