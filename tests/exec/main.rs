//! Programs run on the CPU: operators against PyTorch, whole packages against what the models they were lowered from
//! give, and what a run promises besides.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod operators;
mod packages;
mod programs;
mod support;
