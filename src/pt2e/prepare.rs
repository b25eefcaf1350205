//! A program made ready for samples: places to look at values in it, and weights as they will be.

use std::sync::atomic::AtomicBool;

use thiserror::Error;

use super::calibrate::{Batch, CalibrateError, Calibrated, Calibration, calibrate};
use super::insert::observed;
use super::sites::Sites;
use crate::convert::{self, ConvertError, Interface, Tensors};
use crate::exec::{ExecError, Executable, Tensor};
use crate::graph::aten::Program;
use crate::graph::function::Opset;
use crate::graph::{BlobRef, Content, ElementType, Name, Operation, TensorType};

/// What becomes of a weight: its dotted name, its shape and its values, with what is folded into them. `None` where it
/// stays.
pub type Weights<'w, E> = &'w dyn Fn(&str, &[usize], Vec<f32>) -> Result<Option<Vec<f32>>, E>;

/// Why a program cannot be made ready.
#[derive(Debug, Error)]
pub enum PrepareError {
    /// It cannot be converted.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// It cannot be run.
    #[error("the export cannot be run: {0}")]
    Run(Box<ExecError>),
    /// A constant of it cannot be made.
    #[error("a constant cannot be made: {0}")]
    Constant(String),
}

impl From<ExecError> for PrepareError {
    fn from(error: ExecError) -> Self {
        PrepareError::Run(error.into())
    }
}

/// A program that is ready for samples.
#[derive(Debug)]
pub struct Prepared<'s> {
    /// Where values become codes.
    pub sites: &'s Sites,
    /// What it takes.
    pub inputs: Vec<Interface>,
    executable: Executable,
    names: Vec<Name>,
}

impl<'s> Prepared<'s> {
    /// Makes a program ready. `weights` says what becomes of each weight.
    ///
    /// # Errors
    /// If it cannot be converted or run; those of `weights`.
    pub fn new<E: From<PrepareError>>(
        program: &Program,
        tensors: &dyn Tensors,
        set: Opset,
        sites: &'s Sites,
        weights: Weights<'_, E>,
    ) -> Result<Self, E> {
        let (observed, names) = observed(program, sites);
        let converted = convert::convert(&observed, tensors, set).map_err(PrepareError::from)?;
        let blobs = converted.constants.blobs(tensors);
        let executable = Executable::new(&converted.program, convert::FUNCTION, &blobs).map_err(PrepareError::from)?;
        let operations = converted.program.functions.iter().flat_map(|function| &function.block.operations);
        let mut replaced = Vec::new();
        for operation in operations.filter(|operation| operation.is_const()) {
            let Some((name, ty, blob)) = large_constant(operation) else { continue };
            let (Some(dotted), Some(shape)) = (converted.weights.get(name), sizes(ty)) else { continue };
            let bytes = converted.constants.elements(blob, tensors).map_err(PrepareError::Constant)?;
            let values = bytes.as_chunks().0.iter().map(|raw| f32::from_le_bytes(*raw)).collect();
            if let Some(values) = weights(dotted, &shape, values)? {
                let tensor = Tensor::floats(&shape, values);
                let tensor = tensor.map_err(|error| PrepareError::Constant(error.to_string()))?;
                replaced.push((name.to_string(), tensor));
            }
        }
        let executable = executable.with_constants(replaced).map_err(PrepareError::from)?;
        Ok(Prepared { sites, inputs: converted.inputs, executable, names })
    }

    /// Runs the program, with the weights as they will be.
    ///
    /// # Errors
    /// If inputs do not fit, or an operation cannot be computed.
    pub fn run<'n>(
        &self,
        inputs: impl IntoIterator<Item = (&'n str, Tensor)>,
    ) -> Result<Vec<(Name, Tensor)>, ExecError> {
        self.executable.run(inputs)
    }

    /// Finds ranges, as [`calibrate`].
    ///
    /// # Errors
    /// If a batch cannot be had or run, or a value is not finite.
    pub fn calibrate<E: From<CalibrateError>>(
        &self,
        calibration: Calibration,
        batches: (usize, &dyn Fn(usize) -> Result<Batch, E>),
        watched: (&dyn Fn(usize), &AtomicBool),
    ) -> Result<Calibrated, E> {
        calibrate((&self.executable, &self.names), self.sites, calibration, batches, watched)
    }
}

/// The name of a constant of floats that is large enough to be a weight, its type, and where it lies.
fn large_constant(operation: &Operation) -> Option<(&Name, &TensorType, &BlobRef)> {
    let literal = operation.attribute("val")?;
    let ty = literal.ty.as_tensor()?;
    match &literal.content {
        Content::Blob(blob) if ty.element == ElementType::Fp32 => Some((&operation.outputs.first()?.name, ty, blob)),
        _ => None,
    }
}

fn sizes(ty: &TensorType) -> Option<Vec<usize>> {
    ty.sizes()?.into_iter().map(|size| usize::try_from(size).ok()).collect()
}
