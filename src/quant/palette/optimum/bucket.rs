//! Runs of neighbouring values, known by their moments.

use super::super::tally::Tally;

/// A run of neighbouring values of a tally, seen as a whole.
///
/// The mean is kept as two distances from the ends, both non-negative. Whatever is computed from buckets is
/// then a sum of non-negative terms, and keeps its relative accuracy however far the values are from zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bucket {
    /// The number of weights.
    pub weight: f64,
    /// The smallest value.
    pub first: f64,
    /// The greatest value.
    pub last: f64,
    /// The mean minus `first`.
    pub head: f64,
    /// `last` minus the mean.
    pub tail: f64,
    /// The sum of squared distances from the mean.
    pub moment: f64,
    /// A bound of the distance between the centres of two clusters that part inside this bucket.
    pub reach: f64,
}

impl Bucket {
    /// The bucket of the values `from..to` of a tally; `from < to`.
    pub(super) fn scan(tally: &Tally, from: usize, to: usize) -> Self {
        let values = &tally.values[from..to];
        let counts = &tally.counts[from..to];
        let first = f64::from(values[0]);
        let last = f64::from(values[values.len() - 1]);
        if values.len() == 1 {
            return Bucket {
                weight: f64::from(counts[0]),
                first,
                last,
                head: 0.0,
                tail: 0.0,
                moment: 0.0,
                reach: f64::INFINITY,
            };
        }
        let (weight, sum) = weighted_sum(values, counts, |x| f64::from(x) - first);
        let head = sum / weight;
        let (_, moment) = weighted_sum(values, counts, |x| {
            let d = (f64::from(x) - first) - head;
            d * d
        });
        Bucket { weight, first, last, head, tail: ((last - first) - head).max(0.0), moment, reach: f64::INFINITY }
    }

    /// Several neighbouring buckets as one; `None` of no buckets.
    pub(super) fn union(parts: &[Bucket]) -> Option<Self> {
        let (Some(left), Some(right)) = (parts.first(), parts.last()) else {
            return None;
        };
        if parts.len() == 1 {
            return Some(*left);
        }
        let (first, last) = (left.first, right.last);
        let weight: f64 = parts.iter().map(|b| b.weight).sum();
        let offset = |b: &Bucket| (b.first - first) + b.head;
        let head = parts.iter().map(|b| b.weight * offset(b)).sum::<f64>() / weight;
        let moment = parts
            .iter()
            .map(|b| {
                let d = offset(b) - head;
                b.moment + b.weight * (d * d)
            })
            .sum();
        Some(Bucket {
            weight,
            first,
            last,
            head,
            tail: ((last - first) - head).max(0.0),
            moment,
            reach: parts.iter().map(|b| b.reach).fold(0.0, f64::max),
        })
    }

    /// The bucket of the negated values.
    pub(super) fn mirrored(&self) -> Self {
        Bucket { first: -self.last, last: -self.first, head: self.tail, tail: self.head, ..*self }
    }

    /// How much dearer a clustering may become when the boundaries inside this bucket move to its ends.
    ///
    /// One boundary between clusters whose centres are `D` apart: the dearer side of the bucket stays, the
    /// other changes its cluster. At worst the centres' midpoint is the bucket's mean, and the price is `D`
    /// times the sum of absolute deviations, at most `D·√(weight·moment)`. Several boundaries: all of the
    /// bucket goes to the leftmost cluster, whose centre is then nowhere further than twice the width.
    pub(super) fn rounding_price(&self, centres_apart: f64) -> f64 {
        let width = self.last - self.first;
        let one = centres_apart.min(self.reach) * (self.weight * self.moment).sqrt();
        one.max(4.0 * self.weight * (width * width))
    }
}

/// Σ counts and Σ counts·f(values). Eight interleaved partial sums: one order on every machine.
fn weighted_sum(values: &[f32], counts: &[u32], f: impl Fn(f32) -> f64) -> (f64, f64) {
    const LANES: usize = 8;
    let mut weights = [0.0f64; LANES];
    let mut sums = [0.0f64; LANES];
    let (value_chunks, value_rest) = values.as_chunks::<LANES>();
    let (count_chunks, count_rest) = counts.as_chunks::<LANES>();
    for (v, c) in value_chunks.iter().zip(count_chunks) {
        for lane in 0..LANES {
            let count = f64::from(c[lane]);
            weights[lane] += count;
            sums[lane] += count * f(v[lane]);
        }
    }
    for (lane, (&v, &c)) in value_rest.iter().zip(count_rest).enumerate() {
        weights[lane] += f64::from(c);
        sums[lane] += f64::from(c) * f(v);
    }
    (weights.iter().sum(), sums.iter().sum())
}
