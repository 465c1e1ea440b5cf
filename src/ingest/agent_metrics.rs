//! Metrics of coding agents, told by the scopes that they come in.

use serde::Deserialize;

use crate::conventions::agents;
use crate::wire::otlp;

/// Whether every scope of an encoded `ExportMetricsServiceRequest` is a coding agent's. Its resources and scopes lie as those of spans do.
pub(super) fn is_of_coding_agents(request: &[u8]) -> bool {
    let scopes = otlp::resource_spans(request).filter_map(Result::ok).flat_map(|resource| resource.scope_spans().filter_map(Result::ok));
    let mut names = scopes.map(|scope| scope.scope_name).peekable();
    names.peek().is_some() && names.all(agents::is_known_scope)
}

/// The same of OTLP/JSON.
pub(super) fn is_of_coding_agents_json(request: &[u8]) -> bool {
    let Ok(request) = serde_json::from_slice::<Scopes>(request) else { return false };
    let mut names = request.resources.iter().flat_map(|resource| &resource.scopes).map(|scope| scope.scope.name.as_str()).peekable();
    names.peek().is_some() && names.all(agents::is_known_scope)
}

#[derive(Deserialize)]
struct Scopes {
    #[serde(default, rename = "resourceMetrics")]
    resources: Vec<ScopesOfResource>,
}

#[derive(Deserialize)]
struct ScopesOfResource {
    #[serde(default, rename = "scopeMetrics")]
    scopes: Vec<NamedScope>,
}

#[derive(Deserialize)]
struct NamedScope {
    #[serde(default)]
    scope: ScopeName,
}

#[derive(Deserialize, Default)]
struct ScopeName {
    #[serde(default)]
    name: String,
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
    use opentelemetry_proto::tonic::metrics::v1::{ResourceMetrics, ScopeMetrics};
    use prost::Message;

    use super::*;

    #[test]
    fn metrics_of_coding_agents_are_known_by_their_scopes_and_by_all_of_them() {
        let of = |scopes: &[&str]| {
            let scope = |name: &&str| ScopeMetrics {
                scope: Some(InstrumentationScope { name: (*name).to_owned(), ..Default::default() }),
                ..Default::default()
            };
            let scope_metrics = scopes.iter().map(scope).collect();
            ExportMetricsServiceRequest { resource_metrics: vec![ResourceMetrics { scope_metrics, ..Default::default() }] }
        };
        for (scopes, is_known) in [
            (&["com.anthropic.claude_code", "gemini-cli"][..], true),
            (&["com.anthropic.claude_code", "my.app"], false),
            (&["my.app"], false),
            (&[], false),
        ] {
            let request = of(scopes);
            assert_eq!(is_of_coding_agents(&request.encode_to_vec()), is_known, "{scopes:?}");
            assert_eq!(is_of_coding_agents_json(&serde_json::to_vec(&request).unwrap()), is_known, "{scopes:?}");
        }
    }
}
