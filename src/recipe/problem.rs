//! What can be wrong with a recipe before any rule of Core ML is asked. The words for each stand in the
//! rule of `check` that reports it; here are only the facts.

use std::path::PathBuf;

use super::scheme::Field;
use super::source::{Place, Placed};
use crate::coreml::target::NotATarget;
use crate::syntax::SyntaxError;

/// One problem: what, and where.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What.
    pub kind: ProblemKind,
}

/// What is wrong.
#[derive(Debug, Clone)]
pub enum ProblemKind {
    /// The text does not follow the grammar.
    Syntax(SyntaxError),
    /// A word that is no kind of operator.
    UnknownKind {
        /// As written.
        word: String,
    },
    /// A word that is no part of a scheme and no scheme's name.
    UnknownPart {
        /// As written.
        word: String,
        /// Where a scheme of that name is defined further down, if one is.
        defined_below: Option<Place>,
        /// How many of `Recipe::schemes` are defined so far.
        schemes: usize,
    },
    /// A word that is no fact of a weight.
    UnknownField {
        /// As written.
        word: String,
    },
    /// A target that does not exist.
    UnknownTarget {
        /// As written.
        word: String,
        /// Why.
        why: NotATarget,
    },
    /// A word that a setting does not know.
    UnknownChoice {
        /// The setting: `compute`, `precision`, `arithmetic`, `observer`, `scale`, `by`, `fit`, `entries`,
        /// `activations`, `expect`, …
        setting: &'static str,
        /// As written.
        word: String,
        /// What it could be.
        choices: Vec<&'static str>,
    },
    /// A preset that does not exist.
    UnknownPreset {
        /// As written.
        name: String,
    },
    /// An option that its block does not know.
    UnknownOption {
        /// As written.
        key: String,
        /// What it belongs to: `calibrate`, or the preset's name.
        owner: String,
        /// What it could be.
        choices: Vec<&'static str>,
    },
    /// An option that must be given is not.
    MissingOption {
        /// The key.
        key: &'static str,
        /// The preset.
        owner: String,
    },
    /// An option or argument with a value that cannot be.
    BadValue {
        /// What has it: `group_size`, `per-group`, `sparse`, `threshold`, …
        owner: String,
        /// What it must be: "a whole number of at least 1".
        must: &'static str,
        /// A value to put there instead, if one is near.
        instead: Option<String>,
    },
    /// A name or setting given twice in one file.
    Duplicate {
        /// What: "scheme `w4`", "`target`".
        what: String,
        /// The first place.
        first: Place,
    },
    /// Two parts of one scheme that say different things about the same matter.
    Conflict {
        /// The matter.
        field: Field,
        /// The first part; the problem's place is the second.
        first: Place,
    },
    /// A scheme with parts but nothing to apply them to: `per-channel symmetric`.
    NoBase,
    /// A part that does not go with the kind of scheme: `lut4 symmetric`.
    NotForThis {
        /// The part.
        part: String,
        /// The scheme's base: `lut4`.
        base: Placed<String>,
        /// Which bases it goes with: "integers (`int4`)".
        goes_with: &'static str,
    },
    /// A glob that cannot be read.
    BadGlob {
        /// Why.
        why: String,
    },
    /// A regular expression that cannot be read.
    BadRegex {
        /// Why.
        why: String,
    },
    /// A comparison of things that cannot be compared.
    BadComparison {
        /// Why.
        why: String,
    },
    /// An imported file that cannot be read.
    ImportFailed {
        /// The path that was tried.
        path: PathBuf,
        /// Why.
        why: String,
        /// Whether it was not found.
        missing: bool,
    },
    /// A file that imports itself, directly or through others.
    ImportCycle {
        /// The files in order, first and last the same.
        chain: Vec<PathBuf>,
    },
    /// Imports nested deeper, or more of them, than anyone writes.
    TooManyImports,
    /// An expectation with a unit that its metric does not have.
    BadUnit {
        /// The metric.
        metric: &'static str,
        /// As written.
        unit: String,
        /// What it may be: "`dB` or nothing".
        may_be: &'static str,
    },
}
