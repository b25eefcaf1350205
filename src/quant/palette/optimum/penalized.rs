//! The optimum by a price on clusters, for many clusters.
//!
//! With a price for every cluster instead of their number given, one pass over the places finds the
//! cheapest clustering: each place has one best cost, not one per number of clusters. The least cost is a
//! convex function of the number of clusters, so the higher the price, the fewer the clusters, and a
//! clustering that some price leads to is the best of all with its number of clusters. The search for a price
//! that leads to the number wanted takes a few passes.
//!
//! Where no price does (two prices an ulp apart skip the number: ties), the caller has the other way.

use super::super::Cancelled;
use super::chain::Chain;

/// Passes after which the search gives up.
const PASSES: usize = 40;
/// Places between looks at the cancel flag.
const BETWEEN_LOOKS: usize = 1 << 16;

/// A place and the best way to it.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// Prefix sums: weights, values, squares.
    pub sums: [f64; 3],
    /// The least cost of everything left of the place, prices included.
    best: f64,
    /// Where the last cluster of that begins.
    previous: u32,
}

impl Place {
    pub(super) fn new(sums: [f64; 3]) -> Self {
        Place { sums, best: 0.0, previous: 0 }
    }
}

/// A place where a cluster may begin, with the first place where it would be the best to end it.
struct Candidate {
    begin: u32,
    from: u32,
}

/// Searches a price.
pub(super) struct Penalized {
    places: Vec<Place>,
    queue: Vec<Candidate>,
}

impl Penalized {
    /// `None` where prefix sums would lose too much.
    pub(super) fn new(chain: &Chain) -> Option<Self> {
        Some(Penalized { places: chain.places()?, queue: Vec::new() })
    }

    /// The cuts, both ends included, of the cheapest clustering into `clusters` clusters, if some price leads
    /// to it. `price` is where the search begins and, afterwards, where it ended.
    pub(super) fn cuts(
        &mut self,
        clusters: usize,
        price: &mut f64,
        cancel: &(dyn Fn() -> bool + Sync),
    ) -> Result<Option<Vec<usize>>, Cancelled> {
        let (mut low, mut high) = (0.0f64, f64::INFINITY);
        for pass in 0..PASSES {
            let t = std::time::Instant::now();
            let found = self.pass(*price, cancel)?;
            if std::env::var_os("PB").is_some() {
                eprintln!("   pass {price:e} {found} {:?}", t.elapsed());
            }
            if found == clusters {
                return Ok(Some(self.path()));
            }
            if found > clusters {
                low = *price;
            } else {
                high = *price;
            }
            // The least cost falls about with the square of the number of clusters, its slope with the cube.
            let ratio = found as f64 / clusters as f64;
            let guess = *price * (ratio * ratio * ratio);
            *price = if pass < PASSES / 4 && guess > low && guess < high {
                guess
            } else if high.is_infinite() {
                low * 8.0
            } else if low == 0.0 {
                high / 8.0
            } else {
                low + (high - low) / 2.0
            };
            if !(*price > low && *price < high) {
                break;
            }
        }
        Ok(None)
    }

    /// One pass with a price; returns the number of clusters.
    fn pass(&mut self, price: f64, cancel: &(dyn Fn() -> bool + Sync)) -> Result<usize, Cancelled> {
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
        Ok(clusters)
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
