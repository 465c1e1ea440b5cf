//! Reading settings from a file and the environment, with errors that name the key, the file and the line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

use super::{Config, Key};
use crate::model::ids::Tenant;

/// What every variable of ours begins with.
const PREFIX: &str = "SESSIONFOLD_";
/// Variables that are flags of their own (`KEY` of `demo`), not keys of a section.
const FLAG_VARIABLES: [&str; 10] =
    ["KEY", "CA", "CONFIG", "DATA_DIR", "OTLP_GRPC", "OTLP_HTTP", "HTTP", "TEMPO", "TEMPO_QUERY", "ALLOW_ANONYMOUS"];

/// Why the settings cannot be used; every text says where to look.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    /// The parser's text holds the line, the key and what was expected.
    #[error("{}: {message}", path.display())]
    File { path: PathBuf, message: String },
    #[error("environment variable {variable}={value:?}: {message}")]
    Variable { variable: String, value: String, message: String },
    /// Its value is not shown: it is, or may hold, a key.
    #[error("environment variable {variable}: {message}")]
    SecretVariable { variable: String, message: String },
    #[error("environment variable {variable} is not valid UTF-8")]
    NoText { variable: String },
    #[error("{0}")]
    Invalid(String),
}

/// What of the environment can be settings: text, and not empty, because compose files write `${TEMPO:-}`.
///
/// Other programs' variables may hold any bytes and are passed over; ours may not.
pub fn environment(variables: impl Iterator<Item = (OsString, OsString)>) -> Result<Vec<(String, String)>, ConfigError> {
    let mut texts = Vec::new();
    for (name, value) in variables {
        let Ok(name) = name.into_string() else { continue };
        match value.into_string() {
            Ok(value) if !value.is_empty() => texts.push((name, value)),
            // A path need not be text; the flags see to theirs.
            Err(_) if name.strip_prefix(PREFIX).is_some_and(|rest| !FLAG_VARIABLES.contains(&rest)) => {
                return Err(ConfigError::NoText { variable: name });
            }
            _ => {}
        }
    }
    Ok(texts)
}

/// Reads `file` if there is one, then lays the environment over it.
pub fn load(file: Option<&Path>, environment: &[(String, String)]) -> Result<Config, ConfigError> {
    let mut table = match file {
        None => Table::new(),
        Some(path) => read(path)?,
    };
    let known = Table::try_from(Config::default()).unwrap_or_default();
    for (name, text) in environment {
        let Some((section, key)) = name.strip_prefix(PREFIX).and_then(|rest| find_key(&known, rest)) else { continue };
        let default = &known[section][key];
        let failed = |message: String| match is_secret(section, key) {
            true => ConfigError::SecretVariable { variable: name.clone(), message: expectation(&message) },
            false => ConfigError::Variable { variable: name.clone(), value: text.clone(), message },
        };
        let value = parse_like(default, text).map_err(failed)?;
        let entry = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(keys) = entry {
            keys.insert(key.to_owned(), value);
        }
        Config::deserialize(table.clone()).map_err(|error| failed(error.message().to_owned()))?;
    }
    let config = Config::deserialize(table).map_err(|error| ConfigError::Invalid(error.message().to_owned()))?;
    validate(&config)?;
    Ok(config)
}

/// A variable that begins like ours and is none of them: most likely misspelled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnknownVariable {
    pub name: String,
    /// The variable that it resembles most, if it resembles any.
    pub nearest: Option<String>,
}

/// How alike two names must be to be taken for one another: from 0 to 1.
const ALIKE: f64 = 0.75;

/// Variables that begin like ours and are none.
pub fn unknown_environment(environment: &[(String, String)]) -> Vec<UnknownVariable> {
    let known = Table::try_from(Config::default()).unwrap_or_default();
    let of_sections = known.iter().flat_map(|(section, keys)| {
        let keys = keys.as_table().into_iter().flat_map(|keys| keys.keys());
        keys.map(move |key| format!("{section}_{key}").to_ascii_uppercase())
    });
    let variables: Vec<String> = of_sections.chain(FLAG_VARIABLES.map(str::to_owned)).collect();
    let names = environment.iter().filter_map(|(name, _)| Some((name, name.strip_prefix(PREFIX)?)));
    let unknown = names.filter(|(_, rest)| !variables.iter().any(|known| known == rest));
    unknown.map(|(name, rest)| UnknownVariable { name: name.clone(), nearest: nearest(rest, &variables) }).collect()
}

fn nearest(rest: &str, variables: &[String]) -> Option<String> {
    let rest = rest.to_ascii_uppercase();
    let alike = |known: &String| {
        // A key without its section is a likely slip, too.
        let key = known.split_once('_').map_or(known.as_str(), |(_, key)| key);
        strsim::normalized_damerau_levenshtein(&rest, known).max(0.99 * strsim::normalized_damerau_levenshtein(&rest, key))
    };
    let best = variables.iter().map(|known| (alike(known), known)).max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (best.0 >= ALIKE).then(|| format!("{PREFIX}{}", best.1))
}

impl std::fmt::Display for UnknownVariable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is not a setting and is ignored", self.name)?;
        match &self.nearest {
            Some(nearest) => write!(f, "; did you mean {nearest}?"),
            None => write!(f, "; config/sessionfold.toml shows every setting"),
        }
    }
}

/// Parses the file for itself first: then an error has the line it stands in.
fn read(path: &Path) -> Result<Table, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    let located = |error: toml::de::Error| ConfigError::File { path: path.to_owned(), message: explain(&text, &error, false) };
    let config = toml::from_str::<Config>(&text).map_err(located)?;
    if let Err(error) = config.conventions.read() {
        let n_line = line_of(&text, error.setting, &error.entry);
        return Err(ConfigError::File { path: path.to_owned(), message: format!("line {n_line}: {error}") });
    }
    toml::from_str(&text).map_err(located)
}

/// The line in which an entry of a list of section `conventions` stands.
fn line_of(text: &str, setting: &str, entry: &str) -> usize {
    let lines = || text.lines().enumerate().map(|(at, line)| (at + 1, line));
    let section = lines().find(|(_, line)| line.trim() == "[conventions]").map_or(1, |(n, _)| n);
    let list = lines().find(|(n, line)| *n >= section && line.trim_start().starts_with(setting)).map_or(section, |(n, _)| n);
    // Of an entry that is given twice, the second is the one too many.
    let in_list = lines().filter(|(n, _)| *n >= list).take_while(|(n, line)| *n == list || !line.trim_start().starts_with('['));
    let quoted = [format!("\"{entry}\""), format!("'{entry}'")];
    in_list.filter(|(_, line)| quoted.iter().any(|quoted| line.contains(quoted))).last().map_or(list, |(n, _)| n)
}

/// The parser's text, which quotes the line; beside a secret only where it is and what was expected there.
pub(super) fn explain(text: &str, error: &toml::de::Error, is_secret: bool) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or(text);
    let table = before.lines().rev().map(str::trim).find(|line| line.starts_with('[')).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = text[line_start..].lines().next().unwrap_or_default();
    // Rather a line too many than a key too many.
    if !is_secret && !["auth", "headers"].iter().any(|word| table.contains(word) || line.contains(word)) {
        return error.to_string().trim_end().to_owned();
    }
    let (n_line, n_column) = (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1);
    format!("line {n_line}, column {n_column}: {}", expectation(error.message()))
}

/// Keys, and headers that may be credentials.
fn is_secret(section: &str, key: &str) -> bool {
    section == "auth" || key == "headers"
}

/// What of a parser's message does not repeat what it found.
fn expectation(message: &str) -> String {
    message.rsplit_once(", expected ").map_or_else(|| "not readable".to_owned(), |(_, expected)| format!("expected {expected}"))
}

/// `FORWARD_MAX_BATCH_BYTES` is `max_batch_bytes` in `forward`.
fn find_key<'a>(known: &'a Table, variable: &str) -> Option<(&'a str, &'a str)> {
    known.iter().find_map(|(section, keys)| {
        let rest = variable.strip_prefix(&section.to_ascii_uppercase())?.strip_prefix('_')?;
        let (key, _) = keys.as_table()?.iter().find(|(key, _)| key.to_ascii_uppercase() == rest)?;
        Some((section.as_str(), key.as_str()))
    })
}

/// Reads the text as the type its key has.
fn parse_like(default: &Value, text: &str) -> Result<Value, String> {
    match default {
        Value::String(_) => Ok(Value::String(text.to_owned())),
        Value::Boolean(_) => match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(Value::Boolean(true)),
            "false" | "0" | "no" | "off" => Ok(Value::Boolean(false)),
            _ => Err("expected true or false".into()),
        },
        // Lists of names are what people write with commas; a list of tables begins with a bracket.
        Value::Array(_) if !text.trim_start().starts_with('[') => {
            let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
            Ok(Value::Array(names.map(|name| Value::String(name.to_owned())).collect()))
        }
        Value::Integer(_) => text.trim().parse().map(Value::Integer).map_err(|_| "expected a whole number".into()),
        _ => {
            let document: Table = toml::from_str(&format!("value = {text}")).map_err(|error| error.message().to_owned())?;
            document.get("value").cloned().ok_or_else(|| "expected a TOML value".into())
        }
    }
}

/// What types cannot say.
fn validate(config: &Config) -> Result<(), ConfigError> {
    let invalid = |text: String| Err(ConfigError::Invalid(text));
    config.conventions.read().map_err(|error| ConfigError::Invalid(error.to_string()))?;
    validate_keys(&config.auth.keys).map_err(|problem| ConfigError::Invalid(format!("auth.keys: {problem}")))?;
    let server = &config.server;
    if server.tls_cert.as_os_str().is_empty() != server.tls_key.as_os_str().is_empty() {
        return invalid("server.tls_cert and server.tls_key belong together: set both, or neither".into());
    }
    if !server.tls_client_ca.as_os_str().is_empty() && server.tls_cert.as_os_str().is_empty() {
        return invalid("server.tls_client_ca asks clients for certificates, which needs server.tls_cert and server.tls_key too".into());
    }
    let limits = &config.limits;
    if limits.max_request_bytes.0 == 0 || limits.max_inflight_bytes < limits.max_request_bytes {
        return invalid("limits.max_inflight_bytes must be at least limits.max_request_bytes, and both more than 0".into());
    }
    if limits.max_attribute_depth == 0 || limits.max_attribute_depth > 100 {
        return invalid(format!("limits.max_attribute_depth is {}; allowed are 1 to 100", limits.max_attribute_depth));
    }
    if config.journal.segment_bytes.0 < 1 << 16 {
        return invalid("journal.segment_bytes must be at least 64KiB".into());
    }
    if config.journal.max_bytes.0 != 0 && config.journal.max_bytes.0 < 2 * config.journal.segment_bytes.0 {
        return invalid("journal.max_bytes must be 0 (automatic) or at least twice journal.segment_bytes".into());
    }
    if config.fold.checkpoint_interval.0.is_zero() {
        return invalid("fold.checkpoint_interval must be more than 0s".into());
    }
    Ok(())
}

/// What is wrong with a list of keys. No key is shown, and no hash, where somebody may have written a key.
pub(super) fn validate_keys(keys: &[Key]) -> Result<(), String> {
    for (position, key) in keys.iter().enumerate() {
        let n = position + 1;
        match (&key.key, &key.hash) {
            (Some(key), None) if key.len() < 8 => return Err(format!("key number {n} is shorter than 8 characters")),
            (Some(_), None) | (None, Some(_)) => {}
            (None, None) => return Err(format!("key number {n} has neither `key` nor `hash`")),
            (Some(_), Some(_)) => return Err(format!("key number {n} has both `key` and `hash`: keep one")),
        }
        if Tenant::new(&key.tenant).is_none() {
            let allowed = "1 to 150 of letters, digits, '_', '-' and '.'";
            return Err(format!("the tenant of key number {n} is {:?}; allowed are {allowed}", key.tenant));
        }
        if key.rights.is_empty() {
            return Err(format!("key number {n} has no rights; allowed are \"ingest\" and \"read\""));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Age, Size};

    fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sessionfold.toml");
        std::fs::write(&path, text).unwrap();
        (dir, path)
    }

    #[test]
    fn the_shipped_file_shows_every_key_with_its_default() {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/sessionfold.toml");
        assert_eq!(load(Some(&shipped), &[]).unwrap(), Config::default());
        let shown: Table = toml::from_str(&std::fs::read_to_string(&shipped).unwrap()).unwrap();
        for (section, keys) in Table::try_from(Config::default()).unwrap() {
            for key in keys.as_table().unwrap().keys() {
                assert!(shown[&section].as_table().unwrap().contains_key(key), "{section}.{key} is not in config/sessionfold.toml");
            }
        }
    }

    #[test]
    fn the_environment_wins_over_the_file_and_the_file_over_defaults() {
        let (_dir, path) = file("[retention]\nmax_age = \"7d\"\n[forward]\ngzip = true\n");
        let config =
            load(Some(&path), &env(&[("SESSIONFOLD_RETENTION_MAX_AGE", "2h"), ("SESSIONFOLD_JOURNAL_MAX_BYTES", "1GiB")])).unwrap();
        assert_eq!(config.retention.max_age, Age::secs(7200));
        assert_eq!(config.journal.max_bytes, Size::mib(1024));
        assert!(config.forward.gzip);
        assert_eq!(config.limits, Config::default().limits);
    }

    #[test]
    fn an_entry_of_the_conventions_that_cannot_be_meant_is_refused_with_setting_and_line() {
        let text = "[conventions]\nsession_keys = [\n    \"acme.chat\",\n    \"session.id\",\n]\n";
        let (_dir, path) = file(text);
        let error = load(Some(&path), &[]).unwrap_err().to_string();
        assert!(error.contains("line 4: conventions.session_keys: \"session.id\" is read already"), "{error}");
        let error = load(None, &env(&[("SESSIONFOLD_CONVENTIONS_USER_KEYS", "acme.who,acme.who")])).unwrap_err().to_string();
        assert!(error.contains("conventions.user_keys: \"acme.who\" is given twice"), "{error}");
        let config = load(None, &env(&[("SESSIONFOLD_CONVENTIONS_SESSION_KEYS", "acme.chat, acme.talk")])).unwrap();
        assert_eq!(config.conventions.session_keys, ["acme.chat", "acme.talk"]);
    }

    #[test]
    fn an_unknown_key_is_refused_with_key_file_and_line() {
        let (_dir, path) = file("[server]\n\n[forward]\ntemppo = \"x\"\n");
        let error = load(Some(&path), &[]).unwrap_err().to_string();
        assert!(error.contains("temppo") && error.contains("line 4") && error.contains("sessionfold.toml"), "{error}");
    }

    #[test]
    fn a_bad_value_is_refused_with_its_place_and_what_is_allowed() {
        let (_dir, path) = file("[retention]\nmax_age = \"soon\"\n");
        let error = load(Some(&path), &[]).unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("soon") && error.contains("30d"), "{error}");

        let error = load(None, &env(&[("SESSIONFOLD_FORWARD_GZIP", "maybe")])).unwrap_err().to_string();
        assert!(error.contains("SESSIONFOLD_FORWARD_GZIP") && error.contains("maybe"), "{error}");

        let error = load(None, &env(&[("SESSIONFOLD_LIMITS_MAX_REQUEST_BYTES", "-1")])).unwrap_err().to_string();
        assert!(error.contains("SESSIONFOLD_LIMITS_MAX_REQUEST_BYTES"), "{error}");
    }

    #[test]
    fn keys_come_from_the_environment_too_and_are_never_shown() {
        let keys = "[{ key = \"wax_sk_12345678\", tenant = \"acme\", rights = [\"read\"] }]";
        let config = load(None, &env(&[("SESSIONFOLD_AUTH_KEYS", keys)])).unwrap();
        assert_eq!(config.auth.keys[0].tenant, "acme");
        assert!(!config.to_redacted_toml().contains("wax_sk"));
    }

    #[test]
    fn a_list_in_the_environment_may_be_written_with_commas() {
        let config = load(
            None,
            &env(&[("SESSIONFOLD_SERVER_ALLOWED_HOSTS", "box, fold.example ,"), ("SESSIONFOLD_SERVER_CORS_ORIGINS", "[\"*\"]")]),
        );
        let server = config.unwrap().server;
        assert_eq!((server.allowed_hosts, server.cors_origins), (vec!["box".to_owned(), "fold.example".into()], vec!["*".to_owned()]));
    }

    #[test]
    fn a_certificate_without_its_key_is_refused() {
        for variable in ["SESSIONFOLD_SERVER_TLS_CERT", "SESSIONFOLD_SERVER_TLS_KEY", "SESSIONFOLD_SERVER_TLS_CLIENT_CA"] {
            assert!(load(None, &env(&[(variable, "x.pem")])).unwrap_err().to_string().contains("server.tls_"), "{variable}");
        }
    }

    #[test]
    fn a_misspelled_variable_is_noticed_with_the_one_that_was_meant() {
        let meant = |name: &str| {
            let unknown = unknown_environment(&env(&[(name, "1"), ("SESSIONFOLD_TEMPO", "x"), ("HOME", "/")]));
            assert_eq!(unknown.len(), 1, "{name}: {unknown:?}");
            assert!(unknown[0].to_string().starts_with(&format!("{name} is not a setting")), "{}", unknown[0]);
            unknown[0].nearest.clone().unwrap_or_default()
        };
        for (name, nearest) in [
            ("SESSIONFOLD_FORWARD_GZIPP", "SESSIONFOLD_FORWARD_GZIP"),
            ("SESSIONFOLD_RETENTION_MAXAGE", "SESSIONFOLD_RETENTION_MAX_AGE"),
            ("SESSIONFOLD_DATADIR", "SESSIONFOLD_DATA_DIR"),
            ("SESSIONFOLD_OTLP_GPRC", "SESSIONFOLD_OTLP_GRPC"),
            ("SESSIONFOLD_PUBLIC_URL", "SESSIONFOLD_SERVER_PUBLIC_URL"),
            ("SESSIONFOLD_log_format", "SESSIONFOLD_LOG_FORMAT"),
            ("SESSIONFOLD_WEATHER_IN_PORTO", ""),
        ] {
            assert_eq!(meant(name), nearest, "{name}");
        }
        assert_eq!(unknown_environment(&env(&[("SESSIONFOLD_SERVER_HTTP", "x"), ("SESSIONFOLD_HTTP", "x"), ("SESSION", "x")])), []);
    }
}
