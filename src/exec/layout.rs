//! Where the elements of a view lie: strides over a dense tensor, and copies of what they show.

use rayon::prelude::*;

use super::tensor::{CHUNK, Data, moved};

/// A rectangular view into a dense tensor.
#[derive(Debug, Clone)]
pub struct View {
    shape: Vec<usize>,
    strides: Vec<isize>,
    offset: isize,
}

/// The strides of a dense tensor.
pub fn dense(shape: &[usize]) -> Vec<isize> {
    let mut strides = vec![0; shape.len()];
    let mut stride = 1isize;
    for (i, size) in shape.iter().enumerate().rev() {
        strides[i] = stride;
        stride = stride.saturating_mul(*size as isize);
    }
    strides
}

/// The product of sizes.
pub fn product(sizes: &[usize]) -> usize {
    sizes.iter().fold(1, |product, size| product.saturating_mul(*size))
}

impl View {
    /// All of a dense tensor.
    pub fn new(shape: &[usize]) -> Self {
        Self { shape: shape.to_vec(), strides: dense(shape), offset: 0 }
    }

    /// The sizes of the view.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Dimensions in another order, each exactly once.
    pub fn permuted(&self, order: &[usize]) -> Self {
        let pick = |values: &[isize]| order.iter().filter_map(|at| values.get(*at).copied()).collect();
        let shape = order.iter().filter_map(|at| self.shape.get(*at).copied()).collect();
        Self { shape, strides: pick(&self.strides), offset: self.offset }
    }

    /// Repeated along dimensions of size 1 and in front, as NumPy broadcasts. The shape must allow it.
    pub fn broadcast(&self, shape: &[usize]) -> Self {
        let front = shape.len().saturating_sub(self.shape.len());
        let stride = |i: usize| {
            let own = i.checked_sub(front)?;
            let size = *self.shape.get(own)?;
            (size != 1).then(|| self.strides.get(own).copied()).flatten()
        };
        let strides = (0..shape.len()).map(|i| stride(i).unwrap_or(0)).collect();
        Self { shape: shape.to_vec(), strides, offset: self.offset }
    }

    /// Every `step`-th element of a dimension from `begin` on, `length` of them. They must lie inside.
    pub fn sliced(mut self, axis: usize, begin: usize, step: isize, length: usize) -> Self {
        if let (Some(size), Some(stride)) = (self.shape.get_mut(axis), self.strides.get_mut(axis)) {
            self.offset += begin as isize * *stride;
            *stride *= step;
            *size = length;
        }
        self
    }

    /// A dimension backwards.
    pub fn reversed(self, axis: usize) -> Self {
        match self.shape.get(axis) {
            Some(&size) if size > 0 => self.sliced(axis, size - 1, -1, size),
            _ => self,
        }
    }

    /// The strides and the first element's place, for walks beside other views.
    pub fn walk(&self) -> (&[isize], isize) {
        (&self.strides, self.offset)
    }

    /// The elements that the view shows, row by row. Places outside the data, which no view made of its shape has,
    /// give zeros.
    pub fn copy<T: Copy + Default + Send + Sync>(&self, data: &[T]) -> Vec<T> {
        let merged = merge(&self.shape, [&self.strides[..]]);
        let count = product(&self.shape);
        let mut out = vec![T::default(); count];
        if count == 0 {
            return out;
        }
        let (length, [stride]) = merged.inner();
        let rows = merged.rows();
        let rows_per_chunk = (CHUNK / length.max(1)).max(1);
        out.par_chunks_mut(length * rows_per_chunk).enumerate().for_each(|(chunk, out)| {
            let mut row = Odometer::at(&merged, chunk * rows_per_chunk);
            for out in out.chunks_exact_mut(length) {
                let start = self.offset + row.places[0];
                copy_row(data, start, stride, out);
                row.advance(&merged);
            }
        });
        debug_assert_eq!(rows * length, count);
        out
    }

    /// The same for elements of any kind.
    pub fn copy_data(&self, data: &Data) -> Data {
        moved!(data, values => self.copy(values))
    }
}

fn copy_row<T: Copy + Default>(data: &[T], start: isize, stride: isize, out: &mut [T]) {
    let at = |place: isize| usize::try_from(place).ok().and_then(|place| data.get(place)).copied().unwrap_or_default();
    match stride {
        1 => {
            let range = usize::try_from(start).ok().and_then(|start| data.get(start..start.checked_add(out.len())?));
            if let Some(source) = range {
                out.copy_from_slice(source);
            }
        }
        0 => out.fill(at(start)),
        _ => out.iter_mut().enumerate().for_each(|(i, out)| *out = at(start + i as isize * stride)),
    }
}

/// Dimensions of several views of one shape, those joined that lie behind one another in every view.
#[derive(Debug)]
pub(super) struct Merged<const N: usize> {
    /// Outermost first: the size, and the stride in each view. Never empty.
    dims: Vec<(usize, [isize; N])>,
}

/// Joins the dimensions of views of one shape.
pub(super) fn merge<const N: usize>(shape: &[usize], strides: [&[isize]; N]) -> Merged<N> {
    let mut dims: Vec<(usize, [isize; N])> = Vec::new();
    for (i, &size) in shape.iter().enumerate() {
        if size == 1 {
            continue;
        }
        let own: [isize; N] = std::array::from_fn(|n| strides[n].get(i).copied().unwrap_or(0));
        match dims.last_mut() {
            Some((outer, outer_strides)) if (0..N).all(|n| outer_strides[n] == own[n] * size as isize) => {
                *outer *= size;
                *outer_strides = own;
            }
            _ => dims.push((size, own)),
        }
    }
    if dims.is_empty() {
        dims.push((1, [1; N]));
    }
    Merged { dims }
}

impl<const N: usize> Merged<N> {
    /// The length of a row and its stride in each view.
    pub(super) fn inner(&self) -> (usize, [isize; N]) {
        self.dims.last().copied().unwrap_or((1, [1; N]))
    }

    /// The number of rows.
    pub(super) fn rows(&self) -> usize {
        self.dims[..self.dims.len() - 1].iter().map(|(size, _)| size).product()
    }
}

/// The rows of views, one after the other.
pub(super) struct Odometer<const N: usize> {
    counts: Vec<usize>,
    /// Where the row begins in each view, without its offset.
    pub(super) places: [isize; N],
}

impl<const N: usize> Odometer<N> {
    /// At a row.
    pub(super) fn at(merged: &Merged<N>, mut row: usize) -> Self {
        let outer = &merged.dims[..merged.dims.len() - 1];
        let mut counts = vec![0; outer.len()];
        let mut places = [0; N];
        for (count, (size, strides)) in counts.iter_mut().zip(outer).rev() {
            *count = row % (*size).max(1);
            row /= (*size).max(1);
            for (place, stride) in places.iter_mut().zip(strides) {
                *place += *count as isize * stride;
            }
        }
        Self { counts, places }
    }

    /// To the next row.
    pub(super) fn advance(&mut self, merged: &Merged<N>) {
        let outer = &merged.dims[..merged.dims.len() - 1];
        for (count, (size, strides)) in self.counts.iter_mut().zip(outer).rev() {
            *count += 1;
            let wraps = *count >= *size;
            for (place, stride) in self.places.iter_mut().zip(strides) {
                *place += if wraps { -(*size as isize - 1) * stride } else { *stride };
            }
            if !wraps {
                return;
            }
            *count = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_show_what_they_say() {
        let data: Vec<i32> = (0..24).collect();
        let view = View::new(&[2, 3, 4]);
        assert_eq!(view.copy(&data), data);
        let turned = view.permuted(&[2, 0, 1]);
        assert_eq!(turned.shape(), [4, 2, 3]);
        assert_eq!(turned.copy(&data)[..7], [0, 4, 8, 12, 16, 20, 1]);
        assert_eq!(view.clone().reversed(2).copy(&data)[..5], [3, 2, 1, 0, 7]);
        assert_eq!(view.clone().sliced(1, 2, -2, 2).copy(&data)[..8], [8, 9, 10, 11, 0, 1, 2, 3]);
        let row = View::new(&[3, 1]);
        assert_eq!(row.broadcast(&[2, 3, 2]).copy(&[7, 8, 9]), [7, 7, 8, 8, 9, 9, 7, 7, 8, 8, 9, 9]);
        assert_eq!(View::new(&[]).copy(&[5]), [5]);
        assert_eq!(View::new(&[0, 3]).copy(&[0; 0]), [0; 0]);
    }
}
