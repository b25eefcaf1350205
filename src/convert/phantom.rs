//! Tensors that Core ML has not, and that need not be there: of more than five dimensions between two that have fewer,
//! and empty ones that are joined to others.

use super::builder::{Builder, One, Value};
use super::sizes::Extent;
use crate::graph::aten::Dim;
use crate::graph::{ElementType, Name, TensorType};
use crate::lower::message::fresh;

/// The most dimensions of a tensor of Core ML.
pub(super) const MAX_RANK: usize = 5;

/// What stands for a tensor that is not made.
#[derive(Debug, Clone)]
pub(super) enum Phantom {
    /// It has no elements.
    Empty,
    /// It is another tensor in a shape of too many dimensions, and these in an order.
    Many {
        /// What it is made of.
        source: Value,
        /// The shape, before the dimensions are brought into the order.
        dims: Vec<Dim>,
        /// The order.
        order: Vec<usize>,
    },
}

impl Phantom {
    /// Why an operator cannot take it.
    pub(super) fn refusal(&self) -> String {
        match self {
            Phantom::Empty => "it takes an empty tensor, which Core ML has not".to_owned(),
            Phantom::Many { dims, .. } => {
                format!("it takes a tensor of {} dimensions; Core ML has {MAX_RANK} at most", dims.len())
            }
        }
    }
}

impl Builder<'_> {
    fn phantom(&mut self, ty: TensorType, phantom: Phantom) -> Value {
        let name: Name = fresh(&mut self.names, "phantom").into();
        self.phantoms.insert(name.clone(), phantom);
        Value { name, ty }
    }

    /// A tensor of these sizes, one of which is 0.
    pub(super) fn empty(&mut self, element: ElementType, dims: &[Dim]) -> Value {
        let shape = dims.iter().map(|dim| dim.known().into()).collect();
        self.phantom(TensorType { element, shape }, Phantom::Empty)
    }

    /// Whether a value is an empty tensor.
    pub(super) fn is_empty(&self, value: &Value) -> bool {
        matches!(self.phantoms.get(&value.name), Some(Phantom::Empty))
    }

    /// A value in a shape of more dimensions than Core ML has.
    pub(super) fn many(&mut self, source: &Value, dims: &[Dim]) -> Value {
        let shape = dims.iter().map(|dim| dim.known().into()).collect();
        let order = (0..dims.len()).collect();
        let phantom = Phantom::Many { source: source.clone(), dims: dims.to_vec(), order };
        self.phantom(TensorType { element: source.element(), shape }, phantom)
    }

    /// What a value of too many dimensions becomes when they are brought into an order; `None` for other values.
    pub(super) fn many_ordered(&mut self, value: &Value, order: &[usize]) -> Option<Value> {
        let Phantom::Many { source, dims, order: first } = self.phantoms.get(&value.name)?.clone() else { return None };
        let shape = order.iter().map(|axis| value.ty.shape[*axis]).collect();
        let order = order.iter().map(|axis| first[*axis]).collect();
        Some(self.phantom(TensorType { element: value.element(), shape }, Phantom::Many { source, dims, order }))
    }

    /// A value of too many dimensions as one of fewer, with its elements in their order: dimensions that stay side by
    /// side are moved as one. `None` for other values.
    pub(super) fn many_flat(&mut self, value: &Value) -> Result<Option<Value>, String> {
        let Some(Phantom::Many { source, dims, order }) = self.phantoms.get(&value.name).cloned() else {
            return Ok(None);
        };
        // Dimensions of 1 may lie anywhere.
        let order: Vec<usize> = order.into_iter().filter(|axis| dims[*axis].known() != Some(1)).collect();
        let wide: Vec<usize> = (0..dims.len()).filter(|axis| dims[*axis].known() != Some(1)).collect();
        let place = |axis: usize| wide.iter().position(|own| *own == axis).unwrap_or(0);
        let mut runs: Vec<Vec<usize>> = Vec::new();
        for axis in order {
            match runs.last_mut() {
                Some(run) if run.last().is_some_and(|last| place(*last) + 1 == place(axis)) => run.push(axis),
                _ => runs.push(vec![axis]),
            }
        }
        if runs.len() > MAX_RANK {
            return Err(format!("it moves {} dimensions; Core ML has {MAX_RANK} at most", runs.len()));
        }
        let mut sorted = runs.clone();
        sorted.sort_unstable();
        let extents = sorted.iter().map(|run| {
            let product = run.iter().try_fold(1u64, |all, axis| all.checked_mul(dims[*axis].known()?));
            product.and_then(|all| i64::try_from(all).ok()).map_or(Extent::Rest, Extent::Fixed)
        });
        let extents: Vec<Extent> = extents.collect();
        if extents.iter().filter(|extent| matches!(extent, Extent::Rest)).count() > 1 {
            return Err("it moves several dimensions whose sizes are known only when the program runs".to_owned());
        }
        let merged = self.reshape_to(&source, extents)?;
        let perm: Vec<usize> = runs.iter().map(|run| sorted.iter().position(|own| own == run).unwrap_or(0)).collect();
        super::shape::transposed(self, &merged, perm).map(Some)
    }

    /// A value in the shape that the export declares, which may have too many dimensions, as the value itself may.
    pub(super) fn reshaped(&mut self, x: &Value, dims: &[Dim]) -> One {
        let x = match self.many_flat(x)? {
            Some(flat) => flat,
            None => x.clone(),
        };
        if dims.len() > MAX_RANK { Ok(self.many(&x, dims)) } else { self.reshape_as(&x, dims) }
    }

    /// The binding of a value that is there.
    pub(super) fn there<'v>(&self, value: &'v Value) -> Result<&'v Value, String> {
        match self.phantoms.get(&value.name) {
            Some(phantom) => Err(phantom.refusal()),
            None => Ok(value),
        }
    }
}
