//! Operators that change what they take. A changed tensor is a new value here, so whatever shares its memory is made
//! anew of it: what it is a view of gets the new elements put back, and other views are taken again when they are used.

use std::collections::{HashMap, HashSet};

use super::args::Args;
use super::builder::{Builder, One, Param, Value};
use super::sizes::Extent;
use super::table::{self, is_in_place, is_view, plain_name};
use super::{shape, slices};
use crate::graph::aten::{Argument, Dim, InputRole, Node, TensorType, ValueId};
use crate::words::shown;

/// Which values share memory.
#[derive(Default)]
pub(super) struct Views {
    /// What a view was taken of, the operation that took it, and which of its outputs it is.
    of: HashMap<ValueId, (ValueId, usize, usize)>,
    /// All views of what is no view, views of views too.
    family: HashMap<ValueId, Vec<ValueId>>,
    /// What each view is a view of in the end, and through how many others.
    roots: HashMap<ValueId, (ValueId, usize)>,
    /// Views of what was changed since.
    stale: HashSet<ValueId>,
}

/// The most views of views.
const MAX_DEPTH: usize = 256;

impl Views {
    /// Whether a value must be made again.
    pub(super) fn is_stale(&self, id: ValueId) -> bool {
        self.stale.contains(&id)
    }

    fn root(&self, id: ValueId) -> ValueId {
        self.roots.get(&id).map_or(id, |(root, _)| *root)
    }

    fn add(&mut self, view: ValueId, source: ValueId, node: usize, output: usize) -> Result<(), String> {
        let (root, depth) = self.roots.get(&source).copied().unwrap_or((source, 0));
        if depth >= MAX_DEPTH {
            return Err(format!("it is a view through more than {MAX_DEPTH} others"));
        }
        // A value is defined once, after what it is made of: there are no circles.
        if view != source && !self.of.contains_key(&view) && root != view {
            self.of.insert(view, (source, node, output));
            self.roots.insert(view, (root, depth + 1));
            self.family.entry(root).or_default().push(view);
        }
        Ok(())
    }
}

/// Whether elements lie one after the other in memory, as in a tensor that was just made. `None` where sizes or
/// strides are not fixed and do not tell.
pub(super) fn is_contiguous(ty: &TensorType) -> Option<bool> {
    let mut run = Some(1u64);
    for (size, stride) in ty.shape.iter().zip(&ty.strides).rev() {
        if size.known() == Some(1) {
            continue;
        }
        if stride.known()? != run? {
            return Some(false);
        }
        run = size.known().and_then(|size| run?.checked_mul(size));
    }
    Some(true)
}

/// Whether an operator that gives a view where it can has given one; `None` where that cannot be told.
fn shares(node: &Node, source: &TensorType, view: &TensorType) -> Option<bool> {
    match plain_name(&node.operator) {
        "to" | "type_as" if source.dtype != view.dtype => Some(false),
        "to" if matches!(node.argument("copy"), Some(Argument::Bool(true))) => Some(false),
        "reshape" | "flatten" | "contiguous" => match is_contiguous(source) {
            Some(true) => Some(true),
            Some(false) if plain_name(&node.operator) == "contiguous" => Some(false),
            _ => None,
        },
        _ => Some(true),
    }
}

impl Builder<'_> {
    /// Takes note of what an operation has given or changed. `index` is its place in the graph.
    ///
    /// # Errors
    /// If it changes what cannot be changed.
    pub(super) fn note(&mut self, index: usize, node: &Node) -> Result<(), String> {
        let first = node.arguments.first().and_then(|(_, argument)| argument.values().first().copied());
        let Some(source) = first else { return Ok(()) };
        let given: Vec<ValueId> = node.outputs.iter().flat_map(Argument::values).collect();
        if is_in_place(&node.operator) {
            return match given.first() {
                Some(result) => self.change(index, source, *result),
                None => Ok(()),
            };
        }
        if !is_view(&node.operator) {
            return Ok(());
        }
        for (output, view) in given.iter().enumerate() {
            let graph = &self.program.graph;
            let (Some(of), Some(ty)) = (graph.tensor(source), graph.tensor(*view)) else { continue };
            match shares(node, of, ty) {
                Some(false) => {}
                _ => self.views.add(*view, source, index, output)?,
            }
        }
        Ok(())
    }

    /// `result` is what `source` has become.
    fn change(&mut self, index: usize, source: ValueId, result: ValueId) -> Result<(), String> {
        let root = self.views.root(source);
        let input = self.program.inputs.iter().find(|input| input.value == Some(root));
        if let Some(stored) = input.filter(|input| !matches!(input.role, InputRole::User)) {
            let name = stored.role.stored().map_or("", |name| name);
            return Err(format!("it changes `{}` for the next run; state is not converted", shown(name)));
        }
        let mut made = self.value(result)?;
        let mut at = source;
        let mut kept = vec![source, result];
        self.values.insert(source, made.clone());
        while let Some((parent, node, output)) = self.views.of.get(&at).copied() {
            let node = self.program.graph.nodes.get(node).ok_or("it changes what nothing has made")?;
            let ty = |id| self.program.graph.tensor(id).ok_or("it changes what is no tensor");
            if shares(node, ty(parent)?, ty(at)?).is_none() {
                return Err("it changes a tensor that may share memory with another".to_owned());
            }
            let old = self.value(parent)?;
            made = self.put_back(node, output, &old, &made, parent)?;
            self.values.insert(parent, made.clone());
            kept.push(parent);
            at = parent;
        }
        // A tensor that was changed before has two names already, which are one.
        let nodes = &self.program.graph.nodes;
        let is_changed = |node: usize| nodes.get(node).is_some_and(|node| is_in_place(&node.operator));
        let named = self.views.of.get(&source).filter(|(_, node, _)| is_changed(*node)).map(|(first, ..)| *first);
        self.views.add(result, named.unwrap_or(source), index, 0)?;
        for id in self.views.family.get(&root).cloned().unwrap_or_default() {
            if !kept.contains(&id) {
                self.views.stale.insert(id);
            }
        }
        kept.iter().for_each(|id| {
            self.views.stale.remove(id);
        });
        Ok(())
    }

    /// A view taken again of what has changed since.
    pub(super) fn renewed(&mut self, id: ValueId) -> One {
        let (source, index, output) = *self.views.of.get(&id).ok_or("it takes a tensor that has changed")?;
        let node = self.program.graph.nodes.get(index).ok_or("it takes a tensor that has changed")?;
        let ty = |id| self.program.graph.tensor(id).ok_or("it takes what is no tensor");
        if shares(node, ty(source)?, ty(id)?).is_none() {
            return Err("it takes a tensor that may share memory with one that has changed".to_owned());
        }
        let made = if is_in_place(&node.operator) {
            // What an operator has changed is the tensor that it has changed.
            self.value(source)?
        } else {
            let entry = table::lookup(&node.operator)?;
            let all = (entry.write)(self, &Args::new(&self.program.graph, node))?;
            all.get(output).cloned().ok_or("it takes a tensor that has changed")?
        };
        self.views.stale.remove(&id);
        self.values.insert(id, made.clone());
        Ok(made)
    }

    /// What a view was taken of, with other elements where the view is.
    fn put_back(&mut self, node: &Node, output: usize, old: &Value, new: &Value, parent: ValueId) -> One {
        if is_in_place(&node.operator) {
            return Ok(new.clone());
        }
        let args = Args::new(&self.program.graph, node);
        match plain_name(&node.operator) {
            "slice" | "narrow" => {
                let part = slices::part_of(&args, old)?;
                slices::placed(self, old, new, part)
            }
            "select" => {
                let (axis, at) = slices::place_of(&args, old)?;
                let new = self.wide(new, axis)?;
                slices::placed(self, old, &new, (axis, at, at.saturating_add(1), 1))
            }
            "split" | "split_with_sizes" | "chunk" | "unbind" => {
                let axis = old.axis(args.int("dim", 0)?)?;
                let is_single = plain_name(&node.operator) == "unbind";
                let mut begin = 0i64;
                for index in 0..output {
                    let size = args.output(index)?.shape.get(axis).and_then(Dim::known).unwrap_or(0);
                    begin = begin.saturating_add(if is_single { 1 } else { i64::try_from(size).unwrap_or(i64::MAX) });
                }
                let new = if is_single { self.wide(new, axis)? } else { new.clone() };
                let size = new.size(axis).ok_or("it changes a part of a size known only when the program runs")?;
                slices::placed(self, old, &new, (axis, begin, begin.saturating_add(size), 1))
            }
            "transpose" | "swapaxes" | "swapdims" | "permute" | "movedim" | "t" | "numpy_T" | "mT" => {
                let order = shape::order_of(plain_name(&node.operator), &args, old)?;
                let mut back = vec![0; order.len()];
                order.iter().enumerate().for_each(|(at, axis)| back[*axis] = at);
                shape::transposed(self, new, back)
            }
            "view" | "_unsafe_view" | "reshape" | "view_as" | "flatten" | "unflatten" | "squeeze" | "unsqueeze" => {
                let dims = self.program.graph.tensor(parent).ok_or("it changes what is no tensor")?.shape.clone();
                self.reshaped(new, &dims)
            }
            "alias" | "detach" | "contiguous" | "lift_fresh" | "dropout" | "feature_dropout" | "to" | "type_as" => {
                Ok(new.clone())
            }
            _ if &*node.operator.namespace == crate::graph::aten::OWN => Ok(new.clone()),
            other => Err(format!("it changes a tensor through `{}`, which is not converted", shown(other))),
        }
    }

    /// A value with a dimension of 1 before an axis.
    pub(super) fn wide(&mut self, value: &Value, axis: usize) -> One {
        self.op("expand_dims", vec![("x", Param::Value(value)), ("axes", Param::Ints(vec![axis as i64]))])
    }

    /// A value repeated so that it has the sizes that the export declares for another.
    pub(super) fn spread(&mut self, value: &Value, dims: &[Dim]) -> One {
        let more = dims.len().checked_sub(value.rank()).ok_or("it gives fewer dimensions than it takes")?;
        let wide = match more {
            0 => value.clone(),
            _ if value.rank() == 0 => self.reshape(value, vec![1; more])?,
            _ => {
                let axes = (0..more as i64).collect();
                self.op("expand_dims", vec![("x", Param::Value(value)), ("axes", Param::Ints(axes))])?
            }
        };
        let mut repeats = Vec::with_capacity(dims.len());
        for (axis, dim) in dims.iter().enumerate() {
            let want = dim.known().and_then(|size| i64::try_from(size).ok());
            repeats.push(match (wide.size(axis), want) {
                (Some(have), Some(want)) if have == want => Extent::Fixed(1),
                (Some(1), Some(want)) => Extent::Fixed(want),
                (Some(1), None) => self.extent(dim)?,
                (None, None) => Extent::Fixed(1),
                _ => return Err("it repeats a dimension by a number that does not go with it".to_owned()),
            });
        }
        // What is repeated along outer dimensions only can stand for itself in products of matrices.
        let inner = repeats.len().saturating_sub(2);
        let is_outer = repeats[inner..].iter().all(|count| matches!(count, Extent::Fixed(1)));
        let made = self.tiled(&wide, repeats)?;
        if is_outer && value.rank() >= 2 && made != *value {
            self.repeated.insert(made.name.clone(), value.clone());
        }
        Ok(made)
    }

    /// A value repeated along each dimension.
    pub(super) fn tiled(&mut self, value: &Value, repeats: Vec<Extent>) -> One {
        if repeats.iter().all(|count| matches!(count, Extent::Fixed(1))) {
            return Ok(value.clone());
        }
        let fixed = |extent: &Extent| if let Extent::Fixed(size) = extent { Some(*size) } else { None };
        if let Some(repeats) = repeats.iter().map(fixed).collect::<Option<Vec<i64>>>() {
            return self.op("tile", vec![("x", Param::Value(value)), ("reps", Param::Ints(repeats))]);
        }
        let once = |(axis, extent): (usize, &Extent)| match fixed(extent) {
            Some(times) => value.size(axis).and_then(|size| u64::try_from(size.checked_mul(times)?).ok()).into(),
            None => crate::graph::Dim::Unknown,
        };
        let shape = repeats.iter().enumerate().map(once).collect();
        let repeats = self.vector(&repeats)?;
        let made = self.op("tile", vec![("x", Param::Value(value)), ("reps", Param::Value(&repeats))])?;
        Ok(self.refined(made, shape))
    }
}
