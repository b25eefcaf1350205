//! Decisions in pieces that plans share as far as they are the same.

use std::iter::FlatMap;
use std::ops::Index;
use std::slice;
use std::sync::Arc;

use super::Decision;

/// Weights of a piece. Small enough that a change of one costs little, large enough that there are few pieces.
pub(super) const PIECE: usize = 256;

/// One decision for each of `Model::weights`, in their order. Clones, and plans made after one another, share what is
/// the same.
#[derive(Clone, Default, PartialEq)]
pub struct Decisions {
    /// All but the last hold [`PIECE`] each.
    pieces: Vec<Arc<[Decision]>>,
}

impl Decisions {
    /// Of pieces that are full but for the last.
    pub(super) fn of_pieces(pieces: Vec<Arc<[Decision]>>) -> Decisions {
        Decisions { pieces }
    }

    pub(super) fn pieces(&self) -> &[Arc<[Decision]>] {
        &self.pieces
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        let last = self.pieces.last().map_or(0, |last| last.len());
        self.pieces.len().saturating_sub(1) * PIECE + last
    }

    /// Whether the model has no weights.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The decision for the weight of an index.
    pub fn get(&self, index: usize) -> Option<&Decision> {
        self.pieces.get(index / PIECE)?.get(index % PIECE)
    }

    /// All of them, in order.
    pub fn iter(&self) -> Iter<'_> {
        self.pieces.iter().flat_map(|piece| piece)
    }
}

/// Decisions in order.
pub type Iter<'a> =
    FlatMap<slice::Iter<'a, Arc<[Decision]>>, &'a [Decision], fn(&'a Arc<[Decision]>) -> &'a [Decision]>;

impl<'a> IntoIterator for &'a Decisions {
    type Item = &'a Decision;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl Index<usize> for Decisions {
    type Output = Decision;

    fn index(&self, index: usize) -> &Decision {
        &self.pieces[index / PIECE][index % PIECE]
    }
}

impl FromIterator<Decision> for Decisions {
    fn from_iter<I: IntoIterator<Item = Decision>>(all: I) -> Decisions {
        let mut all = all.into_iter();
        let next = || Some(all.by_ref().take(PIECE).collect::<Arc<[Decision]>>()).filter(|piece| !piece.is_empty());
        Decisions { pieces: std::iter::from_fn(next).collect() }
    }
}

impl std::fmt::Debug for Decisions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self).finish()
    }
}
