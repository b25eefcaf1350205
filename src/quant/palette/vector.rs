//! Entries of several weights: k-means in more than one dimension.
//!
//! There is no fast exact algorithm here, so this is a heuristic: k-means++ seeds, then Lloyd's iteration. It
//! is run a few times on a sample, from fixed seeds, and the best of these goes on with all vectors. All
//! random numbers and all orders of summation are fixed, so the result is the same on every machine and with
//! any number of threads.

use std::collections::BTreeSet;

use rayon::prelude::*;

use super::spec::{Cancelled, PaletteError};
use crate::scheme::PaletteFit;

/// Vectors that seeds are drawn from and tried on.
const SAMPLE: usize = 8192;
/// Seedings tried on the sample.
const TRIALS: u64 = 4;
/// Iterations on the sample, and with all vectors.
const ITERATIONS: [usize; 2] = [20, 100];
/// Iteration ends when the error falls by less than this part of it.
const ENOUGH: f64 = 1e-6;
/// Vectors handled as one piece; sums of pieces are added in order.
const PIECE: usize = 4096;
/// Vectors compared with a centre at once.
const LANES: usize = 8;

/// Vectors, component by component.
pub(super) struct Vectors {
    pub components: Vec<Vec<f32>>,
}

/// Centres, one after the other.
pub(super) struct Centres {
    pub size: usize,
    pub values: Vec<f64>,
}

impl Centres {
    fn count(&self) -> usize {
        self.values.len() / self.size
    }
}

/// What one assignment of vectors to centres comes to.
struct Assigned {
    codes: Vec<u8>,
    /// Per centre, the number of its vectors and their sums.
    counts: Vec<f64>,
    sums: Vec<f64>,
    error: f64,
    /// Of each piece, the vector furthest from its centre: the squared distance, and which.
    furthest: Vec<(f64, usize)>,
}

impl Vectors {
    pub(super) fn len(&self) -> usize {
        self.components.first().map_or(0, Vec::len)
    }

    /// Entries for these vectors, in lexicographic order; at most `capacity`.
    pub(super) fn fit(
        &self,
        kind: PaletteFit,
        capacity: usize,
        table: usize,
        cancel: &(dyn Fn() -> bool + Sync),
    ) -> Result<Centres, PaletteError> {
        let size = self.components.len();
        // Only a fit that fails for it says how many there are.
        let most = if kind == PaletteFit::Unique { usize::MAX } else { capacity };
        let distinct = match kind {
            PaletteFit::Uniform => return Err(PaletteError::VectorFit { fit: kind }),
            PaletteFit::Unique | PaletteFit::Kmeans => self.distinct(capacity, most, cancel)?,
        };
        let centres = match (kind, distinct) {
            (_, Ok(few)) => return Ok(Centres { size, values: few }),
            (PaletteFit::Kmeans, Err(_)) => self.kmeans(capacity, cancel)?,
            (_, Err(distinct)) => return Err(PaletteError::TooManyValues { table, distinct, capacity }),
        };
        let mut sorted: Vec<&[f64]> = centres.values.chunks(size).collect();
        sorted.sort_by(|a, b| {
            let pairs = a.iter().zip(b.iter());
            pairs.map(|(x, y)| x.total_cmp(y)).find(|o| o.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
        });
        Ok(Centres { size, values: sorted.concat() })
    }

    /// The distinct vectors if they are at most `capacity`, else how many there are; counted until they are more
    /// than `most`.
    fn distinct(
        &self,
        capacity: usize,
        most: usize,
        cancel: &(dyn Fn() -> bool + Sync),
    ) -> Result<Result<Vec<f64>, usize>, Cancelled> {
        let key = |i: usize| -> Vec<u32> {
            let ordered = |c: &Vec<f32>| {
                let bits = (c[i] + 0.0).to_bits();
                bits ^ ((bits.cast_signed() >> 31).cast_unsigned() | 0x8000_0000)
            };
            self.components.iter().map(ordered).collect()
        };
        let value = |key: u32| {
            let flip = ((!key).cast_signed() >> 31).cast_unsigned() | 0x8000_0000;
            f64::from(f32::from_bits(key ^ flip))
        };
        let mut set: BTreeSet<Vec<u32>> = BTreeSet::new();
        for at in 0..self.len() {
            if at.is_multiple_of(PIECE) && cancel() {
                return Err(Cancelled);
            }
            set.insert(key(at));
            if set.len() > most {
                break;
            }
        }
        if set.len() > capacity {
            return Ok(Err(set.len()));
        }
        Ok(Ok(set.into_iter().flatten().map(value).collect()))
    }

    fn kmeans(&self, capacity: usize, cancel: &(dyn Fn() -> bool + Sync)) -> Result<Centres, Cancelled> {
        let sample = self.sample();
        let mut best: Option<(f64, Centres)> = None;
        for trial in 0..TRIALS {
            let seeds = sample.seeds(capacity, trial);
            let (centres, error) = sample.iterate(seeds, ITERATIONS[0], cancel)?;
            if best.as_ref().is_none_or(|(least, _)| error < *least) {
                best = Some((error, centres));
            }
        }
        let start = match best {
            Some((_, centres)) => centres,
            None => sample.seeds(capacity, 0),
        };
        Ok(self.iterate(start, ITERATIONS[1], cancel)?.0)
    }

    /// Evenly spaced vectors.
    fn sample(&self) -> Vectors {
        let count = self.len().min(SAMPLE);
        let picked = |c: &Vec<f32>| (0..count).map(|i| c[i * c.len() / count]).collect();
        Vectors { components: self.components.iter().map(picked).collect() }
    }

    /// k-means++: each seed is drawn with a probability in proportion to its squared distance from those before.
    fn seeds(&self, capacity: usize, trial: u64) -> Centres {
        let (size, count) = (self.components.len(), self.len());
        let mut random = Random(trial);
        let mut nearest = vec![f64::INFINITY; count];
        let mut at = (random.next() * count as f64) as usize;
        let mut values = Vec::with_capacity(capacity * size);
        for _ in 0..capacity {
            let seed: Vec<f64> = self.components.iter().map(|c| f64::from(c[at])).collect();
            let mut total = 0.0;
            for (i, nearest) in nearest.iter_mut().enumerate() {
                let pairs = self.components.iter().zip(&seed);
                let distance: f64 = pairs.map(|(c, s)| (f64::from(c[i]) - s).powi(2)).sum();
                *nearest = nearest.min(distance);
                total += *nearest;
            }
            values.extend(seed);
            let mut left = random.next() * total;
            at = nearest
                .iter()
                .position(|d| {
                    left -= d;
                    left < 0.0
                })
                .unwrap_or(count - 1);
        }
        Centres { size, values }
    }

    /// Lloyd's iteration; returns the centres and the error of the last assignment.
    fn iterate(
        &self,
        mut centres: Centres,
        iterations: usize,
        cancel: &(dyn Fn() -> bool + Sync),
    ) -> Result<(Centres, f64), Cancelled> {
        let mut error = f64::INFINITY;
        for _ in 0..iterations {
            let mut assigned = self.assign(&centres, cancel)?;
            let size = centres.size;
            // Of equally far ones the first; a vector that is met exactly needs no centre of its own.
            assigned.furthest.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            let mut worst = assigned.furthest.iter().filter(|(distance, _)| *distance > 0.0);
            let mut taken = false;
            for (i, centre) in centres.values.chunks_mut(size).enumerate() {
                if assigned.counts[i] > 0.0 {
                    for (value, sum) in centre.iter_mut().zip(&assigned.sums[i * size..]) {
                        *value = sum / assigned.counts[i];
                    }
                } else if let Some((_, at)) = worst.next() {
                    // Centres without vectors move to those that are served worst, at most one to each piece: what is
                    // far from all centres may lie close together.
                    taken = true;
                    for (value, c) in centre.iter_mut().zip(&self.components) {
                        *value = f64::from(c[*at]);
                    }
                }
            }
            let done = !taken && assigned.error >= error * (1.0 - ENOUGH);
            error = assigned.error;
            if done {
                break;
            }
        }
        Ok((centres, error))
    }

    /// The nearest centre of every vector, of equally near ones the first; and the squared error.
    pub(super) fn codes(
        &self,
        centres: &Centres,
        cancel: &(dyn Fn() -> bool + Sync),
    ) -> Result<(Vec<u8>, f64), Cancelled> {
        let assigned = self.assign(centres, cancel)?;
        Ok((assigned.codes, assigned.error))
    }

    fn assign(&self, centres: &Centres, cancel: &(dyn Fn() -> bool + Sync)) -> Result<Assigned, Cancelled> {
        let pieces: Vec<Assigned> = (0..self.len().div_ceil(PIECE))
            .into_par_iter()
            .map(|piece| {
                if cancel() {
                    return Err(Cancelled);
                }
                let from = piece * PIECE;
                Ok(self.assign_piece(centres, from, (from + PIECE).min(self.len())))
            })
            .collect::<Result<_, _>>()?;
        let mut whole = Assigned {
            codes: Vec::with_capacity(self.len()),
            counts: vec![0.0; centres.count()],
            sums: vec![0.0; centres.values.len()],
            error: 0.0,
            furthest: Vec::with_capacity(pieces.len()),
        };
        for piece in pieces {
            whole.codes.extend(piece.codes);
            for (whole, part) in whole.counts.iter_mut().zip(piece.counts) {
                *whole += part;
            }
            for (whole, part) in whole.sums.iter_mut().zip(piece.sums) {
                *whole += part;
            }
            whole.error += piece.error;
            whole.furthest.extend(piece.furthest);
        }
        Ok(whole)
    }

    fn assign_piece(&self, centres: &Centres, from: usize, to: usize) -> Assigned {
        let size = centres.size;
        let mut piece = Assigned {
            codes: vec![0; to - from],
            counts: vec![0.0; centres.count()],
            sums: vec![0.0; centres.values.len()],
            error: 0.0,
            furthest: Vec::new(),
        };
        let mut furthest = (-1.0, 0);
        for start in (from..to).step_by(LANES) {
            let length = LANES.min(to - start);
            let (code, distance) = self.nearest(centres, start, length);
            for lane in 0..length {
                let (at, centre) = (start + lane, code[lane]);
                piece.codes[at - from] = centre as u8;
                piece.counts[centre] += 1.0;
                let sums = &mut piece.sums[centre * size..(centre + 1) * size];
                for (sum, c) in sums.iter_mut().zip(&self.components) {
                    *sum += f64::from(c[at]);
                }
                piece.error += distance[lane];
                if distance[lane] > furthest.0 {
                    furthest = (distance[lane], at);
                }
            }
        }
        piece.furthest.push(furthest);
        piece
    }

    /// The nearest centres of up to eight vectors, and the squared distances.
    fn nearest(&self, centres: &Centres, start: usize, length: usize) -> ([usize; LANES], [f64; LANES]) {
        let mut best = [f64::INFINITY; LANES];
        let mut code = [0usize; LANES];
        for (i, centre) in centres.values.chunks(centres.size).enumerate() {
            let mut distance = [0.0f64; LANES];
            for (c, &value) in self.components.iter().zip(centre) {
                let mut x = [0.0f32; LANES];
                x[..length].copy_from_slice(&c[start..start + length]);
                for lane in 0..LANES {
                    let off = f64::from(x[lane]) - value;
                    distance[lane] += off * off;
                }
            }
            for lane in 0..LANES {
                let nearer = distance[lane] < best[lane];
                best[lane] = if nearer { distance[lane] } else { best[lane] };
                code[lane] = if nearer { i } else { code[lane] };
            }
        }
        (code, best)
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    /// A number in [0, 1).
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Evenly spaced samples may all be alike: here every one of them is zero. The centres that such a sample leaves
    /// without vectors find others, several at once.
    #[test]
    fn centres_without_vectors_find_others() {
        let (count, capacity) = (4 * SAMPLE, 32);
        let mut random = Random(7);
        let mut component = || -> Vec<f32> {
            let value = |i: usize| if i.is_multiple_of(4) { 0.0 } else { (random.next() * 100.0).floor() as f32 };
            (0..count).map(value).collect()
        };
        let vectors = Vectors { components: vec![component(), component()] };
        let seeds = vectors.sample().seeds(capacity, 0);
        assert!(seeds.values.iter().all(|value| *value == 0.0));
        let (centres, _) = vectors.iterate(seeds, 12, &|| false).unwrap();
        let assigned = vectors.assign(&centres, &|| false).unwrap();
        let empty = assigned.counts.iter().filter(|count| **count == 0.0).count();
        assert_eq!(empty, 0);
        // Alone, a centre for all has a mean squared error of 1300.
        let mean = assigned.error / count as f64;
        assert!(mean < 100.0, "{mean}");
    }

    #[test]
    fn distinct_vectors_are_counted_no_further_than_is_asked() {
        let vectors = Vectors { components: vec![(0..20_000).map(|i| i as f32).collect(), vec![0.0; 20_000]] };
        assert_eq!(vectors.distinct(16, 16, &|| false), Ok(Err(17)));
        assert_eq!(vectors.distinct(16, usize::MAX, &|| false), Ok(Err(20_000)));
        assert_eq!(vectors.distinct(16, usize::MAX, &|| true), Err(Cancelled));
        let few = Vectors { components: vec![vec![1.0, 0.0, 1.0], vec![2.0, -0.0, 2.0]] };
        assert_eq!(few.distinct(2, 2, &|| false), Ok(Ok(vec![0.0, 0.0, 1.0, 2.0])));
    }
}
