//! Which attributes Tempo knows of.

use std::collections::HashSet;

use crate::model::ids::Tenant;
use crate::tempo::query::search::Window;
use crate::tempo::query::{QueryClient, QueryError};

/// The attributes of resources in the window; asked about less at once where that is too much.
pub async fn of_resources(client: &QueryClient, tenant: &Tenant, window: Window) -> Result<HashSet<String>, QueryError> {
    let mut known = HashSet::new();
    let mut windows = vec![window];
    while let Some(window) = windows.pop() {
        match client.resource_tags(tenant, window).await {
            Ok(tags) => known.extend(tags),
            Err(error) if error.is_too_much() && window.end - window.start > 1 => {
                let middle = window.start + (window.end - window.start) / 2;
                windows.extend([Window { end: middle, ..window }, Window { start: middle, ..window }]);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(known)
}
