//! The optimum by a price on clusters, for many clusters.
//!
//! With a price for every cluster instead of their number given, one pass over the places finds the
//! cheapest clustering: each place has one best cost, not one per number of clusters. The least cost is a
//! convex function of the number of clusters, so the higher the price, the fewer the clusters, and a
//! clustering that some price leads to is the best of all with its number of clusters. The search for a price
//! that leads to the number wanted takes a few passes.
//!
//! Where no price does, because clusterings with more and with fewer clusters lie on one line with it, the
//! caller has the other way.

use super::super::spec::Cancelled;
use super::super::tally::Tally;
use super::bucket::Bucket;
use super::level::Level;
use super::sums::{Running, TOLERANCE};

/// Places per cluster of the coarse grid on which the price is sought first.
const PER_CLUSTER: usize = 32;

/// Numbers of clusters this near each other have the slope between them tried rather than a guess.
const NEAR: usize = 4;
/// Passes after which the search gives up.
const PASSES: usize = 40;
/// Places between looks at the cancel flag.
const BETWEEN_LOOKS: usize = 1 << 16;

/// The indices at which the second, third, … cluster of the optimum begin. `None` if no price leads to it, or
/// if the values are such that prefix sums would lose too much.
pub(super) fn optimum(
    tally: &Tally,
    clusters: usize,
    cancel: &(dyn Fn() -> bool + Sync),
) -> Result<Option<Vec<usize>>, Cancelled> {
    // Few places first: a pass over them costs little, and their price is nearly that of all places.
    let coarse = Level::companded(tally, clusters, PER_CLUSTER);
    let mut upper = coarse.upper_bound();
    let mut price = 2.0 * upper / clusters as f64;
    let chain = coarse.chain(upper);
    let Some(sums) = chain.sums() else {
        return Ok(None);
    };
    if let Some(cuts) = Penalized::new(sums).cuts(clusters, &mut price, cancel)? {
        upper = upper.min(chain.cost(&cuts));
    }
    let Some((mut all, error)) = Penalized::of(tally) else {
        return Ok(None);
    };
    if error > TOLERANCE * upper {
        return Ok(None);
    }
    let Some(cuts) = all.cuts(clusters, &mut price, cancel)? else {
        return Ok(None);
    };
    let moment = |pair: &[usize]| Bucket::scan(tally, pair[0], pair[1]).moment;
    let cost: f64 = cuts.windows(2).map(moment).sum();
    Ok((error <= TOLERANCE * cost).then(|| cuts[1..clusters].to_vec()))
}

/// A place and the best way to it.
#[derive(Clone, Copy)]
struct Place {
    /// Prefix sums: weights, values, squares.
    sums: [f64; 3],
    /// The least cost of everything left of the place, prices included.
    best: f64,
    /// Where the last cluster of that begins.
    previous: u32,
}

/// What a price led to.
#[derive(Clone, Copy)]
struct Clustering {
    clusters: usize,
    price: f64,
    /// The cost without the prices.
    cost: f64,
}

/// A place where a cluster may begin, with the first place where it would be the best to end it.
struct Candidate {
    begin: u32,
    from: u32,
}

/// Places, and memory for passes over them.
struct Penalized {
    places: Vec<Place>,
    queue: Vec<Candidate>,
}

impl Penalized {
    fn new(sums: impl Iterator<Item = [f64; 3]>) -> Self {
        let place = |sums| Place { sums, best: 0.0, previous: 0 };
        Penalized { places: sums.map(place).collect(), queue: Vec::new() }
    }

    /// All places of a tally, and a bound of the error of costs; `None` of an empty tally.
    fn of(tally: &Tally) -> Option<(Self, f64)> {
        let (first, last) = (*tally.values.first()?, *tally.values.last()?);
        let weight: f64 = tally.counts.iter().map(|&c| f64::from(c)).sum();
        let pairs = || tally.values.iter().map(|&v| f64::from(v)).zip(&tally.counts);
        let reference = pairs().map(|(v, &c)| v * f64::from(c)).sum::<f64>() / weight;
        let mut running = Running::default();
        let sums = pairs().map(|(v, &c)| {
            running.add(f64::from(c), v - reference, 0.0);
            running.values()
        });
        let places = Self::new(std::iter::once([0.0; 3]).chain(sums));
        let range = f64::from(last) - f64::from(first);
        Some((places, running.error(range)))
    }

    /// The cuts, both ends included, of the cheapest clustering into `clusters` clusters, if some price leads
    /// to it. `price` is where the search begins and, afterwards, where it ended.
    fn cuts(
        &mut self,
        clusters: usize,
        price: &mut f64,
        cancel: &(dyn Fn() -> bool + Sync),
    ) -> Result<Option<Vec<usize>>, Cancelled> {
        let (mut few, mut many): (Option<Clustering>, Option<Clustering>) = (None, None);
        for _ in 0..PASSES {
            let found = self.pass(*price, cancel)?;
            if found.clusters == clusters {
                return Ok(Some(self.path()));
            }
            // The least cost falls about with the square of the number of clusters, its slope with the cube.
            let ratio = found.clusters as f64 / clusters as f64;
            let guess = *price * (ratio * ratio * ratio);
            let bound = if found.clusters < clusters { &mut few } else { &mut many };
            let again = bound.is_some_and(|b| b.clusters == found.clusters);
            *bound = Some(found);
            *price = match (&few, &many) {
                (Some(few), Some(many)) => {
                    // The costs are convex: if any price leads to a number between these, the slope between
                    // them leads to one.
                    let between = many.clusters - few.clusters;
                    let slope = (few.cost - many.cost) / between as f64;
                    if slope == *price && again {
                        return Ok(None);
                    }
                    let inside = guess > many.price && guess < few.price;
                    if inside && between > NEAR { guess } else { slope }
                }
                _ => guess,
            };
        }
        Ok(None)
    }

    /// One pass with a price.
    fn pass(&mut self, price: f64, cancel: &(dyn Fn() -> bool + Sync)) -> Result<Clustering, Cancelled> {
        if cancel() {
            return Err(Cancelled);
        }
        let last = self.places.len() - 1;
        let queue = &mut self.queue;
        queue.clear();
        queue.push(Candidate { begin: 0, from: 1 });
        let mut head = 0;
        for end in 1..=last {
            if end % BETWEEN_LOOKS == 0 && cancel() {
                return Err(Cancelled);
            }
            while head + 1 < queue.len() && queue[head + 1].from as usize <= end {
                head += 1;
            }
            let begin = queue[head].begin;
            self.places[end].best = value(&self.places, begin as usize, end) + price;
            self.places[end].previous = begin;
            if end < last {
                enter(&self.places, queue, head, end);
            }
        }
        let mut clusters = 0;
        let mut at = last;
        while at > 0 {
            at = self.places[at].previous as usize;
            clusters += 1;
        }
        Ok(Clustering { clusters, price, cost: self.places[last].best - price * clusters as f64 })
    }

    fn path(&self) -> Vec<usize> {
        let mut cuts = vec![self.places.len() - 1];
        let mut at = self.places.len() - 1;
        while at > 0 {
            at = self.places[at].previous as usize;
            cuts.push(at);
        }
        cuts.reverse();
        cuts
    }
}

/// Lets clusters begin at `begin`. Once a later candidate is better than an earlier one it stays better, so
/// each candidate in the queue is the best for a run of ends.
fn enter(places: &[Place], queue: &mut Vec<Candidate>, head: usize, begin: usize) {
    let last = places.len() - 1;
    while let Some(rival) = queue.last() {
        let start = (rival.from as usize).max(begin + 1);
        let rival = rival.begin as usize;
        let beats = |end: usize| value(places, begin, end) < value(places, rival, end);
        if beats(start) {
            queue.pop();
            if queue.len() > head {
                continue;
            }
            queue.push(Candidate { begin: begin as u32, from: start as u32 });
            return;
        }
        // Candidates take over one after the other, so the place is usually the next one or near.
        let (mut worse, mut step) = (start, 1);
        let better = loop {
            if worse == last {
                return;
            }
            let probe = (worse + step).min(last);
            if beats(probe) {
                break probe;
            }
            worse = probe;
            step *= 2;
        };
        let mut better = better;
        while better - worse > 1 {
            let middle = worse + (better - worse) / 2;
            if beats(middle) {
                better = middle;
            } else {
                worse = middle;
            }
        }
        queue.push(Candidate { begin: begin as u32, from: better as u32 });
        return;
    }
}

#[inline(always)]
fn value(places: &[Place], begin: usize, end: usize) -> f64 {
    let (a, b) = (&places[begin], &places[end]);
    let d1 = b.sums[1] - a.sums[1];
    let weight = b.sums[0] - a.sums[0];
    a.best + ((b.sums[2] - a.sums[2]) - d1 * d1 / weight)
}
