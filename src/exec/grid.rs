//! Which block of a tensor an element belongs to, row by row.

use rayon::prelude::*;

/// A tensor cut into equal blocks.
#[derive(Debug, Clone)]
pub struct Grid {
    shape: Vec<usize>,
    /// Per axis: elements of a block, and the stride of a block among blocks.
    axes: Vec<(usize, usize)>,
}

/// The blocks that a row (along the last axis) passes through.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    base: usize,
    extent: usize,
    stride: usize,
}

impl Row {
    /// The block of an element of the row.
    #[inline]
    pub fn at(self, column: usize) -> usize {
        self.base + column / self.extent * self.stride
    }
}

impl Grid {
    /// Cuts a tensor of a shape into so many blocks along each axis; `None` unless they divide it.
    pub fn new(shape: &[usize], blocks: &[usize]) -> Option<Grid> {
        if shape.len() != blocks.len() {
            return None;
        }
        let mut axes = vec![(1, 0); shape.len()];
        let mut stride = 1usize;
        for (axis, (&length, &count)) in shape.iter().zip(blocks).enumerate().rev() {
            if count == 0 || !length.is_multiple_of(count) {
                return None;
            }
            axes[axis] = ((length / count).max(1), stride);
            stride = stride.checked_mul(count)?;
        }
        Some(Grid { shape: shape.to_vec(), axes })
    }

    /// The blocks of a row.
    pub fn row(&self, mut row: usize) -> Row {
        let Some((&(extent, stride), outer)) = self.axes.split_last() else {
            return Row { base: 0, extent: 1, stride: 0 };
        };
        let mut base = 0;
        for (&length, &(extent, stride)) in self.shape.iter().zip(outer).rev() {
            base += row % length / extent * stride;
            row /= length;
        }
        Row { base, extent, stride }
    }

    /// Calls a function with the number and the elements of every row, from any thread.
    pub fn rows<T: Send>(&self, elements: &mut [T], work: impl Fn(usize, &mut [T]) + Sync) {
        let columns = self.shape.last().copied().unwrap_or(1).max(1);
        elements.par_chunks_mut(columns).enumerate().for_each(|(row, elements)| work(row, elements));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_rows() {
        let grid = Grid::new(&[4, 6], &[2, 3]).unwrap();
        let all: Vec<usize> = (0..4)
            .flat_map(|row| (0..6).map(move |column| (row, column)))
            .map(|(row, column)| grid.row(row).at(column))
            .collect();
        assert_eq!(all[..12], [0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2]);
        assert_eq!(all[12..], [3, 3, 4, 4, 5, 5, 3, 3, 4, 4, 5, 5]);
        assert!(Grid::new(&[4, 6], &[3, 1]).is_none());
        assert!(Grid::new(&[4, 6], &[4]).is_none());
        assert_eq!(Grid::new(&[], &[]).unwrap().row(0).at(0), 0);
    }
}
