//! What editors are told, without any editor: recipes with `$0` where the cursor is, answers drawn with carets.

#![allow(clippy::unwrap_used)]

mod around;
mod basics;
mod completing;
mod hostile;
mod hovering;
mod support;
mod worlds;
