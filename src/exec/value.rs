//! What names of a running program mean.

use std::sync::Arc;

use super::tensor::{Tensor, TensorError};
use crate::graph::{Blobs, Content, Literal, Name, TensorType, Type};

/// A value of a running program. Cheap to copy.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// A tensor.
    Tensor(Tensor),
    /// Texts: parameters that name a choice.
    Text(Arc<[Name]>),
    /// A state, by its number among the function's.
    State(usize),
    /// A constant that nothing computes with: a list, a dictionary, packed codes.
    Other(Type),
}

impl Value {
    /// The tensor, if it is one.
    pub(super) fn tensor(&self) -> Option<&Tensor> {
        match self {
            Value::Tensor(tensor) => Some(tensor),
            _ => None,
        }
    }

    /// The one text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Value::Text(texts) => match &**texts {
                [only] => Some(only),
                _ => None,
            },
            _ => None,
        }
    }

    /// Bytes that its elements take.
    pub(super) fn bytes(&self) -> u64 {
        self.tensor().map_or(0, |tensor| tensor.data().bytes())
    }
}

/// The value of a constant. `None` where its bytes cannot be had.
pub(super) fn read(literal: &Literal, blobs: &dyn Blobs) -> Option<Result<Value, TensorError>> {
    if let Content::Strings(texts) = &literal.content {
        return Some(Ok(Value::Text(texts.clone())));
    }
    let Some(ty) = literal.ty.as_tensor().filter(|ty| super::tensor::Kind::of(ty.element).is_some()) else {
        return Some(Ok(Value::Other(literal.ty.clone())));
    };
    let shape = sizes(ty)?;
    let bytes = literal.tensor_bytes(blobs)?;
    Some(Tensor::from_bytes(ty.element, shape, &bytes).map(Value::Tensor))
}

/// The sizes of a type, where all are known.
pub(super) fn sizes(ty: &TensorType) -> Option<Vec<usize>> {
    ty.sizes()?.into_iter().map(|size| usize::try_from(size).ok()).collect()
}
