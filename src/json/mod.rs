//! The JSON that commands write. The shapes are promises: within one `version` fields are added, never renamed
//! or removed. Sizes are bytes, counts are whole numbers, shares go from 0 to 1.
//!
//! - `check --format json`: [`Document`](crate::check::report::Document), all recipes in one.
//! - `plan --json`: [`PlanShape`]; with `--targets` [`TargetsShape`].
//! - `run --json`: [`RunShape`]; the document of `check` where the recipe has errors and nothing is run.
//! - `eval --json`: [`EvalShape`]; the document of `check` where the recipe has errors and nothing is run.
//! - `tune --json`: [`TuneShape`]; the document of `check` where the recipe has errors.
//! - `decompress --json`: [`DecompressShape`].
//! - `diff --json`: [`DiffShape`].
//! - `inspect --json`: [`ModelShape`].
//! - `rules --json`: [`RulesShape`]; `presets --json`: [`PresetsShape`], `presets NAME --json`: [`PresetShape`].

mod decompress;
mod diff;
mod eval;
mod export;
mod model;
mod plan;
mod program;
mod rules;
mod run;
mod tune;

pub use decompress::DecompressShape;
pub use diff::DiffShape;
pub use eval::EvalShape;
pub use model::ModelShape;
pub use plan::{PlanShape, TargetsShape};
pub use rules::{PresetShape, PresetsShape, RulesShape};
pub use run::RunShape;
pub use tune::TuneShape;

use serde::Serialize;

/// A document as text with a line end. Every shape here can be written.
pub fn text(document: &impl Serialize) -> String {
    serde_json::to_string_pretty(document).unwrap_or_default() + "\n"
}
