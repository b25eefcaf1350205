//! Types, from their messages.

use crate::element::ElementType;
use crate::formats::coreml::proto;
use crate::graph::types::{Dim, MAX_DIMENSIONS, MAX_TYPE_DEPTH, TensorType, Type};

use super::fault::Fault;

/// A type that must be there.
pub(super) fn required(ty: Option<&proto::ValueType>, depth: usize) -> Result<Type, Fault> {
    from_message(ty.ok_or(Fault::NoType)?, depth)
}

fn from_message(ty: &proto::ValueType, depth: usize) -> Result<Type, Fault> {
    use proto::ValueTypeKind as Kind;
    if depth >= MAX_TYPE_DEPTH {
        return Err(Fault::TypeTooDeep);
    }
    let inner = |ty: Option<&proto::Kept<proto::ValueType>>| required(ty.map(|ty| &**ty), depth + 1);
    Ok(match ty.kind.as_ref().ok_or(Fault::NoType)? {
        Kind::Tensor(tensor) => Type::Tensor(tensor_type(tensor)?),
        Kind::List(list) => Type::List {
            element: Box::new(inner(list.r#type.as_ref())?),
            length: list.length.as_ref().map_or(Dim::Unknown, |length| dim(length)),
        },
        Kind::Tuple(tuple) => {
            Type::Tuple(tuple.types.iter().map(|ty| from_message(ty, depth + 1)).collect::<Result<_, _>>()?)
        }
        Kind::Dictionary(dictionary) => Type::Dictionary {
            key: Box::new(inner(dictionary.key_type.as_ref())?),
            value: Box::new(inner(dictionary.value_type.as_ref())?),
        },
        Kind::State(state) => Type::State(Box::new(inner(state.wrapped_type.as_ref())?)),
    })
}

fn tensor_type(tensor: &proto::TensorType) -> Result<TensorType, Fault> {
    let element = ElementType::from_number(tensor.data_type).ok_or(Fault::DataType(tensor.data_type))?;
    if tensor.dimensions.len() > MAX_DIMENSIONS {
        return Err(Fault::TooManyDimensions(tensor.dimensions.len()));
    }
    let shape: Vec<Dim> = tensor.dimensions.iter().map(|dimension| dim(dimension)).collect();
    match (tensor.rank, shape.is_empty()) {
        (..=-1, true) => Ok(TensorType::unranked(element)),
        (rank @ 1.., _) if usize::try_from(rank) != Ok(shape.len()) => {
            Err(Fault::Rank { rank, dimensions: shape.len() })
        }
        _ => Ok(TensorType { element, shape }),
    }
}

fn dim(dimension: &proto::Dimension) -> Dim {
    match &dimension.dimension {
        Some(proto::DimensionKind::Constant(constant)) => Dim::Known(constant.size),
        Some(proto::DimensionKind::Unknown(unknown)) if unknown.variadic => Dim::Variadic,
        Some(proto::DimensionKind::Unknown(_)) | None => Dim::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_that_nest_without_end_are_refused() {
        let mut ty = proto::ValueType { kind: None };
        for _ in 0..MAX_TYPE_DEPTH + 1 {
            let state = proto::StateType { wrapped_type: Some(ty.into()) };
            ty = proto::ValueType { kind: Some(proto::ValueTypeKind::State(Box::new(state.into()))) };
        }
        assert_eq!(from_message(&ty, 0), Err(Fault::TypeTooDeep));
    }
}
