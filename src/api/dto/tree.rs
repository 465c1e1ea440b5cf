//! Lists of things that name their parents, as trees.
//!
//! - A parent that is not there, and a cycle, make a root. Nothing is lost and nothing is there twice.
//! - The depth is bounded: readers of JSON give up at some hundred levels.

use std::collections::BTreeMap;

/// A node that others can be put under.
pub(super) trait Nested: Sized {
    fn children(&mut self) -> &mut Vec<Self>;
}

/// Levels that are nested; what lies deeper stands on the last of them.
const DEPTH_MAX: usize = 50;

/// What is nested, by its place in the list.
struct Nest<'a, T, F> {
    items: &'a [T],
    /// Who names whom as parent.
    children: Vec<Vec<usize>>,
    is_taken: Vec<bool>,
    node: F,
}

/// `items` under their parents, in the order given.
pub(super) fn nest<'a, T, K: Ord + Copy, N: Nested>(
    items: &'a [T],
    key: impl Fn(&T) -> K,
    parent: impl Fn(&T) -> Option<K>,
    node: impl Fn(&'a T) -> N,
) -> Vec<N> {
    let mut place: BTreeMap<K, usize> = BTreeMap::new();
    for (at, item) in items.iter().enumerate() {
        place.entry(key(item)).or_insert(at);
    }
    let mut children = vec![Vec::new(); items.len()];
    let mut roots = Vec::new();
    for (at, item) in items.iter().enumerate() {
        match parent(item).and_then(|parent| place.get(&parent)).filter(|parent| **parent != at) {
            Some(parent) => children[*parent].push(at),
            None => roots.push(at),
        }
    }
    let mut nest = Nest { items, children, is_taken: vec![false; items.len()], node };
    // After the roots, what hangs in cycles.
    (roots.into_iter().chain(0..items.len())).flat_map(|at| nest.take(at, 0)).collect()
}

impl<'a, T, N: Nested, F: Fn(&'a T) -> N> Nest<'a, T, F> {
    fn take(&mut self, at: usize, depth: usize) -> Vec<N> {
        if std::mem::replace(&mut self.is_taken[at], true) {
            return Vec::new();
        }
        let mut this = (self.node)(&self.items[at]);
        let below = std::mem::take(&mut self.children[at]);
        if depth < DEPTH_MAX {
            for child in below {
                let nested = self.take(child, depth + 1);
                this.children().extend(nested);
            }
            return vec![this];
        }
        // Flat from here on, without recursion.
        let mut flat = vec![this];
        let mut waiting: Vec<usize> = below.into_iter().rev().collect();
        while let Some(next) = waiting.pop() {
            if !std::mem::replace(&mut self.is_taken[next], true) {
                flat.push((self.node)(&self.items[next]));
                waiting.extend(std::mem::take(&mut self.children[next]).into_iter().rev());
            }
        }
        flat
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Node(u32, Vec<Node>);

    impl Nested for Node {
        fn children(&mut self) -> &mut Vec<Self> {
            &mut self.1
        }
    }

    fn shape(spans: &[(u32, Option<u32>)]) -> String {
        fn text(nodes: &[Node]) -> String {
            nodes
                .iter()
                .map(|Node(key, children)| if children.is_empty() { key.to_string() } else { format!("{key}({})", text(children)) })
                .collect::<Vec<_>>()
                .join(" ")
        }
        text(&nest(spans, |span| span.0, |span| span.1, |span| Node(span.0, Vec::new())))
    }

    #[test]
    fn nothing_is_lost_and_nothing_is_there_twice() {
        assert_eq!(shape(&[(1, None), (2, Some(1)), (3, Some(2)), (4, Some(1))]), "1(2(3) 4)");
        assert_eq!(shape(&[(2, Some(1)), (1, None)]), "1(2)");
        assert_eq!(shape(&[(1, Some(2)), (2, Some(1)), (3, None)]), "3 1(2)", "a cycle");
        assert_eq!(shape(&[(1, None), (1, None), (2, Some(1))]), "1(2) 1", "one position twice");
        let chain: Vec<(u32, Option<u32>)> = (0..10_000_u32).map(|n| (n, n.checked_sub(1))).collect();
        assert_eq!(shape(&chain).matches(char::is_numeric).count(), chain.iter().map(|(n, _)| n.to_string().len()).sum::<usize>());
    }
}
