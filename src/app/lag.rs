//! How far what is shown is behind what was acknowledged, said with every answer and in the metrics.

use std::sync::Arc;

use axum::Router;
use axum::middleware::map_response;
use axum::response::Response;
use http::{HeaderName, HeaderValue};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use crate::store::Store;
use crate::store::local::LocalStore;

/// Whole seconds that the index is behind; absent below one.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-index-lag");

/// Puts [`HEADER`] on every answer that is made while the index is a second or more behind.
pub(super) fn announce(router: Router, store: Arc<dyn Store>) -> Router {
    router.layer(map_response(move |mut response: Response| {
        let seconds = store.lag().age.as_secs();
        if seconds > 0 {
            response.headers_mut().insert(HEADER, HeaderValue::from(seconds));
        }
        std::future::ready(response)
    }))
}

/// Shows the lag under `sessionfold_fold_`; it is computed when it is asked for.
pub(super) fn register(store: LocalStore, registry: &mut Registry) {
    registry.register_collector(Box::new(LagCollector(store)));
}

struct LagCollector(LocalStore);

impl std::fmt::Debug for LagCollector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LagCollector")
    }
}

impl Collector for LagCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let lag = self.0.lag();
        let gauges = [
            (
                "sessionfold_fold_lag",
                "How long the oldest acknowledged request has waited to become visible",
                Unit::Seconds,
                lag.age.as_secs_f64(),
            ),
            ("sessionfold_fold_catch_up", "How long folding what waits will take", Unit::Seconds, lag.catch_up.as_secs_f64()),
            ("sessionfold_fold_lag", "Journal bytes that are acknowledged and not visible yet", Unit::Bytes, lag.bytes as f64),
        ];
        for (name, help, unit, value) in gauges {
            let metric = ConstGauge::new(value);
            let descriptor = encoder.encode_descriptor(name, help, Some(&unit), metric.metric_type())?;
            metric.encode(descriptor)?;
        }
        Ok(())
    }
}
