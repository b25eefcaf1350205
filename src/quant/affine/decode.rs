//! From codes back to values.

use half::{bf16, f16};
use rayon::prelude::*;

use super::blocks::Blocks;
use super::{PIECE, Quantized};
use crate::quant::element::Element;
use crate::quant::error::QuantError;
use crate::quant::power::Power;
use crate::quant::simd::multiversion;
use crate::scheme::{Arithmetic, FloatType};

/// The value of a code that lies `difference` above its zero point.
///
/// torchao subtracts in the weight's type `T` and multiplies in `P`; coremltools subtracts exactly and
/// multiplies in the scale's type, which is then `P`.
#[inline(always)]
pub(super) fn value<T: Element, P: Element, const TORCHAO: bool>(difference: i32, scale: f32) -> f32 {
    let difference = difference as f32;
    let difference = if TORCHAO { T::round(difference) } else { difference };
    T::round(P::round(difference * scale))
}

/// Decodes a run of one block.
#[inline(always)]
fn decode_run<T: Element, P: Element, const TORCHAO: bool>(
    codes: &[i8],
    flip: i8,
    zero_point: i8,
    scale: f32,
    out: &mut [T],
) {
    for (out, &code) in out.iter_mut().zip(codes) {
        let difference = i32::from(code ^ flip) - i32::from(zero_point ^ flip);
        *out = T::from_f32(value::<T, P, TORCHAO>(difference, scale));
    }
}

/// Elements decoded in one go; runs are cut into these, so that loops have constant lengths.
const LANES: usize = 32;

multiversion! {
    fn decode_piece<T: Element, P: Element; const TORCHAO: bool>(
        quantized: &Quantized,
        blocks: &Blocks,
        start: usize,
        out: &mut [T],
    ) {
        // The bit that makes unsigned codes signed ones, half the range lower; differences stay.
        let flip = if quantized.signed { 0 } else { i8::MIN };
        let codes = &quantized.codes[start..start + out.len()];
        for segment in blocks.segments(start, out.len()) {
            let codes = &codes[segment.range.clone()];
            let out = &mut out[segment.range];
            let scales = &quantized.scales[segment.group..];
            let zero_points = &quantized.zero_points[segment.group..];
            if blocks.run_in_block() {
                let (scale, zero_point) = (scales[0], zero_points[0]);
                let (chunks, rest) = codes.as_chunks::<LANES>();
                let (out_chunks, out_rest) = out.as_chunks_mut::<LANES>();
                for (codes, out) in chunks.iter().zip(out_chunks) {
                    decode_run::<T, P, TORCHAO>(codes, flip, zero_point, scale, out);
                }
                decode_run::<T, P, TORCHAO>(rest, flip, zero_point, scale, out_rest);
            } else {
                let of_group = scales.iter().zip(zero_points);
                for ((out, &code), (&scale, &zero_point)) in out.iter_mut().zip(codes).zip(of_group) {
                    let difference = i32::from(code ^ flip) - i32::from(zero_point ^ flip);
                    *out = T::from_f32(value::<T, P, TORCHAO>(difference, scale));
                }
            }
        }
    }
}

/// A tensor whose parts are known to belong together.
struct Decoder<'a> {
    quantized: &'a Quantized,
    blocks: Blocks,
}

impl<'a> Decoder<'a> {
    fn new(quantized: &'a Quantized) -> Result<Self, QuantError> {
        match quantized.scale_type {
            FloatType::Fp16 | FloatType::Bf16 | FloatType::Fp32 => {}
            other => return Err(QuantError::ScaleType(other)),
        }
        Ok(Self { quantized, blocks: quantized.blocks()? })
    }

    /// Writes the values of the elements from `start` on; there must be as many as `out` is long.
    fn decode<T: Element>(&self, start: usize, out: &mut [T]) {
        let (quantized, blocks) = (self.quantized, &self.blocks);
        match (quantized.arithmetic, quantized.scale_type) {
            (Arithmetic::Torchao, scale) if scale == T::FLOAT => {
                decode_piece::<T, T, true>(quantized, blocks, start, out);
            }
            (Arithmetic::Torchao, _) => {
                decode_piece::<T, f32, true>(quantized, blocks, start, out);
            }
            (Arithmetic::Coremltools, FloatType::Fp16) => {
                decode_piece::<T, f16, false>(quantized, blocks, start, out);
            }
            (Arithmetic::Coremltools, FloatType::Bf16) => {
                decode_piece::<T, bf16, false>(quantized, blocks, start, out);
            }
            (Arithmetic::Coremltools, _) => {
                decode_piece::<T, f32, false>(quantized, blocks, start, out);
            }
        }
    }
}

pub(super) fn dequantize<T: Element>(quantized: &Quantized) -> Result<Vec<T>, QuantError> {
    let decoder = Decoder::new(quantized)?;
    let mut values = vec![T::from_f32(0.0); quantized.codes.len()];
    values.par_chunks_mut(PIECE).enumerate().for_each(|(piece, out)| decoder.decode(piece * PIECE, out));
    Ok(values)
}

/// The power of some weights, and of what becomes of them in a tensor of as many codes.
pub(super) fn power<T: Element>(quantized: &Quantized, original: &[T]) -> Result<Power, QuantError> {
    let decoder = Decoder::new(quantized)?;
    if original.len() != quantized.codes.len() {
        return Err(QuantError::Length { len: original.len(), shape: quantized.shape.clone() });
    }
    Ok(Power::between_made(original, |start, out| decoder.decode(start, out)))
}
