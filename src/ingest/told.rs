//! From the logs of coding agents to spans: pure, as [`super::screen`].

use super::body::Held;
use super::refusal::Refusal;
use super::screen::Format;
use crate::conventions::agents::{self, Told};
use crate::wire::otlp::json;
use crate::wire::otlp::json::mend;
use crate::wire::otlp::repair;

/// What a decoded `ExportLogsServiceRequest` tells. The permit of the body covers it.
pub(super) fn tell(held: Held, format: Format, tenant: &str, keep_content: bool) -> Result<(Told, Held), Refusal> {
    let Held { mut bytes, mut permit } = held;
    if format == Format::Json {
        permit.grow(bytes.len())?;
        bytes = to_protobuf(&bytes)?.into();
    }
    // Spans say less than the records that they are made of, in more words.
    permit.grow(bytes.len())?;
    let told = match agents::tell(&bytes, tenant, keep_content) {
        Ok(told) => told,
        // Text that is not UTF-8, if anything can be mended at all.
        Err(_) => agents::tell(&repair::repair_logs(&bytes)?.bytes, tenant, keep_content)?,
    };
    Ok((told, Held { bytes, permit }))
}

fn to_protobuf(bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    json::logs_to_protobuf(bytes).or_else(|error| {
        let Some(mended) = mend::mend(bytes) else { return Err(error.into()) };
        Ok(json::logs_to_protobuf(&mended.json)?)
    })
}
