//! How a constant is stored, read off the `constexpr_*` operations that make it.

use std::collections::HashSet;

use crate::element::ElementType;
use crate::graph::index::{Index, OpId};
use crate::graph::op::{Binding, Operation};
use crate::graph::types::{TensorType, Type};
use crate::graph::value::{BlobRef, Blobs, Content, Literal};

/// How deep a chain of `constexpr_*` is followed; coremltools writes at most three.
pub const MAX_CHAIN: usize = 16;

/// A compressed constant. The parts can go together: a sparse palette, a palette with quantized entries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Compression {
    /// Codes with a scale.
    pub affine: Option<Affine>,
    /// Indices into tables.
    pub palette: Option<Palette>,
    /// The number of values that are stored, where the rest is zero: `None` in it where the program does not say.
    pub sparse: Option<Option<u64>>,
    /// Bits of each stored code or index; those of the element type where neither is used.
    pub bits: u64,
    /// The table's entries are themselves codes with a scale.
    pub quantized_entries: bool,
}

/// Codes with a scale, and perhaps an offset, per block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affine {
    /// The codes' type.
    pub codes: ElementType,
    /// Whether codes are shifted: an offset or zero point that is given, unless it is known to be all zeros.
    pub offset: bool,
    /// What shares a scale.
    pub granularity: Granularity,
}

/// Indices into tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Palette {
    /// The entries' type as stored.
    pub entries: ElementType,
    /// How many values an entry has; 1 for scalars.
    pub vector: u64,
    /// What shares a table.
    pub granularity: Granularity,
}

/// What shares a scale or a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Granularity {
    /// The whole tensor.
    PerTensor,
    /// Each position along an axis.
    PerChannel(usize),
    /// Each block of this size, one number per axis.
    PerBlock(Vec<u64>),
    /// The shapes are not known.
    Unknown,
}

impl Granularity {
    /// Of a grid of scales or tables over a tensor of this shape.
    pub fn of(shape: &[u64], grid: &[u64]) -> Granularity {
        if shape.len() != grid.len() || grid.contains(&0) {
            return Granularity::Unknown;
        }
        let split: Vec<usize> = (0..grid.len()).filter(|axis| grid[*axis] > 1).collect();
        match split[..] {
            [] => Granularity::PerTensor,
            [axis] if grid[axis] == shape[axis] => Granularity::PerChannel(axis),
            _ => Granularity::PerBlock(shape.iter().zip(grid).map(|(size, parts)| size / parts).collect()),
        }
    }
}

/// Most parameters of one operation of a chain, tuples counted by their members; the operators have at most five. What
/// has more is not looked into: constants of a hostile program may share such an operation by the million.
const MAX_PARTS: usize = 16;

/// Longest values in the program itself that tell constants apart: axes, shapes, scales of whole tensors.
const MAX_INLINE: usize = 64;

/// Parameters that say how values lie, and hold none.
const LAYING: &[&str] = &["axis", "shape", "vector_axis"];

/// A part of a constant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stored {
    /// In a file.
    Blob(BlobRef),
    /// In the program.
    Bytes(Vec<u8>),
}

/// A chain of `constexpr_*` operations, walked from its end.
pub(super) struct Chain<'i, 'f> {
    index: &'i Index<'f>,
    blobs: &'i dyn Blobs,
    pub(super) compression: Compression,
    visited: HashSet<OpId>,
    /// Everything that is stored, in the order in which it is found: what makes two constants the same one.
    pub(super) stored: Vec<(String, Stored)>,
    /// Bytes of what is stored; `None` where a size is unknown.
    pub(super) bytes: Option<u64>,
    /// As `bytes`, with what is fp32 as fp16.
    pub(super) halved: Option<u64>,
    /// Whether everything that is long lies in files.
    pub(super) all_in_files: bool,
    /// What lies in files, and as what the program declares it.
    pub(super) blobs_declared: Vec<(BlobRef, TensorType)>,
}

impl<'i, 'f> Chain<'i, 'f> {
    pub(super) fn of(index: &'i Index<'f>, id: OpId, blobs: &'i dyn Blobs) -> Self {
        let mut chain = Chain {
            index,
            blobs,
            compression: Compression::default(),
            visited: HashSet::new(),
            stored: Vec::new(),
            bytes: Some(0),
            halved: Some(0),
            all_in_files: true,
            blobs_declared: Vec::new(),
        };
        chain.walk(id, 0);
        if chain.compression.bits == 0
            && let Some(output) = index.operation(id).outputs.first().and_then(|output| output.ty.as_tensor())
        {
            chain.compression.bits = output.element.bits();
        }
        chain
    }

    fn walk(&mut self, id: OpId, depth: usize) {
        if depth >= MAX_CHAIN || !self.visited.insert(id) {
            return;
        }
        let operation = self.index.operation(id);
        if !has_few_parts(operation) {
            self.bytes = None;
            self.all_in_files = false;
            return;
        }
        self.describe(id);
        for attribute in &operation.attributes {
            self.keep(&format!("{}.{}", operation.kind, attribute.name), &attribute.value);
        }
        let mut bound = self.index.bound(id).iter();
        let mut followed = Vec::new();
        for input in &operation.inputs {
            for binding in &input.bindings {
                let value = bound.next().copied().flatten();
                match binding {
                    Binding::Literal(literal) => {
                        self.keep(&format!("{}.{}", operation.kind, input.parameter), literal);
                    }
                    Binding::Value(_) => {
                        if let Some((producer, inner)) = value.and_then(|value| self.index.producing(value)) {
                            match inner.attribute("val").filter(|_| inner.is_const()) {
                                Some(literal) => {
                                    self.keep(&format!("{}.{}", operation.kind, input.parameter), literal);
                                }
                                None if inner.is_constexpr() => followed.push(producer),
                                None => {}
                            }
                        }
                    }
                }
            }
        }
        for producer in followed {
            self.walk(producer, depth + 1);
        }
    }

    fn keep(&mut self, place: &str, literal: &Literal) {
        let tensor = literal.ty.as_tensor();
        let bytes = tensor.and_then(TensorType::bytes);
        let halved = tensor.and_then(TensorType::bytes_halved);
        // A scalar of text, `output_dtype`, is no stored value.
        if literal.text().is_some() {
            return;
        }
        // Nor is what tells how values lie.
        if !LAYING.iter().any(|parameter| place.rsplit('.').next() == Some(parameter)) {
            self.bytes = self.bytes.and_then(|sum| sum.checked_add(bytes?));
            self.halved = self.halved.and_then(|sum| sum.checked_add(halved?));
        }
        match &literal.content {
            Content::Blob(blob) => {
                self.blobs_declared.extend(tensor.map(|tensor| (blob.clone(), tensor.clone())));
                self.stored.push((place.to_owned(), Stored::Blob(blob.clone())));
            }
            Content::Bytes(bytes) if bytes.len() <= MAX_INLINE => {
                self.stored.push((place.to_owned(), Stored::Bytes(bytes.to_vec())));
            }
            _ => self.all_in_files = false,
        }
    }

    fn tensor(&self, id: OpId, parameter: &str) -> Option<&'f TensorType> {
        let operation = self.index.operation(id);
        let ty: &Type = match operation.input(parameter).first() {
            Some(Binding::Literal(literal)) => &literal.ty,
            Some(Binding::Value(_)) => self.index.ty(self.index.bound_to(id, parameter)?),
            None => &operation.attribute(parameter)?.ty,
        };
        ty.as_tensor()
    }

    /// Notes what one operation of the chain says about how the constant is stored.
    fn describe(&mut self, id: OpId) {
        let operation = self.index.operation(id);
        let output = operation.outputs.first().and_then(|output| output.ty.as_tensor()).and_then(TensorType::sizes);
        match &*operation.kind {
            "constexpr_affine_dequantize" => self.affine(id, "quantized_data", self.axis_grid(id)),
            "constexpr_blockwise_shift_scale" => {
                // Over a table's entries, it says nothing about the constant's own blocks.
                if self.compression.palette.is_some() {
                    self.compression.quantized_entries = true;
                    return;
                }
                let grid = self.tensor(id, "scale").and_then(TensorType::sizes);
                self.affine(id, "data", output.zip(grid));
            }
            "constexpr_sparse_blockwise_shift_scale" => {
                let grid = self.tensor(id, "scale").and_then(TensorType::sizes);
                self.affine(id, "nonzero_data", output.zip(grid));
            }
            "constexpr_lut_to_dense" => self.palette(id, "indices", output),
            "constexpr_lut_to_sparse" => self.palette(id, "indices_nonzero_data", output),
            "constexpr_sparse_to_dense" => {
                let values = self.tensor(id, "nonzero_data");
                self.compression.sparse = Some(values.and_then(TensorType::count));
                if let Some(values) = values.filter(|_| self.compression.bits == 0) {
                    self.compression.bits = values.element.bits();
                }
            }
            _ => {}
        }
    }

    /// The shape and the grid of scales of the operator that has one axis.
    fn axis_grid(&self, id: OpId) -> Option<(Vec<u64>, Vec<u64>)> {
        let shape = self.tensor(id, "quantized_data")?.sizes()?;
        let scales = self.tensor(id, "scale")?.sizes()?;
        let mut grid = vec![1; shape.len()];
        if let [length] = scales[..] {
            let axis = *self.index.constant(id, "axis")?.ints(self.blobs)?.first()?;
            let axis = if axis < 0 { axis + shape.len() as i64 } else { axis };
            *grid.get_mut(usize::try_from(axis).ok()?)? = length;
        }
        Some((shape, grid))
    }

    fn affine(&mut self, id: OpId, codes: &str, grid: Option<(Vec<u64>, Vec<u64>)>) {
        let granularity = grid.map_or(Granularity::Unknown, |(shape, grid)| Granularity::of(&shape, &grid));
        let Some(codes) = self.tensor(id, codes).map(|codes| codes.element) else { return };
        let offset = ["offset", "zero_point"].iter().any(|parameter| self.shifts(id, parameter));
        self.compression.affine = Some(Affine { codes, offset, granularity });
        self.compression.bits = codes.bits();
    }

    fn shifts(&self, id: OpId, parameter: &str) -> bool {
        let zeros = |literal: &Literal| literal.ints(self.blobs).is_some_and(|values| values.iter().all(|v| *v == 0));
        self.tensor(id, parameter).is_some() && !self.index.constant(id, parameter).is_some_and(zeros)
    }

    fn palette(&mut self, id: OpId, indices: &str, shape: Option<Vec<u64>>) {
        let (Some(indices), Some(lut)) = (self.tensor(id, indices), self.tensor(id, "lut")) else { return };
        let sizes = lut.sizes().unwrap_or_default();
        let (bits, vector, granularity) = match (&sizes[..], shape) {
            // Before CoreML8 one table, whose length tells the bits.
            ([entries], _) => (u64::from(entries.checked_ilog2().unwrap_or(0)), 1, Granularity::PerTensor),
            ([grid @ .., _, vector], Some(shape)) => (indices.element.bits(), *vector, Granularity::of(&shape, grid)),
            _ => (indices.element.bits(), 1, Granularity::Unknown),
        };
        self.compression.palette = Some(Palette { entries: self.entries(id, lut), vector, granularity });
        self.compression.bits = bits;
    }

    /// The type in which a table's entries are stored: that of the codes where they are quantized.
    fn entries(&self, id: OpId, lut: &TensorType) -> ElementType {
        let producer = self.index.bound_to(id, "lut").and_then(|value| self.index.producing(value));
        let codes = producer.and_then(|(producer, _)| self.tensor(producer, "data"));
        codes.map_or(lut.element, |codes| codes.element)
    }
}

/// Whether an operation has no more than [`MAX_PARTS`] parameters; told without looking at all of them.
fn has_few_parts(operation: &Operation) -> bool {
    let named = operation.attributes.len().saturating_add(operation.inputs.len());
    named <= MAX_PARTS && operation.inputs.iter().map(|input| input.bindings.len()).sum::<usize>() <= MAX_PARTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids() {
        assert_eq!(Granularity::of(&[64, 48], &[1, 1]), Granularity::PerTensor);
        assert_eq!(Granularity::of(&[64, 48], &[64, 1]), Granularity::PerChannel(0));
        assert_eq!(Granularity::of(&[64, 48], &[64, 3]), Granularity::PerBlock(vec![1, 16]));
        assert_eq!(Granularity::of(&[64, 48], &[4, 1]), Granularity::PerBlock(vec![16, 48]));
        assert_eq!(Granularity::of(&[64, 48], &[4]), Granularity::Unknown);
        assert_eq!(Granularity::of(&[64, 48], &[0, 1]), Granularity::Unknown);
    }
}
