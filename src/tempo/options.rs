//! What the user and the assembly decide about forwarding.
//!
//! - Plain data: nothing is checked here; `Forwarder::new` refuses what cannot work, before anything is sent.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::query::QueryClient;
use crate::journal::Position;

/// Everything the forwarder needs to know; [`Options::new`] has the defaults.
#[derive(Clone, Debug)]
pub struct Options {
    /// Tempo's OTLP gRPC receiver: `host:port`, `http://host:port` or `https://host:port`.
    pub endpoint: String,
    /// A PEM file of those who sign its certificate; `None`: whom the system trusts.
    pub ca: Option<PathBuf>,
    /// Metadata sent with every export, for instance `Authorization`.
    pub headers: Vec<(String, String)>,
    /// The metadata key that names the tenant to Tempo; `None` sends every tenant's spans as one. The tenant `default` is never named: whoever
    /// needs it named puts the key into `headers`.
    pub tenant_header: Option<String>,
    /// Compress requests. Off by default: beside Tempo the network is cheaper than the CPU.
    pub gzip: bool,
    pub batch: BatchOptions,
    pub retry: RetryOptions,
    /// Bytes of spans in memory, over all tenants, that were read from the journal and are not yet taken by Tempo. At least two batches.
    pub max_pending_bytes: usize,
    /// How often at most the position is saved (default 25 ms: a note without an fsync is enough). What was sent since the last save is sent again
    /// after a crash.
    pub save_interval: Duration,
    /// What may have been sent by a process before this one: every entry below the journal's end at start. It waits for
    /// [`RetryOptions::ambiguous_wait`], like every other span that Tempo may have.
    pub in_doubt_below: Position,
    /// Where Tempo can be asked what it holds: then nothing is sent again that it has.
    pub query: Option<QueryClient>,
    pub ask: AskLimits,
    /// A tenant for which nothing came for so long costs nothing until something comes again.
    pub idle: Duration,
    /// The id that exports carry under [`super::INSTANCE_HEADER`].
    pub instance_id: String,
    /// The addresses this process listens on, which Tempo's must not be.
    pub own_addresses: Vec<SocketAddr>,
}

/// When a batch is full, and how long it waits to become so.
#[derive(Clone, Debug)]
pub struct BatchOptions {
    /// The largest request. Receivers built on grpc-go refuse messages above 4 MiB, so the default is 3.5 MiB.
    pub max_bytes: usize,
    /// A batch that is not full leaves this long after its first record was read, or as soon as the request before it is answered, whichever is
    /// later. 200 ms is what OpenTelemetry Collectors wait by default: Tempo's search shows nothing younger than five seconds anyway, and a
    /// thousand small requests a second become five.
    pub linger: Duration,
}

/// How long to wait for what.
#[derive(Clone, Debug)]
pub struct RetryOptions {
    pub connect_timeout: Duration,
    /// After this an unanswered request is given up, without knowing what became of it.
    pub request_timeout: Duration,
    /// The first wait after a failure that certainly stored nothing; it doubles each time up to `max_backoff`.
    pub initial_backoff: Duration,
    pub max_backoff: Duration,
    /// The wait before a request is repeated that Tempo may have stored. Copies of a span are merged by Tempo only when they come in different
    /// blocks, and a trace stays in one for at most 30 s (`max_trace_live`); hence 31 s.
    pub ambiguous_wait: Duration,
}

/// How much Tempo is asked before something is sent that it may have.
#[derive(Clone, Copy, Debug)]
pub struct AskLimits {
    /// Traces asked for before one batch, or one stretch of the journal, is sent.
    pub traces: usize,
    /// How long that may take while Tempo is there.
    pub time: Duration,
    /// Questions under way at one time, over all tenants.
    pub at_once: usize,
}

/// Saves a position where the next process finds it. Runs on a blocking thread; may sync.
pub type Save = Box<dyn FnMut(Position) -> io::Result<()> + Send>;

/// Gives the end of the journal.
pub type LogEnd = Arc<dyn Fn() -> Position + Send + Sync>;

// === impl Options ===

impl Options {
    /// The defaults, for a Tempo at `endpoint`.
    pub fn new(endpoint: &str, instance_id: &str) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            ca: None,
            headers: Vec::new(),
            tenant_header: Some("X-Scope-OrgID".to_owned()),
            gzip: false,
            batch: BatchOptions::default(),
            retry: RetryOptions::default(),
            max_pending_bytes: 16 << 20,
            save_interval: Duration::from_millis(25),
            in_doubt_below: Position(0),
            query: None,
            ask: AskLimits::default(),
            idle: Duration::from_secs(30),
            instance_id: instance_id.to_owned(),
            own_addresses: Vec::new(),
        }
    }
}

// === impl BatchOptions ===

impl Default for BatchOptions {
    fn default() -> Self {
        Self { max_bytes: 3_670_016, linger: Duration::from_millis(200) }
    }
}

// === impl RetryOptions ===

impl Default for RetryOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(30),
            initial_backoff: Duration::from_millis(500),
            max_backoff: Duration::from_secs(30),
            ambiguous_wait: Duration::from_secs(31),
        }
    }
}

// === impl AskLimits ===

impl Default for AskLimits {
    fn default() -> Self {
        Self { traces: 5_000, time: Duration::from_secs(60), at_once: 16 }
    }
}
