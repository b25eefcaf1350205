//! Tensors as an archive holds them: views of storages, by offsets and strides.

use std::borrow::Cow;

use super::scalar::{Layout, ScalarType};
use super::schema::{SymInt, TensorMeta};
use super::{MAX_RANK, Pt2Fault};

/// A tensor of an archive: a view of the bytes of a member that has been checked to lie within them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StoredTensor {
    /// Its element type.
    pub dtype: ScalarType,
    /// Its dimensions, outermost first.
    pub shape: Vec<usize>,
    /// Elements between neighbours along each dimension.
    pub strides: Vec<usize>,
    /// The element of the storage at which it begins.
    pub storage_offset: usize,
    /// The member that is the storage, by its index in [`super::Contents::members`].
    pub member: usize,
    /// Bytes of all elements, side by side.
    pub bytes: u64,
}

impl StoredTensor {
    /// Checks the description of a tensor against the `storage` bytes of its member. No tensor may be larger than
    /// `most` bytes, however often its elements are repeated.
    ///
    /// # Errors
    /// If the tensor does not lie in its storage, or cannot be a stored tensor at all.
    pub fn new(
        name: &str,
        meta: &TensorMeta,
        member: usize,
        storage: u64,
        most: u64,
    ) -> Result<StoredTensor, Pt2Fault> {
        let wrong = |what: String| Pt2Fault::Tensor { name: name.to_owned(), what };
        let dtype = ScalarType::by_number(meta.dtype);
        let dtype = dtype.ok_or_else(|| wrong(format!("has an element type of the unknown number {}", meta.dtype)))?;
        if meta.layout != Layout::STRIDED {
            return Err(wrong("is sparse, which is not read".into()));
        }
        if meta.sizes.len() > MAX_RANK {
            return Err(wrong(format!("has {} dimensions; at most {MAX_RANK} are read", meta.sizes.len())));
        }
        if meta.sizes.len() != meta.strides.len() {
            return Err(wrong(format!("has {} dimensions and {} strides", meta.sizes.len(), meta.strides.len())));
        }
        let fixed = |size: &SymInt, what: &str| match size {
            SymInt::Int(size) => usize::try_from(*size).map_err(|_| wrong(format!("has a negative {what}"))),
            _ => Err(wrong(format!("has a {what} that is not fixed"))),
        };
        let shape = meta.sizes.iter().map(|size| fixed(size, "size")).collect::<Result<Vec<usize>, _>>()?;
        let strides = meta.strides.iter().map(|stride| fixed(stride, "stride")).collect::<Result<Vec<usize>, _>>()?;
        let storage_offset = fixed(&meta.storage_offset, "offset")?;
        let large = || wrong("is larger than the file that holds it".into());
        // Zeros last: dimensions beside them must make sense too.
        let product = |zeros: bool| {
            let sizes = shape.iter().filter(|size| zeros || **size != 0);
            sizes.copied().try_fold(dtype.bytes() as u64, |bytes, size| bytes.checked_mul(size as u64))
        };
        product(false).ok_or_else(large)?;
        let bytes = product(true).filter(|bytes| *bytes <= most).ok_or_else(large)?;
        let tensor = StoredTensor { dtype, shape, strides, storage_offset, member, bytes };
        if bytes == 0 {
            return Ok(tensor);
        }
        if storage == 0 {
            return Err(Pt2Fault::NoValues(name.to_owned()));
        }
        let reach = tensor.reach().filter(|reach| *reach <= storage);
        reach.map(|_| ()).ok_or_else(|| wrong(format!("reaches beyond the {storage} bytes of its storage")))?;
        Ok(tensor)
    }

    /// Bytes of the storage from its begin to the end of the last element; `None` beyond 64 bits.
    fn reach(&self) -> Option<u64> {
        let last = self.shape.iter().zip(&self.strides).try_fold(self.storage_offset, |sum, (size, stride)| {
            sum.checked_add(size.saturating_sub(1).checked_mul(*stride)?)
        })?;
        (last as u64).checked_add(1)?.checked_mul(self.dtype.bytes() as u64)
    }

    /// Whether its elements lie side by side, the last dimension fastest.
    pub fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        for (&size, &stride) in self.shape.iter().zip(&self.strides).rev() {
            if size != 1 && stride != expected {
                return self.bytes == 0;
            }
            expected = size.saturating_mul(expected);
        }
        true
    }

    /// Its elements side by side, the last dimension fastest: a part of the storage where they lie so, else copied.
    /// `None` where the storage is shorter than it was.
    pub fn read<'s>(&self, storage: &'s [u8]) -> Option<Cow<'s, [u8]>> {
        let width = self.dtype.bytes();
        let len = usize::try_from(self.bytes).ok()?;
        if len == 0 {
            return Some(Cow::Borrowed(&[]));
        }
        let begin = self.storage_offset.checked_mul(width)?;
        if self.is_contiguous() {
            return storage.get(begin..)?.get(..len).map(Cow::Borrowed);
        }
        if self.reach()? > storage.len() as u64 {
            return None;
        }
        let mut out = Vec::with_capacity(len);
        // Where the innermost elements lie side by side, they are copied as one run.
        let run = match (self.shape.last(), self.strides.last()) {
            (Some(&size), Some(1)) => size,
            _ => 1,
        };
        let outer = if run > 1 { self.shape.len() - 1 } else { self.shape.len() };
        let mut index = vec![0; outer];
        let mut element = self.storage_offset;
        loop {
            let at = element * width;
            out.extend_from_slice(storage.get(at..at + run * width)?);
            // The next index, the last dimension fastest.
            let Some(axis) = (0..outer).rev().find(|&axis| index[axis] + 1 < self.shape[axis]) else { break };
            for (wrapped, stride) in index[axis + 1..].iter_mut().zip(&self.strides[axis + 1..]) {
                element -= *wrapped * stride;
                *wrapped = 0;
            }
            index[axis] += 1;
            element += self.strides[axis];
        }
        Some(Cow::Owned(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(sizes: &[i64], strides: &[i64], offset: i64) -> TensorMeta {
        let all = |values: &[i64]| values.iter().map(|value| SymInt::Int(*value)).collect();
        TensorMeta {
            dtype: 1,
            sizes: all(sizes),
            requires_grad: false,
            strides: all(strides),
            storage_offset: SymInt::Int(offset),
            layout: Layout::STRIDED,
        }
    }

    #[track_caller]
    fn reads(sizes: &[i64], strides: &[i64], offset: i64, expected: &[u8]) {
        let storage: Vec<u8> = (0..24).collect();
        let tensor = StoredTensor::new("t", &meta(sizes, strides, offset), 0, 24, 1000).expect("it fits");
        assert_eq!(tensor.read(&storage).expect("it is there").as_ref(), expected);
    }

    #[test]
    fn views_become_contiguous() {
        reads(&[2, 3], &[3, 1], 0, &[0, 1, 2, 3, 4, 5]);
        reads(&[3, 2], &[1, 3], 0, &[0, 3, 1, 4, 2, 5]);
        reads(&[2, 2], &[12, 1], 3, &[3, 4, 15, 16]);
        reads(&[2, 1, 2], &[2, 99, 1], 20, &[20, 21, 22, 23]);
        reads(&[3, 2], &[0, 1], 5, &[5, 6, 5, 6, 5, 6]);
        reads(&[2, 2, 2], &[1, 2, 4], 0, &[0, 4, 2, 6, 1, 5, 3, 7]);
        reads(&[], &[], 23, &[23]);
        reads(&[0, 5], &[5, 1], 0, &[]);
    }

    #[track_caller]
    fn refused(meta: &TensorMeta, storage: u64) -> String {
        StoredTensor::new("t", meta, 0, storage, 1000).expect_err("it is refused").to_string()
    }

    #[test]
    fn what_does_not_lie_in_its_storage_is_refused() {
        let beyond = "the tensor `t` reaches beyond the 24 bytes of its storage";
        assert_eq!(refused(&meta(&[5, 5], &[5, 1], 0), 24), beyond);
        assert_eq!(refused(&meta(&[2, 2], &[23, 1], 0), 24), beyond);
        assert_eq!(refused(&meta(&[1], &[1], 24), 24), beyond);
        assert_eq!(refused(&meta(&[2], &[i64::MAX], i64::MAX), 24), beyond);
        let large = "the tensor `t` is larger than the file that holds it";
        assert_eq!(refused(&meta(&[1 << 40, 1], &[0, 0], 0), 24), large);
        assert_eq!(refused(&meta(&[0, i64::MAX, i64::MAX], &[1, 1, 1], 0), 24), large);
        assert_eq!(refused(&meta(&[-1], &[1], 0), 24), "the tensor `t` has a negative size");
        assert_eq!(refused(&meta(&[1], &[-1], 0), 24), "the tensor `t` has a negative stride");
        assert_eq!(refused(&meta(&[1, 1], &[1], 0), 24), "the tensor `t` has 2 dimensions and 1 strides");
        assert!(refused(&meta(&[2], &[1], 0), 0).contains("has no values"));
        let sparse = TensorMeta { layout: Layout(1), ..meta(&[1], &[1], 0) };
        assert_eq!(refused(&sparse, 24), "the tensor `t` is sparse, which is not read");
        let unknown = TensorMeta { dtype: 99, ..meta(&[1], &[1], 0) };
        assert_eq!(refused(&unknown, 24), "the tensor `t` has an element type of the unknown number 99");
    }
}
