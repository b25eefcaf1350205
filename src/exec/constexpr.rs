//! Compressed constants back to values, as coremltools' reference decompression computes them
//! (converters/mil/mil/ops/defs/iOS16/constexpr_ops.py, iOS18/compression.py): differences are exact, products are
//! rounded once to the type of the scale.

use std::borrow::Cow;

use bytes::Bytes;
use half::f16;
use rayon::prelude::*;
use thiserror::Error;

use super::grid::Grid;
use crate::element::ElementType;
use crate::quant::pack;

/// A constant tensor: packed little-endian elements, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Constant {
    /// Its element type.
    pub element: ElementType,
    /// Its dimensions, outermost first.
    pub shape: Vec<usize>,
    /// Its elements.
    pub bytes: Bytes,
}

/// Why a compressed constant has no values.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConstexprError {
    /// The operator is not one of those known.
    #[error("`{0}` is not an operator that bitmill can decompress")]
    Operator(String),
    /// A parameter is missing.
    #[error("its parameter `{0}` is missing or unreadable")]
    Missing(&'static str),
    /// A parameter is of another type, shape or length than it must be.
    #[error("its parameter `{0}` has a type, a shape or a length that does not fit")]
    Wrong(&'static str),
    /// What comes out is not what the program declares.
    #[error("its values have another type or shape than the program declares")]
    Declared,
}

impl Constant {
    /// Number of elements; `None` on overflow.
    pub fn count(&self) -> Option<usize> {
        self.shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size))
    }

    /// Checks that the bytes are as many as type and shape say.
    fn checked(self, parameter: &'static str) -> Result<Self, ConstexprError> {
        let bytes = self.count().and_then(|count| self.element.bytes_for(count as u64));
        if bytes == Some(self.bytes.len() as u64) { Ok(self) } else { Err(ConstexprError::Wrong(parameter)) }
    }

    /// The elements as numbers; `None` for a type that has none which a binary32 holds.
    pub fn to_f32(&self) -> Option<Vec<f32>> {
        let count = self.count()?;
        let bytes = &self.bytes;
        let codes = |bits: u8| pack::unpack::<u8>(bytes, count, bits).ok();
        Some(match self.element {
            ElementType::Fp16 => bytes.as_chunks().0.par_iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
            ElementType::Fp32 => bytes.as_chunks().0.par_iter().map(|b| f32::from_le_bytes(*b)).collect(),
            ElementType::Int8 => bytes.par_iter().map(|b| f32::from(b.cast_signed())).collect(),
            ElementType::Uint8 => bytes.par_iter().map(|b| f32::from(*b)).collect(),
            ElementType::Int4 => {
                let signed = |code: u8| f32::from((code << 4).cast_signed() >> 4);
                codes(4)?.into_par_iter().map(signed).collect()
            }
            other if other.is_integer() && other.bits() < 8 => {
                codes(other.bits() as u8)?.into_par_iter().map(f32::from).collect()
            }
            _ => return None,
        })
    }

    /// Unsigned integers of at most 8 bits, one per byte.
    fn to_codes(&self) -> Option<Cow<'_, [u8]>> {
        match self.element {
            ElementType::Uint8 => Some(Cow::Borrowed(&self.bytes)),
            other if other.is_integer() && !other.is_signed() && other.bits() < 8 => {
                pack::unpack::<u8>(&self.bytes, self.count()?, other.bits() as u8).ok().map(Cow::Owned)
            }
            _ => None,
        }
    }
}

/// What an operator's parameters are bound to.
pub type Parameters<'p> = &'p dyn Fn(&str) -> Option<Constant>;

/// The outputs of a `constexpr_` operator. The operators of CoreML6 that have
/// newer versions of the same name are told by their parameter `shape`.
///
/// # Errors
/// If the operator is unknown, or its parameters do not fit each other.
pub fn evaluate(operator: &str, parameters: Parameters<'_>) -> Result<Vec<Constant>, ConstexprError> {
    let get = |name: &'static str| parameters(name).ok_or(ConstexprError::Missing(name))?.checked(name);
    let optional = |name: &'static str| parameters(name).map(|found| found.checked(name)).transpose();
    Ok(match operator {
        "constexpr_affine_dequantize" => vec![affine_dequantize(
            &get("quantized_data")?,
            &get("scale")?,
            &get("zero_point")?,
            scalar(&get("axis")?).ok_or(ConstexprError::Wrong("axis"))?,
        )?],
        "constexpr_blockwise_shift_scale" => {
            vec![shift_scale(&get("data")?, &get("scale")?, optional("offset")?.as_ref())?]
        }
        "constexpr_lut_to_dense" if parameters("shape").is_some() => vec![old_look_up(get)?],
        "constexpr_lut_to_dense" => {
            let axis = optional("vector_axis")?.map(|axis| scalar(&axis).ok_or(ConstexprError::Wrong("vector_axis")));
            vec![look_up(&get("indices")?, &get("lut")?, axis.transpose()?)?]
        }
        "constexpr_sparse_to_dense" => {
            let (values, mut mask) = (get("nonzero_data")?, get("mask")?);
            if parameters("shape").is_some() {
                mask =
                    Constant { element: ElementType::Uint1, shape: sizes(&get("shape")?)?, ..mask }.checked("mask")?;
            }
            vec![spread(&values, &mask)?]
        }
        "constexpr_lut_to_sparse" => {
            let axis = optional("vector_axis")?.map(|axis| scalar(&axis).ok_or(ConstexprError::Wrong("vector_axis")));
            let axis = axis.transpose()?;
            let (mask, lut) = (get("indices_mask")?, get("lut")?);
            let dense = look_up(&spread(&get("indices_nonzero_data")?, &mask)?, &lut, axis)?;
            let mask = match axis {
                Some(axis) => repeat(&mask, axis, lut.shape.last().copied().unwrap_or(1))?,
                None => mask,
            };
            let values = select(&dense, &mask)?;
            vec![mask, values]
        }
        "constexpr_sparse_blockwise_shift_scale" => {
            let mask = get("data_mask")?;
            let data = spread(&get("nonzero_data")?, &mask)?;
            let dense = shift_scale(&data, &get("scale")?, optional("offset")?.as_ref())?;
            let values = select(&dense, &mask)?;
            vec![mask, values]
        }
        "constexpr_cast" => {
            let source = get("source_val")?;
            let values = source.to_f32().ok_or(ConstexprError::Wrong("source_val"))?;
            vec![Constant {
                element: ElementType::Fp32,
                shape: source.shape.clone(),
                bytes: encode(&values, ElementType::Fp32).into(),
            }]
        }
        other => return Err(ConstexprError::Operator(other.to_string())),
    })
}

/// The one element of an int32 scalar.
fn scalar(constant: &Constant) -> Option<i64> {
    let bytes: [u8; 4] = constant.bytes[..].try_into().ok()?;
    (constant.element == ElementType::Int32).then(|| i64::from(i32::from_le_bytes(bytes)))
}

/// The `shape` parameter of CoreML6.
fn sizes(constant: &Constant) -> Result<Vec<usize>, ConstexprError> {
    if constant.element != ElementType::Uint32 {
        return Err(ConstexprError::Wrong("shape"));
    }
    Ok(constant.bytes.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes) as usize).collect())
}

fn axis_of(axis: i64, rank: usize) -> Option<usize> {
    let axis = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(axis).ok().filter(|axis| *axis < rank)
}

fn encode(values: &[f32], element: ElementType) -> Vec<u8> {
    match element {
        ElementType::Fp16 => values.par_iter().flat_map_iter(|value| f16::from_f32(*value).to_le_bytes()).collect(),
        _ => values.par_iter().flat_map_iter(|value| value.to_le_bytes()).collect(),
    }
}

fn round(value: f32, element: ElementType) -> f32 {
    if element == ElementType::Fp16 { f16::from_f32(value).to_f32() } else { value }
}

fn affine_dequantize(
    data: &Constant,
    scale: &Constant,
    zero_point: &Constant,
    axis: i64,
) -> Result<Constant, ConstexprError> {
    let rank = data.shape.len();
    let axis = axis_of(axis, rank.max(1)).ok_or(ConstexprError::Wrong("axis"))?;
    let spread = |constant: &Constant, name| -> Result<Constant, ConstexprError> {
        let mut shape = vec![1; rank];
        match constant.shape[..] {
            [] => {}
            [length] if data.shape.get(axis) == Some(&length) => shape[axis] = length,
            _ => return Err(ConstexprError::Wrong(name)),
        }
        Ok(Constant { element: constant.element, shape, bytes: constant.bytes.clone() })
    };
    shift_scale(data, &spread(scale, "scale")?, Some(&spread(zero_point, "zero_point")?))
}

fn shift_scale(data: &Constant, scale: &Constant, offset: Option<&Constant>) -> Result<Constant, ConstexprError> {
    let element = scale.element;
    if !matches!(element, ElementType::Fp16 | ElementType::Fp32) {
        return Err(ConstexprError::Wrong("scale"));
    }
    let grid = Grid::new(&data.shape, &scale.shape).ok_or(ConstexprError::Wrong("scale"))?;
    let mut values = data.to_f32().ok_or(ConstexprError::Wrong("data"))?;
    let scales = scale.to_f32().ok_or(ConstexprError::Wrong("scale"))?;
    let offset = match offset {
        Some(offset) => {
            let grid = Grid::new(&data.shape, &offset.shape).ok_or(ConstexprError::Wrong("offset"))?;
            Some((grid, offset.to_f32().ok_or(ConstexprError::Wrong("offset"))?))
        }
        None => None,
    };
    grid.rows(&mut values, |row, values| {
        let scale = grid.row(row);
        let offset = offset.as_ref().map(|(grid, offsets)| (grid.row(row), offsets));
        for (column, value) in values.iter_mut().enumerate() {
            let mut shifted = round(*value, element);
            if let Some((row, offsets)) = &offset {
                shifted = round(shifted - offsets[row.at(column)], element);
            }
            *value = shifted * scales[scale.at(column)];
        }
    });
    Ok(Constant { element, shape: data.shape.clone(), bytes: encode(&values, element).into() })
}

fn old_look_up(get: impl Fn(&'static str) -> Result<Constant, ConstexprError>) -> Result<Constant, ConstexprError> {
    let (indices, lut, shape) = (get("indices")?, get("lut")?, sizes(&get("shape")?)?);
    let index = match lut.shape[..] {
        [2] => ElementType::Uint1,
        [4] => ElementType::Uint2,
        [16] => ElementType::Uint4,
        [64] => ElementType::Uint6,
        [256] => ElementType::Uint8,
        _ => return Err(ConstexprError::Wrong("lut")),
    };
    let table = [vec![1; shape.len()], lut.shape.clone(), vec![1]].concat();
    let indices = Constant { element: index, shape, ..indices }.checked("indices")?;
    look_up(&indices, &Constant { shape: table, ..lut }, None)
}

/// Longest vectors of palettes. A file of a stranger could make a few indices into more than memory holds.
const MAX_VECTOR: usize = 64;

fn look_up(indices: &Constant, lut: &Constant, axis: Option<i64>) -> Result<Constant, ConstexprError> {
    let rank = indices.shape.len();
    let wrong = ConstexprError::Wrong("lut");
    let [tables @ .., entries, vector] = &lut.shape[..] else { return Err(wrong) };
    let (entries, vector) = (*entries, *vector);
    let width = lut.element.bits() as usize / 8;
    if tables.len() != rank || width == 0 || !(1..=MAX_VECTOR).contains(&vector) {
        return Err(wrong);
    }
    let axis = match (axis, vector) {
        (_, 1) => rank,
        (Some(axis), _) => axis_of(axis, rank).ok_or(ConstexprError::Wrong("vector_axis"))?,
        (None, _) => return Err(ConstexprError::Missing("vector_axis")),
    };
    let codes = indices.to_codes().ok_or(ConstexprError::Wrong("indices"))?;
    if codes.iter().any(|&code| usize::from(code) >= entries) {
        return Err(ConstexprError::Wrong("indices"));
    }
    let grid = Grid::new(&indices.shape, tables).ok_or(ConstexprError::Wrong("lut"))?;
    let mut shape = indices.shape.clone();
    if let Some(length) = shape.get_mut(axis) {
        *length = length.checked_mul(vector).ok_or(ConstexprError::Wrong("lut"))?;
    }
    let count = shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size));
    let size = count.and_then(|count| count.checked_mul(width)).ok_or(ConstexprError::Wrong("lut"))?;
    let columns = shape.last().copied().unwrap_or(1);
    // Indices in front of one step along the vector axis, and behind it.
    let inner: usize = indices.shape.iter().skip(axis + 1).product();
    let index_columns = indices.shape.last().copied().unwrap_or(1);
    let mut bytes = vec![0u8; size];
    if size > 0 {
        let rows_inside = if axis + 1 < rank { inner / index_columns.max(1) } else { 1 };
        bytes.par_chunks_mut(columns * width).enumerate().for_each(|(row, out)| {
            // The row of indices that this row of values comes from, and which value of the vectors it takes.
            let (index_row, part) = if axis + 1 < rank {
                let (outer, inside) = (row / rows_inside, row % rows_inside);
                (outer / vector * rows_inside + inside, outer % vector)
            } else {
                (row, 0)
            };
            let tables = grid.row(index_row);
            let codes = &codes[index_row * index_columns..][..index_columns];
            for (column, out) in out.chunks_exact_mut(width).enumerate() {
                let (at, part) = if axis + 1 == rank { (column / vector, column % vector) } else { (column, part) };
                let entry = (tables.at(at) * entries + usize::from(codes[at])) * vector + part;
                out.copy_from_slice(&lut.bytes[entry * width..][..width]);
            }
        });
    }
    Ok(Constant { element: lut.element, shape, bytes: bytes.into() })
}

/// One byte per bit of a mask.
fn bits(mask: &Constant) -> Result<Vec<u8>, ConstexprError> {
    if mask.element != ElementType::Uint1 {
        return Err(ConstexprError::Wrong("mask"));
    }
    let count = mask.count().ok_or(ConstexprError::Wrong("mask"))?;
    pack::unpack::<u8>(&mask.bytes, count, 1).map_err(|_| ConstexprError::Wrong("mask"))
}

/// Elements at the places of a mask's ones, zeros elsewhere.
fn spread(values: &Constant, mask: &Constant) -> Result<Constant, ConstexprError> {
    let bits = bits(mask)?;
    let ones = bits.iter().filter(|bit| **bit == 1).count();
    if values.shape != [ones] {
        return Err(ConstexprError::Wrong("nonzero_data"));
    }
    let wrong = || ConstexprError::Wrong("nonzero_data");
    let bytes = match values.element.bits() {
        narrow @ 1..8 => {
            let stored = pack::unpack::<u8>(&values.bytes, ones, narrow as u8).map_err(|_| wrong())?;
            let mut stored = stored.into_iter();
            let all: Vec<u8> = bits.iter().map(|bit| if *bit == 1 { stored.next().unwrap_or(0) } else { 0 }).collect();
            pack::pack::<u8>(&all, narrow as u8).map_err(|_| wrong())?
        }
        0 => return Err(wrong()),
        wide => {
            let width = wide as usize / 8;
            let mut bytes = vec![0u8; bits.len().checked_mul(width).ok_or_else(wrong)?];
            let places = bytes.chunks_exact_mut(width).zip(&bits).filter(|(_, bit)| **bit == 1);
            for ((place, _), value) in places.zip(values.bytes.chunks_exact(width)) {
                place.copy_from_slice(value);
            }
            bytes
        }
    };
    Ok(Constant { element: values.element, shape: mask.shape.clone(), bytes: bytes.into() })
}

/// The elements at the places of a mask's ones, in order; of types of whole bytes.
fn select(dense: &Constant, mask: &Constant) -> Result<Constant, ConstexprError> {
    let bits = bits(mask)?;
    let width = dense.element.bits() as usize / 8;
    if width == 0 || dense.shape != mask.shape {
        return Err(ConstexprError::Wrong("mask"));
    }
    let chosen = dense.bytes.chunks_exact(width).zip(&bits).filter(|(_, bit)| **bit == 1);
    let bytes: Vec<u8> = chosen.flat_map(|(value, _)| value).copied().collect();
    Ok(Constant { element: dense.element, shape: vec![bytes.len() / width], bytes: bytes.into() })
}

/// A mask with each element so many times along an axis.
fn repeat(mask: &Constant, axis: i64, times: usize) -> Result<Constant, ConstexprError> {
    let wrong = || ConstexprError::Wrong("vector_axis");
    let axis = axis_of(axis, mask.shape.len()).ok_or_else(wrong)?;
    let bits = bits(mask)?;
    let inner: usize = mask.shape[axis + 1..].iter().product();
    let mut shape = mask.shape.clone();
    shape[axis] = shape[axis].checked_mul(times).ok_or_else(wrong)?;
    let mut all = Vec::with_capacity(bits.len().checked_mul(times).ok_or_else(wrong)?);
    for row in bits.chunks(inner.max(1)) {
        (0..times).for_each(|_| all.extend_from_slice(row));
    }
    let bytes = pack::pack::<u8>(&all, 1).map_err(|_| wrong())?;
    Ok(Constant { element: ElementType::Uint1, shape, bytes: bytes.into() })
}
