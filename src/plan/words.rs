//! What plans say in sentences: sizes, reasons, misfits. Every face shows these words.

use std::fmt;

use super::{Misfit, Outcome, Reason};
use crate::words::count;
pub use crate::words::{percent, size, thousands};

/// A shape: `256x128`; `scalar` for rank 0.
pub fn shape(dimensions: &[usize]) -> String {
    if dimensions.is_empty() {
        return "scalar".to_string();
    }
    let all: Vec<String> = dimensions.iter().map(usize::to_string).collect();
    all.join("x")
}

impl fmt::Display for Misfit {
    /// Why a scheme does not fit, to stand behind "because": "input channels: 48 is not a multiple of 32".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Misfit::Rank { given, rank } => {
                write!(f, "a block of {} for a weight of {rank}", count(*given, "extent"))
            }
            Misfit::Axis { axis, rank } => write!(f, "there is no axis {axis}: the weight has {rank}"),
            Misfit::NoChannels => f.write_str("it has no axis of channels"),
            Misfit::Divides { axis, length, extent } => {
                write!(f, "axis {axis}: {length} is not a multiple of {extent}")
            }
            Misfit::Vector { length, vector } => {
                write!(f, "{} cannot be split into vectors of {vector}", count(*length, "channel"))
            }
            Misfit::Ratio { n, m } => {
                write!(f, "a group of {m} has no room for {}", count(*n, "zero"))
            }
        }
    }
}

impl fmt::Display for Reason {
    /// Why a weight stays as it is, to stand behind "because".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::NoRule => "no rule matches it",
            Reason::Kept => "its rule says `keep`",
            Reason::BelowThreshold => "it has no more elements than the threshold",
            Reason::Never(why) => why,
            Reason::Unreadable => "its rule's scheme cannot be read",
        })
    }
}

impl Outcome {
    /// The outcome in one word, the same in every output: `change`, `keep` or `misfit`.
    pub const fn word(&self) -> &'static str {
        match self {
            Outcome::Change(_) => "change",
            Outcome::Keep(_) => "keep",
            Outcome::Misfit(_) => "misfit",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_short() {
        assert_eq!((shape(&[256, 128]), shape(&[])), ("256x128".into(), "scalar".into()));
    }
}
