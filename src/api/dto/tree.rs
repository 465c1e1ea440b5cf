//! Lists of things that name their parents, as trees.
//!
//! - A parent that is not there, and a cycle, make a root. Nothing is lost and nothing is there twice.
//! - The depth is bounded: readers of JSON give up at some hundred levels.

use std::collections::{BTreeMap, BTreeSet};

/// A node that others can be put under.
pub(super) trait Nested: Sized {
    fn children(&mut self) -> &mut Vec<Self>;
}

/// Levels that are nested; what lies deeper stands on the last of them, since JSON readers give up at some hundred.
const DEPTH_MAX: usize = 50;

/// Spans under their parents, in the order given. A cycle, or a parent that is not there, makes a root.
pub(super) fn nest<'a, T, K: Ord + Copy, N: Nested>(
    spans: &'a [T],
    key: impl Fn(&T) -> K,
    parent: impl Fn(&T) -> Option<K>,
    node: impl Fn(&'a T) -> N,
) -> Vec<N> {
    let mut children: BTreeMap<Option<K>, Vec<&'a T>> = BTreeMap::new();
    for span in spans {
        children.entry(parent(span)).or_default().push(span);
    }
    let mut taken = BTreeSet::new();
    let mut roots = Vec::new();
    for root in children.remove(&None).unwrap_or_default() {
        roots.extend(take(root, &mut children, &mut taken, &key, &node, 0));
    }
    // What is left hangs in cycles.
    for span in spans {
        if !taken.contains(&key(span)) {
            roots.extend(take(span, &mut children, &mut taken, &key, &node, 0));
        }
    }
    roots
}

fn take<'a, T, K: Ord + Copy, N: Nested>(
    span: &'a T,
    children: &mut BTreeMap<Option<K>, Vec<&'a T>>,
    taken: &mut BTreeSet<K>,
    key: &impl Fn(&T) -> K,
    node: &impl Fn(&'a T) -> N,
    depth: usize,
) -> Vec<N> {
    let mut this = node(span);
    let is_new = taken.insert(key(span));
    let below = if is_new { children.remove(&Some(key(span))).unwrap_or_default() } else { Vec::new() };
    if depth < DEPTH_MAX {
        for child in below {
            this.children().extend(take(child, children, taken, key, node, depth + 1));
        }
        return vec![this];
    }
    // Flattened from here on, without recursion.
    let mut flat = vec![this];
    let mut waiting: Vec<&'a T> = below.into_iter().rev().collect();
    while let Some(next) = waiting.pop() {
        flat.push(node(next));
        if taken.insert(key(next)) {
            waiting.extend(children.remove(&Some(key(next))).unwrap_or_default().into_iter().rev());
        }
    }
    flat
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
        let chain: Vec<(u32, Option<u32>)> = (0..10_000).map(|n| (n, n.checked_sub(1))).collect();
        assert_eq!(shape(&chain).matches(char::is_numeric).count(), chain.iter().map(|(n, _)| n.to_string().len()).sum::<usize>());
    }
}
