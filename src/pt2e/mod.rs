//! Static quantization of exported programs, as PyTorch's PT2E does it with ExecuTorch's `CoreMLQuantizer`: which
//! values become codes, with which ranges, and the program with quantizers in it.
//!
//! The steps are upstream's. [`annotate()`] finds patterns of operators and says for each value that goes into or comes
//! out of one how it becomes codes; [`sites()`] tells where quantizers stand, and which of them share their ranges;
//! [`insert()`] puts them into the graph: as places to look at while samples run ([`calibrate()`]), and as quantizers with
//! fixed parameters in the end. Programs are converted and run by others; of recipes nothing is known here: a
//! [`Passes`] says which operations are to be treated how.
//!
//! The facts are those of ExecuTorch 1.5 (backends/apple/coreml/quantizer) and torchao 0.18 (quantization/pt2e). Where
//! upstream does another thing than it means to, this does what is meant:
//!
//! - Settings for modules hold for the modules (upstream's do nothing, or only skip, on exported programs).
//! - What has become codes is not made codes a second time with other parameters before the next operator
//!   ([`Twice::Never`]): that loses precision and gains nothing.
//! - A weight that two operators share does not keep the second one in float.
//! - Programs that were taken apart (`run_decompositions`) are treated as whole ones, of which alone upstream knows
//!   convolutions and linear layers.
//! - A constant that is not finite, such as a mask with `-inf`, stays in float: with a range of that size all would be
//!   lost.

pub mod annotate;
pub mod calibrate;
mod graph;
pub mod insert;
pub mod observe;
mod pattern;
pub mod prepare;
pub mod samples;
pub mod sites;

pub use annotate::{Annotation, Passes, annotate};
pub use calibrate::{CalibrateError, Calibrated, Calibration, calibrate};
pub use graph::{dimensions, is_linear, weight};
pub use insert::{insert, observed};
pub use observe::{Averaging, Parameters, Range};
pub use prepare::{PrepareError, Prepared};
pub use samples::{SampleError, Samples};
pub use sites::{Site, Sites, Twice, sites};

/// How the values of an edge of the graph become codes of 8 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Spec {
    /// Whether codes are -128 to 127; else 0 to 255.
    pub signed: bool,
    /// Whether zero lies in the middle of the codes; else where the range puts it.
    pub symmetric: bool,
}

impl Spec {
    /// The type of the codes.
    pub const fn dtype(self) -> &'static str {
        if self.signed { "int8" } else { "uint8" }
    }

    /// The lowest and the highest code.
    pub const fn codes(self) -> (i32, i32) {
        if self.signed { (-128, 127) } else { (0, 255) }
    }
}
