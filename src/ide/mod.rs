//! What an editor asks of a recipe, without any editor: an immutable [`Analysis`] of one state of the world, and a
//! file for each feature that answers from it.
//!
//! Positions are byte offsets into the text of the analysis; [`crate::syntax::LineIndex`] makes lines and columns of
//! them. Places in other files are [`Place`](crate::recipe::Place)s, whose file the analysis knows too.

pub mod actions;
mod analysis;
mod cancel;
pub mod code_lenses;
pub mod commands;
pub mod completion;
pub mod diagnostics;
pub mod document_links;
pub mod folding;
pub mod formatting;
pub mod hover;
pub mod imports;
pub mod inlay_hints;
mod models;
mod names;
pub mod navigation;
mod prospects;
pub mod scheme_facts;
pub mod semantic_tokens;
mod settings;
pub mod signature_help;
pub mod symbols;
pub mod walk;
mod workspace;

pub use analysis::{Analysis, ModelState};
pub use cancel::{Cancel, Cancelled};
pub use models::OpenModel;
pub use settings::{Hints, Level, Settings};
pub use workspace::{Unavailable, Workspace, World};
