//! What the pages are connected to.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::access::Access;
use super::wiring::{public_url, tempo_ca};
use crate::api::StatusSource;
use crate::bounds::stream::StreamLimits;
use crate::clock::now;
use crate::config::{self, Config};
use crate::model::ids::{Tenant, TraceId};
use crate::params::explore::Grafana;
use crate::server;
use crate::store::local::LocalStore;
use crate::store::raw::TraceSource;
use crate::store::said::{Names, Seconds, SpanTexts, Unanswered, Wanted};
use crate::tempo::export::forwarder::Status;
use crate::tempo::query::said::SaidQuery;
use crate::tempo::query::search::{Attribute, FoundSpan, Tags, Window};
use crate::tempo::query::{QueryClient, QueryError, QueryOptions};
use crate::ui::{self, Ui};

/// How long a page waits for Tempo; it then shows what there is without it.
const QUERY_TIMEOUT: Duration = Duration::from_secs(2);
/// The same of a search, which gives up earlier itself; and spans of a trace that it answers: Tempo allows 100.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(10);
const SEARCH_SPANS: usize = 100;

/// Where the server listens, and over what.
pub(super) struct Listening<'a> {
    pub(super) access: &'a Access,
    /// OTLP gRPC, OTLP HTTP, HTTP.
    pub(super) addresses: [SocketAddr; 3],
}

/// What the pages ask besides the store.
pub(super) struct About {
    pub(super) tempo: Option<Arc<dyn TraceSource>>,
    pub(super) status: StatusSource,
    /// Who answers a program that asks a page's address for JSON.
    pub(super) api: axum::Router,
    pub(super) metrics: ui::UiMetrics,
}

/// What the pages need; `shutdown` ends their event streams.
pub(super) fn pages(
    config: &Config,
    store: LocalStore,
    Listening { access, addresses: [_, otlp_http, http] }: Listening<'_>,
    shutdown: CancellationToken,
    answers: StreamLimits,
    about: About,
) -> Ui {
    let public_url = public_url(config);
    let listens = |address| format!("{}://{}", access.scheme(), server::reachable(address));
    // Behind a proxy the port of OTLP is most likely published beside it, under the same name.
    let public = public_url.as_ref().and_then(|url| url.parse::<http::Uri>().ok());
    let public_otlp = public.and_then(|uri| Some(format!("{}://{}:{}", uri.scheme_str()?, uri.authority()?.host(), otlp_http.port())));
    Ui {
        store: Arc::new(store.clone()),
        authenticator: Arc::clone(&access.authenticator),
        public_url,
        own_url: listens(http),
        tempo: about.tempo,
        grafana: grafana(config),
        otlp_url: public_otlp.unwrap_or_else(|| listens(otlp_http)),
        version: Arc::new(move || store.folded().0),
        clock: Arc::new(now),
        shutdown,
        limits: ui::Limits::default(),
        answers,
        live: ui::Hub::default(),
        status: about.status,
        api: about.api,
        metrics: about.metrics,
    }
}

/// Grafana's address and the uid of Tempo in it; one without the other leads nowhere.
pub(super) fn grafana(config: &Config) -> Option<Grafana> {
    let config::Ui { grafana_url, grafana_datasource_uid } = &config.ui;
    let is_known = !grafana_url.is_empty() && !grafana_datasource_uid.is_empty();
    is_known.then(|| Grafana { url: grafana_url.trim_end_matches('/').to_owned(), datasource_uid: grafana_datasource_uid.clone() })
}

/// The Tempo that pages ask for whole spans.
struct AskedTempo {
    client: QueryClient,
    searching: QueryClient,
    /// `None` where somebody else feeds that Tempo.
    forwarding: Option<Status>,
}

impl TraceSource for AskedTempo {
    fn trace(&self, tenant: &Tenant, trace: TraceId) -> BoxFuture<'_, Result<Option<bytes::Bytes>, String>> {
        let tenant = tenant.clone();
        Box::pin(async move { self.client.trace(&tenant, trace).await.map_err(|error| error.to_string()) })
    }

    fn names(&self, tenant: &Tenant, time: Seconds) -> BoxFuture<'_, Result<Names, Unanswered>> {
        let tenant = tenant.clone();
        Box::pin(async move {
            let Tags { of_spans, of_events } = self.searching.tags(&tenant, window(time)).await.map_err(unanswered)?;
            Ok(Names { of_spans, of_events })
        })
    }

    fn search_said(&self, tenant: &Tenant, wanted: Wanted) -> BoxFuture<'_, Result<Vec<SpanTexts>, Unanswered>> {
        let tenant = tenant.clone();
        Box::pin(async move {
            let Wanted { phrase, time, in_spans, in_events, shown, max_traces } = wanted;
            let Some(traceql) = (SaidQuery { phrase, in_spans, in_events, shown }).traceql() else { return Ok(Vec::new()) };
            let found = self.searching.search(&tenant, &traceql, window(time), max_traces, SEARCH_SPANS).await.map_err(unanswered)?;
            let spans = found.into_iter().flat_map(|found| found.spans.into_iter().map(move |span| texts(found.trace, span)));
            Ok(spans.collect())
        })
    }

    fn lag_bytes(&self) -> u64 {
        self.forwarding.as_ref().map_or(0, Status::lag_bytes)
    }
}

fn window(time: Seconds) -> Window {
    Window { start: time.from, end: time.until }
}

fn texts(trace: TraceId, found: FoundSpan) -> SpanTexts {
    let texts = found.attributes.into_iter().filter_map(|(key, value)| match value {
        Attribute::Text(text) => Some((key, text)),
        _ => None,
    });
    SpanTexts { trace, span: found.span, texts: texts.collect() }
}

fn unanswered(error: QueryError) -> Unanswered {
    match error {
        QueryError::TooLarge(_) | QueryError::TooLong(_) => Unanswered::TooMuch,
        error if error.is_slow() => Unanswered::Slow,
        error => Unanswered::Failed(error.to_string()),
    }
}

pub(super) fn trace_source(config: &Config, forwarding: Option<Status>) -> Result<Option<Arc<dyn TraceSource>>, String> {
    let Some(client) = query_client(config)? else { return Ok(None) };
    let searching = client.patient(SEARCH_TIMEOUT);
    Ok(Some(Arc::new(AskedTempo { client, searching, forwarding })))
}

/// As the forwarder says whose spans they are, so does who asks for them.
pub(super) fn query_client(config: &Config) -> Result<Option<QueryClient>, String> {
    patient_query_client(config, QUERY_TIMEOUT)
}

/// The same for one who has more time.
pub(super) fn patient_query_client(config: &Config, timeout: Duration) -> Result<Option<QueryClient>, String> {
    let forward = &config.forward;
    if forward.tempo_query.is_empty() {
        return Ok(None);
    }
    let options = QueryOptions {
        url: forward.tempo_query.clone(),
        ca: tempo_ca(config).map(Path::to_owned),
        headers: forward.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        send_tenant: forward.send_tenant || config.auth.is_on(),
        timeout,
    };
    QueryClient::new(&options).map(Some).map_err(|error| format!("--tempo-query: {error}"))
}
