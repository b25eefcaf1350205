//! Levels: places for cuts, from coarse to all that are left.

use super::super::spec::Cancelled;
use super::super::tally::Tally;
use super::bucket::Bucket;
use super::chain::{Chain, Window, path};

/// Into how many parts a bucket is divided where it may hold a cut.
const PARTS: usize = 8;
/// All places are taken when there are no more than this many times those of the next coarser level.
const LEAP: usize = 4;
/// Runs of values that the density is estimated from.
const RUNS: usize = 1024;

/// Places where cuts may be, and a window of them for every cut.
pub(super) struct Level<'a> {
    tally: &'a Tally,
    /// The places: indices of the tally at which a cluster may begin; 0 and the tally's length included.
    places: Vec<u32>,
    /// The values between neighbouring places.
    buckets: Vec<Bucket>,
    /// Where each cut may be; the first is at 0, the last at the end.
    windows: Vec<Window>,
}

impl<'a> Level<'a> {
    /// The coarse level that a search begins with; the tally has more values than there are clusters.
    pub(super) fn first(tally: &'a Tally, clusters: usize) -> Self {
        let mut level = Self::companded(
            tally,
            clusters,
            match clusters {
                0..=4 => 64,
                5..=32 => 32,
                33..=64 => 16,
                _ => 8,
            },
        );
        if !level.is_exact() {
            let upper = level.upper_bound();
            bound_reach(&mut level.buckets, upper);
        }
        level
    }

    /// A level with about `per_cluster` places for each cluster, or with all if these are not many more.
    pub(super) fn companded(tally: &'a Tally, clusters: usize, per_cluster: usize) -> Self {
        let distinct = tally.values.len();
        let wanted = clusters * per_cluster;
        let places = if distinct <= 2 * wanted { (0..=distinct as u32).collect() } else { companded(tally, wanted) };
        let buckets = places.windows(2).map(|p| Bucket::scan(tally, p[0] as usize, p[1] as usize)).collect();
        let last = places.len() - 1;
        let whole = Window { low: 0, high: last };
        let mut windows = vec![whole; clusters + 1];
        windows[0].high = 0;
        windows[clusters].low = last;
        Level { tally, places, buckets, windows }
    }

    /// Whether the windows hold every place there is between their ends.
    pub(super) fn is_exact(&self) -> bool {
        let mut checked = 0;
        self.windows.iter().all(|w| {
            let from = w.low.max(checked);
            checked = w.high.max(checked);
            (from..w.high).all(|i| self.places[i + 1] - self.places[i] == 1)
        })
    }

    pub(super) fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// The index of the tally at which a cluster begins that begins at `boundary`.
    pub(super) fn place(&self, boundary: usize) -> usize {
        self.places[boundary] as usize
    }

    /// The level as a chain of buckets; `upper` is the cost of some clustering.
    pub(super) fn chain(&self, upper: f64) -> Chain {
        Chain::new(self.buckets.clone(), upper)
    }

    /// The cost of a clustering with as many places in each cluster: the places already follow the density.
    pub(super) fn upper_bound(&self) -> f64 {
        let last = self.buckets.len();
        let clusters = self.windows.len() - 1;
        let cuts: Vec<_> = (0..=clusters).map(|j| j * last / clusters).collect();
        Chain::new(self.buckets.clone(), f64::INFINITY).cost(&cuts)
    }

    /// Narrower windows, outside of which no cut of an optimal clustering is. Lowers `upper`, the cost of
    /// the cheapest clustering known.
    pub(super) fn prune(&self, upper: &mut f64, cancel: &(dyn Fn() -> bool + Sync)) -> Result<Vec<Window>, Cancelled> {
        let chain = self.chain(*upper);
        let rebates = self.rebates();
        let left = chain.forward(&self.windows, Some(&rebates), cancel)?;
        *upper = upper.min(chain.cost(&path(&left)));

        let last = self.places.len() - 1;
        let mirrored_windows: Vec<_> =
            self.windows.iter().rev().map(|w| Window { low: last - w.high, high: last - w.low }).collect();
        let mirrored_rebates: Vec<Vec<f64>> = rebates.iter().rev().map(|r| r.iter().rev().copied().collect()).collect();
        let right = chain.mirrored().forward(&mirrored_windows, Some(&mirrored_rebates), cancel)?;

        let limit = *upper * (1.0 + 1e-9) + 4.0 * chain.error;
        let mut windows = self.windows.clone();
        for (j, window) in windows.iter_mut().enumerate() {
            let (left, right) = (&left[j].cost, &right[self.windows.len() - 1 - j].cost);
            let bounds = left.iter().zip(right.iter().rev()).zip(&rebates[j]);
            // The cut's own rebate is in both costs.
            let mut possible =
                bounds.enumerate().filter(|(_, ((l, r), rebate))| *l + *r + *rebate <= limit).map(|(i, _)| i);
            if let Some(low) = possible.next() {
                let high = possible.next_back().unwrap_or(low);
                // A place stands for the buckets on both sides of it.
                window.high = window.high.min(window.low + high + 1);
                window.low += low.saturating_sub(1);
            }
        }
        // Cuts are in order, so what one cannot pass, its neighbours cannot either.
        for j in 1..windows.len() {
            windows[j].low = windows[j].low.max(windows[j - 1].low);
        }
        for j in (1..windows.len()).rev() {
            windows[j - 1].high = windows[j - 1].high.min(windows[j].high);
        }
        Ok(windows)
    }

    /// What is refunded for each cut at each place of its window.
    fn rebates(&self) -> Vec<Vec<f64>> {
        let count = self.windows.len();
        let centre = |from: usize, to: usize| Bucket::union(&self.buckets[from..to]).map(|b| (b.first, b.head));
        (0..count)
            .map(|j| {
                let window = self.windows[j];
                if j == 0 || j + 1 == count {
                    return vec![0.0];
                }
                // A cluster's mean grows with both of its ends.
                let (before, after) = (self.windows[j - 1], self.windows[j + 1]);
                let apart = match (centre(before.low, window.low), centre(window.high, after.high)) {
                    (Some((a, head)), Some((b, further))) => (b - a) - head + further,
                    _ => f64::INFINITY,
                };
                let price = |i: usize| self.buckets[i].rounding_price(apart);
                (window.low..=window.high)
                    .map(|place| {
                        let left = if place > window.low { price(place - 1) } else { 0.0 };
                        let right = if place < window.high { price(place) } else { 0.0 };
                        left.max(right)
                    })
                    .collect()
            })
            .collect()
    }

    /// A level with finer places inside `windows`, which are in this level's places, and none outside.
    pub(super) fn finer(&self, windows: &[Window]) -> Level<'a> {
        let width = |w: &Window| (self.places[w.high] - self.places[w.low]) as usize;
        let all: usize = windows.iter().map(width).sum();
        let coarse: usize = windows.iter().map(|w| w.len() - 1).sum();
        let everything = all <= LEAP * PARTS * coarse;

        let mut places = vec![0];
        let mut done = 0;
        for w in windows {
            let from = w.low.max(done);
            for bucket in from..w.high {
                let (p, q) = (self.places[bucket], self.places[bucket + 1]);
                places.push(p);
                if everything {
                    places.extend(p + 1..q);
                } else {
                    self.divide(p, q, &mut places);
                }
            }
            places.extend([self.places[w.low], self.places[w.high]]);
            done = done.max(w.high);
        }
        places.push(self.places[self.places.len() - 1]);
        places.sort_unstable();
        places.dedup();

        let index = |place: u32| places.partition_point(|&p| p < place);
        let windows = windows
            .iter()
            .map(|w| Window { low: index(self.places[w.low]), high: index(self.places[w.high]) })
            .collect();
        Level { tally: self.tally, buckets: self.buckets_between(&places), places, windows }
    }

    /// Places inside a bucket: half of them evenly in value, which is best where the density is smooth, and
    /// half evenly in number, so that buckets shrink whatever the values are.
    fn divide(&self, from: u32, to: u32, places: &mut Vec<u32>) {
        let values = &self.tally.values[from as usize..to as usize];
        let (low, high) = (values[0], values[values.len() - 1]);
        for part in 1..PARTS {
            let inside = if part % 2 == 0 {
                values.len() * part / PARTS
            } else {
                let share = part as f64 / PARTS as f64;
                let bound = f64::from(low) + (f64::from(high) - f64::from(low)) * share;
                values.partition_point(|&v| f64::from(v) < bound)
            };
            places.push(from + inside as u32);
        }
    }

    /// The buckets of finer places, from this level's where they are whole ones.
    fn buckets_between(&self, places: &[u32]) -> Vec<Bucket> {
        let mut at = 0;
        places
            .windows(2)
            .map(|pair| {
                let (from, to) = (pair[0], pair[1]);
                while self.places[at + 1] <= from {
                    at += 1;
                }
                let mut end = at + 1;
                while self.places[end] < to {
                    end += 1;
                }
                let whole = self.places[at] == from && self.places[end] == to;
                let parts = &self.buckets[at..end];
                match Bucket::union(if whole { parts } else { &[] }) {
                    Some(bucket) => bucket,
                    None => Bucket {
                        reach: parts.iter().map(|b| b.reach).fold(0.0, f64::max),
                        ..Bucket::scan(self.tally, from as usize, to as usize)
                    },
                }
            })
            .collect()
    }
}

/// Places in the density that is asymptotically best for quantization: proportional to the cube root of the
/// density of the values.
fn companded(tally: &Tally, wanted: usize) -> Vec<u32> {
    let distinct = tally.values.len();
    let runs = RUNS.max(wanted).min(distinct);
    let start = |run: usize| run * distinct / runs;
    let score = |run: usize| {
        let (from, to) = (start(run), start(run + 1));
        let mass: f64 = tally.counts[from..to].iter().map(|&c| f64::from(c)).sum();
        let end = tally.values[to.min(distinct - 1)];
        let width = f64::from(end) - f64::from(tally.values[from]);
        cube_root(mass) * cube_root(width * width)
    };
    let scores: Vec<f64> = (0..runs).map(score).collect();
    let total: f64 = scores.iter().sum();
    let mut places = vec![0];
    let mut passed = 0.0;
    let mut next = 1;
    for (run, score) in scores.iter().enumerate() {
        let (from, to) = (start(run), start(run + 1));
        let low = f64::from(tally.values[from]);
        let width = f64::from(tally.values[to.min(distinct - 1)]) - low;
        while next < wanted && total * (next as f64 / wanted as f64) <= passed + score {
            let share = (total * (next as f64 / wanted as f64) - passed) / score;
            let bound = low + width * share;
            let inside = tally.values[from..to].partition_point(|&v| f64::from(v) < bound);
            places.push((from + inside) as u32);
            next += 1;
        }
        passed += score;
    }
    places.push(distinct as u32);
    places.sort_unstable();
    places.dedup();
    places
}

/// ∛x for x ≥ 0, to a few parts in a thousand, with the same bits on every machine.
fn cube_root(x: f64) -> f64 {
    if x < f64::MIN_POSITIVE {
        return 0.0;
    }
    // A third of the exponent, then one step of Newton's method.
    let y = f64::from_bits(x.to_bits() / 3 + (0x3ff0_0000_0000_0000 / 3) * 2);
    (2.0 * y + x / (y * y)) / 3.0
}

/// Bounds, for every bucket, how far apart the centres of two clusters can be that part in it.
///
/// With centres 2r apart every value within r of their midpoint is in one of the two clusters, and lies
/// r - d from its centre when it lies d from the midpoint. The midpoint is in the bucket. These squares are
/// at most `upper`, and that bounds r.
fn bound_reach(buckets: &mut [Bucket], upper: f64) {
    let reaches: Vec<f64> = (0..buckets.len())
        .map(|i| {
            let (low, high) = (buckets[i].first, buckets[i].last);
            let mut left = buckets[..i].iter().rev().peekable();
            let mut right = buckets[i..].iter().peekable();
            // Σ weight·(r - distance)² over the buckets nearer than r, as a polynomial in r.
            let (mut a, mut b, mut c) = (0.0f64, 0.0f64, 0.0f64);
            loop {
                let left_distance = left.peek().map_or(f64::INFINITY, |x| high - x.first);
                let right_distance = right.peek().map_or(f64::INFINITY, |x| x.last - low);
                let next = left_distance.min(right_distance);
                if a > 0.0 && (next.is_infinite() || (a * next - 2.0 * b) * next + c > upper) {
                    let root = (b * b - a * (c - upper)).max(0.0).sqrt();
                    return 2.0 * (b + root) / a;
                }
                let nearer = if left_distance <= right_distance { left.next() } else { right.next() };
                let Some(bucket) = nearer else {
                    return f64::INFINITY;
                };
                a += bucket.weight;
                b += bucket.weight * next;
                c += bucket.weight * (next * next);
            }
        })
        .collect();
    for (bucket, reach) in buckets.iter_mut().zip(reaches) {
        // The polynomial is rounded; the bound may be a little loose but must hold.
        bucket.reach = reach * (1.0 + 1e-6);
    }
}
