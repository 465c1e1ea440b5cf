//! A journal in memory and a forwarder that reads it, for the tests of this directory.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use sessionfold::journal::Position;
use sessionfold::model::ids::{SessionId, Tenant};
use sessionfold::model::time::UnixNanos;
use sessionfold::model::via::Via;
use sessionfold::tempo::export::forwarder::{Ending, ForwardError, Forwarder, Status};
use sessionfold::tempo::export::source::{Source, SourceError, Sourced};
use sessionfold::tempo::metrics::ForwardMetrics;
use sessionfold::tempo::options::{BatchOptions, Options, RetryOptions};
use sessionfold::wire::format::entry::{Entry, Event};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The writing end of a journal in memory; positions are bytes.
pub(crate) struct Log {
    sender: mpsc::UnboundedSender<Sourced>,
    end: Arc<AtomicU64>,
}

/// Its reading end.
pub(crate) struct LogSource {
    receiver: mpsc::UnboundedReceiver<Sourced>,
    position: Position,
}

/// A running forwarder.
pub(crate) struct Bench {
    pub(crate) log: Log,
    pub(crate) status: Status,
    pub(crate) metrics: ForwardMetrics,
    /// Every position that was saved.
    pub(crate) saved: Arc<Mutex<Vec<Position>>>,
    shutdown: CancellationToken,
    running: tokio::task::JoinHandle<Result<Ending, ForwardError>>,
}

/// Options whose waits are short enough for tests.
pub(crate) fn quick(endpoint: &str) -> Options {
    let batch = BatchOptions { linger: Duration::from_millis(5), ..BatchOptions::default() };
    let retry = RetryOptions {
        connect_timeout: Duration::from_secs(2),
        request_timeout: Duration::from_secs(10),
        initial_backoff: Duration::from_millis(10),
        max_backoff: Duration::from_millis(60),
        ambiguous_wait: Duration::from_millis(600),
    };
    Options { batch, retry, save_interval: Duration::from_millis(5), ..Options::new(endpoint, "test-instance") }
}

/// An encoded request with spans of these numbers, each a trace of its own.
pub(crate) fn request(numbers: Range<u64>) -> Bytes {
    padded_request(numbers, 0)
}

/// The same with names of `name_bytes`.
pub(crate) fn padded_request(numbers: Range<u64>, name_bytes: usize) -> Bytes {
    let span = |number: u64| Span {
        trace_id: u128::from(number).to_be_bytes().to_vec(),
        span_id: number.to_be_bytes().to_vec(),
        name: "n".repeat(name_bytes),
        ..Default::default()
    };
    let scope = ScopeSpans { spans: numbers.map(span).collect(), ..Default::default() };
    let resource = ResourceSpans { scope_spans: vec![scope], ..Default::default() };
    ExportTraceServiceRequest { resource_spans: vec![resource] }.encode_to_vec().into()
}

/// Returns once it is so.
pub(crate) async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), wait).await.is_ok(), "never: {what}");
}

// === impl Log ===

impl Log {
    pub(crate) fn new() -> (Self, LogSource) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self { sender, end: Arc::default() }, LogSource { receiver, position: Position(0) })
    }

    /// Appends spans of the default tenant; gives the end of the record.
    pub(crate) fn spans(&self, request: Bytes) -> Position {
        self.tenant_spans(&Tenant::default(), request)
    }

    pub(crate) fn tenant_spans(&self, tenant: &Tenant, request: Bytes) -> Position {
        let length = request.len() as u64;
        self.append(tenant.clone(), Event::Spans(request), length)
    }

    /// Makes the log as long as if the spans were there; they come with the call of what is returned, as from a disk that takes its time.
    pub(crate) fn late_spans(&self, request: Bytes) -> impl FnOnce() + use<> {
        let (sourced, sender) = (self.place(Tenant::default(), request.len() as u64, Event::Spans(request)), self.sender.clone());
        move || sender.send(sourced).unwrap()
    }

    pub(crate) fn deletion(&self) -> Position {
        self.append(Tenant::default(), Event::DeleteSession(SessionId::new("s").unwrap()), 1)
    }

    pub(crate) fn end(&self) -> Position {
        Position(self.end.load(Ordering::SeqCst))
    }

    fn append(&self, tenant: Tenant, event: Event, length: u64) -> Position {
        let sourced = self.place(tenant, length, event);
        let end = sourced.end;
        self.sender.send(sourced).unwrap();
        end
    }

    fn place(&self, tenant: Tenant, length: u64, event: Event) -> Sourced {
        let position = Position(self.end.fetch_add(length + 8, Ordering::SeqCst));
        let end = Position(position.0 + length + 8);
        Sourced { position, end, entry: Entry { tenant, received_at: UnixNanos(1), via: Via::default(), event } }
    }
}

impl Source for LogSource {
    fn position(&self) -> Position {
        self.position
    }

    async fn next(&mut self) -> Result<Option<Sourced>, SourceError> {
        let sourced = self.receiver.recv().await;
        if let Some(sourced) = &sourced {
            self.position = sourced.end;
        }
        Ok(sourced)
    }
}

// === impl Bench ===

impl Bench {
    pub(crate) async fn start(options: Options) -> Self {
        let (log, source) = Log::new();
        Self::start_with(options, log, source, |_| {}).await
    }

    /// `on_save` sees every position that is saved, as it is saved.
    pub(crate) async fn start_with(options: Options, log: Log, source: LogSource, on_save: impl Fn(Position) + Send + 'static) -> Self {
        let saved: Arc<Mutex<Vec<Position>>> = Arc::default();
        let save = {
            let saved = saved.clone();
            Box::new(move |position| {
                on_save(position);
                saved.lock().unwrap().push(position);
                Ok(())
            })
        };
        let metrics = ForwardMetrics::default();
        let end = log.end.clone();
        let log_end = Arc::new(move || Position(end.load(Ordering::SeqCst)));
        let forwarder = Forwarder::new(options, source, save, log_end, metrics.clone()).await.unwrap();
        let (status, shutdown) = (forwarder.status(), CancellationToken::new());
        let running = tokio::spawn(forwarder.run(shutdown.clone(), Duration::from_millis(300)));
        Self { log, status, metrics, saved, shutdown, running }
    }

    /// Returns once the position has reached `end`.
    pub(crate) async fn forwarded(&self, end: Position) {
        eventually("everything is forwarded", || self.status.forwarded_position() >= end).await;
        assert_eq!(self.status.forwarded_position(), end);
    }

    pub(crate) fn begin_shutdown(&self) {
        self.shutdown.cancel();
    }

    pub(crate) async fn stop(self) -> Ending {
        self.begin_shutdown();
        let ending = self.running.await.unwrap().unwrap();
        let saved = self.saved.lock().unwrap();
        assert!(saved.is_sorted(), "positions went back: {saved:?}");
        assert_eq!(saved.last().copied().unwrap_or_default(), ending.position, "the last position was not saved");
        ending
    }
}
