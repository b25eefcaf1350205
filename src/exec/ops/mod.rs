//! What MIL's operators compute, a file for each family as in `graph/ops`. Meanings are those of coremltools' reference
//! implementations (CT:ops/defs, `value_inference`) and, where it has none, of the PyTorch operator that its frontend
//! converts.
//!
//! Before a kernel runs, the operator's shape rule has been applied to the actual types of its inputs: parameters are
//! there, of accepted types and fitting shapes, and the types of the outputs are known where they follow.

mod activation;
mod attention;
mod blocks;
mod conv;
mod elementwise;
mod image;
mod linear;
mod normalization;
mod pool;
mod quantization;
mod recurrent;
mod reduction;
mod scatter_gather;
mod slices;
mod tensor_operation;
mod transformation;
mod window;

use std::collections::HashMap;
use std::sync::LazyLock;

use rayon::prelude::*;

use super::error::Fault;
use super::tensor::{CHUNK, Data, Tensor, round_floats};
use super::value::Value;
use crate::element::ElementType;
use crate::graph::TensorType;
use crate::graph::ops::{OpError, OpRule};

/// Computes the outputs of an operation.
pub(super) type Kernel = fn(&mut Args<'_>) -> Result<Vec<Tensor>, Fault>;

/// One output.
type One = Result<Vec<Tensor>, Fault>;

static TABLE: LazyLock<HashMap<&'static str, Kernel>> = LazyLock::new(|| {
    let families = [
        activation::KERNELS,
        attention::KERNELS,
        blocks::KERNELS,
        conv::KERNELS,
        elementwise::KERNELS,
        image::KERNELS,
        linear::KERNELS,
        normalization::KERNELS,
        pool::KERNELS,
        quantization::KERNELS,
        recurrent::KERNELS,
        reduction::KERNELS,
        scatter_gather::KERNELS,
        slices::KERNELS,
        tensor_operation::KERNELS,
        transformation::KERNELS,
    ];
    families.into_iter().flatten().copied().collect()
});

/// The kernel of an operator.
pub(super) fn kernel(kind: &str) -> Option<Kernel> {
    TABLE.get(kind).copied()
}

/// What a kernel is given.
pub(super) struct Args<'a> {
    /// The operator.
    pub kind: &'a str,
    /// What is bound to each parameter.
    pub inputs: Vec<(&'a str, Vec<Value>)>,
    /// The types of the outputs as they follow from the inputs.
    pub outputs: Vec<TensorType>,
    /// Bytes that there may be besides its inputs.
    pub memory: u64,
}

fn missing(parameter: &'static str) -> OpError {
    OpError::at(OpRule::Parameter, parameter, "is required")
}

/// A fault about a parameter's value.
fn wrong(parameter: &'static str, message: impl Into<String>) -> Fault {
    OpError::at(OpRule::Value, parameter, message).into()
}

/// A fault about shapes.
fn misshapen(message: impl Into<String>) -> Fault {
    OpError::whole(OpRule::Shape, message).into()
}

impl Args<'_> {
    fn all(&self, parameter: &str) -> &[Value] {
        self.inputs.iter().find(|(name, _)| *name == parameter).map_or(&[], |(_, values)| values)
    }

    /// Whether a parameter is given.
    fn has(&self, parameter: &str) -> bool {
        !self.all(parameter).is_empty()
    }

    /// An optional parameter's tensor.
    fn tensor_if(&self, parameter: &str) -> Option<&Tensor> {
        self.all(parameter).first().and_then(Value::tensor)
    }

    /// A required parameter's tensor.
    fn tensor(&self, parameter: &'static str) -> Result<&Tensor, Fault> {
        Ok(self.tensor_if(parameter).ok_or_else(|| missing(parameter))?)
    }

    /// The tensors of a parameter that takes several.
    fn tensors(&self, parameter: &'static str) -> Result<Vec<&Tensor>, Fault> {
        let tensors: Option<Vec<&Tensor>> = self.all(parameter).iter().map(Value::tensor).collect();
        Ok(tensors.filter(|tensors| !tensors.is_empty()).ok_or_else(|| missing(parameter))?)
    }

    /// Hands over a required parameter's tensor: whoever has the only copy may change it in place.
    fn take(&mut self, parameter: &'static str) -> Result<Tensor, Fault> {
        let values = self.inputs.iter_mut().find(|(name, _)| *name == parameter).map(|(_, values)| values);
        match values.and_then(|values| values.pop()) {
            Some(Value::Tensor(tensor)) => Ok(tensor),
            _ => Err(missing(parameter).into()),
        }
    }

    /// A required parameter's floats.
    fn floats(&self, parameter: &'static str) -> Result<&[f32], Fault> {
        let not_floats = || OpError::at(OpRule::DType, parameter, "must be of floats");
        Ok(self.tensor(parameter)?.as_floats().ok_or_else(not_floats)?)
    }

    /// An optional parameter's floats.
    fn floats_if(&self, parameter: &'static str) -> Result<Option<&[f32]>, Fault> {
        self.has(parameter).then(|| self.floats(parameter)).transpose()
    }

    /// A parameter's integers, truth values being 0 and 1.
    fn ints(&self, parameter: &'static str) -> Result<Option<Vec<i64>>, Fault> {
        let Some(tensor) = self.tensor_if(parameter) else { return Ok(None) };
        match tensor.data() {
            Data::Ints(values) => Ok(Some(values.iter().map(|value| i64::from(*value)).collect())),
            Data::Bools(values) => Ok(Some(values.iter().map(|value| i64::from(*value)).collect())),
            Data::Floats(_) => Err(OpError::at(OpRule::DType, parameter, "must be of integers").into()),
        }
    }

    /// A parameter's one integer.
    fn int(&self, parameter: &'static str, default: i64) -> Result<i64, Fault> {
        match self.ints(parameter)?.as_deref() {
            None => Ok(default),
            Some([value]) => Ok(*value),
            Some(_) => Err(OpError::at(OpRule::Shape, parameter, "must be one value").into()),
        }
    }

    /// A parameter's one truth value.
    fn bool(&self, parameter: &'static str, default: bool) -> Result<bool, Fault> {
        Ok(self.int(parameter, i64::from(default))? != 0)
    }

    /// A parameter's one number as a float.
    fn float(&self, parameter: &'static str, default: f32) -> Result<f32, Fault> {
        let Some(tensor) = self.tensor_if(parameter) else { return Ok(default) };
        match tensor.to_floats()[..] {
            [value] => Ok(value),
            _ => Err(OpError::at(OpRule::Shape, parameter, "must be one value").into()),
        }
    }

    /// A parameter's text in capitals, or the default.
    fn word(&self, parameter: &str, default: &'static str) -> String {
        let text = self.all(parameter).first().and_then(Value::text);
        text.map_or_else(|| default.to_owned(), str::to_ascii_uppercase)
    }

    /// An axis counted from either end.
    fn axis(&self, parameter: &'static str, default: i64, rank: usize) -> Result<usize, Fault> {
        axis_of(parameter, self.int(parameter, default)?, rank)
    }

    /// Axes counted from either end, in increasing order; all where none are given.
    fn axes(&self, parameter: &'static str, rank: usize) -> Result<Vec<usize>, Fault> {
        let Some(given) = self.ints(parameter)? else { return Ok((0..rank).collect()) };
        let mut axes = given.into_iter().map(|at| axis_of(parameter, at, rank)).collect::<Result<Vec<_>, _>>()?;
        axes.sort_unstable();
        axes.dedup();
        Ok(axes)
    }

    /// Checks that there is memory for an intermediate value of these sizes.
    fn room(&self, sizes: &[usize]) -> Result<(), Fault> {
        let ty = TensorType::new(ElementType::Fp32, sizes.iter().map(|size| *size as u64));
        crate::exec::run::check_memory(&ty, 0, self.memory)
    }

    /// The sizes of an output, where they follow from the inputs.
    fn shape(&self, output: usize) -> Result<Vec<usize>, Fault> {
        let sizes = self.outputs.get(output).and_then(TensorType::sizes);
        let sizes = sizes.and_then(|sizes| sizes.into_iter().map(|size| usize::try_from(size).ok()).collect());
        sizes.ok_or_else(|| misshapen("its shape does not follow from its inputs"))
    }

    /// The element type of an output.
    fn element(&self, output: usize) -> Result<ElementType, Fault> {
        Ok(self.outputs.get(output).ok_or_else(|| misshapen("has fewer outputs than it needs"))?.element)
    }

    /// The first output, of floats or integers that are rounded to its type.
    fn one(&self, data: impl Into<Data>) -> One {
        Ok(vec![Tensor::new(self.element(0)?, self.shape(0)?, data)?])
    }

    /// The first output, of elements that are of its type already.
    fn moved(&self, data: Data) -> One {
        Ok(vec![Tensor::moved(self.element(0)?, self.shape(0)?, data)?])
    }
}

/// An axis counted from either end, as a position.
fn axis_of(parameter: &'static str, axis: i64, rank: usize) -> Result<usize, Fault> {
    let position = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
    match usize::try_from(position) {
        Ok(position) if position < rank => Ok(position),
        _ => Err(OpError::at(OpRule::Axis, parameter, format!("is {axis} for rank {rank}")).into()),
    }
}

/// A tensor seen as [outer, size of the axis, inner].
fn around(shape: &[usize], axis: usize) -> [usize; 3] {
    let product = |sizes: Option<&[usize]>| sizes.unwrap_or_default().iter().product();
    [product(shape.get(..axis)), shape.get(axis).copied().unwrap_or(1), product(shape.get(axis + 1..))]
}

/// Changes the floats of a tensor in pieces that threads share, and rounds them. In place where nobody else holds them.
fn map_slices(tensor: Tensor, change: impl Fn(&mut [f32]) + Sync) -> One {
    let (element, shape, data) = tensor.into_parts();
    let Data::Floats(values) = data else { return Err(OpError::whole(OpRule::DType, "needs floats").into()) };
    let mut values = owned(values);
    values.par_chunks_mut(CHUNK).for_each(|chunk| {
        change(chunk);
        round_floats(element, chunk);
    });
    Ok(vec![Tensor::moved(element, shape, values.into())?])
}

/// Changes each float of a tensor, and rounds it.
fn map(tensor: Tensor, change: impl Fn(f32) -> f32 + Sync) -> One {
    map_slices(tensor, |values| values.iter_mut().for_each(|value| *value = change(*value)))
}

/// The vector itself where nobody else holds it, else a copy.
fn owned<T: Clone>(values: std::sync::Arc<Vec<T>>) -> Vec<T> {
    std::sync::Arc::unwrap_or_clone(values)
}
