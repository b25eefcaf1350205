//! Prefix sums, from which the cost of any run of values is a few subtractions away.

/// How much of the cost of a known clustering the rounding of prefix sums may amount to before a slower way of
/// computing costs is taken.
pub(super) const TOLERANCE: f64 = 1e-10;

/// Running sums of weights, values and squares.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Running {
    sums: [Compensated; 3],
    /// The greatest magnitude that the sum of values has had.
    greatest: f64,
}

impl Running {
    /// Adds `weight` values with the mean `value` (from some reference) and the moment `moment`.
    #[inline(always)]
    pub(super) fn add(&mut self, weight: f64, value: f64, moment: f64) {
        self.sums[0].add(weight);
        self.sums[1].add(weight * value);
        self.sums[2].add(weight * (value * value) + moment);
        self.greatest = self.greatest.max(self.sums[1].value().abs());
    }

    #[inline(always)]
    pub(super) fn values(&self) -> [f64; 3] {
        self.sums.map(Compensated::value)
    }

    /// A bound of the error that rounding of the sums leaves in the cost of a clustering of values that span
    /// `range`.
    ///
    /// A boundary's rounded sum of values moves the cost by the distance of the two centres beside it, and
    /// these distances add up to the range; every other rounding is relative to squares that add up to the
    /// last sum of squares.
    pub(super) fn error(&self, range: f64) -> f64 {
        f64::EPSILON * (6.0 * self.sums[2].value() + 2.0 * range * self.greatest)
    }
}

/// A sum with the error of each addition carried along (Neumaier).
#[derive(Debug, Clone, Copy, Default)]
struct Compensated {
    sum: f64,
    lost: f64,
}

impl Compensated {
    #[inline(always)]
    fn add(&mut self, term: f64) {
        let sum = self.sum + term;
        self.lost += if self.sum.abs() >= term.abs() { (self.sum - sum) + term } else { (term - sum) + self.sum };
        self.sum = sum;
    }

    #[inline(always)]
    fn value(self) -> f64 {
        self.sum + self.lost
    }
}
