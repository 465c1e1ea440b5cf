//! `sessionfold key`: makes keys, and hashes those that there are.

use std::io::Read;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};

use super::{fail, print_line, refuse};
use crate::auth::hash::{KeyHash, new_key};
use crate::auth::{KEY_MAX_BYTES, STRONG_KEY_MIN_BYTES, is_well_formed};
use crate::model::ids::Tenant;

#[derive(Debug, Args)]
pub(super) struct KeyArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make a key: print it once, and the entry with its hash, which is all that the server needs.
    New(Entry),
    /// Read a key from standard input, and print the entry with its hash.
    Hash(Entry),
}

/// What stands beside the hash.
#[derive(Debug, Args)]
struct Entry {
    /// Whose data the key sends or reads
    #[arg(long, value_name = "NAME", default_value = Tenant::DEFAULT, value_parser = tenant)]
    tenant: String,
    /// What it may do
    #[arg(long, value_name = "RIGHTS", value_delimiter = ',', default_values = ["ingest", "read"])]
    rights: Vec<Right>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Right {
    Ingest,
    Read,
}

pub(super) fn run(args: &KeyArgs) -> ExitCode {
    match &args.what {
        What::New(entry) => match new_key() {
            Ok(key) => {
                print_line("# The key. It is shown this once: give it to whoever sends or reads.");
                print_line(&key);
                print_line("# What the server needs, for auth.keys or the keys of auth.keys_file:");
                print_line(&entry.line(&key));
                ExitCode::SUCCESS
            }
            Err(error) => fail(&format!("the system provides no random numbers: {error}")),
        },
        What::Hash(entry) => match read_key(std::io::stdin()) {
            Ok(key) => {
                print_line(&entry.line(&key));
                ExitCode::SUCCESS
            }
            Err(problem) => refuse(&problem),
        },
    }
}

/// The one line that `input` holds.
fn read_key(input: impl Read) -> Result<String, String> {
    let mut text = String::new();
    let limit = KEY_MAX_BYTES as u64 + 3;
    input.take(limit).read_to_string(&mut text).map_err(|error| format!("cannot read a key from standard input: {error}"))?;
    let key = text.trim_end_matches(['\r', '\n']);
    if (1..STRONG_KEY_MIN_BYTES).contains(&key.len()) {
        return Err(format!(
            "a key of {} characters is not hashed: whoever gets the hash could guess it. Use one of at least {STRONG_KEY_MIN_BYTES} random \
             characters; `sessionfold key new` makes one",
            key.len()
        ));
    }
    if !is_well_formed(key) {
        return Err(format!(
            "what came on standard input is no key: expected one line of at most {KEY_MAX_BYTES} visible ASCII characters"
        ));
    }
    Ok(key.to_owned())
}

fn tenant(text: &str) -> Result<String, String> {
    Tenant::new(text).map(|_| text.to_owned()).ok_or_else(|| "expected 1 to 150 of letters, digits, '_', '-' and '.'".into())
}

// === impl Entry ===

impl Entry {
    /// As it stands in the configuration.
    fn line(&self, key: &str) -> String {
        let rights = |right: &Right| match right {
            Right::Ingest => "\"ingest\"",
            Right::Read => "\"read\"",
        };
        let rights = self.rights.iter().map(rights).collect::<Vec<_>>().join(", ");
        format!("{{ hash = \"{}\", tenant = \"{}\", rights = [{rights}] }}", KeyHash::of(key.as_bytes()), self.tenant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_of_enough_characters_is_a_key() {
        assert_eq!(read_key(&b"wax_sk_0123456789abcdef\r\n"[..]), Ok("wax_sk_0123456789abcdef".into()));
        for bad in ["", "\n", "short", "nineteen-characters", "wax_sk_0123456789 abcdef", "wax_sk_0123456789\nabcdef", &"x".repeat(300)] {
            assert!(read_key(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_entry_is_one_that_the_configuration_takes() {
        let entry = Entry { tenant: "acme".into(), rights: vec![Right::Read] };
        let keys = format!("[{}]", entry.line("wax_sk_0123456789abcdef"));
        let config = crate::config::load(None, &[("SESSIONFOLD_AUTH_KEYS".into(), keys)]).unwrap();
        assert_eq!((config.auth.keys[0].tenant.as_str(), config.auth.keys[0].rights.len()), ("acme", 1));
        assert!(config.auth.keys[0].hash.as_ref().unwrap().starts_with("sha256:"));
    }
}
