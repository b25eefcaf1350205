//! Where each stored tensor of a package lies in the new file of weights: fixed before any of them is made.

use std::collections::HashMap;

use crate::element::ElementType;
use crate::formats::coreml::blob;

/// Which bytes a blob of the new file holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// Those of a blob of the input: the file as the program names it, and the offset of the record.
    Copy {
        /// `@model_path/weights/weight.bin`.
        file: String,
        /// Of the record.
        offset: u64,
    },
    /// A stored tensor of a weight that is changed.
    Made {
        /// Which weight: whatever number the caller gave it.
        weight: usize,
        /// Which of the tensors of its chain.
        data: usize,
    },
}

/// A blob of the new file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Its bytes.
    pub source: Source,
    /// The type that its record names.
    pub element: ElementType,
    /// Elements.
    pub count: u64,
    /// Bytes of its data.
    pub bytes: u64,
    /// Where its record begins.
    pub offset: u64,
}

/// The blobs of a file of weights, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layout {
    blobs: Vec<Placed>,
    index: HashMap<(Source, ElementType), usize>,
}

impl Layout {
    /// The offset of a blob's record, which is given a place if it has none. `None` if the file would exceed what
    /// 64 bits count.
    pub fn place(&mut self, source: Source, element: ElementType, count: u64) -> Option<u64> {
        if let Some(&known) = self.index.get(&(source.clone(), element)) {
            return Some(self.blobs[known].offset);
        }
        let bytes = element.bytes_for(count)?;
        let offset = match self.blobs.last() {
            Some(last) => {
                (last.offset + blob::ALIGNMENT).checked_add(last.bytes)?.checked_next_multiple_of(blob::ALIGNMENT)?
            }
            None => blob::ALIGNMENT,
        };
        offset.checked_add(blob::ALIGNMENT)?.checked_add(bytes)?;
        self.index.insert((source.clone(), element), self.blobs.len());
        self.blobs.push(Placed { source, element, count, bytes, offset });
        Some(offset)
    }

    /// A blob that has a place as an element type.
    pub fn placed(&self, source: &Source, element: ElementType) -> Option<&Placed> {
        self.index.get(&(source.clone(), element)).map(|&known| &self.blobs[known])
    }

    /// Every blob, by offset.
    pub fn blobs(&self) -> &[Placed] {
        &self.blobs
    }
}
