//! Which lines of a tree are drawn: with what is folded left out, or those that a filter finds with what they lie in.
//!
//! - By itself a tree opens from the top down, level by level, as long as all of a level fits; the first root always opens.
//! - What is chosen is never hidden by that. What the address says of a branch goes before both.

use super::tree::Tree;
use crate::model::ids::SpanId;
use crate::ui::folds::Folds;

/// Lines that a tree opens to by itself, and lines on one page: some 6,000 pixels.
pub(super) const LINES_MAX: usize = 200;

/// One line that can be drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Line {
    pub(super) at: usize,
    pub(super) branch: Branch,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Branch {
    /// Nothing is below it.
    Leaf,
    Open,
    Folded,
    /// It is there for what the filter found below it.
    Context,
    /// The filter found it.
    Found,
}

/// What is not folded away, in order.
pub(super) fn unfolded(tree: &Tree, folds: &Folds<SpanId>, chosen: Option<usize>) -> Vec<Line> {
    let is_open = open(tree, folds, chosen);
    let mut lines = Vec::new();
    let mut at = 0;
    while at < tree.rows.len() {
        let branch = match (tree.rows[at].n_below, is_open[at]) {
            (0, _) => Branch::Leaf,
            (_, true) => Branch::Open,
            (_, false) => Branch::Folded,
        };
        lines.push(Line { at, branch });
        at = if branch == Branch::Folded { tree.below(at).end } else { at + 1 };
    }
    lines
}

/// What was found, with all above it.
pub(super) fn found(tree: &Tree, is_found: &[bool]) -> Vec<Line> {
    let mut branches: Vec<Option<Branch>> = vec![None; tree.rows.len()];
    for at in (0..tree.rows.len()).filter(|&at| is_found[at]) {
        for above in tree.ancestors(at) {
            // Those above it are there already, too.
            if branches[above].replace(if is_found[above] { Branch::Found } else { Branch::Context }).is_some() {
                break;
            }
        }
        branches[at] = Some(Branch::Found);
    }
    branches.into_iter().enumerate().filter_map(|(at, branch)| Some(Line { at, branch: branch? })).collect()
}

fn open(tree: &Tree, folds: &Folds<SpanId>, chosen: Option<usize>) -> Vec<bool> {
    let mut is_open = vec![false; tree.rows.len()];
    let mut level: Vec<usize> = tree.roots().collect();
    let mut n_lines = level.len();
    loop {
        let next: Vec<usize> = level.iter().flat_map(|&at| tree.children(at)).collect();
        n_lines += next.len();
        if next.is_empty() || n_lines > LINES_MAX {
            break;
        }
        for at in std::mem::replace(&mut level, next) {
            is_open[at] = true;
        }
    }
    if let Some(first) = is_open.first_mut() {
        *first = true;
    }
    for above in chosen.into_iter().flat_map(|at| tree.ancestors(at)) {
        is_open[above] = true;
    }
    for (row, is_open) in tree.rows.iter().zip(&mut is_open) {
        *is_open = folds.says(row.span).unwrap_or(*is_open);
    }
    is_open
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::tree::tests::{id, view};
    use super::*;

    fn tree(spans: &[(u64, u64, u64)]) -> Tree {
        Tree::new(view(spans), &BTreeMap::new(), None)
    }

    /// A root, `n` spans below it, and `each` below each of those.
    fn wide(n: u64, each: u64) -> Tree {
        let middle = (0..n).map(|at| (2 + at, 1, 2 + at));
        let lower = (0..n * each).map(|at| (100_000 + at, 2 + at / each, 100_000 + at));
        tree(&[(1, 0, 1)].into_iter().chain(middle).chain(lower).collect::<Vec<_>>())
    }

    fn shown(tree: &Tree, folds: &Folds<SpanId>, chosen: Option<u64>) -> Vec<(u64, Branch)> {
        let chosen = chosen.and_then(|number| tree.rows.iter().position(|row| row.span == id(number)));
        unfolded(tree, folds, chosen).iter().map(|line| (tree.rows[line.at].span.to_u64(), line.branch)).collect()
    }

    #[test]
    fn a_small_tree_is_open_and_the_address_folds_it() {
        let tree = tree(&[(1, 0, 1), (2, 1, 2), (3, 2, 3), (4, 1, 4)]);
        let all = [(1, Branch::Open), (2, Branch::Open), (3, Branch::Leaf), (4, Branch::Leaf)];
        assert_eq!(shown(&tree, &Folds::default(), None), all);
        let folded = Folds::default().with(id(2), false);
        assert_eq!(shown(&tree, &folded, Some(3)), [(1, Branch::Open), (2, Branch::Folded), (4, Branch::Leaf)]);
        assert_eq!(shown(&tree, &Folds::default().with(id(1), false), None), [(1, Branch::Folded)]);
    }

    #[test]
    fn a_large_tree_opens_as_far_as_it_fits() {
        let large = wide(50, 200);
        let lines = shown(&large, &Folds::default(), None);
        assert_eq!(lines.len(), 51);
        assert!(lines[1..].iter().all(|(_, branch)| *branch == Branch::Folded));
        let lines = shown(&large, &Folds::default(), Some(100_000));
        assert_eq!(lines.len(), 251, "what is chosen is there, with those beside it");
        assert_eq!(shown(&large, &Folds::default().with(id(3), true), None).len(), 251);
        assert_eq!(shown(&wide(1_000, 1), &Folds::default(), None).len(), 1_001, "the first root always opens");
    }

    #[test]
    fn what_is_found_stands_below_what_it_lies_in() {
        let tree = tree(&[(1, 0, 1), (2, 1, 2), (3, 2, 3), (4, 1, 4), (5, 4, 5)]);
        let find = |wanted: &[u64]| {
            let is_found: Vec<bool> = tree.rows.iter().map(|row| wanted.contains(&row.span.to_u64())).collect();
            found(&tree, &is_found).iter().map(|line| (tree.rows[line.at].span.to_u64(), line.branch)).collect::<Vec<_>>()
        };
        assert_eq!(find(&[3]), [(1, Branch::Context), (2, Branch::Context), (3, Branch::Found)]);
        assert_eq!(
            find(&[2, 3, 5]),
            [(1, Branch::Context), (2, Branch::Found), (3, Branch::Found), (4, Branch::Context), (5, Branch::Found)]
        );
        assert_eq!(find(&[]), []);
    }
}
