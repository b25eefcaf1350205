//! The search against a plain dynamic programme over all places.

use proptest::prelude::*;

use super::super::tally::{Scratch, Tally};
use super::optimum;

fn tally(values: &[f32]) -> Tally {
    Tally::of(&[values], &mut Scratch::default(), &|| false).unwrap()
}

/// The cost of a clustering: deviations from each cluster's mean, the mean in two passes.
fn cost(tally: &Tally, starts: &[usize]) -> f64 {
    let mut from = 0;
    let mut total = 0.0;
    for to in starts.iter().copied().chain([tally.values.len()]) {
        total += run_cost(tally, from, to);
        from = to;
    }
    total
}

fn run_cost(tally: &Tally, from: usize, to: usize) -> f64 {
    if from == to {
        return 0.0;
    }
    let run =
        || tally.values[from..to].iter().zip(&tally.counts[from..to]).map(|(&v, &c)| (f64::from(v), f64::from(c)));
    let first = f64::from(tally.values[from]);
    let weight: f64 = run().map(|(_, c)| c).sum();
    let mean = run().map(|(v, c)| c * (v - first)).sum::<f64>() / weight;
    run().map(|(v, c)| c * ((v - first) - mean).powi(2)).sum()
}

/// The least cost, in O(clusters · n²) with every run's cost grown one value at a time.
fn least(tally: &Tally, clusters: usize) -> f64 {
    let n = tally.values.len();
    let mut best = vec![f64::INFINITY; n + 1];
    best[0] = 0.0;
    for _ in 0..clusters {
        let mut next = best.clone();
        for (to, next) in next.iter_mut().enumerate().skip(1) {
            // Welford's update, leftwards.
            let (mut weight, mut mean, mut moment) = (0.0, 0.0, 0.0);
            let last = f64::from(tally.values[to - 1]);
            for from in (0..to).rev() {
                let count = f64::from(tally.counts[from]);
                let distance = last - f64::from(tally.values[from]);
                weight += count;
                let off = distance - mean;
                mean += off * count / weight;
                moment += count * off * (distance - mean);
                *next = next.min(best[from] + moment);
            }
        }
        best = next;
    }
    best[n]
}

fn check(values: &[f32], clusters: usize) {
    let tally = tally(values);
    let starts = optimum(&tally, clusters, &|| false).unwrap();
    assert_eq!(starts.len(), clusters.min(tally.values.len()) - 1);
    assert!(starts.first().is_none_or(|&s| s > 0));
    assert!(starts.is_sorted_by(|a, b| a < b), "{starts:?}");
    assert!(starts.last().is_none_or(|&s| s < tally.values.len()));
    let (found, least) = (cost(&tally, &starts), least(&tally, clusters));
    assert!(
        found <= least * (1.0 + 2e-10),
        "{found:e} instead of {least:e} with {} values, {clusters} clusters",
        tally.values.len()
    );
}

/// Deterministic values of many shapes.
fn shaped(shape: u32, n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut uniform = move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((state >> 11) as f64) / (1u64 << 53) as f64
    };
    (0..n)
        .map(|i| {
            let u = uniform();
            let normal = (0..6).map(|_| uniform()).sum::<f64>() - 3.0;
            let x = match shape {
                0 => normal,
                1 => u,
                2 => normal * normal * normal,
                3 => normal.signum() * 1000.0 + 0.01 * u,
                4 => (200.0 * (u - 0.5)).exp2() * normal.signum(),
                5 => (u * 8.0).floor() * 1e4 + 1e-3 * normal,
                6 => (normal * 20.0).round(),
                7 => i as f64,
                8 => normal * if i % 97 == 0 { 1e30 } else { 1.0 },
                9 => normal * 1e-42,
                10 => 1.0 + u * 1e-5,
                _ => (u * 270.0).exp2() * 1e-45,
            };
            x as f32
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn small_and_arbitrary(bits in prop::collection::vec(any::<u32>(), 1..60), clusters in 2usize..9) {
        let values: Vec<f32> = bits.into_iter().map(f32::from_bits).filter(|v| v.is_finite()).collect();
        if !values.is_empty() {
            check(&values, clusters);
        }
    }

    #[test]
    fn many_ties(values in prop::collection::vec(-20i8..20, 1..300), clusters in 2usize..17) {
        let values: Vec<f32> = values.into_iter().map(f32::from).collect();
        check(&values, clusters);
    }

    #[test]
    fn of_every_shape(shape in 0u32..12, n in 200usize..1200, bits in 1u32..6, seed in any::<u64>()) {
        check(&shaped(shape, n, seed), 1 << bits);
    }
}

/// Values over seventy orders of magnitude, on which the cost of most clusterings is lost beside that of others.
#[test]
fn of_the_widest_range() {
    let bits = [
        0,
        1,
        1_769_996_289,
        73,
        3_119_480_573,
        572_012_649,
        2_805_714_261,
        2_363_967_734,
        167_499_962,
        2_012_148_155,
        1_960_542_187,
        1_323_873_435,
    ];
    let values: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
    for clusters in 2..12 {
        check(&values, clusters);
    }
}

#[test]
fn large_of_every_shape() {
    for shape in 0..12 {
        check(&shaped(shape, 6000, 7 + u64::from(shape)), 4);
        check(&shaped(shape, 3000, 70 + u64::from(shape)), 16);
    }
}

#[test]
fn cancels() {
    let tally = tally(&shaped(0, 5000, 1));
    assert!(optimum(&tally, 16, &|| true).is_err());
}
