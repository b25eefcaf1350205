//! The dynamic programme over the boundaries between buckets.

use super::super::spec::Cancelled;
use super::bucket::Bucket;
use super::minima::{Differences, Joins, minima};
use super::sums::{Running, TOLERANCE};

/// The boundaries that one cut may be at, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub low: usize,
    pub high: usize,
}

impl Window {
    pub(super) fn len(self) -> usize {
        self.high - self.low + 1
    }
}

/// What the programme found for one cut, per boundary of its window.
pub(super) struct Layer {
    pub window: Window,
    /// The least cost of everything left of the boundary.
    pub cost: Vec<f64>,
    /// Where the previous cut is then, counted from the low end of its window.
    pub previous: Vec<u32>,
}

/// Prefix sums at the boundaries from `base` on: weights, values less a reference, squares of these.
struct Sums {
    base: usize,
    columns: [Vec<f64>; 3],
}

impl Sums {
    /// The sums over `buckets`, the first of which begins at boundary `base`, and a bound of the error that
    /// rounding leaves in the cost of a clustering.
    fn of(buckets: &[Bucket], base: usize) -> (Self, f64) {
        let reference = Bucket::union(buckets).map_or(0.0, |b| b.first + b.head);
        let mut columns = [(); 3].map(|()| vec![0.0]);
        let mut running = Running::default();
        for b in buckets {
            running.add(b.weight, (b.first - reference) + b.head, b.moment);
            for (column, sum) in columns.iter_mut().zip(running.values()) {
                column.push(sum);
            }
        }
        let range = match (buckets.first(), buckets.last()) {
            (Some(a), Some(b)) => b.last - a.first,
            _ => 0.0,
        };
        let error = running.error(range);
        (Sums { base, columns }, error)
    }

    fn at(&self, from: usize, to: usize) -> [&[f64]; 3] {
        let (from, to) = (from - self.base, to - self.base);
        let [a, b, c] = &self.columns;
        [&a[from..=to], &b[from..=to], &c[from..=to]]
    }

    /// The sums of the mirrored buckets.
    fn mirrored(&self) -> Self {
        let mirror = |v: &Vec<f64>| v.iter().rev().map(|s| -s).collect();
        let [weights, values, squares] = &self.columns;
        Sums { base: 0, columns: [mirror(weights), mirror(values), mirror(squares)] }
    }
}

/// Buckets in a row, ready for the programme.
pub(super) struct Chain {
    buckets: Vec<Bucket>,
    sums: Sums,
    /// The largest error of a clustering's cost that still does no harm.
    allowance: f64,
    /// Whether differences of `sums` stay within the allowance.
    sound: bool,
    /// A bound of the error of the programme's costs.
    pub error: f64,
}

impl Chain {
    /// `upper` is the cost of some clustering.
    pub(super) fn new(buckets: Vec<Bucket>, upper: f64) -> Self {
        let (sums, error) = Sums::of(&buckets, 0);
        let allowance = TOLERANCE * upper;
        let sound = error <= allowance;
        Chain { buckets, sums, allowance, sound, error: if sound { error } else { allowance } }
    }

    /// The prefix sums at every boundary, where they are accurate enough.
    pub(super) fn sums(&self) -> Option<impl Iterator<Item = [f64; 3]>> {
        let [weights, values, squares] = &self.sums.columns;
        let sums = weights.iter().zip(values).zip(squares);
        self.sound.then(|| sums.map(|((&w, &v), &s)| [w, v, s]))
    }

    /// The same chain from right to left.
    pub(super) fn mirrored(&self) -> Self {
        Chain {
            buckets: self.buckets.iter().rev().map(Bucket::mirrored).collect(),
            sums: self.sums.mirrored(),
            ..*self
        }
    }

    /// The least cost of everything left of each boundary of each window, with one more cut per window;
    /// `rebate` is subtracted from the cost of a cut, per window and boundary.
    ///
    /// The first window must be boundary 0 alone; bounds of windows never decrease.
    pub(super) fn forward(
        &self,
        windows: &[Window],
        rebates: Option<&[Vec<f64>]>,
        cancel: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<Layer>, Cancelled> {
        let mut layers: Vec<Layer> = Vec::with_capacity(windows.len());
        let mut task = Task { chain: self, cancel, minimum: Vec::new(), column: Vec::new() };
        for (j, &window) in windows.iter().enumerate() {
            let mut layer = Layer { window, cost: vec![f64::INFINITY; window.len()], previous: vec![0; window.len()] };
            match layers.last() {
                None => layer.cost[0] = 0.0,
                Some(previous) => task.fill(previous, &mut layer)?,
            }
            if let Some(rebates) = rebates {
                for (cost, rebate) in layer.cost.iter_mut().zip(&rebates[j]) {
                    *cost -= rebate;
                }
            }
            layers.push(layer);
        }
        Ok(layers)
    }

    /// The cost of a clustering, accurate relative to itself. `cuts` begins at 0 and ends at the last boundary.
    pub(super) fn cost(&self, cuts: &[usize]) -> f64 {
        cuts.windows(2).filter_map(|pair| Bucket::union(&self.buckets[pair[0]..pair[1]])).map(|b| b.moment).sum()
    }
}

/// The cuts of the cheapest clustering, one per layer.
pub(super) fn path(layers: &[Layer]) -> Vec<usize> {
    let mut cuts = vec![0; layers.len()];
    let mut at = layers.last().map_or(0, |l| l.window.len() - 1);
    for (cut, layer) in cuts.iter_mut().zip(layers).rev() {
        *cut = layer.window.low + at;
        at = layer.previous[at] as usize;
    }
    cuts
}

/// One run of the programme, with its scratch memory.
struct Task<'a> {
    chain: &'a Chain,
    cancel: &'a (dyn Fn() -> bool + Sync),
    minimum: Vec<f64>,
    column: Vec<u32>,
}

impl Task<'_> {
    fn fill(&mut self, previous: &Layer, layer: &mut Layer) -> Result<(), Cancelled> {
        let (columns, rows) = (previous.window, layer.window);
        if self.chain.sound {
            return self.differences(&self.chain.sums, previous, layer, columns, rows);
        }
        self.split(previous, layer, columns, rows)
    }

    /// All pairs of a column and a row, by prefix sums that cover both.
    fn differences(
        &mut self,
        sums: &Sums,
        previous: &Layer,
        layer: &mut Layer,
        columns: Window,
        rows: Window,
    ) -> Result<(), Cancelled> {
        let high = columns.high.min(rows.high);
        let matrix = Differences {
            before: &previous.cost[columns.low - previous.window.low..=high - previous.window.low],
            columns: sums.at(columns.low, high),
            rows: sums.at(rows.low, rows.high),
        };
        self.minimum.resize(rows.len(), 0.0);
        self.column.resize(rows.len(), 0);
        minima(
            &matrix,
            rows.low - columns.low,
            &mut self.minimum[..rows.len()],
            &mut self.column[..rows.len()],
            self.cancel,
        )?;
        self.keep(previous, layer, columns, rows);
        Ok(())
    }

    /// All pairs, where differences of sums over everything would lose too much: pairs that lie across a
    /// middle boundary are joined there, the others are in smaller ranges, whose own sums are smaller.
    fn split(&mut self, previous: &Layer, layer: &mut Layer, columns: Window, rows: Window) -> Result<(), Cancelled> {
        let (low, high) = (columns.low, rows.high);
        if columns.high <= rows.low {
            return self.joins(previous, layer, columns, rows, columns.high);
        }
        let (sums, error) = Sums::of(&self.chain.buckets[low..high], low);
        if error <= self.chain.allowance {
            return self.differences(&sums, previous, layer, columns, rows);
        }
        if high - low == 1 {
            // Two boundaries: from the first one, and the empty cluster at the second.
            let first = Window { low, high: low };
            self.joins(previous, layer, first, rows, low)?;
            let second = Window { low: high, high };
            return self.joins(previous, layer, second, second, high);
        }
        let middle = low + (high - low) / 2;
        if rows.low <= middle {
            let left = Window { low, high: columns.high.min(middle) };
            let above = Window { low: rows.low, high: middle };
            self.split(previous, layer, left, above)?;
        }
        let left = Window { low, high: columns.high.min(middle) };
        let below = Window { low: rows.low.max(middle), high };
        self.joins(previous, layer, left, below, middle)?;
        if columns.high >= middle {
            let right = Window { low: middle, high: columns.high };
            self.split(previous, layer, right, below)?;
        }
        Ok(())
    }

    /// Pairs with the boundary `middle` between them, or at one of them.
    fn joins(
        &mut self,
        previous: &Layer,
        layer: &mut Layer,
        columns: Window,
        rows: Window,
        middle: usize,
    ) -> Result<(), Cancelled> {
        let buckets = &self.chain.buckets;
        // The point to which distances are measured: any between the last value left and the first right.
        let point = buckets.get(middle).map_or_else(|| buckets[middle - 1].last, |b| b.first);
        let mut left = Part::default();
        let mut lefts = [vec![0.0; columns.len()], vec![0.0; columns.len()]];
        let mut before = previous.cost[columns.low - previous.window.low..=columns.high - previous.window.low].to_vec();
        for boundary in (columns.low..=middle).rev() {
            if boundary < middle {
                let b = &buckets[boundary];
                left.add(b.weight, (point - b.last) + b.tail, b.moment);
            }
            if boundary <= columns.high {
                let i = boundary - columns.low;
                lefts[0][i] = left.weight;
                lefts[1][i] = left.distance;
                before[i] += left.moment;
            }
        }
        let mut right = Part::default();
        let mut rights = [(); 3].map(|()| vec![0.0; rows.len()]);
        for boundary in middle..=rows.high {
            if boundary > middle {
                let b = &buckets[boundary - 1];
                right.add(b.weight, (b.first - point) + b.head, b.moment);
            }
            if boundary >= rows.low {
                let i = boundary - rows.low;
                rights[0][i] = right.weight;
                rights[1][i] = right.distance;
                rights[2][i] = right.moment;
            }
        }
        let matrix =
            Joins { before: &before, columns: [&lefts[0], &lefts[1]], rows: [&rights[0], &rights[1], &rights[2]] };
        self.minimum.resize(rows.len(), 0.0);
        self.column.resize(rows.len(), 0);
        minima(
            &matrix,
            rows.low - columns.low,
            &mut self.minimum[..rows.len()],
            &mut self.column[..rows.len()],
            self.cancel,
        )?;
        self.keep(previous, layer, columns, rows);
        Ok(())
    }

    /// Takes over the minima that beat what the layer has.
    fn keep(&self, previous: &Layer, layer: &mut Layer, columns: Window, rows: Window) {
        let shift = (columns.low - previous.window.low) as u32;
        let at = rows.low - layer.window.low;
        let found = self.minimum.iter().zip(&self.column).take(rows.len());
        let kept = layer.cost[at..].iter_mut().zip(&mut layer.previous[at..]);
        for ((&minimum, &column), (cost, previous)) in found.zip(kept) {
            if minimum < *cost {
                *cost = minimum;
                *previous = column + shift;
            }
        }
    }
}

/// A growing part of a cluster, seen from a point beside it.
#[derive(Debug, Clone, Copy, Default)]
struct Part {
    weight: f64,
    /// The distance of the mean from the point.
    distance: f64,
    moment: f64,
}

impl Part {
    /// Adds values further away than all before.
    fn add(&mut self, weight: f64, distance: f64, moment: f64) {
        let total = self.weight + weight;
        let further = (distance - self.distance).max(0.0);
        let share = weight / total;
        self.moment += moment + further * further * (self.weight * share);
        self.distance += further * share;
        self.weight = total;
    }
}
