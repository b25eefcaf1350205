//! How blocks lie in a row-major tensor.

/// A tensor divided into blocks. Its elements lie in *runs*: neighbours in memory that belong to one block.
#[derive(Debug, Clone)]
pub(super) struct Grid {
    /// Per axis, outermost first: elements, elements of a block, blocks.
    axes: Vec<(usize, usize, usize)>,
    /// Per axis: distance in memory of neighbours.
    strides: Vec<usize>,
    /// Elements of a run.
    pub run: usize,
    /// The axes that a run does not cover.
    outer: usize,
}

impl Grid {
    /// For a block that divides the shape.
    pub fn new(shape: &[usize], block: &[usize]) -> Grid {
        let axes: Vec<_> = shape.iter().zip(block).map(|(&n, &b)| (n, b, n / b.max(1))).collect();
        let mut strides = vec![1; shape.len()];
        for axis in (1..shape.len()).rev() {
            strides[axis - 1] = strides[axis] * shape[axis];
        }
        let (mut run, mut outer) = (1, shape.len());
        while outer > 0 {
            outer -= 1;
            run *= block[outer];
            if block[outer] != shape[outer] {
                break;
            }
        }
        Grid { axes, strides, run, outer }
    }

    /// Number of blocks.
    pub fn groups(&self) -> usize {
        if self.run == 0 { 0 } else { self.axes.iter().map(|(.., blocks)| blocks).product() }
    }

    /// Where the runs of a block begin, in order of memory.
    pub fn runs(&self, group: usize) -> impl Iterator<Item = usize> + '_ {
        let mut origin = 0;
        let mut rest = group;
        for (axis, &(_, block, blocks)) in self.axes.iter().enumerate().rev() {
            origin += rest % blocks * block * self.strides[axis];
            rest /= blocks;
        }
        let outer = &self.axes[..self.outer];
        let count: usize = outer.iter().map(|(_, block, _)| block).product();
        (0..count).map(move |mut index| {
            let mut start = origin;
            for (axis, &(_, block, _)) in outer.iter().enumerate().rev() {
                start += index % block * self.strides[axis];
                index /= block;
            }
            start
        })
    }

    /// The block of an element.
    pub fn group_of(&self, index: usize) -> usize {
        let (mut group, mut stride, mut rest) = (0, 1, index);
        for &(length, block, blocks) in self.axes.iter().rev() {
            group += rest % length / block * stride;
            stride *= blocks;
            rest /= length;
        }
        group
    }
}

/// The position of elements along one axis.
#[derive(Debug, Clone, Copy)]
pub(super) struct Channel {
    length: usize,
    inner: usize,
}

impl Channel {
    /// For an axis that the shape has.
    pub fn new(shape: &[usize], axis: usize) -> Channel {
        Channel { length: shape[axis], inner: shape[axis + 1..].iter().product() }
    }

    /// The position of an element along the axis.
    pub fn of(self, index: usize) -> usize {
        index / self.inner % self.length
    }

    /// The index of the code of an element, and which value of the vector it is.
    pub fn slot(self, index: usize, vector: usize) -> (usize, usize) {
        if vector == 1 {
            return (index, 0);
        }
        let position = self.of(index);
        let outer = index / (self.inner * self.length);
        let slot = (outer * (self.length / vector) + position / vector) * self.inner + index % self.inner;
        (slot, position % vector)
    }

    /// The element of a code and of a value of its vector: the inverse of [`Channel::slot`].
    pub fn element(self, slot: usize, within: usize, vector: usize) -> usize {
        let codes = self.length / vector;
        let position = slot / self.inner % codes * vector + within;
        (slot / (self.inner * codes) * self.length + position) * self.inner + slot % self.inner
    }
}
