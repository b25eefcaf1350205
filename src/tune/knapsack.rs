//! One choice for each item: the least value within a capacity. A multiple-choice knapsack.
//!
//! The convex hulls of the items give a bound that no solution beats, and a first solution close to it; states that
//! could still beat it are then followed item by item, smallest first, and those that are dominated or cannot are
//! dropped. With as many items as models usually have that ends with the optimum. Where there are too many states only
//! the most promising are followed, and the bound tells how far from the optimum the solution may be. Everything is in
//! fixed order: the same items give the same picks.

/// What a choice takes of the capacity, and what it costs: both finite and not negative.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice {
    /// What it takes of the capacity.
    pub takes: f64,
    /// What is to be as little as possible.
    pub costs: f64,
}

/// A choice for each item.
#[derive(Debug, Clone, PartialEq)]
pub struct Solution {
    /// For each item the number of its choice.
    pub picks: Vec<usize>,
    /// What the picks take together.
    pub takes: f64,
    /// What they cost together.
    pub costs: f64,
    /// No solution costs less.
    pub bound: f64,
    /// Whether none costs less than this one, but for rounding.
    pub is_optimal: bool,
}

/// States that are followed at a time.
const MOST_STATES: usize = 20_000;
/// Items among which exchanges are looked for; with more, those whose choice the bound leaves most open.
const MOST_OPEN: usize = 256;

/// Finds the picks that cost least and take no more than the capacity; `None` where even the smallest take more, or an
/// item has no choice.
pub fn solve(items: &[Vec<Choice>], capacity: f64) -> Option<Solution> {
    let fronts: Vec<Vec<usize>> = items.iter().map(|choices| front(choices)).collect();
    if fronts.iter().any(Vec::is_empty) {
        return None;
    }
    let knapsack = Knapsack { items, fronts: &fronts, capacity };
    let least: Vec<usize> = fronts.iter().map(|front| front[0]).collect();
    if knapsack.sums(&least).0 > capacity {
        return None;
    }
    let (mut best, bound, open) = knapsack.relaxed(least);
    let exact = knapsack.improved(&mut best, &open);
    let (takes, costs) = knapsack.sums(&best);
    // The bound is a sum in another order.
    let is_tight = costs - bound <= costs.abs() * 1e-12;
    Some(Solution { picks: best, takes, costs, bound: bound.min(costs), is_optimal: exact || is_tight })
}

/// The choices that no other beats, by what they take: each costs less than all before it.
fn front(choices: &[Choice]) -> Vec<usize> {
    let valid = |at: &usize| {
        let Choice { takes, costs } = choices[*at];
        takes.is_finite() && costs.is_finite() && takes >= 0.0 && costs >= 0.0
    };
    let mut order: Vec<usize> = (0..choices.len()).filter(valid).collect();
    order.sort_by(|&a, &b| {
        let (x, y) = (choices[a], choices[b]);
        x.takes.total_cmp(&y.takes).then(x.costs.total_cmp(&y.costs)).then(a.cmp(&b))
    });
    let mut kept: Vec<usize> = Vec::new();
    for at in order {
        if kept.last().is_none_or(|last| choices[at].costs < choices[*last].costs) {
            kept.push(at);
        }
    }
    kept
}

/// A step from one choice of an item to a larger and better one.
#[derive(Debug, Clone, Copy)]
struct Step {
    item: usize,
    to: usize,
    takes: f64,
    /// How much less it costs.
    gains: f64,
}

impl Step {
    /// What a unit of capacity gains.
    fn slope(&self) -> f64 {
        self.gains / self.takes
    }
}

struct Knapsack<'a> {
    items: &'a [Vec<Choice>],
    fronts: &'a [Vec<usize>],
    capacity: f64,
}

impl Knapsack<'_> {
    fn sums(&self, picks: &[usize]) -> (f64, f64) {
        let chosen = self.items.iter().zip(picks).map(|(choices, pick)| choices[*pick]);
        chosen.fold((0.0, 0.0), |(takes, costs), choice| (takes + choice.takes, costs + choice.costs))
    }

    /// The steps along the convex hulls, steepest first.
    fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for (item, front) in self.fronts.iter().enumerate() {
            let choice = |at: usize| self.items[item][at];
            let mut hull: Vec<usize> = Vec::new();
            for &at in front {
                let slope = |from: usize, to: usize| {
                    (choice(from).costs - choice(to).costs) / (choice(to).takes - choice(from).takes)
                };
                while hull.len() > 1
                    && slope(hull[hull.len() - 2], hull[hull.len() - 1]) <= slope(hull[hull.len() - 2], at)
                {
                    hull.pop();
                }
                hull.push(at);
            }
            steps.extend(hull.windows(2).map(|pair| {
                let (from, to) = (choice(pair[0]), choice(pair[1]));
                Step { item, to: pair[1], takes: to.takes - from.takes, gains: from.costs - to.costs }
            }));
        }
        // The steps of one item are in order already, and stay so where slopes are alike.
        steps.sort_by(|a, b| b.slope().total_cmp(&a.slope()).then(a.item.cmp(&b.item)));
        steps
    }

    /// A solution from the steepest steps that fit, a bound on all solutions, and the items by how open their choice is:
    /// those with a step nearest to the slope at which the capacity ends come first.
    fn relaxed(&self, mut picks: Vec<usize>) -> (Vec<usize>, f64, Vec<usize>) {
        let (mut used, least_costs) = self.sums(&picks);
        let mut bound = least_costs;
        let mut ended: Option<f64> = None;
        let mut closed = vec![false; self.items.len()];
        let steps = self.steps();
        for step in &steps {
            if used + step.takes <= self.capacity && !closed[step.item] {
                used += step.takes;
                picks[step.item] = step.to;
                bound -= if ended.is_none() { step.gains } else { 0.0 };
            } else {
                if ended.is_none() {
                    ended = Some(step.slope());
                    bound -= step.gains * ((self.capacity - used) / step.takes).clamp(0.0, 1.0);
                }
                closed[step.item] = true;
            }
        }
        let mut open: Vec<usize> = (0..self.items.len()).collect();
        if let Some(ended) = ended {
            let mut nearest = vec![f64::INFINITY; self.items.len()];
            for step in &steps {
                let away = (step.slope().ln() - ended.ln()).abs();
                nearest[step.item] = nearest[step.item].min(if away.is_nan() { f64::INFINITY } else { away });
            }
            open.sort_by(|&a, &b| nearest[a].total_cmp(&nearest[b]).then(a.cmp(&b)));
        }
        (picks, bound.max(0.0), open)
    }

    /// Follows everything that could be better than the picks, with the choices of all but the first open items as they
    /// are. Whether nothing was left out.
    fn improved(&self, best: &mut Vec<usize>, open: &[usize]) -> bool {
        let (open, fixed) = open.split_at(open.len().min(MOST_OPEN));
        let (mut takes, mut costs) = (0.0, 0.0);
        for &item in fixed {
            let choice = self.items[item][best[item]];
            (takes, costs) = (takes + choice.takes, costs + choice.costs);
        }
        let tails = Tails::new(self, open);
        let (_, mut least) = self.sums(best);
        let mut exact = fixed.is_empty();
        let mut states = vec![State { takes, costs, before: 0, pick: 0 }];
        let mut past: Vec<Vec<(u32, u32)>> = Vec::with_capacity(open.len());
        for (at, &item) in open.iter().enumerate() {
            let mut next = Vec::new();
            for (before, state) in states.iter().enumerate() {
                for &pick in &self.fronts[item] {
                    let choice = self.items[item][pick];
                    let (takes, costs) = (state.takes + choice.takes, state.costs + choice.costs);
                    let rest = tails.least(at + 1, self.capacity - takes);
                    if rest.is_some_and(|rest| costs + rest < least * (1.0 - 1e-13)) {
                        next.push(State { takes, costs, before: before as u32, pick: pick as u32 });
                    }
                }
            }
            next.sort_by(|a, b| a.takes.total_cmp(&b.takes).then(a.costs.total_cmp(&b.costs)));
            let mut lowest = f64::INFINITY;
            next.retain(|state| {
                let is_better = state.costs < lowest;
                lowest = lowest.min(state.costs);
                is_better
            });
            if next.len() > MOST_STATES {
                exact = false;
                let promise = |state: &State| {
                    tails.least(at + 1, self.capacity - state.takes).map_or(f64::INFINITY, |rest| state.costs + rest)
                };
                let mut ranked: Vec<(f64, usize)> =
                    next.iter().enumerate().map(|(at, state)| (promise(state), at)).collect();
                ranked.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                ranked.truncate(MOST_STATES);
                let mut kept: Vec<usize> = ranked.into_iter().map(|(_, at)| at).collect();
                kept.sort_unstable();
                next = kept.into_iter().map(|at| next[at]).collect();
            }
            past.push(next.iter().map(|state| (state.before, state.pick)).collect());
            states = next;
        }
        // Of those that cost the same, the smallest comes first.
        let ends = states.iter().enumerate().min_by(|a, b| a.1.costs.total_cmp(&b.1.costs).then(a.0.cmp(&b.0)));
        if let Some((mut at, state)) = ends.filter(|(_, state)| state.costs < least) {
            least = state.costs;
            let mut picks = best.clone();
            for (&item, stage) in open.iter().zip(&past).rev() {
                let (before, pick) = stage[at];
                picks[item] = pick as usize;
                at = before as usize;
            }
            // Sums in another order may differ in their last bits.
            if self.sums(&picks).0 <= self.capacity && least.is_finite() {
                *best = picks;
            }
        }
        exact
    }
}

/// Choices for the first items.
#[derive(Debug, Clone, Copy)]
struct State {
    takes: f64,
    costs: f64,
    /// The state before, and the choice that led here.
    before: u32,
    pick: u32,
}

/// What the remaining items cost at least, within a capacity.
struct Tails {
    /// For each number of items that are done: the least that the others take, what they cost then, and the steps along
    /// their hulls, steepest first, summed up.
    tails: Vec<Tail>,
}

struct Tail {
    takes: f64,
    costs: f64,
    /// Sums of what the first steps take and gain.
    sums: Vec<(f64, f64)>,
}

impl Tails {
    fn new(knapsack: &Knapsack, open: &[usize]) -> Tails {
        let steps = knapsack.steps();
        let mut place = vec![usize::MAX; knapsack.items.len()];
        open.iter().enumerate().for_each(|(at, item)| place[*item] = at);
        let tail = |done: usize| {
            let least = open[done..].iter().map(|&item| knapsack.items[item][knapsack.fronts[item][0]]);
            let (takes, costs) = least.fold((0.0, 0.0), |sum, choice| (sum.0 + choice.takes, sum.1 + choice.costs));
            let mut sum = (0.0, 0.0);
            let own = steps.iter().filter(|step| place[step.item] != usize::MAX && place[step.item] >= done);
            let sums = own.map(|step| {
                sum = (sum.0 + step.takes, sum.1 + step.gains);
                sum
            });
            Tail { takes, costs, sums: sums.collect() }
        };
        Tails { tails: (0..=open.len()).map(tail).collect() }
    }

    /// `None` where the capacity is too small for any choice.
    fn least(&self, done: usize, capacity: f64) -> Option<f64> {
        let tail = &self.tails[done];
        let free = capacity - tail.takes;
        if free < 0.0 {
            return None;
        }
        let whole = tail.sums.partition_point(|(takes, _)| *takes <= free);
        let (used, gained) = whole.checked_sub(1).map_or((0.0, 0.0), |at| tail.sums[at]);
        let part = tail
            .sums
            .get(whole)
            .map_or(0.0, |(takes, gains)| (gains - gained) * ((free - used) / (takes - used)).clamp(0.0, 1.0));
        Some(tail.costs - gained - part)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn choices(pairs: &[(u32, u32)]) -> Vec<Choice> {
        pairs.iter().map(|&(takes, costs)| Choice { takes: takes.into(), costs: costs.into() }).collect()
    }

    /// The least that any picks cost within the capacity.
    fn brute(items: &[Vec<Choice>], capacity: f64) -> Option<f64> {
        let Some((first, rest)) = items.split_first() else { return (capacity >= 0.0).then_some(0.0) };
        let one = |choice: &Choice| Some(choice.costs + brute(rest, capacity - choice.takes)?);
        first.iter().filter_map(one).min_by(f64::total_cmp)
    }

    #[test]
    fn nothing_fits_where_the_smallest_are_too_large() {
        let items = [choices(&[(5, 0), (3, 9)]), choices(&[(4, 1)])];
        assert_eq!(solve(&items, 6.9), None);
        let found = solve(&items, 7.0).unwrap();
        assert_eq!((found.picks, found.takes, found.costs, found.is_optimal), (vec![1, 0], 7.0, 10.0, true));
        assert_eq!(solve(&[Vec::new()], 9.0), None);
        assert_eq!(solve(&[], 0.0).unwrap().picks, Vec::<usize>::new());
        assert_eq!(solve(&[vec![Choice { takes: 1.0, costs: f64::NAN }]], 9.0), None);
    }

    /// The steepest step is no help where it leaves no room for two others.
    #[test]
    fn what_is_greedy_is_improved() {
        let items = [choices(&[(0, 60), (6, 0)]), choices(&[(0, 45), (5, 0)]), choices(&[(0, 44), (5, 0)])];
        let found = solve(&items, 10.0).unwrap();
        assert_eq!((found.picks, found.costs, found.is_optimal), (vec![0, 1, 1], 60.0, true));
        assert!(found.bound <= 60.0);
    }

    #[test]
    fn many_items_are_near_the_bound() {
        let item = |at: u32| choices(&[(100 + at % 7, 900 + at * 3 % 11), (200 + at % 13, 90 + at % 5), (400, at % 3)]);
        let items: Vec<Vec<Choice>> = (0..3000).map(item).collect();
        let found = solve(&items, 650_000.0).unwrap();
        assert!(found.takes <= 650_000.0 && (found.costs - found.bound) / found.costs < 0.001, "{found:?}");
        assert_eq!(solve(&items, 650_000.0).unwrap(), found);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn no_picks_are_better(
            items in prop::collection::vec(prop::collection::vec((0u32..30, 0u32..1000), 1..5), 1..7),
            capacity in 0u32..120,
        ) {
            let items: Vec<Vec<Choice>> = items.iter().map(|item| choices(item)).collect();
            let capacity = f64::from(capacity);
            let found = solve(&items, capacity);
            prop_assert_eq!(found.as_ref().map(|found| found.costs), brute(&items, capacity));
            if let Some(found) = found {
                prop_assert!(found.is_optimal && found.takes <= capacity && found.bound <= found.costs);
            }
        }
    }
}
