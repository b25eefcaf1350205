//! From a plan to Core ML: how a quantized weight is written in each operator set, and how the program that uses
//! it is edited. Knows programs, packages and schemes that fit; no recipes, no kernels.

pub mod chain;
pub mod encode;
pub mod layout;
pub mod message;
pub mod operation;
pub mod precision;
pub mod rewrite;
mod upgrade;

#[cfg(test)]
mod tests;

pub use chain::{Chain, Data, Holds, Operand, Step};
pub use encode::{EncodeError, encode};
