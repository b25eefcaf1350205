//! Indices of values, given the tables.

use rayon::prelude::*;

use super::fit::Table;
use super::grid::Grid;
use crate::quant::QuantError;
use crate::quant::element::Element;
use crate::quant::prune::Mask;
use crate::scheme::FloatType;

/// Elements that are compared with one bound before the next: they stay in the nearest cache.
const PIECE: usize = 256;
/// Up to so many bounds a value is compared with all of them, side by side; beyond, bounds are searched.
const COMPARED: usize = 31;
/// 16-bit values in a run from which on a table of all patterns pays.
const LOOKED_UP: usize = 1 << 16;

/// The index of every element; 0 for those that a mask removes.
pub(super) fn assign<T: Element>(
    weights: &[T],
    grid: &Grid,
    tables: &[Table],
    mask: Option<&Mask>,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<Vec<u8>, QuantError> {
    let mut codes = vec![0u8; weights.len()];
    let one = |(run, (codes, weights)): (usize, (&mut [u8], &[T]))| {
        let start = run * grid.run;
        // Asked once in a while, not for each of many short runs.
        if start / PIECE != (start + grid.run) / PIECE && cancelled() {
            return Err(QuantError::Cancelled);
        }
        let bounds = &tables[grid.group_of(start)].bounds;
        if T::FLOAT != FloatType::Fp32 && weights.len() >= LOOKED_UP {
            look_up(weights, bounds, codes);
        } else {
            compare(weights, bounds, codes);
        }
        Ok(())
    };
    codes.par_chunks_mut(grid.run.max(1)).zip(weights.par_chunks(grid.run.max(1))).enumerate().try_for_each(one)?;
    if let Some(mask) = mask {
        codes.par_iter_mut().enumerate().filter(|(at, _)| !mask.contains(*at)).for_each(|(_, code)| *code = 0);
    }
    Ok(codes)
}

/// An index is the number of bounds that are at most the value.
fn compare<T: Element>(weights: &[T], bounds: &[f32], codes: &mut [u8]) {
    let mut values = [0.0f32; PIECE];
    for (weights, codes) in weights.chunks(PIECE).zip(codes.chunks_mut(PIECE)) {
        let values = &mut values[..weights.len()];
        for (value, weight) in values.iter_mut().zip(weights) {
            *value = weight.to_f32();
        }
        if bounds.len() <= COMPARED {
            codes.fill(0);
            for bound in bounds {
                for (code, value) in codes.iter_mut().zip(values.iter()) {
                    *code += u8::from(*value >= *bound);
                }
            }
        } else {
            for (code, value) in codes.iter_mut().zip(values.iter()) {
                *code = bounds.partition_point(|bound| bound <= value) as u8;
            }
        }
    }
}

/// The same for 16-bit values, through a table of the index of every pattern.
fn look_up<T: Element>(weights: &[T], bounds: &[f32], codes: &mut [u8]) {
    let widen = |bits: u16| match T::FLOAT {
        FloatType::Fp16 => Element::to_f32(half::f16::from_bits(bits)),
        _ => Element::to_f32(half::bf16::from_bits(bits)),
    };
    let table: Vec<u8> =
        (0..=u16::MAX).map(|bits| bounds.partition_point(|bound| *bound <= widen(bits)) as u8).collect();
    for (code, weight) in codes.iter_mut().zip(weights) {
        let bits: u32 = weight.unsigned_bits().into();
        *code = table[(bits & 0xffff) as usize];
    }
}
