//! A palettized weight.

use super::decode::Decoder;
use super::fit::round_entry;
use super::layout::Layout;
use super::spec::{EntryType, PaletteError, PaletteVector};
use crate::quant::element::Element;

/// A weight as codes and tables.
#[derive(Debug, Clone, PartialEq)]
pub struct Palettized {
    /// Logical width of a code, 1 to 8.
    pub bits: u8,
    /// The weight's shape.
    pub shape: Vec<usize>,
    /// Tables along every axis of the weight.
    pub grid: Vec<usize>,
    /// Weights per entry, where more than one.
    pub vector: Option<PaletteVector>,
    /// One code per weight or vector, row-major in [`Palettized::codes_shape`]. Pruned weights have code 0.
    pub codes: Vec<u8>,
    /// The tables, row-major in [`Palettized::table_shape`], rounded to their type. Entries ascend
    /// (lexicographically before they were rounded, where they are vectors); where there are fewer distinct values than entries the
    /// last entry is repeated. A table of pruned weights only is zero.
    pub tables: Vec<f32>,
    /// The tables before they were rounded.
    pub exact_tables: Vec<f64>,
    /// How many different entries each table was fitted with.
    pub entries_used: Vec<u16>,
    /// The tables' int8 form, if asked for: `tables` is `values · scale`, rounded.
    pub int8_tables: Option<Int8Tables>,
    /// What each output channel's entries are multiplied by, if asked for.
    pub channel_scale: Option<ChannelScale>,
    /// Squared error of each table's weights against their entries (and scales) as rounded. Pruned weights do
    /// not count.
    pub sse: Vec<f64>,
    /// What the fit minimized, per table: the squared error with the unrounded tables and the codes that these
    /// lead to, of the weights as they were clustered, that is, divided by their scales if there are any.
    pub exact_sse: Vec<f64>,
    /// Which weights are not pruned.
    pub(super) kept: Option<Vec<bool>>,
    /// Which codes share a table.
    pub(super) layout: Layout,
}

/// Tables quantized to int8.
#[derive(Debug, Clone, PartialEq)]
pub struct Int8Tables {
    /// Entries, in -127…127, in the order of [`Palettized::tables`].
    pub values: Vec<i8>,
    /// What they are multiplied by, of the entries' type.
    pub scale: f32,
}

/// A scale per output channel.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelScale {
    /// The axis of the channels.
    pub axis: usize,
    /// One positive scale per channel, of the entries' type.
    pub scales: Vec<f32>,
    /// Weights between neighbouring channels.
    pub(super) stride: usize,
}

impl Int8Tables {
    /// The entries as floats: each product is rounded once, to the type of entries, where that is the weight's own
    /// to `W`.
    ///
    /// # Errors
    /// If an entry is beyond the range of its type.
    pub fn entries<W: Element>(&self, entries: EntryType) -> Result<Vec<f32>, PaletteError> {
        let entry = |&value: &i8| round_entry::<W>(f64::from(value) * f64::from(self.scale), entries);
        self.values.iter().map(entry).collect()
    }
}

impl ChannelScale {
    /// The scales of a weight of some shape, which has the axis.
    pub(super) fn new(shape: &[usize], axis: usize, scales: Vec<f32>) -> Self {
        ChannelScale { axis, scales, stride: shape[axis + 1..].iter().product() }
    }

    /// The scale of the weight at `place`.
    pub(super) fn at(&self, place: usize) -> f32 {
        self.scales[place / self.stride % self.scales.len()]
    }

    /// Calls `f` with contiguous pieces of `from..to` and the scale of each.
    pub(super) fn pieces(&self, from: usize, to: usize, mut f: impl FnMut(std::ops::Range<usize>, f32)) {
        let mut at = from;
        while at < to {
            let channel = at / self.stride;
            let end = ((channel + 1) * self.stride).min(to);
            f(at..end, self.scales[channel % self.scales.len()]);
            at = end;
        }
    }
}

impl Palettized {
    /// Entries per table, 2^bits.
    pub fn entries(&self) -> usize {
        1 << self.bits
    }

    /// Weights per entry.
    pub fn vector_size(&self) -> usize {
        self.vector.map_or(1, |v| v.size)
    }

    /// The shape of the codes: the weight's, but shorter along the axis of the vectors.
    pub fn codes_shape(&self) -> &[usize] {
        &self.layout.shape
    }

    /// The shape of the tables: the grid, 2^bits, weights per entry.
    pub fn table_shape(&self) -> Vec<usize> {
        let mut shape = self.grid.clone();
        shape.extend([self.entries(), self.vector_size()]);
        shape
    }

    /// The weight that the codes and tables stand for, row-major: entry times scale in binary32, then rounded
    /// to `T`. Pruned weights are zero.
    pub fn dequantize<T: Element>(&self) -> Vec<T> {
        let spread = Spread::new(&self.shape, self.vector);
        let decoder = Decoder {
            layout: &self.layout,
            spread,
            table: self.entries() * spread.size,
            tables: &self.tables,
            scale: self.channel_scale.as_ref(),
            kept: self.kept.as_deref(),
        };
        decoder.decode(&self.codes)
    }
}

/// How codes spread to weights.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spread {
    /// Weights per code.
    pub size: usize,
    /// The distance of the weights of one code.
    pub inner: usize,
}

impl Spread {
    pub(super) fn new(shape: &[usize], vector: Option<PaletteVector>) -> Self {
        vector.map_or(Spread { size: 1, inner: 1 }, |v| Spread {
            size: v.size,
            inner: shape[v.axis + 1..].iter().product(),
        })
    }

    /// The place of a component of the vector whose code is at `at`.
    #[inline(always)]
    pub(super) fn weight(self, at: usize, component: usize) -> usize {
        if self.size == 1 {
            return at;
        }
        (at / self.inner * self.size + component) * self.inner + at % self.inner
    }
}
