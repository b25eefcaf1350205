//! The `bitmill` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    bitmill::cli::main()
}
