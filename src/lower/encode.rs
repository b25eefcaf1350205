//! A scheme that fits a weight, in the operators of an operator set.
//!
//! Signatures: coremltools 9.0, `converters/mil/mil/ops/defs/iOS16/constexpr_ops.py` and `iOS18/compression.py`;
//! chains as `optimize/coreml/_quantization_passes.py` makes them.

use thiserror::Error;

use super::chain::{Chain, Data, Holds, Operand, Step};
use crate::element::ElementType;
use crate::graph::function::Opset;
use crate::plan::fit::{Fitted, storage_bits};
use crate::scheme::{FloatType, Mapping};

/// Why a scheme cannot be written in an operator set. The checker refuses such recipes first.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// The operator set has nothing like it.
    #[error("{set} has no {what}")]
    Missing {
        /// The operator set.
        set: Opset,
        /// What is missing.
        what: &'static str,
    },
    /// The program computes in another type than the weight would have.
    #[error("the weight would become {would}, where the program has {has}")]
    Type {
        /// The type that comes of the scheme.
        would: ElementType,
        /// The type of the weight.
        has: ElementType,
    },
}

/// A weight as an encoding sees it.
#[derive(Debug, Clone, Copy)]
pub struct Shaped<'a> {
    /// Its dimensions.
    pub shape: &'a [usize],
    /// Its type in the program: fp16 or fp32.
    pub element: ElementType,
    /// Elements that pruning leaves, where the scheme prunes; of palettes of vectors, unused.
    pub survivors: usize,
}

/// The operators that give a weight.
///
/// # Errors
/// If the operator set cannot express the scheme.
pub fn encode(weight: Shaped, fitted: &Fitted, set: Opset) -> Result<Chain, EncodeError> {
    let encoder = Encoder { weight, set, steps: Vec::new() };
    match fitted {
        Fitted::Affine { block, bits, signed, mapping, scale, sparse, .. } => {
            let affine = Affine {
                block,
                bits: *bits,
                signed: *signed,
                offset: *mapping == Mapping::Asymmetric || !signed,
                scale: element(*scale),
                sparse: sparse.is_some(),
            };
            encoder.same_type(affine.scale)?.affine(&affine)
        }
        Fitted::Palette { block, bits, vector, axis, int8_entries, scaled, entry, sparse, .. } => {
            let palette = Palette {
                block,
                bits: storage_bits(*bits),
                vector: (*vector as usize).max(1),
                axis: *axis,
                int8: *int8_entries,
                scaled: *scaled,
                entry: element(*entry),
                // Vectors cannot be pruned in part: their zeros are stored like other values.
                sparse: sparse.is_some() && *vector <= 1,
            };
            encoder.same_type(palette.entry)?.palette(&palette)
        }
        Fitted::Sparse { float, .. } => encoder.sparse(element(*float)),
        Fitted::Float(float) => encoder.float(element(*float)),
    }
}

/// The weight as a plain constant.
pub fn plain(weight: Shaped) -> Chain {
    let shape = weight.shape.to_vec();
    let values = data(Holds::Plain, weight.element, shape.clone());
    let step = Step { operator: "const", parameters: vec![("val", values)], outputs: vec![(weight.element, shape)] };
    Chain { steps: vec![step] }
}

/// The element type of a float type.
pub fn element(float: FloatType) -> ElementType {
    match float {
        FloatType::Fp16 => ElementType::Fp16,
        FloatType::Fp32 => ElementType::Fp32,
        FloatType::Bf16 => ElementType::Bf16,
        FloatType::Fp8E4m3 => ElementType::Fp8E4M3,
        FloatType::Fp8E5m2 => ElementType::Fp8E5M2,
    }
}

/// The unsigned type of indices of some bits; there is none of 5 and 7.
fn index_type(bits: u8) -> ElementType {
    match bits {
        1 => ElementType::Uint1,
        2 => ElementType::Uint2,
        3 => ElementType::Uint3,
        4 => ElementType::Uint4,
        5 | 6 => ElementType::Uint6,
        _ => ElementType::Uint8,
    }
}

struct Affine<'a> {
    block: &'a [usize],
    bits: u8,
    signed: bool,
    offset: bool,
    scale: ElementType,
    sparse: bool,
}

struct Palette<'a> {
    block: &'a [usize],
    bits: u8,
    vector: usize,
    axis: usize,
    int8: bool,
    scaled: bool,
    entry: ElementType,
    sparse: bool,
}

struct Encoder<'a> {
    weight: Shaped<'a>,
    set: Opset,
    steps: Vec<Step>,
}

fn data(holds: Holds, element: ElementType, shape: Vec<usize>) -> Operand {
    Operand::Data(Data { holds, element, shape })
}

/// Blocks along each axis.
fn groups(shape: &[usize], block: &[usize]) -> Vec<usize> {
    shape.iter().zip(block).map(|(length, extent)| length / (*extent).max(1)).collect()
}

impl Encoder<'_> {
    fn missing<T>(&self, what: &'static str) -> Result<T, EncodeError> {
        Err(EncodeError::Missing { set: self.set, what })
    }

    fn same_type(self, would: ElementType) -> Result<Self, EncodeError> {
        let has = self.weight.element;
        if would == has { Ok(self) } else { Err(EncodeError::Type { would, has }) }
    }

    fn shape(&self) -> Vec<usize> {
        self.weight.shape.to_vec()
    }

    /// The `shape` parameter of CoreML6.
    fn sizes(&self) -> Operand {
        Operand::Sizes(self.weight.shape.iter().map(|&size| u32::try_from(size).unwrap_or(u32::MAX)).collect())
    }

    /// Adds an operator; gives its first output.
    fn step(
        &mut self,
        operator: &'static str,
        parameters: Vec<(&'static str, Operand)>,
        outputs: Vec<(ElementType, Vec<usize>)>,
    ) -> Operand {
        self.steps.push(Step { operator, parameters, outputs });
        Operand::Result(self.steps.len() - 1, 0)
    }

    fn done(self) -> Result<Chain, EncodeError> {
        Ok(Chain { steps: self.steps })
    }

    fn affine(mut self, affine: &Affine) -> Result<Chain, EncodeError> {
        if self.set < Opset::CoreML8 {
            return self.affine_of_channels(affine);
        }
        let code = match (affine.bits, affine.signed) {
            (4, true) => ElementType::Int4,
            (4, false) => ElementType::Uint4,
            (8, true) => ElementType::Int8,
            (8, false) => ElementType::Uint8,
            _ => return self.missing("integer weights of other than 4 and 8 bits"),
        };
        let grid = groups(self.weight.shape, affine.block);
        let mut parameters = vec![("scale", data(Holds::Scales, affine.scale, grid.clone()))];
        if affine.offset {
            parameters.push(("offset", data(Holds::ZeroPoints, code, grid)));
        }
        if !affine.sparse {
            parameters.insert(0, ("data", data(Holds::Codes, code, self.shape())));
            let output = (affine.scale, self.shape());
            self.step("constexpr_blockwise_shift_scale", parameters, vec![output]);
            return self.done();
        }
        let kept = vec![self.weight.survivors];
        parameters.insert(0, ("data_mask", data(Holds::Mask, ElementType::Uint1, self.shape())));
        parameters.insert(1, ("nonzero_data", data(Holds::Codes, code, kept.clone())));
        let outputs = vec![(ElementType::Uint1, self.shape()), (affine.scale, kept)];
        self.step("constexpr_sparse_blockwise_shift_scale", parameters, outputs);
        self.dense_of_sparse(affine.scale);
        self.done()
    }

    /// CoreML6: one scale, or one for each index of one axis. Signed codes are written as unsigned ones, moved up
    /// by 128 with their zero points: the same values, where signed codes are reported to give wrong results on
    /// the GPU and the Neural Engine (apple/coremltools#2114).
    fn affine_of_channels(mut self, affine: &Affine) -> Result<Chain, EncodeError> {
        if self.set < Opset::CoreML6 {
            return self.missing("compressed weights");
        }
        if affine.bits != 8 || affine.sparse {
            return self.missing("integer weights other than plain ones of 8 bits");
        }
        let shared: Vec<usize> = self.weight.shape.iter().zip(affine.block).map(|(n, e)| n / (*e).max(1)).collect();
        let axes: Vec<usize> = (0..shared.len()).filter(|&axis| shared[axis] > 1).collect();
        let (axis, grid) = match axes[..] {
            [] => (0, Vec::new()),
            [axis] if affine.block[axis] == 1 => (axis, vec![shared[axis]]),
            _ => return self.missing("scales per block"),
        };
        let (codes, zero_points) = match affine.signed {
            true => (Holds::RaisedCodes, Holds::RaisedZeroPoints),
            false => (Holds::Codes, Holds::ZeroPoints),
        };
        let parameters = vec![
            ("quantized_data", data(codes, ElementType::Uint8, self.shape())),
            ("zero_point", data(zero_points, ElementType::Uint8, grid.clone())),
            ("scale", data(Holds::Scales, affine.scale, grid)),
            ("axis", Operand::Int(i32::try_from(axis).unwrap_or(0))),
        ];
        let output = (affine.scale, self.shape());
        self.step("constexpr_affine_dequantize", parameters, vec![output]);
        self.done()
    }

    fn palette(mut self, palette: &Palette) -> Result<Chain, EncodeError> {
        if self.set < Opset::CoreML8 {
            return self.palette_of_tensor(palette);
        }
        let entries = 1usize << palette.bits;
        let mut table_shape = groups(self.weight.shape, palette.block);
        table_shape.extend([entries, palette.vector]);
        let rank = table_shape.len();
        let stored = data(Holds::Int8Tables, ElementType::Int8, table_shape.clone());
        // CoreML9 scales after the look-up, which keeps the weight in int8 until then; CoreML8 only knows how to
        // scale the table.
        let after = palette.int8 && self.set >= Opset::CoreML9;
        let (table, looked_up) = match palette.int8 {
            true if after => (stored, ElementType::Int8),
            true => {
                let scale = data(Holds::TableScale, palette.entry, vec![1; rank]);
                let parameters = vec![("data", stored), ("scale", scale)];
                let scaled = (palette.entry, table_shape);
                (self.step("constexpr_blockwise_shift_scale", parameters, vec![scaled]), palette.entry)
            }
            false => (data(Holds::Tables, palette.entry, table_shape), palette.entry),
        };
        let mut weight = self.look_up(palette, table, looked_up);
        if after {
            let scale = data(Holds::TableScale, palette.entry, vec![1; self.weight.shape.len()]);
            weight = self.scale(weight, scale, palette.entry);
        }
        if palette.scaled {
            let mut shape = vec![1; self.weight.shape.len()];
            if let Some(extent) = shape.get_mut(palette.axis) {
                *extent = self.weight.shape[palette.axis];
            }
            let scale = data(Holds::ChannelScales, palette.entry, shape);
            self.scale(weight, scale, palette.entry);
        }
        self.done()
    }

    fn look_up(&mut self, palette: &Palette, table: Operand, element: ElementType) -> Operand {
        let index = index_type(palette.bits);
        let mut parameters = vec![("lut", table)];
        if palette.vector > 1 {
            parameters.push(("vector_axis", Operand::Int(i32::try_from(palette.axis).unwrap_or(0))));
        }
        if palette.sparse {
            let kept = vec![self.weight.survivors];
            parameters.insert(0, ("indices_mask", data(Holds::Mask, ElementType::Uint1, self.shape())));
            parameters.insert(1, ("indices_nonzero_data", data(Holds::Codes, index, kept.clone())));
            let outputs = vec![(ElementType::Uint1, self.shape()), (element, kept)];
            self.step("constexpr_lut_to_sparse", parameters, outputs);
            return self.dense_of_sparse(element);
        }
        let mut shape = self.shape();
        if let Some(length) = shape.get_mut(palette.axis) {
            *length /= palette.vector;
        }
        parameters.insert(0, ("indices", data(Holds::Codes, index, shape)));
        let output = (element, self.shape());
        self.step("constexpr_lut_to_dense", parameters, vec![output])
    }

    fn scale(&mut self, weight: Operand, scale: Operand, element: ElementType) -> Operand {
        let output = (element, self.shape());
        self.step("constexpr_blockwise_shift_scale", vec![("data", weight), ("scale", scale)], vec![output])
    }

    /// CoreML6: one table for the tensor.
    fn palette_of_tensor(mut self, palette: &Palette) -> Result<Chain, EncodeError> {
        if self.set < Opset::CoreML6 {
            return self.missing("compressed weights");
        }
        if palette.sparse || palette.int8 || palette.scaled || palette.vector > 1 {
            return self.missing("palettes with anything beside a table of floats");
        }
        if palette.block != self.weight.shape {
            return self.missing("more than one table");
        }
        if !matches!(palette.bits, 1 | 2 | 4 | 6 | 8) {
            return self.missing("3-bit palettes");
        }
        let count: usize = self.weight.shape.iter().product();
        let bytes = index_type(palette.bits).bytes_for(count as u64).unwrap_or(u64::MAX) as usize;
        let parameters = vec![
            ("indices", data(Holds::Codes, ElementType::Uint8, vec![bytes])),
            ("lut", data(Holds::Tables, palette.entry, vec![1 << palette.bits])),
            ("shape", self.sizes()),
        ];
        let output = (palette.entry, self.shape());
        self.step("constexpr_lut_to_dense", parameters, vec![output]);
        self.done()
    }

    /// Spreads the values of the last operator, which gives a mask and values.
    fn dense_of_sparse(&mut self, element: ElementType) -> Operand {
        let last = self.steps.len() - 1;
        let parameters = vec![("nonzero_data", Operand::Result(last, 1)), ("mask", Operand::Result(last, 0))];
        let output = (element, self.shape());
        self.step("constexpr_sparse_to_dense", parameters, vec![output])
    }

    /// Pruned values; fp16 ones in a program of fp32 are cast afterwards.
    fn sparse(mut self, element: ElementType) -> Result<Chain, EncodeError> {
        let has = self.weight.element;
        let is_cast = (element, has) == (ElementType::Fp16, ElementType::Fp32);
        if element != has && !is_cast {
            return Err(EncodeError::Type { would: element, has });
        }
        if is_cast && self.set < Opset::CoreML8 {
            return self.missing("pruned fp16 weights in a program of fp32");
        }
        let values = data(Holds::Values, element, vec![self.weight.survivors]);
        let mut parameters = vec![("nonzero_data", values)];
        match self.set {
            Opset::CoreML5 => return self.missing("compressed weights"),
            Opset::CoreML6 | Opset::CoreML7 => {
                let count: usize = self.weight.shape.iter().product();
                parameters.push(("mask", data(Holds::Mask, ElementType::Uint8, vec![count.div_ceil(8)])));
                parameters.push(("shape", self.sizes()));
            }
            _ => parameters.push(("mask", data(Holds::Mask, ElementType::Uint1, self.shape()))),
        }
        let output = (element, self.shape());
        let dense = self.step("constexpr_sparse_to_dense", parameters, vec![output]);
        if is_cast {
            let parameters = vec![("source_val", dense), ("output_dtype", Operand::Word("fp32"))];
            let output = (has, self.shape());
            self.step("constexpr_cast", parameters, vec![output]);
        }
        self.done()
    }

    /// fp16 values in a program of fp32.
    fn float(mut self, float: ElementType) -> Result<Chain, EncodeError> {
        let has = self.weight.element;
        if float == has {
            return Ok(plain(self.weight));
        }
        if (float, has) != (ElementType::Fp16, ElementType::Fp32) {
            return Err(EncodeError::Type { would: float, has });
        }
        if self.set < Opset::CoreML6 {
            return self.missing("compressed weights");
        }
        let values = data(Holds::Values, ElementType::Fp16, self.shape());
        let parameters = vec![("source_val", values), ("output_dtype", Operand::Word("fp32"))];
        let output = (ElementType::Fp32, self.shape());
        self.step("constexpr_cast", parameters, vec![output]);
        self.done()
    }
}
