//! Layer 7: every setting, where it may come from, and what is wrong with it.
//!
//! Later wins: defaults, the file, the environment (`SESSIONFOLD_<SECTION>_<KEY>`), flags.
//! `config/sessionfold.toml` shows every key with its default, unit and reason; a test keeps the two equal.

mod keys;
mod listen;
mod load;
mod units;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::conventions;

pub use self::keys::read_keys;
pub use self::listen::Listen;
pub use self::load::{ConfigError, UnknownVariable, environment, load, unknown_environment};
pub use self::units::{Age, Size};

/// All settings. Plain data: nothing is bound or opened by reading it.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub server: Server,
    pub limits: Limits,
    pub journal: Journal,
    pub fold: Fold,
    pub conventions: Conventions,
    pub agents: Agents,
    pub prices: Prices,
    pub retention: Retention,
    pub forward: Forward,
    pub auth: Auth,
    pub ui: Ui,
    pub log: Log,
}

/// Where it listens and keeps its data.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// OTLP gRPC (HTTP is told apart and works too).
    pub otlp_grpc: Listen,
    /// OTLP HTTP (gRPC is told apart and works too).
    pub otlp_http: Listen,
    /// API, UI, SDK path, `/v1/*` and `/metrics`.
    pub http: Listen,
    pub data_dir: PathBuf,
    /// The address clients use, where a proxy stands before it; empty: links are relative.
    pub public_url: String,
    /// Names beside loopback's and `public_url`'s under which it may be asked. Checked on loopback without keys, and wherever it is set.
    pub allowed_hosts: Vec<String>,
    /// Origins of pages that may send traces from a browser, such as `https://app.example.org`, or `*`; empty: none.
    pub cors_origins: Vec<String>,
    /// A PEM file with the certificate and those between it and its root; empty: no TLS.
    pub tls_cert: PathBuf,
    /// A PEM file with the certificate's private key.
    pub tls_key: PathBuf,
    /// A PEM file of those who may sign clients' certificates; with it every client needs one.
    pub tls_client_ca: PathBuf,
    /// Listen beyond loopback without keys.
    pub allow_anonymous: bool,
    /// How long a stop may take to finish requests and forward what it can.
    pub drain_timeout: Age,
    /// Open connections on one port; more wait in the kernel.
    pub max_connections: usize,
}

/// What is refused, and when.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// All memory beside the index; 0: half of what the cgroup or the machine has, at most 2 GiB.
    pub max_memory: Size,
    /// One OTLP request, decompressed.
    pub max_request_bytes: Size,
    /// All OTLP requests being received at one time.
    pub max_inflight_bytes: Size,
    /// Nesting of attribute values.
    pub max_attribute_depth: u32,
    /// Spans of one trace that are folded.
    pub max_trace_spans: usize,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Journal {
    /// Most it may hold on disk; 0: the smaller of 8 GiB and half the free space.
    pub max_bytes: Size,
    /// A segment file is closed at this size.
    pub segment_bytes: Size,
    /// Recent records kept in memory for the fold and the forwarder.
    pub tail_bytes: Size,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fold {
    /// A run without an end and without a sign of life for this long shows as `timeout`.
    pub run_timeout: Age,
    /// A trace leaves memory after this time without a span.
    pub open_trace_idle: Age,
    /// Traces leave memory earlier while they take more than this.
    pub open_trace_bytes: Size,
    /// A checkpoint of the index is written this often while anything changes.
    pub checkpoint_interval: Age,
    /// Spans are refused that would stay invisible for longer than this.
    pub max_lag: Age,
}

/// Which attributes name sessions, users and agents; docs/conventions.md lists what is read besides.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Conventions {
    /// Keys of your own that name a session; they come before those below unless these name them.
    pub session_keys: Vec<String>,
    /// Keys of your own that name a user.
    pub user_keys: Vec<String>,
    /// Keys of your own that name an agent.
    pub agent_keys: Vec<String>,
    /// Keys that an application sets, the first before the second: they hold for all spans below.
    pub strong_session_keys: Vec<String>,
    /// Keys that a framework may fill by itself: they name a session only where no other is in effect.
    pub weak_session_keys: Vec<String>,
    /// How the names of scopes begin whose input tokens leave out cached ones.
    pub input_without_cache: Vec<String>,
    /// Keep the beginning of what was asked, at most 160 bytes of a run, and show it in lists.
    pub keep_questions: bool,
}

/// What is kept of what coding agents tell in their logs.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Agents {
    /// Keep prompts, answers, and what tools were given and gave back, where an agent sends them.
    pub keep_content: bool,
}

/// What calls cost that state no cost.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Prices {
    /// A file of prices that go before the embedded table; empty: none.
    pub overrides: PathBuf,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Sessions without activity for this long are removed, whole; 0s: never.
    pub max_age: Age,
    /// The oldest sessions are removed while the index database holds more; 0: no cap.
    pub max_index_bytes: Size,
    /// Without a Tempo, raw requests stay in the journal this long.
    pub raw_max_age: Age,
    /// Without a Tempo, raw requests in the journal take at most this.
    pub raw_max_bytes: Size,
}

/// What Tempo gets, and how.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Forward {
    /// Tempo's OTLP gRPC address; empty: nothing is forwarded.
    pub tempo: String,
    /// Tempo's HTTP API; empty: not used.
    pub tempo_query: String,
    /// A PEM file of those who sign Tempo's certificates, for both its addresses; empty: whom the system trusts.
    pub tempo_ca: PathBuf,
    /// Headers sent with every request, for instance `Authorization`.
    pub headers: BTreeMap<String, String>,
    /// Send the tenant as `X-Scope-OrgID`. Without it only where authentication is on.
    pub send_tenant: bool,
    /// One request to Tempo, at most; grpc-go servers refuse more than 4 MiB.
    pub max_batch_bytes: Size,
    /// A request without an answer for this long has failed.
    pub timeout: Age,
    /// Compress requests to Tempo with gzip.
    pub gzip: bool,
    /// Stamp the spans of runs; without it the very bytes that came are forwarded.
    pub stamp: bool,
    /// How long a trace may be held until it has settled.
    pub hold: Age,
    /// Held spans in memory; beyond it the oldest leave as they are.
    pub max_held_bytes: Size,
    /// Tell Tempo what changed after it was sent, on spans of our own.
    pub corrections: bool,
}

/// Where the pages lead to.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ui {
    /// The Grafana that users reach; empty: pages have no links to it.
    pub grafana_url: String,
    /// The uid of Tempo among Grafana's data sources; empty: pages have no links to it.
    pub grafana_datasource_uid: String,
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    pub keys: Vec<Key>,
    /// A TOML file with more `keys`, read again when it changes; empty: none.
    pub keys_file: PathBuf,
}

/// One key: whoever presents it is `tenant` and may do what `rights` say.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The key itself, or else its hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// `sha256:` and 64 hexadecimal digits, as `sessionfold key new` and `key hash` print them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    #[serde(default = "default_tenant")]
    pub tenant: String,
    #[serde(default = "all_rights")]
    pub rights: Vec<Right>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    Ingest,
    Read,
}

impl Auth {
    /// Whether anybody needs a key.
    pub fn is_on(&self) -> bool {
        !self.keys.is_empty() || !self.keys_file.as_os_str().is_empty()
    }
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives such as `info,sessionfold::tempo=debug`.
    pub level: String,
    pub format: LogFormat,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

// === defaults ===

impl Conventions {
    /// # Errors
    /// The first entry that cannot be used, by its setting.
    pub fn read(&self) -> Result<conventions::Conventions, conventions::SettingsError> {
        conventions::Conventions::new(&conventions::Settings {
            session_keys: &self.session_keys,
            user_keys: &self.user_keys,
            agent_keys: &self.agent_keys,
            strong_session_keys: &self.strong_session_keys,
            weak_session_keys: &self.weak_session_keys,
            input_without_cache: &self.input_without_cache,
            keep_questions: self.keep_questions,
        })
    }
}

impl Default for Conventions {
    fn default() -> Self {
        Self {
            session_keys: Vec::new(),
            user_keys: Vec::new(),
            agent_keys: Vec::new(),
            strong_session_keys: conventions::session_keys(false),
            weak_session_keys: conventions::session_keys(true),
            input_without_cache: conventions::input_without_cache(),
            keep_questions: true,
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            otlp_grpc: Listen::loopback(4317),
            otlp_http: Listen::loopback(4318),
            http: Listen::loopback(8080),
            data_dir: "./data".into(),
            public_url: String::new(),
            allowed_hosts: Vec::new(),
            cors_origins: Vec::new(),
            tls_cert: PathBuf::new(),
            tls_key: PathBuf::new(),
            tls_client_ca: PathBuf::new(),
            allow_anonymous: false,
            drain_timeout: Age::secs(10),
            max_connections: 4096,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_memory: Size::mib(0),
            max_request_bytes: Size::mib(32),
            max_inflight_bytes: Size::mib(256),
            max_attribute_depth: 64,
            max_trace_spans: 50_000,
        }
    }
}

impl Default for Journal {
    fn default() -> Self {
        Self { max_bytes: Size::mib(0), segment_bytes: Size::mib(64), tail_bytes: Size::mib(32) }
    }
}

impl Default for Fold {
    fn default() -> Self {
        Self {
            run_timeout: Age::secs(24 * 3600),
            open_trace_idle: Age::secs(60),
            open_trace_bytes: Size::mib(256),
            checkpoint_interval: Age::secs(15),
            max_lag: Age::secs(60),
        }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            max_age: Age::secs(30 * 24 * 3600),
            max_index_bytes: Size::mib(0),
            raw_max_age: Age::secs(24 * 3600),
            raw_max_bytes: Size::mib(1024),
        }
    }
}

impl Default for Forward {
    fn default() -> Self {
        Self {
            tempo: String::new(),
            tempo_query: String::new(),
            tempo_ca: PathBuf::new(),
            headers: BTreeMap::new(),
            send_tenant: false,
            max_batch_bytes: Size::kib(3584),
            timeout: Age::secs(15),
            gzip: false,
            stamp: true,
            hold: Age::secs(5),
            max_held_bytes: Size::mib(64),
            corrections: true,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".into(), format: LogFormat::Text }
    }
}

fn default_tenant() -> String {
    crate::model::ids::Tenant::DEFAULT.into()
}

fn all_rights() -> Vec<Right> {
    vec![Right::Ingest, Right::Read]
}

impl Config {
    /// The effective settings as TOML, with keys and header values hidden: for `--print-config`.
    pub fn to_redacted_toml(&self) -> String {
        let mut shown = self.clone();
        for key in &mut shown.auth.keys {
            key.key = key.key.as_ref().map(|_| "<hidden>".into());
            key.hash = key.hash.as_ref().map(|_| "<hidden>".into());
        }
        for value in shown.forward.headers.values_mut() {
            *value = "<hidden>".into();
        }
        toml::to_string(&shown).unwrap_or_else(|error| format!("# the settings cannot be shown: {error}\n"))
    }
}
