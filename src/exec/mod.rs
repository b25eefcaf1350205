//! Running programs on the CPU: for calibration and evaluation of models. Knows no recipes.
//!
//! [`Executable`] is a function made ready: names resolved, kernels found, the life of every value planned. [`constexpr`]
//! computes compressed constants, `ops` everything else, a file for each family of operators.

mod constants;
pub mod constexpr;
pub mod error;
mod executable;
mod grid;
mod layout;
mod math;
mod matrix;
mod ops;
mod plan;
mod run;
pub mod tensor;
mod value;

pub use error::{ExecError, Fault};
pub use executable::{DEFAULT_MEMORY, Executable, States};
pub use run::{Observed, Observer, Session};
pub use tensor::{Data, Tensor};
