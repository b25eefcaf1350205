//! Dimensions made longer or shorter: as products with matrices of weights, and as rows taken several times. Both are
//! exact for every size, which Core ML's own operators are for some only.

use super::builder::{Builder, One, Param, Value};
use super::sizes::few;
use super::slices::rows;
use crate::graph::ElementType;

/// Weights of old elements in new ones: for each new element those of all old ones.
pub(super) struct Matrix {
    from: usize,
    to: usize,
    weights: Vec<f32>,
}

impl Matrix {
    /// A matrix of zeros.
    pub(super) fn new(from: i64, to: i64) -> Result<Matrix, String> {
        if from < 1 || to < 1 {
            return Err("it makes sizes of empty ones, or empty ones".to_owned());
        }
        let count = few(from.checked_mul(to))?;
        let size = |size: i64| usize::try_from(size).unwrap_or(0);
        Ok(Matrix { from: size(from), to: size(to), weights: vec![0.0; size(count)] })
    }

    /// Adds a weight of an old element, or of the nearest that there is, in a new one.
    pub(super) fn add(&mut self, new: usize, old: i64, weight: f32) {
        let old = usize::try_from(old.max(0)).unwrap_or(0).min(self.from - 1);
        if let Some(place) = self.weights.get_mut(new * self.from + old) {
            *place += weight;
        }
    }
}

/// How new elements are made of old ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filter {
    Linear,
    Cubic,
}

/// Where new elements lie among old ones, as PyTorch reckons: in binary32.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid {
    pub(super) from: i64,
    pub(super) to: i64,
    /// The corners are those of the old elements' centres.
    pub(super) corners: bool,
    /// By how much it grows, where that is said apart from the sizes.
    pub(super) scale: Option<f64>,
}

impl Grid {
    fn step(self) -> f32 {
        match (self.corners, self.scale.filter(|scale| *scale > 0.0)) {
            (true, _) if self.to > 1 => (self.from - 1) as f32 / (self.to - 1) as f32,
            (true, _) => 0.0,
            (false, Some(scale)) => (1.0 / scale) as f32,
            (false, None) => self.from as f32 / self.to as f32,
        }
    }

    fn place(self, new: usize) -> f32 {
        match self.corners {
            true => self.step() * new as f32,
            false => self.step() * (new as f32 + 0.5) - 0.5,
        }
    }

    /// The old element that is nearest: at the floor of the place, or the one in whose middle `exact` the place lies.
    ///
    /// # Errors
    /// If there are too many.
    pub(super) fn nearest(self, exact: bool) -> Result<Vec<i64>, String> {
        few(Some(self.to))?;
        let more = if exact { 0.5 } else { 0.0 };
        let place = |new: i64| ((new as f32 + more) * self.step()).floor() as i64;
        Ok((0..self.to).map(|new| place(new).min(self.from - 1)).collect())
    }

    /// The weights of an interpolation.
    pub(super) fn matrix(self, filter: Filter) -> Result<Matrix, String> {
        let mut matrix = Matrix::new(self.from, self.to)?;
        for new in 0..matrix.to {
            let place = self.place(new);
            match filter {
                Filter::Linear => {
                    let place = place.max(0.0);
                    let low = (place.floor() as i64).min(self.from - 1);
                    let share = (place - low as f32).clamp(0.0, 1.0);
                    matrix.add(new, low, 1.0 - share);
                    matrix.add(new, low + 1, share);
                }
                Filter::Cubic => {
                    let low = place.floor();
                    let share = place - low;
                    for (at, distance) in [(-1, 1.0 + share), (0, share), (1, 1.0 - share), (2, 2.0 - share)] {
                        matrix.add(new, low as i64 + at, cubic(distance, -0.75));
                    }
                }
            }
        }
        Ok(matrix)
    }

    /// The weights of an interpolation that takes in all old elements where it makes them fewer.
    pub(super) fn smooth(self, filter: Filter) -> Result<Matrix, String> {
        let mut matrix = Matrix::new(self.from, self.to)?;
        let step = self.step();
        let reach = if filter == Filter::Cubic { 2.0 } else { 1.0 };
        let (support, inverse) = if step >= 1.0 { (reach * step, 1.0 / step) } else { (reach, 1.0) };
        for new in 0..matrix.to {
            let center = step * (new as f32 + 0.5);
            let begin = ((center - support + 0.5) as i64).max(0);
            let end = ((center + support + 0.5) as i64).min(self.from);
            let weight = |old: i64| {
                let distance = ((old as f32 - center + 0.5) * inverse).abs();
                match filter {
                    Filter::Linear => (1.0 - distance).max(0.0),
                    Filter::Cubic => cubic(distance, -0.5),
                }
            };
            let sum: f32 = (begin..end).map(weight).sum();
            for old in begin..end {
                matrix.add(new, old, if sum == 0.0 { 0.0 } else { weight(old) / sum });
            }
        }
        Ok(matrix)
    }
}

/// Keys' cubic convolution at a distance from its middle.
fn cubic(distance: f32, a: f32) -> f32 {
    let x = distance;
    if x <= 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((x - 5.0) * x + 8.0) * x * a - 4.0 * a
    } else {
        0.0
    }
}

/// The windows of a pooling along one dimension: where each begins and ends, and by what its sum is divided.
pub(super) fn averages(from: i64, windows: &[(i64, i64, i64)]) -> Result<Matrix, String> {
    let mut matrix = Matrix::new(from, i64::try_from(windows.len()).unwrap_or(0))?;
    for (new, (begin, end, by)) in windows.iter().enumerate() {
        for old in *begin..*end {
            matrix.add(new, old, 1.0 / *by as f32);
        }
    }
    Ok(matrix)
}

impl Builder<'_> {
    /// A tensor whose dimension from the end, 1 or 2, is multiplied with a matrix.
    pub(super) fn remade(&mut self, x: &Value, from_end: usize, matrix: &Matrix) -> One {
        let (from, to) = (matrix.from, matrix.to);
        let bytes = |weights: &mut dyn Iterator<Item = f32>| weights.flat_map(f32::to_le_bytes).collect::<Vec<u8>>();
        if from_end == 1 {
            // The matrix stands on the right, so it is turned.
            let mut turned = (0..from).flat_map(|old| (0..to).map(move |new| matrix.weights[new * from + old]));
            let bytes = bytes(&mut turned);
            let weights = self.literal("weights", ElementType::Fp32, &[from as i64, to as i64], bytes);
            return super::linear::matmul(self, x, &weights, (false, false));
        }
        let bytes = bytes(&mut matrix.weights.iter().copied());
        let weights = self.literal("weights", ElementType::Fp32, &[to as i64, from as i64], bytes);
        super::linear::matmul(self, &weights, x, (false, false))
    }

    /// A tensor of whose dimension these rows are taken.
    pub(super) fn picked(&mut self, x: &Value, axis: usize, places: &[i64]) -> One {
        let same = x.size(axis) == i64::try_from(places.len()).ok();
        if same && places.iter().enumerate().all(|(at, place)| i64::try_from(at) == Ok(*place)) {
            return Ok(x.clone());
        }
        let places = self.ints(places)?;
        rows(self, x, &places, axis)
    }

    /// A value without dimensions of 1.
    pub(super) fn narrow(&mut self, x: &Value, axes: Vec<i64>) -> One {
        self.op("squeeze", vec![("x", Param::Value(x)), ("axes", Param::Ints(axes))])
    }
}
