//! Where the weights of a table lie.

use super::spec::PaletteError;

/// A tensor divided into blocks, one table each; tables in row-major order of the grid of blocks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layout {
    pub shape: Vec<usize>,
    pub block: Vec<usize>,
    pub grid: Vec<usize>,
}

impl Layout {
    /// Blocks of a size along every axis; one block where there is none.
    pub(super) fn new(shape: &[usize], block: Option<&[usize]>) -> Result<Self, PaletteError> {
        let block = block.unwrap_or(shape);
        if block.len() != shape.len() {
            return Err(PaletteError::BlockRank { rank: shape.len(), found: block.len() });
        }
        Self::of_blocks(shape.to_vec(), block.to_vec())
    }

    fn of_blocks(shape: Vec<usize>, block: Vec<usize>) -> Result<Self, PaletteError> {
        for (axis, (&size, &divisor)) in shape.iter().zip(&block).enumerate() {
            check_divides(axis, size, divisor)?;
        }
        let grid = shape.iter().zip(&block).map(|(s, b)| s / b).collect();
        Ok(Layout { shape, block, grid })
    }

    /// The layout of codes that stand for `size` weights along `axis` each.
    pub(super) fn shortened(&self, axis: usize, size: usize) -> Result<Self, PaletteError> {
        let (mut shape, mut block) = (self.shape.clone(), self.block.clone());
        let rank = shape.len();
        let along = block.get_mut(axis).ok_or(PaletteError::Axis { axis, rank })?;
        check_divides(axis, *along, size)?;
        *along /= size;
        shape[axis] /= size;
        Self::of_blocks(shape, block)
    }

    pub(super) fn tables(&self) -> usize {
        self.grid.iter().product()
    }

    /// Elements per table.
    pub(super) fn table_len(&self) -> usize {
        self.block.iter().product()
    }

    /// The length of the contiguous runs that every table consists of.
    pub(super) fn run(&self) -> usize {
        let mut run = 1;
        for (&size, &block) in self.shape.iter().zip(&self.block).rev() {
            run *= block;
            if block != size {
                break;
            }
        }
        run
    }

    /// Where the runs of a table begin, ascending.
    pub(super) fn runs(&self, table: usize) -> Vec<usize> {
        let mut starts = vec![0];
        let (mut stride, mut rest) = (1, table);
        let mut length = self.run();
        let axes = self.shape.iter().zip(&self.block).zip(&self.grid).rev();
        let mut outer = Vec::new();
        let mut base = 0;
        for ((&size, &block), &grid) in axes {
            base += (rest % grid) * block * stride;
            rest /= grid;
            if length > 1 || block == 1 {
                // Inside the run, or only one step along this axis.
                length /= block;
            } else {
                outer.push((block, stride));
            }
            stride *= size;
        }
        for &(count, stride) in outer.iter().rev() {
            starts = starts.iter().flat_map(|s| (0..count).map(move |i| s + i * stride)).collect();
        }
        for start in &mut starts {
            *start += base;
        }
        starts
    }

    /// Calls `f` with every run in `from..from + length`, in order: its table and where it is, counted from `from`.
    /// Runs that reach over either end are given in parts.
    pub(super) fn for_each_run(&self, from: usize, length: usize, mut f: impl FnMut(usize, std::ops::Range<usize>)) {
        let (run, row) = (self.run(), self.row());
        let mut at = from;
        while at < from + length {
            // The tables of a row follow each other.
            let mut table = self.table_of(at);
            let end = (at - at % row + row).min(from + length);
            while at < end {
                let run_end = (at - at % run + run).min(end);
                f(table, at - from..run_end - from);
                table += 1;
                at = run_end;
            }
        }
    }

    /// The table of the element at `offset`.
    pub(super) fn table_of(&self, offset: usize) -> usize {
        let (mut table, mut rest, mut step) = (0, offset, 1);
        for ((&size, &block), &grid) in self.shape.iter().zip(&self.block).zip(&self.grid).rev() {
            table += (rest % size) / block * step;
            rest /= size;
            step *= grid;
        }
        table
    }

    /// The length of a row: the last axis, or a run where these are longer.
    fn row(&self) -> usize {
        self.run().max(self.shape.last().copied().unwrap_or(1))
    }

    /// The position of an element, one number per axis.
    pub(super) fn index(&self, offset: usize) -> Vec<usize> {
        let mut rest = offset;
        let mut index: Vec<usize> = self
            .shape
            .iter()
            .rev()
            .map(|&size| {
                let at = rest % size;
                rest /= size;
                at
            })
            .collect();
        index.reverse();
        index
    }
}

fn check_divides(axis: usize, size: usize, divisor: usize) -> Result<(), PaletteError> {
    if divisor == 0 || !size.is_multiple_of(divisor) {
        return Err(PaletteError::Divides { axis, size, divisor });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn axes() -> impl Strategy<Value = Vec<(usize, usize)>> {
        prop::collection::vec((1usize..4, 1usize..4), 0..5)
    }

    proptest! {
        #[test]
        fn runs_partition_the_tensor(axes in axes(), cuts in any::<(prop::sample::Index, prop::sample::Index)>()) {
            let shape: Vec<usize> = axes.iter().map(|(b, g)| b * g).collect();
            let block: Vec<usize> = axes.iter().map(|(b, _)| *b).collect();
            let layout = Layout::new(&shape, Some(&block)).unwrap();
            let total: usize = shape.iter().product();
            let mut owner = vec![usize::MAX; total];
            for table in 0..layout.tables() {
                let runs = layout.runs(table);
                prop_assert!(runs.is_sorted_by(|a, b| a < b));
                prop_assert_eq!(runs.len() * layout.run(), layout.table_len());
                for start in runs {
                    for at in &mut owner[start..start + layout.run()] {
                        prop_assert_eq!(*at, usize::MAX);
                        *at = table;
                    }
                }
            }
            for (offset, &table) in owner.iter().enumerate() {
                let block = layout.index(offset).iter().zip(&layout.block).map(|(i, b)| i / b)
                    .zip(&layout.grid).fold(0, |t, (i, g)| t * g + i);
                prop_assert_eq!(block, table);
            }
            let (early, late) = (cuts.0.index(total + 1), cuts.1.index(total + 1));
            for (from, count) in [(0, total), (early.min(late), early.abs_diff(late))] {
                let mut next = 0;
                layout.for_each_run(from, count, |table, run| {
                    assert_eq!(run.start, next);
                    next = run.end;
                    assert!(owner[from..][run].iter().all(|&t| t == table));
                });
                prop_assert_eq!(next, count);
            }
        }
    }

    #[test]
    fn sizes_must_divide() {
        for wrong in [&[0, 1][..], &[3, 1], &[1], &[1, 1, 1]] {
            assert!(Layout::new(&[4, 5], Some(wrong)).is_err());
        }
        assert_eq!(Layout::new(&[4, 5], None).unwrap().tables(), 1);
    }
}
