//! The `bitmill` binary.

use std::process::ExitCode;

/// The names and shapes of a model are hundreds of thousands of small allocations, made and dropped on many threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    bitmill::cli::main()
}
