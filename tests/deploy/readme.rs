//! README is short, and leads everywhere.

use std::fs;

use super::{files, read, root};

/// A picture that is larger makes a slow page.
const PICTURE_MAX_BYTES: u64 = 150 * 1024;

#[test]
fn readme_can_be_read_at_a_sitting() {
    let n_lines = read("README.md").lines().count();
    assert!(n_lines < 170, "README has {n_lines} lines: what it says at length belongs into docs");
}

#[test]
fn every_page_of_the_docs_is_linked_from_readme() {
    let readme = read("README.md");
    let pages = files("docs", "md").into_iter().chain(files("docs", "yaml"));
    // Decisions have an index of their own.
    let pages = pages.filter(|page| !page.starts_with("docs/decisions") || page.ends_with("README.md"));
    let others = ["CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "LICENSE", "THIRD_PARTY.md", "examples/README.md"].map(Into::into);
    for page in pages.chain(others) {
        assert!(readme.contains(&format!("]({})", page.display())), "README does not lead to {}", page.display());
    }
}

/// What a fresh machine needs, in the order in which it helps: nothing is removed before anybody could look at it.
#[test]
fn the_first_minute_is_there_in_its_order() {
    let readme = read("README.md");
    let steps = [
        "cargo install --locked --path .",
        "$ sessionfold\n",
        "cargo run --release",
        "$ sessionfold demo",
        "Open <http",
        "demo --clean\nremoved",
        "$ .ci/run\n",
    ];
    let mut from = 0;
    for step in steps {
        let at = readme[from..].find(step).unwrap_or_else(|| panic!("{step:?} is missing, or comes too early"));
        from += at + step.len();
    }
}

#[test]
fn every_picture_is_small_shown_and_made_by_the_script() {
    let script = read("scripts/pictures.mjs");
    let pages: String = ["README.md", "docs/pages.md"].map(read).concat();
    let pictures = files("docs/images", "png");
    assert_eq!(fs::read_dir(root().join("docs/images")).unwrap().count(), pictures.len());
    for picture in &pictures {
        let size = fs::metadata(root().join(picture)).unwrap().len();
        let name = picture.file_stem().unwrap().to_str().unwrap();
        assert!(size <= PICTURE_MAX_BYTES, "{} has {size} bytes", picture.display());
        assert!(pages.contains(&format!("images/{name}.png")), "nothing shows {}", picture.display());
        assert!(script.contains(&format!("image(\"{name}\")")), "scripts/pictures does not make {}", picture.display());
    }
    assert_eq!(script.matches("image(\"").count(), pictures.len());
}

/// The cells of a comparison: what, and what of whom.
fn comparison(page: &str) -> Vec<(String, String, String)> {
    let text = read(page);
    let table: Vec<Vec<&str>> = text
        .lines()
        .skip_while(|line| !line.starts_with("| | sessionfold |"))
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let whom = &table[0];
    let cells = |row: &Vec<&str>| (1..row.len()).map(|n| (row[0].to_owned(), whom[n].to_owned(), row[n].to_owned())).collect::<Vec<_>>();
    table[2..].iter().flat_map(cells).collect()
}

#[test]
fn the_short_comparison_is_a_part_of_the_long_one() {
    let (short, long) = (comparison("README.md"), comparison("docs/comparison.md"));
    assert!(short.len() >= 16);
    for cell in short {
        assert!(long.contains(&cell), "docs/comparison.md does not say {cell:?}");
    }
}
