//! Whether it is safe to listen where the configuration says.

use std::net::SocketAddr;

/// Why listening on `addresses` must be refused at start; `None` if it may go on.
///
/// Without keys everyone who reaches an address can read every prompt and delete every session, so anything beyond loopback needs keys
/// or the user's word that this is meant.
pub fn exposure_error(addresses: &[SocketAddr], has_keys: bool, allow_anonymous: bool) -> Option<String> {
    if has_keys || allow_anonymous {
        return None;
    }
    let exposed: Vec<String> =
        addresses.iter().filter(|address| !address.ip().to_canonical().is_loopback()).map(SocketAddr::to_string).collect();
    if exposed.is_empty() {
        return None;
    }
    Some(format!(
        "refusing to listen on {} without keys: everyone who reaches it could read, write and delete sessions; \
         configure keys, or listen on 127.0.0.1, or allow it with --allow-anonymous (SESSIONFOLD_ALLOW_ANONYMOUS=true)",
        exposed.join(", ")
    ))
}
