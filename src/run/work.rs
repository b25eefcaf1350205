//! One weight through its kernel: what is stored, and how far it is from what was there.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

use half::{bf16, f16};
use rayon::prelude::*;

use super::parts::{Content, Part};
use super::values::{Values, with_values};
use crate::check::{Fact, rule::WeightError};
use crate::dtype::DType;
use crate::model::Weight;
use crate::plan::fit::{Fitted, storage_bits, working_type};
use crate::quant::affine::{self, AffineSpec, Quantized};
use crate::quant::element::Element;
use crate::quant::palette::{self, PaletteSpec, Palettized};
use crate::quant::{QuantError, pack, prune};
use crate::scheme::{FloatType, Sparsity};

/// What was made of a weight.
#[derive(Debug)]
pub struct Made {
    kind: Kind,
    /// Which elements pruning left, where it was pruned.
    mask: Option<prune::Mask>,
    /// Elements that pruning left, or indices.
    pub survivors: Option<u64>,
    /// Squared error against the input, and the input's power.
    pub error: WeightError,
    /// The largest absolute error.
    pub max_error: f64,
    /// What the values show.
    pub facts: Vec<Fact>,
}

#[derive(Debug)]
enum Kind {
    Affine(Quantized),
    Palette(Palettized),
    /// Pruned values, or values in another type.
    Dense,
}

/// Why nothing was made.
#[derive(Debug)]
pub enum Stop {
    /// The weight must stay as it is.
    Keep(Fact),
    /// Asked to.
    Cancelled,
    /// The kernel refuses.
    Kernel(QuantError),
}

impl From<QuantError> for Stop {
    fn from(error: QuantError) -> Self {
        match error {
            QuantError::Cancelled => Stop::Cancelled,
            other => Stop::Kernel(other),
        }
    }
}
