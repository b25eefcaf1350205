//! Where quantizers stand, and which of them share their ranges.

use std::collections::HashMap;

use super::Spec;
use super::annotate::{Annotation, Annotator, How, Passes};
use super::graph::View;
use crate::graph::aten::{Program, ValueId};

/// What happens where a value that has become codes is to become codes with other parameters before it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Twice {
    /// It stays as it is: the codes that it has are as good.
    #[default]
    Never,
    /// It is quantized again, as upstream does.
    AsUpstream,
}

/// A place where values become codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The value.
    pub value: ValueId,
    /// The operations that take it as codes, by their indices; `None` for all that take it, and for callers.
    pub users: Option<Vec<usize>>,
    /// Whether the value has become codes before, at the site for all who take it.
    pub again: bool,
    /// The ranges that it shares, an index into [`Sites::groups`].
    pub group: usize,
}

/// All places of a program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sites {
    /// In an order in which each value has its site for all before those for some.
    pub all: Vec<Site>,
    /// How values of each group become codes.
    pub groups: Vec<Spec>,
}

/// What may have parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    /// A value, as its operation gives it.
    Output(ValueId),
    /// A value, as an operation takes it.
    Edge(ValueId, usize),
}

/// Where the values of a program become codes.
pub fn sites(program: &Program, passes: &Passes<'_>, twice: Twice) -> Sites {
    let view = View::new(program, passes.operands);
    let annotations = Annotator::new(&view, passes).run();
    let mut keys = Keys::default();
    for (index, annotation) in annotations.iter().enumerate() {
        let Some(annotation) = annotation else { continue };
        for (value, how) in &annotation.inputs {
            keys.extend(&view, Key::Edge(*value, index), *value, *how);
        }
        if let Some(value) = view.result(index) {
            keys.extend(&view, Key::Output(value), value, annotation.output);
        }
    }
    keys.join(&view);
    keys.place(&annotations, &view, twice)
}

/// Keys with how they become codes, in order; joined where they share parameters.
#[derive(Default)]
struct Keys {
    all: Vec<(Key, How)>,
    index: HashMap<Key, usize>,
    parents: Vec<usize>,
}

impl Keys {
    fn extend(&mut self, view: &View<'_>, key: Key, value: ValueId, how: Option<How>) {
        let Some(how) = how.filter(|_| view.may_be_codes(value)) else { return };
        if !self.index.contains_key(&key) {
            self.index.insert(key, self.all.len());
            self.parents.push(self.all.len());
            self.all.push((key, how));
        }
    }

    /// The specification that holds in the end, where values share theirs with others.
    fn spec(&self, mut at: usize) -> Option<Spec> {
        // As many steps as there are keys: what shares in a circle has none.
        for _ in 0..=self.all.len() {
            match self.all.get(at)?.1 {
                How::Own(spec) => return Some(spec),
                How::As(value) => at = *self.index.get(&Key::Output(value))?,
            }
        }
        None
    }

    fn root(&mut self, mut at: usize) -> usize {
        while self.parents[at] != at {
            self.parents[at] = self.parents[self.parents[at]];
            at = self.parents[at];
        }
        at
    }

    fn union(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        // The first of a group stands for it.
        let (first, last) = (a.min(b), a.max(b));
        self.parents[last] = first;
    }

    /// Joins keys that are the same tensor with the same specification, and those that share by order.
    fn join(&mut self, view: &View<'_>) {
        for at in 0..self.all.len() {
            let (key, how) = self.all[at];
            if let Key::Edge(value, index) = key {
                let spec = self.spec(at);
                let others = view.users(value).iter().filter(|user| **user != index);
                let others = others.map(|user| Key::Edge(value, *user)).chain([Key::Output(value)]);
                let same: Vec<usize> = others.filter_map(|key| self.index.get(&key).copied()).collect();
                for other in same.into_iter().filter(|_| spec.is_some()) {
                    if self.spec(other) == spec {
                        self.union(other, at);
                    }
                }
            }
            if let How::As(value) = how
                && let Some(other) = self.index.get(&Key::Output(value)).copied()
            {
                self.union(other, at);
            }
        }
    }

    fn place(mut self, annotations: &[Option<Annotation>], view: &View<'_>, twice: Twice) -> Sites {
        let mut sites = Sites::default();
        let mut numbers: HashMap<usize, usize> = HashMap::new();
        // The group of the site for all of each value, and the sites for some by value and group.
        let mut for_some: HashMap<(ValueId, usize), usize> = HashMap::new();
        let outputs: HashMap<ValueId, usize> = (0..self.all.len())
            .filter_map(|at| match self.all[at].0 {
                Key::Output(value) => Some((value, at)),
                Key::Edge(..) => None,
            })
            .collect();
        let outputs: HashMap<ValueId, usize> = outputs.into_iter().map(|(v, at)| (v, self.root(at))).collect();
        let mut number = |keys: &Keys, groups: &mut Vec<Spec>, root: usize| -> Option<usize> {
            if let Some(known) = numbers.get(&root) {
                return Some(*known);
            }
            groups.push(keys.spec(root)?);
            numbers.insert(root, groups.len() - 1);
            Some(groups.len() - 1)
        };
        for (index, annotation) in annotations.iter().enumerate() {
            let Some(annotation) = annotation else { continue };
            for (value, _) in &annotation.inputs {
                let Some(at) = self.index.get(&Key::Edge(*value, index)).copied() else { continue };
                let root = self.root(at);
                let of = if view.is_apart(index) { view.source(*value) } else { *value };
                let before = outputs.get(&of).copied();
                if before == Some(root) || before.is_some() && twice == Twice::Never {
                    continue;
                }
                if let Some(site) = for_some.get(&(*value, root)) {
                    if let Some(users) = &mut sites.all[*site].users {
                        users.push(index);
                    }
                    continue;
                }
                let Some(group) = number(&self, &mut sites.groups, root) else { continue };
                for_some.insert((*value, root), sites.all.len());
                sites.all.push(Site { value: *value, users: Some(vec![index]), again: before.is_some(), group });
            }
            let given = view.result(index).filter(|value| outputs.contains_key(value));
            if let Some(value) = given.filter(|value| self.index.contains_key(&Key::Output(*value))) {
                let root = outputs[&value];
                if let Some(group) = number(&self, &mut sites.groups, root) {
                    sites.all.push(Site { value, users: None, again: false, group });
                }
            }
        }
        sites
    }
}
