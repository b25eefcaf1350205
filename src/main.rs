//! The `bitmill` binary.

fn main() {}
