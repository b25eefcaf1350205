//! The facts about Core ML: targets and operator sets, what each feature needs. Knows no recipes.
//!
//! Sources are named beside each table: `CT:` is apple/coremltools 9.0, `ET:` pytorch/executorch 1.5.1.

pub mod feature;
pub mod target;
