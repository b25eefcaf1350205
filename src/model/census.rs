//! What kinds of things a model holds: found once, so that whoever looks for what is not there need not look twice.

use std::sync::OnceLock;

use super::{KnownBy, Model};
use crate::dtype::DType;
use crate::kind::Kind;

/// What occurs among the weights of a model.
#[derive(Debug, Clone, Default)]
pub struct Census {
    kinds: Vec<Kind>,
    dtypes: Vec<DType>,
    /// Whether the kind of some weight is a guess from its shape.
    pub has_guessed: bool,
    /// Whether some weight is compressed.
    pub has_compressed: bool,
    /// The longest dimension of all.
    pub longest: usize,
    /// The weights that have several names, as indices into [`Model::weights`].
    pub tied: Vec<usize>,
}

impl Census {
    fn new(model: &Model) -> Census {
        let mut census = Census::default();
        for (index, weight) in model.weights.iter().enumerate() {
            if !census.kinds.contains(&weight.kind) {
                census.kinds.push(weight.kind);
            }
            if !census.dtypes.contains(&weight.dtype) {
                census.dtypes.push(weight.dtype);
            }
            census.has_guessed |= weight.known_by == KnownBy::Shape;
            census.has_compressed |= weight.compressed.is_some();
            census.longest = weight.shape.iter().copied().fold(census.longest, usize::max);
            if !weight.tied.is_empty() {
                census.tied.push(index);
            }
        }
        census
    }

    /// Whether some weight is of a kind.
    pub fn has_kind(&self, kind: Kind) -> bool {
        self.kinds.contains(&kind)
    }

    /// Whether some weight is of one of these types.
    pub fn has_dtype(&self, wanted: &[DType]) -> bool {
        self.dtypes.iter().any(|dtype| wanted.contains(dtype))
    }
}

/// A census that is taken when it is first asked for. It follows from the weights, so that models which are equal
/// without it are equal.
#[derive(Debug, Clone, Default)]
pub struct Counted(OnceLock<Census>);

impl Counted {
    pub(super) fn of(&self, model: &Model) -> &Census {
        self.0.get_or_init(|| Census::new(model))
    }
}

impl PartialEq for Counted {
    fn eq(&self, _: &Counted) -> bool {
        true
    }
}
