//! Weights stored in compressed form: `constexpr_*`. CT:ops/defs/iOS16/constexpr_ops.py, iOS18/compression.py.
//!
//! Whether a mask has as many set bits as there are values is checked where the bytes are at hand; here the
//! constants are known by type, and by value only where they are short.

use crate::element::ElementType::{self, *};
use crate::graph::function::Opset::*;
use crate::graph::types::{Dim, ShapeText, TensorType, Type};

use super::call::Call;
use super::fault::{OpError, OpRule};
use super::shape::{One, axis, map_dim, one, open, rank_in};
use super::table::*;

const ENTRIES: &[ElementType] = &[Int8, Uint8, Fp16, Fp32];
const INDICES: &[ElementType] = &[Uint1, Uint2, Uint3, Uint4, Uint6, Uint8];
const CODES: &[ElementType] = &[Int4, Uint4, Int8, Uint8, Fp16, Fp32];
const fn of(elements: &'static [ElementType]) -> Accepts {
    Accepts::Tensor(elements)
}
const UINT8: Accepts = of(&[Uint8]);
const UINT1: Accepts = of(&[Uint1]);
const UINT32: Accepts = of(&[Uint32]);

const CAST: &[Parameter] = &[fixed("source_val", of(&[Fp16])), fixed("output_dtype", TEXT)];
const LUT_6: &[Parameter] = &[fixed("indices", UINT8), fixed("lut", of(ENTRIES)), fixed("shape", UINT32)];
const LUT_8: &[Parameter] =
    &[fixed("indices", of(INDICES)), fixed("lut", of(ENTRIES)), fixed_opt("vector_axis", INT32)];
const SPARSE_6: &[Parameter] = &[fixed("nonzero_data", of(ENTRIES)), fixed("mask", UINT8), fixed("shape", UINT32)];
const SPARSE_8: &[Parameter] = &[fixed("nonzero_data", of(CODES)), fixed("mask", UINT1)];

pub(super) static OPERATORS: &[Operator] = &[
    operator(
        "constexpr_affine_dequantize",
        &[since(
            CoreML6,
            &[
                fixed("quantized_data", of(&[Int8, Uint8])),
                fixed("zero_point", of(&[Int8, Uint8, Fp32])),
                fixed("scale", of(FLOATS)),
                fixed("axis", INT32),
            ],
            affine,
        )],
    ),
    operator("constexpr_cast", &[since(CoreML6, CAST, cast), since(CoreML8, CAST, cast)]),
    operator("constexpr_lut_to_dense", &[since(CoreML6, LUT_6, packed_lut), since(CoreML8, LUT_8, lut)]),
    operator("constexpr_sparse_to_dense", &[since(CoreML6, SPARSE_6, packed_sparse), since(CoreML8, SPARSE_8, sparse)]),
    operator(
        "constexpr_blockwise_shift_scale",
        &[since(
            CoreML8,
            &[fixed("data", of(CODES)), fixed("scale", of(FLOATS)), fixed_opt("offset", of(CODES))],
            blockwise,
        )],
    ),
    operator(
        "constexpr_lut_to_sparse",
        &[since(
            CoreML8,
            &[
                fixed("indices_mask", UINT1),
                fixed("indices_nonzero_data", of(INDICES)),
                fixed("lut", of(ENTRIES)),
                fixed_opt("vector_axis", INT32),
            ],
            lut_to_sparse,
        )],
    ),
    operator(
        "constexpr_sparse_blockwise_shift_scale",
        &[since(
            CoreML8,
            &[
                fixed("data_mask", UINT1),
                fixed("nonzero_data", of(CODES)),
                fixed("scale", of(FLOATS)),
                fixed_opt("offset", of(CODES)),
            ],
            sparse_blockwise,
        )],
    ),
];

/// `scale · (quantized_data − zero_point)`; scale and zero point are scalars, or have one value for each
/// position along `axis`.
fn affine(call: &Call<'_>) -> One {
    let (data, scale, zero_point) = (call.tensor("quantized_data")?, call.tensor("scale")?, call.tensor("zero_point")?);
    rank_in("quantized_data", data, 1..=usize::MAX)?;
    let along = match (data.rank(), call.int("axis")?.known()) {
        (Some(rank), Some(at)) => Some(axis("axis", at, rank)?),
        _ => None,
    };
    for (parameter, rule, values) in
        [("scale", OpRule::ScaleShape, scale), ("zero_point", OpRule::OffsetShape, zero_point)]
    {
        match (&values.shape[..], along.map(|along| data.shape[along])) {
            ([], _) | ([_], None) => {}
            ([length], Some(dim)) if length.agrees(dim) => {}
            ([length], Some(dim)) => {
                let message = format!("has {length} values, but `quantized_data` is {dim} along `axis` ({data})");
                return Err(OpError::at(rule, parameter, message));
            }
            _ => {
                let message = format!("must be a scalar or a vector, not {values}");
                return Err(OpError::at(rule, parameter, message));
            }
        }
    }
    one(scale.element, data.shape.clone())
}

fn cast(call: &Call<'_>) -> One {
    let source = call.tensor("source_val")?;
    call.element("output_dtype", Fp32, &[Fp32])?;
    one(Fp32, source.shape.clone())
}

/// `shape` of the operators that pack indices and masks into bytes. `None` where it is unknown.
fn stated_shape(call: &Call<'_>) -> Result<Option<Vec<Dim>>, OpError> {
    rank_in("shape", call.tensor("shape")?, 1..=1)?;
    // uint32, so never negative.
    let sizes = call.ints("shape")?.known();
    Ok(sizes.map(|sizes| sizes.into_iter().map(|size| Dim::Known(size.unsigned_abs())).collect()))
}

/// Checks that packed elements of this many bits, one for each element of `shape`, take the bytes there are.
fn expect_packed(
    parameter: &'static str,
    rule: OpRule,
    packed: &TensorType,
    bits: u64,
    shape: &[Dim],
) -> Result<(), OpError> {
    let count = TensorType { element: Uint8, shape: shape.to_vec() }.count();
    let bytes = count.and_then(|count| count.checked_mul(bits)).map(|bits| bits.div_ceil(8));
    match (packed.count(), bytes) {
        (Some(found), Some(expected)) if found == expected => Ok(()),
        (None, Some(_)) => Ok(()),
        (found, expected) => {
            let text = |count: Option<u64>| count.map_or("too many".to_owned(), |count| count.to_string());
            let shape = ShapeText(shape);
            let message =
                format!("has {} bytes; {bits} bits for each element of {shape} take {}", text(found), text(expected));
            Err(OpError::at(rule, parameter, message))
        }
    }
}

/// The version of CoreML6: indices packed into bytes, one table.
fn packed_lut(call: &Call<'_>) -> One {
    let (indices, lut) = (call.tensor("indices")?, call.tensor("lut")?);
    rank_in("indices", indices, 1..=1)?;
    if lut.rank() != Some(1) {
        return Err(OpError::at(OpRule::LutRank, "lut", format!("must be a vector, not {lut}")));
    }
    let bits = match lut.shape[0] {
        Dim::Known(entries @ (2 | 4 | 16 | 64 | 256)) => u64::from(entries.ilog2()),
        entries => {
            let message = format!("has {entries} entries; it can have 2, 4, 16, 64 or 256");
            return Err(OpError::at(OpRule::LutSize, "lut", message));
        }
    };
    let Some(shape) = stated_shape(call)? else { return open(lut.element) };
    expect_packed("indices", OpRule::LutSize, indices, bits, &shape)?;
    one(lut.element, shape)
}

/// The version of CoreML6: a mask packed into bytes.
fn packed_sparse(call: &Call<'_>) -> One {
    let (values, mask) = (call.tensor("nonzero_data")?, call.tensor("mask")?);
    rank_in("nonzero_data", values, 1..=1)?;
    rank_in("mask", mask, 1..=1)?;
    let Some(shape) = stated_shape(call)? else { return open(values.element) };
    expect_packed("mask", OpRule::MaskCount, mask, 1, &shape)?;
    expect_no_more("nonzero_data", values, &shape)?;
    one(values.element, shape)
}

/// The version of CoreML8.
fn sparse(call: &Call<'_>) -> One {
    let (values, mask) = (call.tensor("nonzero_data")?, call.tensor("mask")?);
    rank_in("nonzero_data", values, 1..=1)?;
    expect_no_more("nonzero_data", values, &mask.shape)?;
    one(values.element, mask.shape.clone())
}

/// A mask cannot select more values than it has elements.
fn expect_no_more(parameter: &'static str, values: &TensorType, mask: &[Dim]) -> Result<(), OpError> {
    let places = TensorType { element: Uint1, shape: mask.to_vec() }.count();
    if let (Some(found), Some(places)) = (values.count(), places)
        && found > places
    {
        let message = format!("has {found} values for a mask of {places} elements");
        return Err(OpError::at(OpRule::MaskCount, parameter, message));
    }
    Ok(())
}

/// `scale · (data − offset)`, where scale and offset divide each dimension of the data into equal blocks.
fn blockwise(call: &Call<'_>) -> One {
    let (data, scale) = (call.tensor("data")?, call.tensor("scale")?);
    check_blocks(call, "data", &data.shape, data.element)?;
    one(scale.element, data.shape.clone())
}

fn check_blocks(call: &Call<'_>, name: &'static str, shape: &[Dim], codes: ElementType) -> Result<(), OpError> {
    let scale = call.tensor("scale")?;
    if shape.is_empty() {
        return Err(OpError::at(OpRule::Rank, name, "must have at least one dimension"));
    }
    if scale.shape.len() != shape.len() {
        let message = format!("has rank {} ({scale}); `{name}` has rank {}", scale.shape.len(), shape.len());
        return Err(OpError::at(OpRule::ScaleShape, "scale", message));
    }
    for (i, (dim, parts)) in shape.iter().zip(&scale.shape).enumerate() {
        if !divides(*parts, *dim) {
            let message = format!("has {parts} in dimension {i}, which does not divide the {dim} of `{name}`");
            return Err(OpError::at(OpRule::BlockDivides, "scale", message));
        }
    }
    let Some(offset) = call.tensor_if("offset")? else { return Ok(()) };
    if offset.shape.len() != scale.shape.len() || !offset.shape.iter().zip(&scale.shape).all(|(a, b)| a.agrees(*b)) {
        let message = format!("has shape {}, but `scale` {}", ShapeText(&offset.shape), ShapeText(&scale.shape));
        return Err(OpError::at(OpRule::OffsetShape, "offset", message));
    }
    if !offset.element.is_float() && offset.element != codes {
        let message = format!("is {}; it must be {} as `{}`, or a float", offset.element, codes, code_parameter(name));
        return Err(OpError::at(OpRule::OffsetShape, "offset", message));
    }
    Ok(())
}

/// The parameter with the codes, where the shape is that of this one.
fn code_parameter(shaped: &str) -> &'static str {
    if shaped == "data" { "data" } else { "nonzero_data" }
}

fn divides(parts: Dim, dim: Dim) -> bool {
    match (parts, dim) {
        (Dim::Known(0), Dim::Known(dim)) => dim == 0,
        (Dim::Known(parts), Dim::Known(dim)) => dim.is_multiple_of(parts),
        _ => true,
    }
}

fn sparse_blockwise(call: &Call<'_>) -> One {
    let (mask, values) = (call.tensor("data_mask")?, call.tensor("nonzero_data")?);
    rank_in("nonzero_data", values, 1..=1)?;
    expect_no_more("nonzero_data", values, &mask.shape)?;
    check_blocks(call, "data_mask", &mask.shape, values.element)?;
    let scale = call.tensor("scale")?;
    let scaled = TensorType { element: scale.element, shape: values.shape.clone() };
    Ok(vec![mask.clone().into(), scaled.into()])
}

/// The vectors of a table: how long they are, and along which dimension they lie.
struct Vectors {
    length: u64,
    axis: usize,
}

/// Checks a table against the shape and type of its indices: [groups…, 2^bits, vector length].
fn check_table(
    call: &Call<'_>,
    name: &'static str,
    shape: &[Dim],
    indices: ElementType,
) -> Result<Option<Vectors>, OpError> {
    let lut = call.tensor("lut")?;
    if shape.is_empty() {
        return Err(OpError::at(OpRule::Rank, name, "must have at least one dimension"));
    }
    let [groups @ .., entries, length] = &lut.shape[..] else {
        return Err(OpError::at(OpRule::LutRank, "lut", format!("has too few dimensions ({lut})")));
    };
    if groups.len() != shape.len() {
        let message = format!(
            "has rank {} ({lut}); it must be 2 more than that of `{name}`, which is {}",
            lut.shape.len(),
            shape.len()
        );
        return Err(OpError::at(OpRule::LutRank, "lut", message));
    }
    for (i, (dim, parts)) in shape.iter().zip(groups).enumerate() {
        if !divides(*parts, *dim) {
            let message = format!("has {parts} groups in dimension {i}, which do not divide the {dim} of `{name}`");
            return Err(OpError::at(OpRule::BlockDivides, "lut", message));
        }
    }
    let expected = Dim::Known(1 << indices.bits().min(63));
    if !entries.agrees(expected) {
        let message = format!("has {entries} entries in each table; indices of {} need {expected}", indices);
        return Err(OpError::at(OpRule::LutSize, "lut", message));
    }
    let along = match call.tensor_if("vector_axis")? {
        Some(given) if given.rank() != Some(0) => {
            return Err(OpError::at(OpRule::VectorAxis, "vector_axis", format!("must be a scalar, not {given}")));
        }
        Some(_) => match call.int("vector_axis")?.known() {
            Some(at) => axis("vector_axis", at, shape.len())
                .map_err(|error| OpError { rule: OpRule::VectorAxis, ..error })
                .map(Some)?,
            None => None,
        },
        None => None,
    };
    match (length, along) {
        (Dim::Known(0), _) => Err(OpError::at(OpRule::LutSize, "lut", "has empty entries")),
        (Dim::Known(1), _) => Ok(Some(Vectors { length: 1, axis: 0 })),
        (_, None) if !call.has("vector_axis") => {
            let message = format!("is required, since entries of `lut` are vectors of {length}");
            Err(OpError::at(OpRule::VectorAxis, "vector_axis", message))
        }
        (Dim::Known(length), Some(axis)) => Ok(Some(Vectors { length: *length, axis })),
        _ => Ok(None),
    }
}

/// A shape with one dimension as many times as long as the vectors are.
fn expand(shape: &[Dim], vectors: Option<Vectors>) -> Result<Vec<Dim>, OpError> {
    let Some(Vectors { length, axis }) = vectors else { return Ok(vec![Dim::Unknown; shape.len()]) };
    let mut shape = shape.to_vec();
    shape[axis] = map_dim(shape[axis], |size| size.checked_mul(length))?;
    Ok(shape)
}

/// The version of CoreML8: any number of tables, whose entries may be vectors.
fn lut(call: &Call<'_>) -> One {
    let (indices, table) = (call.tensor("indices")?, call.tensor("lut")?);
    let vectors = check_table(call, "indices", &indices.shape, indices.element)?;
    one(table.element, expand(&indices.shape, vectors)?)
}

fn lut_to_sparse(call: &Call<'_>) -> One {
    let (mask, indices) = (call.tensor("indices_mask")?, call.tensor("indices_nonzero_data")?);
    let table = call.tensor("lut")?;
    rank_in("indices_nonzero_data", indices, 1..=1)?;
    expect_no_more("indices_nonzero_data", indices, &mask.shape)?;
    let vectors = check_table(call, "indices_mask", &mask.shape, indices.element)?;
    let count = match &vectors {
        Some(vectors) => map_dim(indices.shape[0], |count| count.checked_mul(vectors.length))?,
        None => Dim::Unknown,
    };
    let values = TensorType { element: table.element, shape: vec![count] };
    let mask = TensorType { element: mask.element, shape: expand(&mask.shape, vectors)? };
    Ok(vec![Type::Tensor(mask), Type::Tensor(values)])
}
