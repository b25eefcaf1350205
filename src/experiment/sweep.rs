//! Several schemes on the same weights: size against error, and which of them are worth their bytes.

use std::sync::atomic::AtomicBool;

use super::attempt::{attempt, rank};
use crate::model::total;
use crate::quant::power::Power;
use crate::run::measure::Subject;
use crate::run::{Progress, RunError};
use crate::scheme::Scheme;

/// Schemes on the same weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Sweep {
    /// How many weights.
    pub weights: usize,
    /// Their bytes before.
    pub before: u64,
    /// One for each scheme, in the order in which they were given.
    pub points: Vec<Point>,
}

/// What a scheme made of the weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The scheme, in its canonical spelling.
    pub scheme: String,
    /// Weights that it was measured on.
    pub measured: usize,
    /// Weights that would stay as they are, and why the first of them.
    pub left: Option<(usize, String)>,
    /// Bytes of all the weights after; what stays counts as it is.
    pub after: u64,
    /// Average bits per element of what was measured.
    pub bits: f64,
    /// The error of what was measured, taken as one tensor.
    pub error: Power,
    /// The name of the weight with the lowest ratio, and that ratio in dB.
    pub worst: Option<(String, f64)>,
    /// Whether no other scheme is as small and better, or as good and smaller. Only of those that leave the fewest
    /// weights as they are.
    pub is_best: bool,
}

/// Quantizes the same weights with each of some schemes.
///
/// # Errors
/// If cancelled, if the file cannot be read, or a kernel refuses.
pub fn sweep(
    subject: Subject,
    weights: &[usize],
    schemes: &[Scheme],
    progress: &dyn Progress,
    cancel: &AtomicBool,
) -> Result<Sweep, RunError> {
    let before = total(weights.iter().map(|&index| subject.model.weights[index].bytes));
    let mut points = Vec::with_capacity(schemes.len());
    for scheme in schemes {
        let made = attempt(subject, weights, scheme, progress, cancel)?;
        points.push(Point {
            scheme: scheme.to_string(),
            measured: made.tried.len(),
            left: made.left.first().map(|first| (made.left.len(), first.why.clone())),
            after: made.after().saturating_add(total(made.left.iter().map(|left| left.bytes))),
            bits: made.bits(),
            error: made.error(),
            worst: made.tried.first().map(|worst| (worst.name.clone(), worst.error.sqnr())),
            is_best: false,
        });
    }
    mark_best(&mut points);
    Ok(Sweep { weights: weights.len(), before, points })
}

/// Marks the points that no other one beats.
fn mark_best(points: &mut [Point]) {
    let left = |point: &Point| point.left.as_ref().map_or(0, |(many, _)| *many);
    let fewest = points.iter().filter(|point| point.measured > 0).map(left).min().unwrap_or(0);
    let is_whole = |point: &Point| point.measured > 0 && left(point) == fewest;
    let beats = |a: &Point, b: &Point| {
        let (quality_a, quality_b) = (rank(&a.error), rank(&b.error));
        a.after <= b.after && quality_a >= quality_b && (a.after < b.after || quality_a > quality_b)
    };
    let best: Vec<bool> = points
        .iter()
        .map(|point| is_whole(point) && !points.iter().any(|other| is_whole(other) && beats(other, point)))
        .collect();
    for (point, is_best) in points.iter_mut().zip(best) {
        point.is_best = is_best;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(after: u64, noise: f64, left: bool) -> Point {
        Point {
            scheme: String::new(),
            measured: 1,
            left: left.then(|| (1, String::new())),
            after,
            bits: 0.0,
            error: Power { signal: 1.0, noise, count: 1, ..Power::default() },
            worst: None,
            is_best: false,
        }
    }

    #[test]
    fn the_best_are_those_that_nothing_beats() {
        let mut points = [
            point(10, 0.1, false),
            point(10, 0.2, false),
            point(5, 0.3, false),
            point(20, 0.1, false),
            point(1, 0.0, true),
        ];
        mark_best(&mut points);
        assert_eq!(points.map(|point| point.is_best), [true, false, true, false, false]);
    }
}
