//! `sessionfold_build_info`.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::model::build;

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
    /// Empty where it is not known: to Prometheus that is no label at all.
    revision: &'static str,
    rustc: &'static str,
}

pub fn register(registry: &mut Registry) {
    let labels = BuildLabels { version: build::VERSION, revision: build::REVISION.unwrap_or_default(), rustc: build::RUSTC };
    registry.register(
        "sessionfold_build",
        "What is running: the version, the commit where the build knew it, the compiler",
        Info::new(labels),
    );
}
