//! The tools of a tenant that are kept by their names in sums over time.
//!
//! - The first so many names are known; calls of all others are kept together. A name that is known stays known as long as the sums are,
//!   and one that is not never becomes known: so whatever was added under a name is taken away under the same.
//! - They lie on disk beside the sums, of the same checkpoint.

use rustc_hash::FxHashSet;

use crate::model::Str;

/// How many tools of a tenant are told apart.
pub const TOOLS_MAX: usize = 500;

#[derive(Clone, Debug, Default)]
pub struct ToolNames {
    known: FxHashSet<Str>,
    unsaved: UnsavedNames,
}

/// Names that are not on disk yet.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UnsavedNames {
    /// Whatever names are on disk go first.
    pub is_all: bool,
    pub names: Vec<Str>,
}

// === impl ToolNames ===

impl ToolNames {
    /// None yet, whatever is on disk.
    pub fn begin() -> Self {
        Self { known: FxHashSet::default(), unsaved: UnsavedNames { is_all: true, names: Vec::new() } }
    }

    /// As saved, beside sums in which tools have the names `in_use`. Where none is kept under an empty name, nothing is lost with the names
    /// of tools that nobody calls any more: they make room.
    pub fn restored(saved: Vec<Str>, in_use: FxHashSet<Str>) -> Self {
        let has_others = in_use.contains("");
        if has_others || saved.len() == in_use.len() {
            return Self { known: saved.into_iter().collect(), unsaved: UnsavedNames::default() };
        }
        let names = in_use.iter().cloned().collect();
        Self { known: in_use, unsaved: UnsavedNames { is_all: true, names } }
    }

    /// The name under which calls of a tool are kept: its own, or the empty one.
    pub fn learn(&mut self, tool: &Str) -> Str {
        if tool.is_empty() || self.known.contains(tool) {
            return tool.clone();
        }
        if self.known.len() >= TOOLS_MAX {
            return Str::from("");
        }
        self.known.insert(tool.clone());
        self.unsaved.names.push(tool.clone());
        tool.clone()
    }

    /// From here on they count as saved.
    pub fn take_unsaved(&mut self) -> UnsavedNames {
        std::mem::take(&mut self.unsaved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(n: usize) -> Str {
        Str::from(format!("tool-{n}"))
    }

    #[test]
    fn a_tool_is_kept_under_one_name_for_good() {
        let mut names = ToolNames::begin();
        for n in 0..TOOLS_MAX {
            assert_eq!(names.learn(&name(n)), name(n));
        }
        assert_eq!(&*names.learn(&name(TOOLS_MAX)), "");
        assert_eq!(names.learn(&name(3)), name(3));
        let saved = names.take_unsaved();
        assert!(saved.is_all && saved.names.len() == TOOLS_MAX);
        assert_eq!(names.take_unsaved(), UnsavedNames::default());

        let in_use: FxHashSet<Str> = [Str::from(""), name(1)].into_iter().collect();
        let mut restored = ToolNames::restored(saved.names.clone(), in_use);
        assert_eq!(&*restored.learn(&name(TOOLS_MAX)), "", "what is kept with others stays there");

        let mut restored = ToolNames::restored(saved.names, [name(1)].into_iter().collect());
        assert_eq!(restored.take_unsaved(), UnsavedNames { is_all: true, names: vec![name(1)] }, "what nobody calls makes room");
        assert_eq!(restored.learn(&name(TOOLS_MAX)), name(TOOLS_MAX));
    }
}
