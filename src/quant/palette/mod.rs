//! Palettes: `w ≈ table[code]`, one table for every block of a tensor.
//!
//! Tensors have any number of axes and are row-major; a block has an extent along every axis. Scalar tables
//! fitted by k-means are the exact optimum of the one-dimensional problem in binary64, then rounded to the type
//! of the entries; codes follow the optimal partition. Entries ascend; a table with fewer distinct values than
//! entries repeats its last one. Nothing depends on the number of threads.
//!
//! | | |
//! |---|---|
//! | [`PaletteFit::Kmeans`] | least squared error; of several optima the one with the leftmost last cut |
//! | [`PaletteFit::Uniform`] | evenly spaced from the smallest to the largest value, nearest entry, ties down |
//! | [`PaletteFit::Unique`] | the distinct values, or [`QuantError::Distinct`] |
//! | vectors | Lloyd's algorithm from seeded k-means++ starts, the best of several: a heuristic, as everywhere |
//! | int8 entries | one scale for all tables, max\|entry\| / 127; codes move to the nearest entry |
//! | scaled | values are divided by the largest magnitude of their output channel before |
//! | NaN, infinity | [`QuantError::NonFinite`] |

mod assign;
mod fit;
mod grid;
mod optimum;
mod tally;
mod vector;

use rayon::prelude::*;

use super::QuantError;
use super::element::Element;
use super::prune::Mask;
use crate::scheme::{FloatType, PaletteFit};
use fit::Table;
use grid::Grid;
use tally::{Scratch, Tally};

/// Asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cancelled;

/// For the errors of parts that can only be stopped.
fn stopped(_: Cancelled) -> QuantError {
    QuantError::Cancelled
}

/// How a weight is palettized.
#[derive(Debug, Clone, PartialEq)]
pub struct PaletteSpec {
    /// Bits per index, 1 to 8.
    pub bits: u8,
    /// Elements that share a table, along each axis.
    pub block: Vec<usize>,
    /// How entries are found.
    pub fit: PaletteFit,
    /// Values of an entry; they lie along [`PaletteSpec::axis`].
    pub vector: usize,
    /// The axis of vectors and of the scales per channel.
    pub axis: usize,
    /// Whether entries are int8 with one scale for the weight.
    pub int8_entries: bool,
    /// Whether output channels are scaled first.
    pub scaled: bool,
    /// The type of float entries and scales: fp16, bf16 or fp32.
    pub entry: FloatType,
}

/// A palettized tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Palettized {
    /// Elements along each axis.
    pub shape: Vec<usize>,
    /// How it was made.
    pub spec: PaletteSpec,
    /// One index per element, or per vector: then the axis of vectors is shorter by their length.
    pub codes: Vec<u8>,
    /// The tables, row-major over the blocks: `2^bits` entries of `vector` values each, as values of the entry
    /// type.
    pub tables: Vec<f32>,
    /// The entries as int8 and their scale, where asked for: `tables` holds their products.
    pub int8: Option<(Vec<i8>, f32)>,
    /// The scale of each channel along the axis, where asked for.
    pub channel_scales: Option<Vec<f32>>,
    /// The squared error of each table's optimum in binary64, before rounding; scalar tables only.
    pub table_errors: Vec<f64>,
}

/// Rounds to a type of entries.
fn rounded(value: f64, entry: FloatType) -> f32 {
    let value = value as f32;
    match entry {
        FloatType::Fp16 => <half::f16 as Element>::round(value),
        FloatType::Bf16 => <half::bf16 as Element>::round(value),
        _ => value,
    }
}

/// Palettizes a row-major tensor. With a mask, only the elements that stay are fitted; the others have index 0.
///
/// `cancelled` is asked from several threads, at least every few milliseconds of work.
///
/// # Errors
/// If the shape does not describe the weights, the block does not divide it, vectors do not divide the block,
/// a weight is not finite, `fit unique` meets too many values, or when cancelled.
pub fn quantize<T: Element>(
    weights: &[T],
    shape: &[usize],
    spec: &PaletteSpec,
    mask: Option<&Mask>,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<Palettized, QuantError> {
    check(weights.len(), shape, spec, mask)?;
    let finite = |piece: &[T]| piece.iter().all(|v| v.to_f32().is_finite());
    if !weights.par_chunks(1 << 16).all(finite) {
        return Err(QuantError::NonFinite);
    }
    if !spec.scaled {
        return palettize(weights, shape, spec, mask, cancelled);
    }
    let scales = channel_scales(weights, shape, spec);
    let channel = grid::Channel::new(shape, spec.axis);
    let scaled: Vec<f32> =
        weights.par_iter().enumerate().map(|(index, w)| w.to_f32() / scales[channel.of(index)]).collect();
    let mut made = palettize(&scaled, shape, spec, mask, cancelled)?;
    made.channel_scales = Some(scales);
    Ok(made)
}

fn check(len: usize, shape: &[usize], spec: &PaletteSpec, mask: Option<&Mask>) -> Result<(), QuantError> {
    if !(1..=8).contains(&spec.bits) {
        return Err(QuantError::Bits(spec.bits));
    }
    let described = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    if described != Some(len) || mask.is_some_and(|mask| mask.len() != len) {
        return Err(QuantError::Length { len, shape: shape.to_vec() });
    }
    if spec.block.len() != shape.len() {
        return Err(QuantError::BlockRank { block: spec.block.len(), tensor: shape.len() });
    }
    for (axis, (&size, &block)) in shape.iter().zip(&spec.block).enumerate() {
        if block == 0 || !size.is_multiple_of(block) {
            return Err(QuantError::BlockSize { axis, size, block });
        }
    }
    let Some(&along) = spec.block.get(spec.axis) else {
        return Err(QuantError::Axis { axis: spec.axis, rank: shape.len() });
    };
    if spec.vector == 0 || !along.is_multiple_of(spec.vector) {
        return Err(QuantError::BlockSize { axis: spec.axis, size: along, block: spec.vector });
    }
    match spec.entry {
        FloatType::Fp16 | FloatType::Bf16 | FloatType::Fp32 => Ok(()),
        other => Err(QuantError::ScaleType(other)),
    }
}

/// The largest magnitude of each channel, rounded to the entry type; 1 for a channel of zeros.
fn channel_scales<T: Element>(weights: &[T], shape: &[usize], spec: &PaletteSpec) -> Vec<f32> {
    let channel = grid::Channel::new(shape, spec.axis);
    let mut scales = vec![0.0f32; shape[spec.axis]];
    for (index, weight) in weights.iter().enumerate() {
        let scale = &mut scales[channel.of(index)];
        *scale = scale.max(weight.to_f32().abs());
    }
    for scale in &mut scales {
        *scale = rounded(f64::from(*scale), spec.entry);
        // Zero, or too large or small for the entry type: such a channel is left as it is.
        if !(*scale > 0.0 && scale.is_finite()) {
            *scale = 1.0;
        }
    }
    scales
}

fn palettize<T: Element>(
    weights: &[T],
    shape: &[usize],
    spec: &PaletteSpec,
    mask: Option<&Mask>,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<Palettized, QuantError> {
    let grid = Grid::new(shape, &spec.block);
    let made = |codes, tables, int8, table_errors| Palettized {
        shape: shape.to_vec(),
        spec: spec.clone(),
        codes,
        tables,
        int8,
        channel_scales: None,
        table_errors,
    };
    if spec.vector > 1 {
        let (codes, tables) = vector::palettize(weights, shape, spec, cancelled)?;
        let (tables, int8) = entries(tables, spec);
        return Ok(made(codes, tables, int8, Vec::new()));
    }
    let fit = |scratch: &mut Scratch, group: usize| -> Result<Table, QuantError> {
        let tally = tally(weights, &grid, group, mask, scratch, cancelled)?;
        fit::table(&tally, spec, cancelled)
    };
    let mut tables: Vec<Table> =
        (0..grid.groups()).into_par_iter().map_init(Scratch::default, fit).collect::<Result<_, _>>()?;
    let mut values: Vec<f32> = tables.iter().flat_map(|table| table.entries.iter().copied()).collect();
    let mut int8 = None;
    if spec.int8_entries {
        (values, int8) = entries(values, spec);
        for (table, entries) in tables.iter_mut().zip(values.chunks(1 << spec.bits)) {
            table.move_to(entries);
        }
    }
    let codes = assign::assign(weights, &grid, &tables, mask, cancelled)?;
    let errors = tables.iter().map(|table| table.error).collect();
    Ok(made(codes, values, int8, errors))
}

/// The tally of one block's values; of those that stay, with a mask.
fn tally<T: Element>(
    weights: &[T],
    grid: &Grid,
    group: usize,
    mask: Option<&Mask>,
    scratch: &mut Scratch,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<Tally, QuantError> {
    match mask {
        None => {
            let slices: Vec<&[T]> = grid.runs(group).map(|start| &weights[start..start + grid.run]).collect();
            Tally::of(&slices, scratch, cancelled).map_err(stopped)
        }
        Some(mask) => {
            let places = grid.runs(group).flat_map(|start| start..start + grid.run);
            let stay: Vec<T> = places.filter(|&at| mask.contains(at)).map(|at| weights[at]).collect();
            Tally::of(&[&stay], scratch, cancelled).map_err(stopped)
        }
    }
}

/// Entries as int8 with one scale, and their products, where that is asked for.
fn entries(values: Vec<f32>, spec: &PaletteSpec) -> (Vec<f32>, Option<(Vec<i8>, f32)>) {
    if !spec.int8_entries {
        return (values, None);
    }
    let largest = values.iter().fold(0.0f32, |most, v| most.max(v.abs()));
    let scale = match rounded(f64::from(largest) / 127.0, spec.entry) {
        scale if scale > 0.0 && scale.is_finite() => scale,
        _ => 1.0,
    };
    let codes: Vec<i8> = values.iter().map(|v| (v / scale).round_ties_even().clamp(-127.0, 127.0) as i8).collect();
    let values = codes.iter().map(|&code| rounded(f64::from(f32::from(code) * scale), spec.entry)).collect();
    (values, Some((codes, scale)))
}

impl Palettized {
    /// The shape of the indices.
    pub fn code_shape(&self) -> Vec<usize> {
        let mut shape = self.shape.clone();
        if let Some(length) = shape.get_mut(self.spec.axis) {
            *length /= self.spec.vector.max(1);
        }
        shape
    }

    /// The values that the indices stand for, rounded to `T`.
    pub fn dequantize<T: Element>(&self) -> Vec<T> {
        let grid = Grid::new(&self.shape, &self.spec.block);
        let channel = grid::Channel::new(&self.shape, self.spec.axis);
        let (entries, vector) = (1usize << self.spec.bits, self.spec.vector);
        let value = |index: usize, group: usize| {
            let (slot, within) = channel.slot(index, vector);
            let entry = (group * entries + usize::from(self.codes[slot])) * vector + within;
            let scale = self.channel_scales.as_ref().map_or(1.0, |scales| scales[channel.of(index)]);
            T::from_f32(self.tables[entry] * scale)
        };
        let mut values = vec![T::from_f32(0.0); self.shape.iter().product()];
        values.par_chunks_mut(grid.run.max(1)).enumerate().for_each(|(run, values)| {
            let start = run * grid.run;
            let group = grid.group_of(start);
            if vector == 1 && self.channel_scales.is_none() {
                let table = &self.tables[group * entries..(group + 1) * entries];
                for (value, &code) in values.iter_mut().zip(&self.codes[start..]) {
                    *value = T::from_f32(table[usize::from(code)]);
                }
                return;
            }
            for (offset, out) in values.iter_mut().enumerate() {
                *out = value(start + offset, group);
            }
        });
        values
    }
}

#[cfg(test)]
mod tests;
