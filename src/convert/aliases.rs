//! Operators that change what they take. Their result is converted as a new value; that is right only where nobody
//! looks at the old one afterwards, through whatever view.

use std::collections::HashMap;

use super::table::{is_in_place, is_view};
use crate::graph::aten::{Argument, Graph, Node, ValueId};

/// Which values share memory, and which of them were changed.
pub(super) struct Aliases {
    root: HashMap<ValueId, ValueId>,
    /// By what was changed: the value that has taken its place.
    changed: HashMap<ValueId, ValueId>,
}

impl Aliases {
    pub(super) fn new(graph: &Graph) -> Self {
        Aliases { root: HashMap::with_capacity(graph.values.len()), changed: HashMap::new() }
    }

    fn root(&self, id: ValueId) -> ValueId {
        self.root.get(&id).copied().unwrap_or(id)
    }

    /// Whether a value was changed after it was made.
    pub(super) fn is_changed(&self, id: ValueId) -> bool {
        self.changed.contains_key(&self.root(id))
    }

    /// Looks at an operation.
    ///
    /// # Errors
    /// If it takes what was changed before.
    pub(super) fn check(&mut self, node: &Node) -> Result<(), String> {
        let taken: Vec<ValueId> = node.arguments.iter().flat_map(|(_, argument)| argument.values()).collect();
        if taken.iter().any(|id| self.is_changed(*id)) {
            return Err("it takes a tensor that an operator before it has changed in place".to_owned());
        }
        let given: Vec<ValueId> = node.outputs.iter().flat_map(Argument::values).collect();
        let first = node.arguments.first().and_then(|(_, argument)| argument.value());
        if let Some(source) = first {
            let root = self.root(source);
            if is_in_place(&node.operator) {
                self.changed.extend(given.first().map(|result| (root, *result)));
            } else if is_view(&node.operator) {
                self.root.extend(given.iter().map(|id| (*id, root)));
            }
        }
        Ok(())
    }
}
