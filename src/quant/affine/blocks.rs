//! How a row-major tensor is divided into blocks, and in what order memory walks through them.

use std::borrow::Cow;
use std::ops::Range;

use rayon::prelude::*;

use super::PIECE;
use crate::quant::element::Element;
use crate::quant::error::QuantError;

/// The division of a tensor into equal blocks.
///
/// Seen from memory a tensor is a nest of loops: for each axis one over its blocks and one within the block.
/// Loops of one step vanish and neighbours of the same kind merge, so that every usual granularity leaves at
/// most a few. The innermost loop is the *run*: consecutive elements, either all of one block or each of the
/// next block.
#[derive(Debug, Clone)]
pub struct Blocks {
    len: usize,
    groups: usize,
    outer: Vec<Loop>,
    run: usize,
    /// Whether a run belongs to one block; else its elements belong to consecutive blocks.
    run_in_block: bool,
}

#[derive(Debug, Clone, Copy)]
struct Loop {
    steps: usize,
    /// Whether the loop stays in one block.
    in_block: bool,
    /// How far a step moves in the tensor.
    elements: usize,
    /// How far a step moves among the blocks.
    groups: usize,
}

/// Consecutive elements that are part of one run.
pub(super) struct Segment {
    /// Their place, counted from the first element asked for.
    pub range: Range<usize>,
    /// The block of the first one.
    pub group: usize,
}

impl Blocks {
    /// Divides a tensor of `shape` into blocks of `block` elements along each axis.
    ///
    /// # Errors
    /// If the two have different lengths or a block does not divide its axis.
    pub fn new(shape: &[usize], block: &[usize]) -> Result<Self, QuantError> {
        if shape.len() != block.len() {
            return Err(QuantError::BlockRank { block: block.len(), tensor: shape.len() });
        }
        for (axis, (&size, &block)) in shape.iter().zip(block).enumerate() {
            if block == 0 || !size.is_multiple_of(block) {
                return Err(QuantError::BlockSize { axis, size, block });
            }
        }
        let len = shape
            .iter()
            .try_fold(1usize, |n, &size| n.checked_mul(size))
            .ok_or(QuantError::Length { len: usize::MAX, shape: shape.to_vec() })?;
        let mut loops: Vec<(usize, bool)> = Vec::new();
        for (&size, &block) in shape.iter().zip(block) {
            for (steps, in_block) in [(size / block, false), (block, true)] {
                match loops.last_mut() {
                    _ if steps == 1 => {}
                    Some(last) if last.1 == in_block => last.0 *= steps,
                    _ => loops.push((steps, in_block)),
                }
            }
        }
        if loops.iter().all(|(_, in_block)| !in_block) {
            // Blocks of one element are runs of one element: no interleaving.
            loops.push((1, true));
        }
        let (run, run_in_block) = loops.pop().unwrap_or((1, true));
        let (mut elements, mut groups) = (run, if run_in_block { 1 } else { run });
        let mut outer = Vec::with_capacity(loops.len());
        for &(steps, in_block) in loops.iter().rev() {
            outer.push(Loop { steps, in_block, elements, groups: if in_block { 0 } else { groups } });
            elements *= steps;
            if !in_block {
                groups *= steps;
            }
        }
        outer.reverse();
        Ok(Self { len, groups, outer, run, run_in_block })
    }

    /// One block of `len` elements.
    pub(super) fn one(len: usize) -> Self {
        Self { len, groups: 1, outer: Vec::new(), run: len, run_in_block: true }
    }

    /// Elements of the tensor.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the tensor has no elements.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Blocks of the tensor.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// Elements of a block.
    pub fn group_len(&self) -> usize {
        self.len.checked_div(self.groups).unwrap_or(0)
    }

    /// Whether a run belongs to one block.
    pub(super) fn run_in_block(&self) -> bool {
        self.run_in_block
    }

    /// Whether every block is one run, in order.
    fn is_contiguous(&self) -> bool {
        self.run_in_block && self.outer.iter().all(|l| !l.in_block)
    }

    /// How many parts the outermost loop divides the tensor into without dividing a block.
    fn slabs(&self) -> usize {
        match self.outer.first() {
            Some(outermost) if !outermost.in_block => outermost.steps,
            _ => 1,
        }
    }

    /// Elements of a slab.
    pub(super) fn slab_len(&self) -> usize {
        (self.len / self.slabs().max(1)).max(1)
    }

    /// Blocks of a slab.
    pub(super) fn slab_groups(&self) -> usize {
        (self.groups / self.slabs().max(1)).max(1)
    }

    /// Whether slabs are so small, and so many for this number of threads, that each is worth one task.
    pub(super) fn has_small_slabs(&self, threads: usize) -> bool {
        self.slab_len() <= PIECE || (self.slab_len() <= 16 * PIECE && self.slabs() >= 4 * threads)
    }

    /// In how many parts the ranges of interleaved blocks may be found without using more memory for ranges
    /// than the tensor has elements.
    pub(super) fn pieces_for_ranges(&self, threads: usize) -> usize {
        let pieces = self.len.div_ceil(PIECE).min(4 * threads);
        pieces.min(self.group_len()).max(1)
    }

    /// The parts of runs that the `count` elements from `start` consist of, in order.
    pub(super) fn segments(&self, start: usize, count: usize) -> Segments<'_> {
        let mut group = 0;
        let mut rest = start;
        let mut steps = Vec::with_capacity(self.outer.len());
        for level in &self.outer {
            let step = rest / level.elements.max(1);
            rest %= level.elements.max(1);
            group += step * level.groups;
            steps.push(step);
        }
        Segments { blocks: self, steps, group, in_run: rest, position: 0, count }
    }

    /// The weights block after block, copied if memory has them in another order.
    pub(super) fn regroup<'a, T: Element>(&self, weights: &'a [T]) -> Cow<'a, [T]> {
        if self.is_contiguous() || weights.is_empty() {
            return Cow::Borrowed(weights);
        }
        /// Neighbouring blocks, whose elements may share cache lines.
        const TOGETHER: usize = 16;
        let places = self.places_in_block();
        let group_len = self.group_len();
        let mut grouped = vec![T::from_f32(0.0); weights.len()];
        grouped.par_chunks_mut(group_len * TOGETHER).enumerate().for_each(|(chunk, out)| {
            let first = chunk * TOGETHER;
            let starts: Vec<usize> =
                (first..first + out.len() / group_len).map(|group| self.start_of_group(group)).collect();
            for (i, place) in places.iter().enumerate() {
                for (j, start) in starts.iter().enumerate() {
                    out[j * group_len + i] = weights[start + place];
                }
            }
        });
        Cow::Owned(grouped)
    }

    /// Where a block's elements lie, counted from its first.
    fn places_in_block(&self) -> Vec<usize> {
        let mut places = vec![0];
        let run = Loop { steps: self.run, in_block: self.run_in_block, elements: 1, groups: 1 };
        for level in self.outer.iter().chain([&run]).filter(|l| l.in_block) {
            places =
                places.iter().flat_map(|place| (0..level.steps).map(move |s| place + s * level.elements)).collect();
        }
        places
    }

    /// Where a block's first element lies.
    fn start_of_group(&self, group: usize) -> usize {
        let (mut rest, mut start) = (group, 0);
        for level in self.outer.iter().filter(|l| !l.in_block) {
            start += rest / level.groups * level.elements;
            rest %= level.groups;
        }
        start + rest
    }
}

/// See [`Blocks::segments`].
pub(super) struct Segments<'a> {
    blocks: &'a Blocks,
    /// The step that each outer loop is in.
    steps: Vec<usize>,
    /// The block of the current run, or of its first element.
    group: usize,
    in_run: usize,
    position: usize,
    count: usize,
}

impl Iterator for Segments<'_> {
    type Item = Segment;

    #[inline(always)]
    fn next(&mut self) -> Option<Segment> {
        if self.position == self.count {
            return None;
        }
        let len = (self.blocks.run - self.in_run).min(self.count - self.position);
        let offset = if self.blocks.run_in_block { 0 } else { self.in_run };
        let segment = Segment { range: self.position..self.position + len, group: self.group + offset };
        self.position += len;
        self.in_run += len;
        if self.in_run == self.blocks.run {
            self.in_run = 0;
            for (step, level) in self.steps.iter_mut().zip(&self.blocks.outer).rev() {
                *step += 1;
                self.group += level.groups;
                if *step < level.steps {
                    break;
                }
                *step = 0;
                self.group -= level.groups * level.steps;
            }
        }
        Some(segment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The block of every element by plain index arithmetic.
    fn groups_by_index(shape: &[usize], block: &[usize]) -> Vec<usize> {
        let len = shape.iter().product();
        (0..len)
            .map(|element| {
                let (mut rest, mut group, mut stride) = (element, 0, 1);
                for (&size, &block) in shape.iter().zip(block).rev() {
                    group += rest % size / block * stride;
                    stride *= size / block;
                    rest /= size;
                }
                group
            })
            .collect()
    }

    prop_compose! {
        pub(in super::super) fn shape_and_block()(
            axes in proptest::collection::vec((1usize..4, 1usize..5), 0..5),
        ) -> (Vec<usize>, Vec<usize>) {
            axes.iter().map(|(n, b)| (n * b, *b)).unzip()
        }
    }

    proptest! {
        #[test]
        fn segments_cover_the_elements_asked_for(
            (shape, block) in shape_and_block(),
            from in any::<prop::sample::Index>(),
            to in any::<prop::sample::Index>(),
        ) {
            let expected = groups_by_index(&shape, &block);
            let blocks = Blocks::new(&shape, &block).unwrap();
            let (a, b) = (from.index(expected.len() + 1), to.index(expected.len() + 1));
            let (start, end) = (a.min(b), a.max(b));
            let mut found = Vec::new();
            for segment in blocks.segments(start, end - start) {
                prop_assert_eq!(segment.range.start, found.len());
                for i in 0..segment.range.len() {
                    found.push(segment.group + if blocks.run_in_block() { 0 } else { i });
                }
            }
            prop_assert_eq!(&found, &expected[start..end]);
            prop_assert_eq!(blocks.groups(), expected.iter().max().unwrap() + 1);
        }

        #[test]
        fn regrouping_puts_block_after_block((shape, block) in shape_and_block()) {
            let groups = groups_by_index(&shape, &block);
            let blocks = Blocks::new(&shape, &block).unwrap();
            let weights: Vec<f32> = groups.iter().map(|g| *g as f32).collect();
            let grouped = blocks.regroup(&weights);
            for (i, group) in grouped.iter().enumerate() {
                prop_assert_eq!(*group as usize, i / blocks.group_len());
            }
        }
    }

    #[test]
    fn usual_granularities_are_few_loops() {
        let describe = |shape: &[usize], block: &[usize]| {
            let b = Blocks::new(shape, block).unwrap();
            let outer: Vec<_> = b.outer.iter().map(|l| (l.steps, l.in_block)).collect();
            (outer, b.run, b.run_in_block)
        };
        assert_eq!(describe(&[8, 64], &[8, 64]), (vec![], 512, true));
        assert_eq!(describe(&[8, 64], &[1, 64]), (vec![(8, false)], 64, true));
        assert_eq!(describe(&[8, 64], &[1, 32]), (vec![(16, false)], 32, true));
        assert_eq!(describe(&[8, 64], &[8, 1]), (vec![(8, true)], 64, false));
        assert_eq!(describe(&[8, 64], &[1, 1]), (vec![(512, false)], 1, true));
        assert_eq!(describe(&[8, 4, 3, 3], &[1, 4, 1, 1]), (vec![(8, false), (4, true)], 9, false));
    }

    #[test]
    fn what_does_not_divide_is_an_error() {
        let error = |shape: &[usize], block: &[usize]| Blocks::new(shape, block).unwrap_err();
        insta::assert_snapshot!(error(&[4, 48], &[1, 32]),
            @"axis 1 has 48 elements, which blocks of 32 do not divide");
        insta::assert_snapshot!(error(&[4, 48], &[1, 0]),
            @"axis 1 has 48 elements, which blocks of 0 do not divide");
        insta::assert_snapshot!(error(&[4, 48], &[1]),
            @"a block of 1 axes cannot divide a tensor of 2 axes");
        assert!(Blocks::new(&[usize::MAX, 2], &[1, 1]).is_err());
    }

    #[test]
    fn a_tensor_without_elements_has_no_segments() {
        for (shape, block) in [(vec![0], vec![1]), (vec![3, 0, 2], vec![1, 4, 2])] {
            let blocks = Blocks::new(&shape, &block).unwrap();
            assert!(blocks.is_empty());
            assert_eq!(blocks.segments(0, 0).count(), 0);
        }
    }
}
