//! All tables of a weight: found, rounded, quantized, and applied.

use half::{bf16, f16};
use rayon::prelude::*;

use super::codes::Coder;
use super::fit::{Moments, fit, nearest_thresholds, round_entry};
use super::layout::Layout;
use super::result::{ChannelScale, Int8Tables, Spread};
use super::spec::{Cancelled, EntryType, PaletteError, PaletteSpec};
use super::tally::{Scratch, Tally};
use super::vector::{Centres, Vectors};
use crate::dtype::DType;
use crate::quant::element::Element;

/// Codes handled between two looks at the cancel flag.
const PIECE: usize = 1 << 16;
/// Runs this long get a coder each, made when it is needed.
const LONG_RUN: usize = 1 << 14;

/// What is clustered.
pub(super) struct Job<'a, T> {
    pub weights: &'a [T],
    /// Which codes share a table.
    pub layout: &'a Layout,
    pub spread: Spread,
    pub spec: &'a PaletteSpec,
    pub mask: Option<&'a [bool]>,
    pub cancel: &'a (dyn Fn() -> bool + Sync),
}

/// The tables of a weight.
pub(super) struct Tables {
    /// Entries before rounding, tables one after the other.
    pub exact: Vec<f64>,
    /// Entries as rounded.
    pub rounded: Vec<f32>,
    pub int8: Option<Int8Tables>,
    fits: Vec<TableFit>,
    /// Whether weights now have the nearest rounded entry, rather than the entry of their cluster.
    nearest: bool,
}

/// One table.
struct TableFit {
    /// The entries it was fitted with, fewer than there is room for where there are fewer values.
    used: usize,
    entries: Vec<f64>,
    /// The squared error of the fit.
    error: f64,
    assignment: Assignment,
}

/// Which weights have which entry.
enum Assignment {
    /// By thresholds between single weights; and the moments of each entry's weights.
    Thresholds(Vec<f32>, Vec<Moments>),
    /// One code per vector.
    Codes(Vec<u8>),
}

impl<T: Element> Job<'_, T> {
    fn capacity(&self) -> usize {
        1 << self.spec.bits
    }

    /// Numbers per table.
    fn table_size(&self) -> usize {
        self.capacity() * self.spread.size
    }

    fn table(&self, table: usize, scratch: &mut Scratch) -> Result<TableFit, PaletteError> {
        if (self.cancel)() {
            return Err(PaletteError::Cancelled);
        }
        if self.spread.size > 1 {
            return self.vector_table(table);
        }
        let run = self.layout.run();
        let runs = self.layout.runs(table);
        let tally = match self.mask {
            None => {
                let slices: Vec<&[T]> = runs.iter().map(|&r| &self.weights[r..r + run]).collect();
                Tally::of(&slices, scratch, self.cancel)?
            }
            Some(mask) => {
                let places = runs.iter().flat_map(|&r| r..r + run);
                let kept: Vec<T> = places.filter(|&i| mask[i]).map(|i| self.weights[i]).collect();
                Tally::of(&[&kept], scratch, self.cancel)?
            }
        };
        let fit = fit(&tally, self.spec.fit, self.capacity(), table, self.cancel)?;
        Ok(TableFit {
            used: fit.runs.iter().filter(|r| r.weight > 0.0).count(),
            error: fit.error(fit.entries.iter().copied()),
            entries: fit.entries,
            assignment: Assignment::Thresholds(fit.thresholds, fit.runs),
        })
    }

    fn vector_table(&self, table: usize) -> Result<TableFit, PaletteError> {
        let vectors = self.vectors(table);
        let centres = vectors.fit(self.spec.fit, self.capacity(), table, self.cancel)?;
        let (codes, error) = vectors.codes(&centres, self.cancel)?;
        Ok(TableFit {
            used: centres.values.len() / self.spread.size,
            error,
            entries: centres.values,
            assignment: Assignment::Codes(codes),
        })
    }

    fn vectors(&self, table: usize) -> Vectors {
        let run = self.layout.run();
        let runs = self.layout.runs(table);
        let component = |component| {
            let places = runs.iter().flat_map(|&r| r..r + run);
            places.map(|at| self.weights[self.spread.weight(at, component)].to_f32()).collect()
        };
        Vectors { components: (0..self.spread.size).map(component).collect() }
    }

    /// Finds all tables. Entries of the weight's type are rounded to `W`.
    pub(super) fn tables<W: Element>(&self) -> Result<Tables, PaletteError> {
        let found: Vec<Result<TableFit, PaletteError>> = (0..self.layout.tables())
            .into_par_iter()
            .map_init(Scratch::default, |scratch, table| self.table(table, scratch))
            .collect();
        // The first error in order, whichever came first in time.
        let fits: Vec<TableFit> = found.into_iter().collect::<Result<_, _>>()?;
        let size = self.table_size();
        let mut exact = vec![0.0; size * fits.len()];
        for (table, fit) in exact.chunks_mut(size).zip(&fits) {
            let given = fit.entries.len();
            table[..given].copy_from_slice(&fit.entries);
            if given > 0 {
                for at in given..size {
                    table[at] = table[at - self.spread.size];
                }
            }
        }
        let rounded = exact.iter().map(|&e| round_entry::<W>(e, self.spec.entries)).collect::<Result<_, _>>()?;
        let mut tables = Tables { exact, rounded, int8: None, fits, nearest: false };
        if self.spec.int8_entries {
            self.quantize_tables::<W>(&mut tables)?;
        }
        Ok(tables)
    }

    fn quantize_tables<W: Element>(&self, tables: &mut Tables) -> Result<(), PaletteError> {
        let greatest = tables.exact.iter().fold(0.0f64, |g, e| g.max(e.abs()));
        let scale = int8_scale::<W>(greatest, self.spec.entries)?;
        let quantized = |&e: &f64| (e / f64::from(scale)).round_ties_even().clamp(-127.0, 127.0) as i8;
        let values: Vec<i8> = tables.exact.iter().map(quantized).collect();
        let int8 = Int8Tables { values, scale };
        tables.rounded = int8.entries::<W>(self.spec.entries)?;
        tables.int8 = Some(int8);
        tables.nearest = true;
        let size = self.table_size();
        let nearest = |(fit, (table, entries)): (&mut TableFit, (usize, &[f32]))| {
            fit.assignment = match &fit.assignment {
                Assignment::Thresholds(_, runs) => Assignment::Thresholds(nearest_thresholds(entries), runs.clone()),
                Assignment::Codes(_) => {
                    let centres =
                        Centres { size: self.spread.size, values: entries.iter().map(|&e| f64::from(e)).collect() };
                    Assignment::Codes(self.vectors(table).codes(&centres, self.cancel)?.0)
                }
            };
            Ok(())
        };
        tables.fits.par_iter_mut().zip(tables.rounded.par_chunks(size).enumerate()).try_for_each(nearest)
    }

    /// The codes of all weights or vectors, row-major.
    pub(super) fn codes(&self, tables: &Tables) -> Result<Vec<u8>, Cancelled> {
        let mut codes = vec![0; self.weights.len() / self.spread.size];
        let run = self.layout.run();
        if self.spread.size > 1 {
            for (table, fit) in tables.fits.iter().enumerate() {
                if let Assignment::Codes(own) = &fit.assignment {
                    let runs = self.layout.runs(table);
                    for (start, own) in runs.into_iter().zip(own.chunks(run)) {
                        codes[start..start + run].copy_from_slice(own);
                    }
                }
            }
            return Ok(codes);
        }
        let look = || {
            if (self.cancel)() { Err(Cancelled) } else { Ok(()) }
        };
        let coder = |table: usize| {
            let thresholds = match &tables.fits[table].assignment {
                Assignment::Thresholds(thresholds, _) => thresholds.as_slice(),
                Assignment::Codes(_) => &[],
            };
            Coder::new::<T>(thresholds, run)
        };
        if run >= LONG_RUN {
            let runs = codes.par_chunks_mut(run).zip(self.weights.par_chunks(run));
            runs.enumerate().try_for_each(|(i, (codes, weights))| {
                let coder = coder(self.layout.table_of(i * run));
                let pieces = codes.par_chunks_mut(PIECE).zip(weights.par_chunks(PIECE));
                pieces.enumerate().try_for_each(|(j, (codes, weights))| {
                    look()?;
                    coder.code(weights, codes);
                    self.prune(i * run + j * PIECE, codes);
                    Ok(())
                })
            })?;
        } else {
            let coders: Vec<Coder> = (0..tables.fits.len()).into_par_iter().map(coder).collect();
            let pieces = codes.par_chunks_mut(PIECE).enumerate();
            pieces.try_for_each(|(i, codes)| {
                look()?;
                let from = i * PIECE;
                self.layout.for_each_run(from, codes.len(), |table, run| {
                    let weights = &self.weights[from + run.start..from + run.end];
                    coders[table].code(weights, &mut codes[run]);
                });
                self.prune(from, codes);
                Ok(())
            })?;
        }
        Ok(codes)
    }

    fn prune(&self, from: usize, codes: &mut [u8]) {
        if let Some(mask) = self.mask {
            for (code, &kept) in codes.iter_mut().zip(&mask[from..]) {
                *code = if kept { *code } else { 0 };
            }
        }
    }

    /// The squared errors of the weights `original` against their entries and scales, per table.
    pub(super) fn errors<O: Element>(
        &self,
        tables: &Tables,
        codes: &[u8],
        original: &[O],
        scale: Option<&ChannelScale>,
    ) -> Result<Vec<f64>, Cancelled> {
        let size = self.table_size();
        let entries = tables.rounded.par_chunks(size);
        if scale.is_none() && !tables.nearest && self.spread.size == 1 {
            // The moments of each entry's weights say it without another look at them.
            let of_runs = |(fit, entries): (&TableFit, &[f32])| match &fit.assignment {
                Assignment::Thresholds(_, runs) => runs
                    .iter()
                    .zip(entries)
                    .filter(|(run, _)| run.weight > 0.0)
                    .map(|(run, &e)| run.moment + run.weight * (run.mean - f64::from(e)).powi(2))
                    .sum(),
                Assignment::Codes(_) => 0.0,
            };
            return Ok(tables.fits.par_iter().zip(entries).map(of_runs).collect());
        }
        let run = self.layout.run();
        entries
            .enumerate()
            .map(|(table, entries)| {
                let mut error = 0.0;
                for start in self.layout.runs(table) {
                    for (i, at) in (start..start + run).enumerate() {
                        if i % PIECE == 0 && (self.cancel)() {
                            return Err(Cancelled);
                        }
                        if self.mask.is_some_and(|m| !m[at]) {
                            continue;
                        }
                        let entry = usize::from(codes[at]) * self.spread.size;
                        for component in 0..self.spread.size {
                            let place = self.spread.weight(at, component);
                            let factor = scale.map_or(1.0, |s| s.at(place));
                            let value = f64::from(entries[entry + component]) * f64::from(factor);
                            error += (f64::from(original[place].to_f32()) - value).powi(2);
                        }
                    }
                }
                Ok(error)
            })
            .collect()
    }
}

impl Tables {
    /// The squared error of each fit.
    pub(super) fn fit_errors(&self) -> Vec<f64> {
        self.fits.iter().map(|f| f.error).collect()
    }

    /// How many entries each fit uses.
    pub(super) fn used(&self) -> Vec<u16> {
        self.fits.iter().map(|f| f.used as u16).collect()
    }
}

/// The scale of int8 entries up to this magnitude, rounded to the type of entries; 1 where all are zero.
///
/// Where steps of the type are coarse beside the scale, rounding it down would put the greatest entries far beyond 127
/// times it, or make it zero: there it is rounded up.
fn int8_scale<W: Element>(greatest: f64, entries: EntryType) -> Result<f32, PaletteError> {
    if greatest == 0.0 {
        return Ok(1.0);
    }
    let scale = round_entry::<W>(greatest / 127.0, entries)?;
    if greatest <= 127.5 * f64::from(scale) {
        return Ok(scale);
    }
    // Only subnormal scales lose as much as that, and these are whole multiples of the smallest one.
    Ok(scale + smallest::<W>(entries))
}

/// The smallest positive number of the type of entries.
fn smallest<W: Element>(entries: EntryType) -> f32 {
    let dtype = match entries {
        EntryType::Weight => W::DTYPE,
        EntryType::Fp16 => DType::F16,
        EntryType::Fp32 => DType::F32,
    };
    match dtype {
        DType::F16 => f16::MIN_POSITIVE_SUBNORMAL.to_f32(),
        DType::BF16 => bf16::MIN_POSITIVE_SUBNORMAL.to_f32(),
        _ => f32::from_bits(1),
    }
}
