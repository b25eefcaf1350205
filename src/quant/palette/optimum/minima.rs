//! Row minima of the matrices that the dynamic programme is made of.
//!
//! In row `r`, column `c` stands the cost of ending a cluster at boundary `r` when it began at boundary `c`,
//! with the cost of all before it. Squared error makes these matrices totally monotone: the column of a
//! row's minimum never moves left as the row goes down. So the minima of every second row confine those of
//! the rows between, and all are found with about (rows + columns)·log(rows) evaluations.

use super::super::spec::Cancelled;
use crate::quant::simd::multiversion;

/// How many columns are evaluated at once. An argmin does not depend on it.
const LANES: usize = 8;
/// Keeps the quotient of an empty cluster, 0/0, at 0.
const TINY: f64 = f64::MIN_POSITIVE;

/// One totally monotone matrix.
pub(super) trait Matrix {
    /// The number of columns.
    fn columns(&self) -> usize;
    /// The entries in row `row`, columns `column..column + LANES`.
    fn lanes(&self, row: usize, column: usize) -> [f64; LANES];
    /// One entry.
    fn entry(&self, row: usize, column: usize) -> f64;
}

/// Costs as differences of prefix sums: fast, with an absolute error that grows with the sums.
pub(super) struct Differences<'a> {
    /// The cost of all before the column's boundary, per column.
    pub before: &'a [f64],
    /// Prefix sums at the columns' boundaries: weights, values, squares.
    pub columns: [&'a [f64]; 3],
    /// Prefix sums at the rows' boundaries.
    pub rows: [&'a [f64]; 3],
}

impl Matrix for Differences<'_> {
    fn columns(&self) -> usize {
        self.before.len()
    }

    #[inline(always)]
    fn lanes(&self, row: usize, column: usize) -> [f64; LANES] {
        let [rw, r1, r2] = [self.rows[0][row], self.rows[1][row], self.rows[2][row]];
        let before = window(self.before, column);
        let [w, s1, s2] =
            [window(self.columns[0], column), window(self.columns[1], column), window(self.columns[2], column)];
        let mut out = [0.0; LANES];
        for i in 0..LANES {
            let d1 = r1 - s1[i];
            let weight = rw - w[i];
            let weight = if weight > TINY { weight } else { TINY };
            out[i] = before[i] + ((r2 - s2[i]) - d1 * d1 / weight);
        }
        out
    }

    #[inline(always)]
    fn entry(&self, row: usize, column: usize) -> f64 {
        let d1 = self.rows[1][row] - self.columns[1][column];
        let weight = self.rows[0][row] - self.columns[0][column];
        let weight = if weight > TINY { weight } else { TINY };
        self.before[column] + ((self.rows[2][row] - self.columns[2][column]) - d1 * d1 / weight)
    }
}

/// Costs of clusters that all contain one point: what lies left of it joined to what lies right of it.
/// Sums of non-negative terms only, so each entry is accurate relative to itself.
pub(super) struct Joins<'a> {
    /// The cost of all before the column's boundary, plus the moment of the part left of the point.
    pub before: &'a [f64],
    /// Weight and mean distance from the point of the left parts.
    pub columns: [&'a [f64]; 2],
    /// Weight, mean distance and moment of the right parts.
    pub rows: [&'a [f64]; 3],
}

impl Matrix for Joins<'_> {
    fn columns(&self) -> usize {
        self.before.len()
    }

    #[inline(always)]
    fn lanes(&self, row: usize, column: usize) -> [f64; LANES] {
        let [rw, rd, rm] = [self.rows[0][row], self.rows[1][row], self.rows[2][row]];
        let before = window(self.before, column);
        let [w, d] = [window(self.columns[0], column), window(self.columns[1], column)];
        let mut out = [0.0; LANES];
        for i in 0..LANES {
            out[i] = join(before[i], w[i], d[i], rw, rd, rm);
        }
        out
    }

    #[inline(always)]
    fn entry(&self, row: usize, column: usize) -> f64 {
        join(
            self.before[column],
            self.columns[0][column],
            self.columns[1][column],
            self.rows[0][row],
            self.rows[1][row],
            self.rows[2][row],
        )
    }
}

/// The moment of two joined parts: their own moments and that of their means.
#[inline(always)]
fn join(before: f64, left: f64, left_distance: f64, right: f64, right_distance: f64, moment: f64) -> f64 {
    let apart = left_distance + right_distance;
    let weight = left + right;
    let weight = if weight > TINY { weight } else { TINY };
    before + (moment + apart * apart * (left * (right / weight)))
}

#[inline(always)]
fn window(slice: &[f64], at: usize) -> &[f64; LANES] {
    slice[at..].first_chunk().expect("the caller stays LANES columns clear of the end")
}

/// The minimum of every row and the leftmost column that has it.
///
/// Row `r` may use the columns up to `r + lead`: a cluster does not end before it begins.
pub(super) fn minima(
    matrix: &impl Matrix,
    lead: usize,
    minimum: &mut [f64],
    column: &mut [u32],
    cancel: &(dyn Fn() -> bool + Sync),
) -> Result<(), Cancelled> {
    let rows = minimum.len().min(column.len());
    let mut step = 1;
    while step * 2 <= rows {
        step *= 2;
    }
    while step > 0 {
        if cancel() {
            return Err(Cancelled);
        }
        round(matrix, lead, step, &mut minimum[..rows], &mut column[..rows]);
        step /= 2;
    }
    Ok(())
}

multiversion! {
    /// The rows at odd multiples of `step`, counted from 1; those at even multiples are known.
    fn round<M: Matrix>(matrix: &M, lead: usize, step: usize, minimum: &mut [f64], column: &mut [u32]) {
        let rows = minimum.len();
        let last = matrix.columns() - 1;
        for row in (step - 1..rows).step_by(2 * step) {
            let from = if row >= step { column[row - step] as usize } else { 0 };
            let to = if row + step < rows { column[row + step] as usize } else { last };
            let to = to.min(row + lead);
            let (value, at) = row_minimum(matrix, row, from, to);
            minimum[row] = value;
            column[row] = at as u32;
        }
    }
}

#[inline(always)]
fn row_minimum(matrix: &impl Matrix, row: usize, from: usize, to: usize) -> (f64, usize) {
    let mut best = f64::INFINITY;
    let mut at = from;
    let mut next = from;
    if to + 1 >= from + LANES {
        let mut lane_best = [f64::INFINITY; LANES];
        let mut lane_at = [from as u64; LANES];
        while next + LANES <= to + 1 {
            let entries = matrix.lanes(row, next);
            for lane in 0..LANES {
                let less = entries[lane] < lane_best[lane];
                lane_best[lane] = if less { entries[lane] } else { lane_best[lane] };
                lane_at[lane] = if less { next as u64 } else { lane_at[lane] };
            }
            next += LANES;
        }
        for lane in 0..LANES {
            let candidate = lane_at[lane] as usize + lane;
            if lane_best[lane] < best || (lane_best[lane] == best && candidate < at) {
                best = lane_best[lane];
                at = candidate;
            }
        }
    }
    while next <= to {
        let entry = matrix.entry(row, next);
        if entry < best {
            best = entry;
            at = next;
        }
        next += 1;
    }
    (best, at)
}
