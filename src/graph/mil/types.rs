//! Types, from their messages.

use crate::formats::coreml::proto;
use crate::graph::element::ElementType::{self, *};
use crate::graph::types::{Dim, MAX_TYPE_DEPTH, TensorType, Type};

use super::fault::Fault;

/// MIL.proto's `DataType`. CT:mlmodel/format/MIL.proto:192-228.
const NUMBERS: &[(i32, ElementType)] = &[
    (1, Bool),
    (2, String),
    (10, Fp16),
    (11, Fp32),
    (12, Fp64),
    (13, Bf16),
    (21, Int8),
    (22, Int16),
    (23, Int32),
    (24, Int64),
    (25, Int4),
    (31, Uint8),
    (32, Uint16),
    (33, Uint32),
    (34, Uint64),
    (35, Uint4),
    (36, Uint2),
    (37, Uint1),
    (38, Uint6),
    (39, Uint3),
    (40, Fp8E4M3),
    (41, Fp8E5M2),
];

/// The element type of a `DataType` number.
pub fn element(number: i32) -> Option<ElementType> {
    NUMBERS.iter().find(|(known, _)| *known == number).map(|(_, element)| *element)
}

/// The `DataType` number of an element type.
pub fn number(element: ElementType) -> i32 {
    // Every element type has a row: see the test.
    NUMBERS.iter().find(|(_, known)| *known == element).map_or(0, |(number, _)| *number)
}

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
    let element = element(tensor.data_type).ok_or(Fault::DataType(tensor.data_type))?;
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
    fn every_element_type_has_a_number() {
        for (known, _) in ElementType::NAMES {
            assert_eq!(element(number(*known)), Some(*known));
        }
        assert_eq!(NUMBERS.len(), ElementType::NAMES.len());
        assert_eq!(element(0), None);
    }

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
