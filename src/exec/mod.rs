//! Running programs on the CPU. So far what happens when a program is loaded: compressed constants become values.
//! Knows no recipes.

pub mod constexpr;
mod grid;
