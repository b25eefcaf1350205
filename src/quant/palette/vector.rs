//! Tables of vectors: Lloyd's algorithm, seeded and deterministic. Finding the optimum in more than one
//! dimension is hard in general; this is the usual heuristic, the best of several starts.

use rayon::prelude::*;

use super::PaletteSpec;
use super::grid::{Channel, Grid};
use super::rounded;
use crate::quant::QuantError;
use crate::quant::element::Element;
use crate::scheme::PaletteFit;

/// Starts of which the best result is taken.
const STARTS: u64 = 3;
/// Rounds after which a start ends even if it still gets better.
const ROUNDS: usize = 60;
/// A round that gains less than this share of the error is the last.
const GAIN: f64 = 1e-5;
/// Vectors in one task.
const PIECE: usize = 1 << 12;

/// The indices, one per vector, and the tables.
pub(super) fn palettize<T: Element>(
    weights: &[T],
    shape: &[usize],
    spec: &PaletteSpec,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<(Vec<u8>, Vec<f32>), QuantError> {
    let vector = spec.vector;
    let channel = Channel::new(shape, spec.axis);
    // Blocks of codes: those of the elements, with the axis of vectors divided by their length.
    let shortened = |extents: &[usize]| {
        let mut extents = extents.to_vec();
        extents[spec.axis] /= vector;
        extents
    };
    let grid = Grid::new(&shortened(shape), &shortened(&spec.block));
    let fit = |group: usize| -> Result<(Vec<usize>, Vec<u8>, Vec<f32>), QuantError> {
        let slots: Vec<usize> = grid.runs(group).flat_map(|start| start..start + grid.run).collect();
        let points: Vec<f32> = slots
            .iter()
            .flat_map(|&slot| (0..vector).map(move |within| channel.element(slot, within, vector)))
            .map(|element| weights[element].to_f32())
            .collect();
        let size = 1usize << spec.bits;
        let (codes, table) = match spec.fit {
            PaletteFit::Unique => distinct(&points, vector, size)?,
            _ => cluster(&points, vector, size, cancelled)?,
        };
        let table = table.iter().map(|&value| rounded(value, spec.entry)).collect();
        Ok((slots, codes, table))
    };
    let mut codes = vec![0u8; weights.len() / vector];
    let mut tables = Vec::new();
    let fitted: Vec<_> = (0..grid.groups()).into_par_iter().map(fit).collect::<Result<_, _>>()?;
    for (slots, group, table) in fitted {
        for (slot, code) in slots.into_iter().zip(group) {
            codes[slot] = code;
        }
        tables.extend(table);
    }
    Ok((codes, tables))
}

/// The distinct vectors as the table, in ascending order.
fn distinct(points: &[f32], vector: usize, size: usize) -> Result<(Vec<u8>, Vec<f64>), QuantError> {
    // Zero has one sign.
    let key = |point: &[f32]| point.iter().map(|v| (v + 0.0).to_bits()).collect::<Vec<u32>>();
    let mut keys: Vec<Vec<u32>> = points.chunks(vector).map(key).collect();
    let all = keys.clone();
    keys.sort_unstable();
    keys.dedup();
    if keys.len() > size {
        return Err(QuantError::Distinct(keys.len() as u64));
    }
    let codes = all.iter().map(|k| keys.binary_search(k).unwrap_or(0) as u8).collect();
    let mut table: Vec<f64> = keys.iter().flatten().map(|&bits| f64::from(f32::from_bits(bits))).collect();
    table.resize(size * vector, 0.0);
    Ok((codes, table))
}

/// The best of several starts.
fn cluster(
    points: &[f32],
    vector: usize,
    size: usize,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<(Vec<u8>, Vec<f64>), QuantError> {
    let mut best: Option<(f64, Vec<u8>, Vec<f64>)> = None;
    for start in 0..STARTS {
        let mut table = seed(points, vector, size, start, cancelled)?;
        let mut last = f64::INFINITY;
        for _ in 0..ROUNDS {
            if cancelled() {
                return Err(QuantError::Cancelled);
            }
            let (codes, error) = nearest(points, vector, &table);
            table = means(points, vector, &codes, &table);
            if error >= last * (1.0 - GAIN) {
                break;
            }
            last = error;
        }
        let (codes, error) = nearest(points, vector, &table);
        if best.as_ref().is_none_or(|(least, ..)| error < *least) {
            best = Some((error, codes, table));
        }
    }
    let (_, codes, table) = best.unwrap_or_default();
    Ok((codes, table))
}

/// k-means++ with a fixed generator: each entry is a point, drawn in proportion to its squared distance from
/// those drawn before.
fn seed(
    points: &[f32],
    vector: usize,
    size: usize,
    start: u64,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<Vec<f64>, QuantError> {
    let count = points.len() / vector;
    let mut table = vec![0.0; size * vector];
    if count == 0 {
        return Ok(table);
    }
    let mut state = 0x9e37_79b9_7f4a_7c15 ^ (start << 32 | count as u64);
    // SplitMix64, as a fraction of 1.
    let mut random = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut far = vec![f64::INFINITY; count];
    let mut chosen = ((random() * count as f64) as usize).min(count - 1);
    for entry in 0..size {
        if cancelled() {
            return Err(QuantError::Cancelled);
        }
        let point = &points[chosen * vector..(chosen + 1) * vector];
        for (out, value) in table[entry * vector..].iter_mut().zip(point) {
            *out = f64::from(*value);
        }
        let entry = &table[entry * vector..(entry + 1) * vector];
        let closer = |(far, point): (&mut f64, &[f32])| *far = far.min(distance(point, entry));
        far.par_iter_mut().zip(points.par_chunks(vector)).with_min_len(PIECE).for_each(closer);
        let total: f64 = far.iter().sum();
        let mut left = random() * total;
        chosen = far
            .iter()
            .position(|d| {
                left -= d;
                left < 0.0
            })
            .unwrap_or(chosen);
    }
    Ok(table)
}

fn distance(point: &[f32], entry: &[f64]) -> f64 {
    point.iter().zip(entry).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum()
}

/// The nearest entry of every point, the first among equals, and the squared error.
fn nearest(points: &[f32], vector: usize, table: &[f64]) -> (Vec<u8>, f64) {
    let of = |point: &[f32]| {
        let mut best = (0, f64::INFINITY);
        for (code, entry) in table.chunks(vector).enumerate() {
            let d = distance(point, entry);
            if d < best.1 {
                best = (code, d);
            }
        }
        best
    };
    // Sums piece by piece, so that they do not depend on threads.
    let of_piece = |piece: &[f32]| {
        let found: Vec<(usize, f64)> = piece.chunks(vector).map(of).collect();
        let error: f64 = found.iter().map(|(_, d)| d).sum();
        (found.into_iter().map(|(code, _)| code as u8).collect::<Vec<u8>>(), error)
    };
    let pieces: Vec<_> = points.par_chunks(PIECE * vector).map(of_piece).collect();
    let error = pieces.iter().map(|(_, error)| error).sum();
    (pieces.into_iter().flat_map(|(codes, _)| codes).collect(), error)
}

/// The mean of the points of each entry; an entry without points stays where it is.
fn means(points: &[f32], vector: usize, codes: &[u8], table: &[f64]) -> Vec<f64> {
    let size = table.len() / vector;
    let (mut sums, mut counts) = (vec![0.0; table.len()], vec![0u64; size]);
    for (point, &code) in points.chunks(vector).zip(codes) {
        counts[usize::from(code)] += 1;
        for (sum, value) in sums[usize::from(code) * vector..].iter_mut().zip(point) {
            *sum += f64::from(*value);
        }
    }
    for (entry, &count) in counts.iter().enumerate() {
        for at in entry * vector..(entry + 1) * vector {
            sums[at] = if count == 0 { table[at] } else { sums[at] / count as f64 };
        }
    }
    sums
}
