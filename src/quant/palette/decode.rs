//! From codes and tables back to values.

use rayon::prelude::*;

use super::layout::Layout;
use super::result::{ChannelScale, Spread};
use super::spec::{PaletteError, PaletteVector};
use crate::quant::element::Element;

/// Codes handled as one piece.
const PIECE: usize = 1 << 16;

/// A palettized weight as a file holds it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Coded<'a> {
    /// The weight's shape.
    pub shape: &'a [usize],
    /// Elements that share a table, per axis.
    pub block: &'a [usize],
    /// Width of a code: tables have 2^bits entries.
    pub bits: u8,
    /// Weights per entry, where more than one.
    pub vector: Option<PaletteVector>,
    /// One code per weight or vector, row-major.
    pub codes: &'a [u8],
    /// Tables, entries and their components, row-major.
    pub tables: &'a [f32],
    /// An axis, and what the weights of each channel along it are multiplied by.
    pub channel_scale: Option<(usize, &'a [f32])>,
    /// Which weights are not pruned.
    pub kept: Option<&'a [bool]>,
}

impl Coded<'_> {
    /// The values that the codes stand for, rounded to `T`.
    ///
    /// # Errors
    /// If the parts do not belong together: lengths, shapes, codes beyond their width.
    pub fn dequantize<T: Element>(&self) -> Result<Vec<T>, PaletteError> {
        let length = |found: usize| PaletteError::Length { shape: self.shape.to_vec(), found };
        let elements = self.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        let elements = elements.ok_or_else(|| length(usize::MAX))?;
        let mut layout = Layout::new(self.shape, Some(self.block))?;
        if elements == 0 {
            return Ok(Vec::new());
        }
        if let Some(vector) = self.vector {
            layout = layout.shortened(vector.axis, vector.size)?;
        }
        let spread = Spread::new(self.shape, self.vector);
        if !(1..=8).contains(&self.bits) {
            return Err(PaletteError::Bits { bits: self.bits });
        }
        let table = spread.size << self.bits;
        if self.codes.len().checked_mul(spread.size) != Some(elements)
            || self.codes.iter().any(|&code| u32::from(code) >> self.bits != 0)
        {
            return Err(length(self.codes.len()));
        }
        if layout.tables().checked_mul(table) != Some(self.tables.len()) {
            return Err(length(self.tables.len()));
        }
        if let Some(kept) = self.kept.filter(|kept| kept.len() != elements) {
            return Err(PaletteError::MaskLength { expected: elements, found: kept.len() });
        }
        let scale = self.channel_scale.map(|(axis, scales)| match self.shape.get(axis) {
            Some(&channels) if channels == scales.len() => Ok(ChannelScale::new(self.shape, axis, scales.to_vec())),
            Some(_) => Err(length(scales.len())),
            None => Err(PaletteError::Axis { axis, rank: self.shape.len() }),
        });
        let scale = scale.transpose()?;
        let decoder =
            Decoder { layout: &layout, spread, table, tables: self.tables, scale: scale.as_ref(), kept: self.kept };
        Ok(decoder.decode(self.codes))
    }
}

/// Parts that are known to belong together.
pub(super) struct Decoder<'a> {
    /// Which codes share a table.
    pub layout: &'a Layout,
    pub spread: Spread,
    /// Numbers per table.
    pub table: usize,
    pub tables: &'a [f32],
    pub scale: Option<&'a ChannelScale>,
    pub kept: Option<&'a [bool]>,
}

impl Decoder<'_> {
    /// Entry times scale in binary32, then rounded to `T`; pruned weights are zero.
    pub fn decode<T: Element>(&self, codes: &[u8]) -> Vec<T> {
        let (spread, layout) = (self.spread, self.layout);
        // Whole groups of codes whose weights interleave; tables may reach over pieces.
        let piece = PIECE.next_multiple_of(spread.inner);
        let mut values = vec![T::from_f32(0.0); codes.len() * spread.size];
        values.par_chunks_mut(piece * spread.size).zip(codes.par_chunks(piece)).enumerate().for_each_init(
            Vec::new,
            |entries, (i, (values, codes))| {
                entries.clear();
                entries.resize(values.len(), 0.0f32);
                layout.for_each_run(i * piece, codes.len(), |table, run| {
                    let table = &self.tables[table * self.table..(table + 1) * self.table];
                    for at in run {
                        let entry = usize::from(codes[at]) * spread.size;
                        for component in 0..spread.size {
                            entries[spread.weight(at, component)] = table[entry + component];
                        }
                    }
                });
                let offset = i * piece * spread.size;
                if let Some(scale) = self.scale {
                    scale.pieces(offset, offset + values.len(), |range, scale| {
                        for entry in &mut entries[range.start - offset..range.end - offset] {
                            *entry *= scale;
                        }
                    });
                }
                if let Some(kept) = self.kept {
                    for (entry, &kept) in entries.iter_mut().zip(&kept[offset..]) {
                        *entry = if kept { *entry } else { 0.0 };
                    }
                }
                for (value, &entry) in values.iter_mut().zip(entries.iter()) {
                    *value = T::from_f32(entry);
                }
            },
        );
        values
    }
}
