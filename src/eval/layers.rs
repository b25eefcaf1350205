//! Where the error enters: values of the same name in both programs, compared as they are, and with everything before
//! them as in float.

use std::collections::HashMap;

use super::programs::Ready;
use crate::exec::{DEFAULT_MEMORY, Observed, Observer, Tensor};
use crate::graph::Name;
use crate::quant::power::Power;

/// A value that both programs compute.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerReport {
    /// Its name.
    pub name: Name,
    /// The operator that makes it.
    pub operator: Name,
    /// The dotted path of the module that the operation is of, where the model tells.
    pub module: Option<Name>,
    /// Signal and noise in the quantized program as it is.
    pub end_to_end: Power,
    /// Signal and noise if every compared value before it is as in float: the error that enters between them. Codes of
    /// activations count where they are taken.
    pub alone: Power,
}

/// Powers of values while batches are run.
#[derive(Debug)]
pub struct Layers {
    reports: Vec<LayerReport>,
    /// Values of the program in float, by name.
    before: HashMap<Name, usize>,
    /// Values of the quantized program, by name.
    after: HashMap<Name, usize>,
    /// The values of a batch in float.
    values: Vec<Option<Tensor>>,
}

/// What becomes fp16 and had its name taken by an output is called so, here as in coremltools.
const AS_FP16: &str = "_cast_fp16";

impl Layers {
    /// Finds the values of the same name.
    pub fn new(float: &Ready, quantized: &Ready) -> Layers {
        let made = quantized.function.block.operations.iter().filter(|made| !made.is_const() && !made.is_constexpr());
        let own: HashMap<&str, &Name> =
            made.flat_map(|made| &made.outputs).map(|output| (&*output.name, &output.name)).collect();
        let mut layers =
            Layers { reports: Vec::new(), before: HashMap::new(), after: HashMap::new(), values: Vec::new() };
        for (at, operation) in float.function.block.operations.iter().enumerate() {
            // A cast makes no error that is not its input's.
            if operation.is_const() || operation.is_constexpr() || &*operation.kind == "cast" {
                continue;
            }
            for output in &operation.outputs {
                let is_float = output.ty.as_tensor().is_some_and(|ty| ty.element.is_float());
                let name = &output.name;
                let found = own.get(&**name).or_else(|| own.get(&*format!("{name}{AS_FP16}"))).copied();
                let Some(found) = found.filter(|_| is_float) else { continue };
                layers.before.insert(name.clone(), layers.reports.len());
                layers.after.insert(found.clone(), layers.reports.len());
                layers.reports.push(LayerReport {
                    name: name.clone(),
                    operator: operation.kind.clone(),
                    module: float.modules.get(at).cloned().flatten().filter(|module| !module.is_empty()),
                    end_to_end: Power::default(),
                    alone: Power::default(),
                });
            }
        }
        layers.values.resize(layers.reports.len(), None);
        layers
    }

    /// Keeps the values of a run in float.
    pub fn remember(&mut self) -> impl Observer {
        Remember { layers: self, bytes: 0 }
    }

    /// Compares the values of a run with those that are kept.
    pub fn compare(&mut self) -> impl Observer {
        Compare { layers: self, alone: false }
    }

    /// As [`Layers::compare`], and lets the run go on with those that are kept.
    pub fn compare_alone(&mut self) -> impl Observer {
        Compare { layers: self, alone: true }
    }

    /// Drops the values of a batch.
    pub fn forget(&mut self) {
        self.values.iter_mut().for_each(|value| *value = None);
    }

    /// What was found, in the order of the program.
    pub fn reports(self) -> Vec<LayerReport> {
        self.reports.into_iter().filter(|report| report.end_to_end.count > 0).collect()
    }
}

struct Remember<'l> {
    layers: &'l mut Layers,
    bytes: u64,
}

impl Observer for Remember<'_> {
    fn observe(&mut self, observed: Observed<'_>) -> Result<Option<Tensor>, String> {
        let Some(at) = self.layers.before.get(observed.name).copied() else { return Ok(None) };
        self.bytes = self.bytes.saturating_add(observed.value.data().bytes());
        if self.bytes > DEFAULT_MEMORY {
            return Err("the values of one batch take too much memory to be compared layer by layer".to_owned());
        }
        self.layers.values[at] = Some(observed.value.clone());
        Ok(None)
    }
}

struct Compare<'l> {
    layers: &'l mut Layers,
    alone: bool,
}

impl Observer for Compare<'_> {
    fn observe(&mut self, observed: Observed<'_>) -> Result<Option<Tensor>, String> {
        let Some(at) = self.layers.after.get(observed.name).copied() else { return Ok(None) };
        let Some(was) = &self.layers.values[at] else { return Ok(None) };
        let (Some(before), Some(after)) = (was.as_floats(), observed.value.as_floats()) else { return Ok(None) };
        if was.shape() != observed.value.shape() {
            return Ok(None);
        }
        let power = Power::between(before, after).map_err(|error| error.to_string())?;
        let report = &mut self.layers.reports[at];
        if !self.alone {
            report.end_to_end = report.end_to_end.and(&power);
            return Ok(None);
        }
        report.alone = report.alone.and(&power);
        let replaced = Tensor::new(observed.value.element(), was.shape().to_vec(), was.data().clone());
        replaced.map(Some).map_err(|error| error.to_string())
    }
}
