//! The dynamic programme over all places, each cost summed from the values themselves.
//!
//! It takes time with the square of the number of values, and loses nothing to rounding: a cost is a sum of
//! non-negative terms and accurate relative to itself, however small it is beside the cost of another clustering.

use super::Cancelled;
use super::Tally;

/// With more values than this the programme takes too long.
pub(super) const AT_MOST: usize = 2048;

/// A clustering that costs less than this share of a single cluster's cost may be wrong where costs come from
/// differences of larger numbers.
pub(super) const SUSPICIOUS: f64 = 1e-9;

/// The indices at which the second, third, … of `clusters` clusters begins. `clusters` is less than the number of
/// values, of which there are at most [`AT_MOST`].
pub(super) fn optimum(
    tally: &Tally,
    clusters: usize,
    cancel: &(dyn Fn() -> bool + Sync),
) -> Result<Vec<usize>, Cancelled> {
    let n = tally.values.len();
    let mut best = vec![f64::INFINITY; n + 1];
    best[0] = 0.0;
    // For each cluster and each end, where that cluster begins.
    let mut begins = vec![0u16; clusters * (n + 1)];
    for cluster in 0..clusters {
        let mut next = vec![f64::INFINITY; n + 1];
        let begins = &mut begins[cluster * (n + 1)..(cluster + 1) * (n + 1)];
        for to in cluster + 1..=n {
            if to % 64 == 0 && cancel() {
                return Err(Cancelled);
            }
            // Welford's update, from the last value leftwards.
            let (mut weight, mut mean, mut moment) = (0.0, 0.0, 0.0);
            let last = f64::from(tally.values[to - 1]);
            for from in (cluster..to).rev() {
                let count = f64::from(tally.counts[from]);
                let distance = last - f64::from(tally.values[from]);
                weight += count;
                let off = distance - mean;
                mean += off * count / weight;
                moment += count * off * (distance - mean);
                // `<=`: of equal costs the one that begins further left.
                if best[from] + moment <= next[to] {
                    next[to] = best[from] + moment;
                    begins[to] = from as u16;
                }
                // Costs only grow to the left.
                if moment > next[to] {
                    break;
                }
            }
        }
        best = next;
    }
    let mut starts = vec![0; clusters];
    let mut to = n;
    for cluster in (0..clusters).rev() {
        to = usize::from(begins[cluster * (n + 1) + to]);
        starts[cluster] = to;
    }
    starts.remove(0);
    Ok(starts)
}
