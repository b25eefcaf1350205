//! The exact optimum of one-dimensional k-means: the clustering of a tally with the least squared error.
//!
//! Clusters are runs of neighbouring values, so a clustering is k - 1 cuts, and dynamic programming over all
//! n - 1 places for each cut finds the best. Almost all of these places are hopeless, and a coarse look
//! proves it:
//!
//! 1. A *level* is a set of places; the values between two neighbouring places are a bucket, known by its
//!    moments. The first level has a few hundred places.
//! 2. Any clustering, with cuts anywhere, becomes one of the level's when its cuts move to ends of the
//!    buckets they are in, and [`Bucket::rounding_price`] bounds how much dearer that makes it. The
//!    programme with this price refunded at every cut, run from the left and from the right, gives for each
//!    cut and place a *lower* bound of every clustering that has that cut there or in a bucket beside it.
//! 3. The cheapest clustering seen gives an upper bound. Where the lower bound is above it, the cut is not.
//! 4. What remains for each cut is a window; the next level has places only there, finer. When all places
//!    in the windows are places of the level, nothing is refunded and the programme's answer is the optimum.
//!
//! Prices fall with the square of the buckets' widths, so two or three levels do for real weights. Nothing
//! is assumed of the values: the worst that unusual ones can do is to keep windows wide.
//!
//! Costs are computed in binary64 with an error that is bounded and below 10⁻¹⁰ of the optimum; where prefix
//! sums would lose more (values that differ by many orders of magnitude), costs are joined from
//! non-negative parts instead. Of several optima the one with the leftmost last cut is taken, then the
//! leftmost one before it, and so on.

mod bucket;
mod chain;
mod direct;
mod level;
mod minima;
mod penalized;
mod sums;

#[cfg(test)]
mod tests;

use super::fit::Moments;
use super::spec::Cancelled;
use super::tally::Tally;
use bucket::Bucket;
use chain::path;
use level::Level;

/// A price on clusters is tried with up to this many distinct values per squared number of clusters: it takes
/// a few passes over all places whatever that number is, while windows grow with its square.
const PENALIZED_FROM: usize = 128;
/// … and at most with this many values, since all places are held in memory.
const PENALIZED_AT_MOST: usize = 1 << 19;

/// The optimal clustering of a tally into `clusters` runs, as the indices at which the second, third, …
/// cluster begins. All clusters have values when there are enough of them; with fewer distinct values than
/// clusters every value is a cluster.
///
/// With more than [`direct::AT_MOST`] values whose optimum costs less than [`direct::SUSPICIOUS`] of one
/// cluster's, rounding may still lead to a dearer clustering.
pub(super) fn optimum(
    tally: &Tally,
    clusters: usize,
    cancel: &(dyn Fn() -> bool + Sync),
) -> Result<Vec<usize>, Cancelled> {
    let distinct = tally.values.len();
    if distinct <= clusters {
        return Ok((1..distinct).collect());
    }
    let starts = fast(tally, clusters, cancel)?;
    if distinct <= direct::AT_MOST && cost(tally, &starts) < direct::SUSPICIOUS * run_moments(tally, 0, distinct).moment
    {
        return direct::optimum(tally, clusters, cancel);
    }
    Ok(starts)
}

/// The cost of a clustering, accurate relative to itself.
fn cost(tally: &Tally, starts: &[usize]) -> f64 {
    let begins = std::iter::once(0).chain(starts.iter().copied());
    let ends = starts.iter().copied().chain([tally.values.len()]);
    begins.zip(ends).map(|(from, to)| run_moments(tally, from, to).moment).sum()
}

/// As [`optimum`], for more values than clusters. Where the optimum costs next to nothing beside a single cluster,
/// rounding may lead elsewhere.
fn fast(tally: &Tally, clusters: usize, cancel: &(dyn Fn() -> bool + Sync)) -> Result<Vec<usize>, Cancelled> {
    let distinct = tally.values.len();
    let pays = (PENALIZED_FROM * clusters * clusters).min(PENALIZED_AT_MOST);
    if distinct <= pays
        && let Some(starts) = penalized::optimum(tally, clusters, cancel)?
    {
        return Ok(starts);
    }
    let mut level = Level::first(tally, clusters);
    let mut upper = level.upper_bound();
    while !level.is_exact() {
        if cancel() {
            return Err(Cancelled);
        }
        let windows = level.prune(&mut upper, cancel)?;
        level = level.finer(&windows);
    }
    let cuts = loop {
        let chain = level.chain(upper);
        let cuts = path(&chain.forward(level.windows(), None, cancel)?);
        let cost = chain.cost(&cuts);
        // How accurately costs had to be computed was judged by the bound.
        if cost * 2.0 >= upper || cost <= 0.0 {
            break cuts;
        }
        upper = cost;
    };
    let mut starts: Vec<usize> = cuts[1..cuts.len() - 1].iter().map(|&boundary| level.place(boundary)).collect();
    fill_empty(tally, &mut starts);
    Ok(starts)
}

/// The moments of the values `from..to` of a tally.
pub(super) fn run_moments(tally: &Tally, from: usize, to: usize) -> Moments {
    if from == to {
        return Moments::default();
    }
    let bucket = Bucket::scan(tally, from, to);
    Moments { weight: bucket.weight, mean: bucket.first + bucket.head, moment: bucket.moment }
}

/// Gives every cluster a value. A cluster is left empty only where dividing any other would gain less than
/// the rounding of the whole cost.
fn fill_empty(tally: &Tally, starts: &mut [usize]) {
    let distinct = tally.values.len();
    loop {
        let ends = starts.iter().copied().chain([distinct]);
        let Some(empty) = [0].into_iter().chain(starts.iter().copied()).zip(ends).position(|(from, to)| from == to)
        else {
            return;
        };
        let mut widest = (0, 0, -1.0);
        let mut from = 0;
        for to in starts.iter().copied().chain([distinct]) {
            if to - from > 1 {
                let width = f64::from(tally.values[to - 1]) - f64::from(tally.values[from]);
                if width > widest.2 {
                    widest = (from, to, width);
                }
            }
            from = to;
        }
        let (from, to, _) = widest;
        let gap = |i: usize| f64::from(tally.values[i]) - f64::from(tally.values[i - 1]);
        let Some(split) = (from + 1..to).max_by(|&a, &b| gap(a).total_cmp(&gap(b))) else {
            return;
        };
        starts[empty.min(starts.len() - 1)] = split;
        starts.sort_unstable();
    }
}
