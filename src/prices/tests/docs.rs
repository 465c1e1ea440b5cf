//! `docs/prices.md` holds the words as they are in the code.
//!
//! `SESSIONFOLD_BLESS=1 cargo test prices` writes them anew.

use std::fmt::Write;

use crate::prices::Prices;
use crate::prices::provider::{ALIASES, APIS, Means};
use crate::prices::resolve::{MAKERS, Names};
use crate::prices::table::Table;

const BEGIN: &str = "<!-- words: begin (made from the code by a test) -->\n";
const END: &str = "<!-- words: end -->";

#[test]
fn the_document_shows_the_words_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/prices.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (head, rest) = text.split_once(BEGIN).expect("the document marks where the words begin");
    let (shown, tail) = rest.split_once(END).expect("the document marks where the words end");
    let words = render();
    if std::env::var_os("SESSIONFOLD_BLESS").is_some() {
        std::fs::write(path, format!("{head}{BEGIN}{words}{END}{tail}")).unwrap();
        return;
    }
    assert_eq!(shown, words, "run the test with SESSIONFOLD_BLESS=1 to write the words anew");
}

#[test]
fn the_licence_of_the_table_is_named_with_its_version() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/THIRD_PARTY.md")).unwrap();
    let head = &Table::embedded().head;
    for word in [&head.source, &head.version, &head.licence, &head.taken] {
        assert!(text.contains(word.as_str()), "THIRD_PARTY.md does not say {word}");
    }
}

fn render() -> String {
    let mut out = String::new();
    let table = Table::embedded();
    let n_models: usize = table.providers.iter().map(|provider| provider.n_models()).sum();
    writeln!(out, "The table is {}: {} providers, {n_models} models.\n", Prices::table_name(), table.providers.len()).unwrap();
    let ids: Vec<String> = table.providers.iter().map(|provider| format!("`{}`", provider.id)).collect();
    writeln!(out, "Providers: {}.\n", ids.join(", ")).unwrap();

    out.push_str("| word | means |\n|---|---|\n");
    let mut meanings: Vec<Means> = Vec::new();
    for (_, means) in ALIASES {
        if meanings.contains(means) {
            continue;
        }
        meanings.push(*means);
        let words: Vec<String> = ALIASES.iter().filter(|(_, other)| other == means).map(|(word, _)| shown(word)).collect();
        let meaning = match means {
            Means::Nobody => "nobody is named".to_owned(),
            Means::Gateway => "a gateway: the provider stands before the model".to_owned(),
            Means::Provider(id) => format!("`{id}`"),
        };
        writeln!(out, "| {} | {meaning} |", words.join(", ")).unwrap();
    }
    let apis: Vec<String> = APIS.iter().map(|api| format!("`.{api}`")).collect();
    writeln!(out, "\nCut off the end of a word first: {}.\n", apis.join(", ")).unwrap();

    out.push_str("| maker | names that have a price where nobody is named |\n|---|---|\n");
    for maker in MAKERS {
        let names = match maker.names {
            Names::All => "each exact name".to_owned(),
            Names::StartingWith(start) => format!("exact names that begin with `{start}`"),
            Names::Versioned => "exact names with `-latest` or a date at the end".to_owned(),
            Names::Only(names) => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
        };
        writeln!(out, "| `{}` | {names} |", maker.provider).unwrap();
    }
    out
}

fn shown(word: &str) -> String {
    if word.is_empty() { "nothing at all".to_owned() } else { format!("`{word}`") }
}
