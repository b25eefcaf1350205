//! Affine quantization: `w ≈ scale · (code − zero point)`, one scale for every block of a tensor.
//!
//! Tensors have any number of axes and are row-major; a block has a size along every axis, so per-tensor,
//! per-channel (any axis), per-group and per-block are one case. The integers and scales are torchao's bit
//! for bit, or coremltools', as [`Arithmetic`] says. Each operation is computed in binary32 and rounded
//! once to the type named:
//!
//! | | torchao | coremltools |
//! |---|---|---|
//! | codes of n bits | −2ⁿ⁻¹ … 2ⁿ⁻¹−1 | the same; symmetric: without the lowest (unsigned: highest) one |
//! | symmetric | max\|w\| / half the range | (max\|w\| + max\|w\|) / (highest − lowest) |
//! | asymmetric | (max − min) / (2ⁿ−1), zero included | the same |
//! | zero point | lowest − rint(min / scale) | rint((lowest·max − highest·min) / (max − min)) |
//! | code | rint(w · (1 / scale)) + zero point | rint(w / scale) + zero point |
//! | value | (code − zero point) · scale, in the weight's type; binary32 if the scale has another | in the scale's type |
//! | least scale | the smallest normal number of the weight's type | a scale of 0 becomes 1 |
//! | NaN, infinity | spread over their block as upstream spreads them | [`QuantError::NonFinite`] |
//!
//! Where coremltools' own arithmetic breaks, this one goes on: a block without a usable scale gets scale 1
//! (upstream divides by zero), and a range that overflows the weight's type is computed in binary64.
//! Unsigned codes are the signed ones moved up by half the range, so that both give the same values; upstream
//! has no unsigned form of [`Mapping::SymmetricNoClipping`], and coremltools' symmetric codes never clip.
//! [`ScaleSearch::Hqq`] ignores the mapping, as upstream does, and is symmetric.

mod blocks;
mod decode;
mod encode;
mod formula;
mod search;

use rayon::prelude::*;

use crate::quant::element::Element;
use crate::quant::error::QuantError;
use crate::quant::power::Power;
use crate::scheme::{Arithmetic, FloatType, Mapping, ScaleSearch};

pub use blocks::Blocks;
use encode::{Coding, encode, extremes};
use formula::{Formula, Ranges};

/// Elements that one task works on: enough to pay for the task, few enough to stay in a core's cache.
const PIECE: usize = 1 << 16;

/// How a weight is quantized, apart from its blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AffineSpec {
    /// Bits per code, 1 to 8.
    pub bits: u8,
    /// Whether codes are two's complement.
    pub signed: bool,
    /// Where zero lies among the codes.
    pub mapping: Mapping,
    /// Whose formulas.
    pub arithmetic: Arithmetic,
    /// The type that scales are rounded to; `None` is the weight's own. fp16, bf16 or fp32.
    pub scale: Option<FloatType>,
    /// How scales are chosen.
    pub search: ScaleSearch,
}

/// A quantized tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantized {
    /// Elements along each axis.
    pub shape: Vec<usize>,
    /// Elements of a block along each axis.
    pub block: Vec<usize>,
    /// Bits per code.
    pub bits: u8,
    /// Whether codes and zero points are two's complement.
    pub signed: bool,
    /// Whose formula turns codes into values.
    pub arithmetic: Arithmetic,
    /// The type of the scales.
    pub scale_type: FloatType,
    /// One code per element, row-major. Unsigned codes are stored as the same 8 bits: see [`Quantized::code`].
    pub codes: Vec<i8>,
    /// One scale per block, row-major over the blocks, each a value of [`Quantized::scale_type`].
    pub scales: Vec<f32>,
    /// One zero point per block, stored as codes are.
    pub zero_points: Vec<i8>,
    /// Blocks in which nothing can be told from zero: all zero, or too small for the scale's type.
    pub dead_blocks: usize,
}

impl Quantized {
    /// The code of an element, given its index; `None` beyond the last.
    pub fn code(&self, index: usize) -> Option<i16> {
        self.codes.get(index).map(|&c| widen(c, self.signed))
    }

    /// The zero point of a block, given its index; `None` beyond the last.
    pub fn zero_point(&self, block: usize) -> Option<i16> {
        self.zero_points.get(block).map(|&z| widen(z, self.signed))
    }

    /// The shape of the scales: blocks along each axis.
    pub fn scale_shape(&self) -> Vec<usize> {
        let sizes = self.shape.iter().zip(&self.block);
        sizes.map(|(size, block)| size / block.max(&1)).collect()
    }

    /// The values that the codes stand for, rounded to `T`.
    ///
    /// # Errors
    /// If the parts do not belong together: lengths, shapes, scale type.
    pub fn dequantize<T: Element>(&self) -> Result<Vec<T>, QuantError> {
        decode::dequantize(self)
    }

    /// As [`Power::between`] of some weights and the values that the codes stand for, rounded to `T`, without
    /// holding these.
    ///
    /// # Errors
    /// As [`Quantized::dequantize`], and if there are not as many weights as codes.
    pub fn power<T: Element>(&self, original: &[T]) -> Result<Power, QuantError> {
        decode::power(self, original)
    }

    /// The division of the tensor into blocks, with every part's length checked against it.
    fn blocks(&self) -> Result<Blocks, QuantError> {
        let blocks = Blocks::new(&self.shape, &self.block)?;
        for (len, shape, expected) in [
            (self.codes.len(), self.shape.clone(), blocks.len()),
            (self.scales.len(), self.scale_shape(), blocks.groups()),
            (self.zero_points.len(), self.scale_shape(), blocks.groups()),
        ] {
            if len != expected {
                return Err(QuantError::Length { len, shape });
            }
        }
        Ok(blocks)
    }
}

/// A stored code as the number it means.
fn widen(code: i8, signed: bool) -> i16 {
    if signed { i16::from(code) } else { i16::from(code.cast_unsigned()) }
}

/// Quantizes a row-major tensor of the given shape, with one scale for every `block`.
///
/// Uses the rayon pool it is called in; the result does not depend on the number of threads.
///
/// # Errors
/// If the shape does not describe `weights`, if the block does not divide it, if `spec` asks for something
/// that does not exist, or, in coremltools' arithmetic, if a weight or its scale is not finite.
pub fn quantize<T: Element>(
    weights: &[T],
    shape: &[usize],
    block: &[usize],
    spec: &AffineSpec,
) -> Result<Quantized, QuantError> {
    quantize_unless(weights, shape, block, spec, &|| false)
}

/// As [`quantize`], but stops with [`QuantError::Cancelled`] soon after `cancelled` returns true.
///
/// `cancelled` is asked from several threads, about once for every 65 536 elements.
///
/// # Errors
/// As [`quantize`], and when cancelled.
pub fn quantize_unless<T: Element>(
    weights: &[T],
    shape: &[usize],
    block: &[usize],
    spec: &AffineSpec,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<Quantized, QuantError> {
    quantize_above(weights, shape, block, (spec, None), cancelled)
}

/// As [`quantize_unless`], with another least scale in torchao's arithmetic than the smallest normal number of the
/// weight's type.
///
/// # Errors
/// As [`quantize_unless`].
pub fn quantize_above<T: Element>(
    weights: &[T],
    shape: &[usize],
    block: &[usize],
    (spec, least): (&AffineSpec, Option<f32>),
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<Quantized, QuantError> {
    let blocks = Blocks::new(shape, block)?;
    if weights.len() != blocks.len() {
        return Err(QuantError::Length { len: weights.len(), shape: shape.to_vec() });
    }
    let formula = Formula::new(spec, least.unwrap_or(T::SMALLEST_NORMAL))?;
    let scale_type = spec.scale.unwrap_or(T::FLOAT);
    let job = Job { weights, blocks: &blocks, formula: &formula, search: spec.search, cancelled };
    let parts = match scale_type {
        own if own == T::FLOAT => job.run::<T, T>(),
        FloatType::Fp16 => job.run::<half::f16, f32>(),
        FloatType::Bf16 => job.run::<half::bf16, f32>(),
        FloatType::Fp32 => job.run::<f32, f32>(),
        other => Err(QuantError::ScaleType(other)),
    }?;
    Ok(Quantized {
        shape: shape.to_vec(),
        block: block.to_vec(),
        bits: spec.bits,
        signed: spec.signed,
        arithmetic: spec.arithmetic,
        scale_type,
        codes: parts.codes,
        scales: parts.scales,
        zero_points: parts.zero_points,
        dead_blocks: parts.dead_blocks,
    })
}

/// What a kernel writes.
struct Parts {
    codes: Vec<i8>,
    scales: Vec<f32>,
    zero_points: Vec<i8>,
    dead_blocks: usize,
}

/// One tensor to quantize.
struct Job<'a, T> {
    weights: &'a [T],
    blocks: &'a Blocks,
    formula: &'a Formula,
    search: ScaleSearch,
    cancelled: &'a (dyn Fn() -> bool + Sync),
}

impl<T: Element> Job<'_, T> {
    /// `S` is the type of the scales, `P` the type that products of weights and scales have.
    fn run<S: Element, P: Element>(&self) -> Result<Parts, QuantError> {
        match self.search {
            ScaleSearch::MinMax if self.blocks.has_small_slabs(rayon::current_num_threads()) => self.by_slab::<S, P>(),
            ScaleSearch::MinMax => self.in_two_passes::<S, P>(),
            ScaleSearch::Mse => {
                let coding = search::least_squares::<T, S, P>(
                    &self.blocks.regroup(self.weights),
                    self.blocks,
                    self.formula,
                    self.cancelled,
                )?;
                self.encode_all::<P>(coding)
            }
            ScaleSearch::Hqq => {
                let coding = search::half_quadratic::<T, S>(
                    &self.blocks.regroup(self.weights),
                    self.blocks,
                    self.formula,
                    self.cancelled,
                )?;
                self.encode_all::<f32>(coding)
            }
        }
    }

    fn poll(&self) -> Result<(), QuantError> {
        if (self.cancelled)() { Err(QuantError::Cancelled) } else { Ok(()) }
    }

    /// Ranges, scales and codes of a few slabs at a time, so that the codes find the weights in the cache.
    fn by_slab<S: Element, P: Element>(&self) -> Result<Parts, QuantError> {
        let blocks = self.blocks;
        let slabs = (PIECE / blocks.slab_len()).max(1);
        let (elements, groups) = (slabs * blocks.slab_len(), slabs * blocks.slab_groups());
        let mut codes = vec![0; blocks.len()];
        let mut scales = vec![0.0; blocks.groups()];
        let mut zero_points = vec![0; blocks.groups()];
        let dead_blocks = self
            .weights
            .par_chunks(elements)
            .zip(codes.par_chunks_mut(elements))
            .zip(scales.par_chunks_mut(groups))
            .zip(zero_points.par_chunks_mut(groups))
            .enumerate()
            .map(|(piece, (((weights, codes), scales), zero_points))| {
                self.poll()?;
                let first = (piece * elements, piece * groups);
                let mut ranges = Ranges::<T>::new(scales.len());
                extremes(blocks, first, weights, &mut ranges.highest, &mut ranges.lowest);
                let coding = self.formula.scales::<T, S>(&ranges)?;
                encode::<T, P>(blocks, first, weights, &coding, codes);
                scales.copy_from_slice(&coding.scales);
                coding.store_zero_points(zero_points);
                Ok(coding.dead_blocks)
            })
            .try_reduce(|| 0, |a, b| Ok(a + b))?;
        Ok(Parts { codes, scales, zero_points, dead_blocks })
    }

    /// The ranges of the whole tensor first, then its codes: for blocks that are large or interleaved.
    fn in_two_passes<S: Element, P: Element>(&self) -> Result<Parts, QuantError> {
        let blocks = self.blocks;
        let pieces = blocks.pieces_for_ranges(rayon::current_num_threads());
        let piece_len = blocks.len().div_ceil(pieces).max(1);
        let empty = || Ranges::<T>::new(blocks.groups());
        let ranges = self
            .weights
            .par_chunks(piece_len)
            .enumerate()
            .with_min_len(1)
            .try_fold(empty, |mut ranges, (piece, weights)| {
                for (i, weights) in weights.chunks(PIECE).enumerate() {
                    self.poll()?;
                    let first = (piece * piece_len + i * PIECE, 0);
                    extremes(blocks, first, weights, &mut ranges.highest, &mut ranges.lowest);
                }
                Ok(ranges)
            })
            .try_reduce(empty, |mut a, b| {
                a.include(&b);
                Ok(a)
            })?;
        self.encode_all::<P>(self.formula.scales::<T, S>(&ranges)?)
    }

    /// The codes of the whole tensor, scales being known.
    fn encode_all<P: Element>(&self, coding: Coding) -> Result<Parts, QuantError> {
        let mut codes = vec![0; self.blocks.len()];
        self.weights.par_chunks(PIECE).zip(codes.par_chunks_mut(PIECE)).enumerate().try_for_each(
            |(piece, (weights, codes))| {
                self.poll()?;
                encode::<T, P>(self.blocks, (piece * PIECE, 0), weights, &coding, codes);
                Ok(())
            },
        )?;
        let mut zero_points = vec![0; self.blocks.groups()];
        coding.store_zero_points(&mut zero_points);
        Ok(Parts { codes, zero_points, dead_blocks: coding.dead_blocks, scales: coding.scales })
    }
}
