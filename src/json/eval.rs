//! Evaluations.

use std::path::Path;

use serde::Serialize;

use super::run::{RunExpectationShape, RunFindingShape, expectations, findings, ratio};
use crate::check::Measured;
use crate::check::report::json::VERSION;
use crate::eval::{Evaluation, LayerReport, OutputReport};
use crate::project::AfterRun;
use crate::quant::power::Power;
use crate::recipe::Recipe;

/// What `eval --json` writes.
#[derive(Debug, Serialize)]
pub struct EvalShape {
    /// The version of the shapes.
    pub version: u32,
    /// The file of test data.
    pub data: String,
    /// Samples that were run.
    pub samples: u64,
    /// Batches that these made.
    pub batches: usize,
    /// Samples that fill no batch.
    pub left_out: u64,
    /// Seconds it took, the quantization too.
    pub seconds: f64,
    /// Bytes of all tensors before.
    pub before: u64,
    /// Bytes of all tensors after.
    pub after: u64,
    /// What labels tell; absent where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<EvalLabelsShape>,
    /// The outputs, in the order of the model.
    pub outputs: Vec<EvalOutputShape>,
    /// Values that both programs compute, in the order of the program; absent unless asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<Vec<EvalLayerShape>>,
    /// What is known of each expectation of the recipe.
    pub expectations: Vec<RunExpectationShape>,
    /// What only the evaluation could find.
    pub findings: Vec<RunFindingShape>,
}

/// What labels tell.
#[derive(Debug, Serialize)]
pub struct EvalLabelsShape {
    /// The tensor of the test data; null where they are the inputs, one later.
    pub name: Option<String>,
    /// The output that they are about.
    pub output: String,
    /// Labels that count.
    pub count: u64,
    /// Labels that do not: -100.
    pub ignored: u64,
    /// Labels that the model in float met.
    pub right_float: u64,
    /// Labels that the quantized model met.
    pub right_quantized: u64,
    /// Top-1 accuracy; the change is its drop.
    pub accuracy: EvalMeasuredShape,
    /// Perplexity of next tokens; the change is its rise. Absent for what predicts none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub perplexity: Option<EvalMeasuredShape>,
}

/// A number before and after; null where it is infinite or none.
#[derive(Debug, Serialize)]
pub struct EvalMeasuredShape {
    /// In float.
    pub float: Option<f64>,
    /// Quantized.
    pub quantized: Option<f64>,
    /// How much worse it is, as `expect` counts it, as a share: 0.01 for 1 %.
    pub worse: Option<f64>,
}

/// How near an output stays.
#[derive(Debug, Serialize)]
pub struct EvalOutputShape {
    /// Its name.
    pub name: String,
    /// Its type, with the shape of the first batch.
    #[serde(rename = "type")]
    pub ty: String,
    /// Signal and noise; absent where it is not of floats.
    #[serde(flatten)]
    pub power: Option<EvalPowerShape>,
    /// Positions at which both prefer the same class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreeing: Option<u64>,
    /// Positions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub positions: Option<u64>,
}

/// Signal and noise.
#[derive(Debug, Serialize)]
pub struct EvalPowerShape {
    /// Signal to noise ratio in dB; absent where nothing is lost, null where the values are destroyed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sqnr: Option<Option<f64>>,
    /// The largest absolute error; null where it is infinite.
    pub max_error: Option<f64>,
}

/// A value that both programs compute.
#[derive(Debug, Serialize)]
pub struct EvalLayerShape {
    /// Its name.
    pub name: String,
    /// The operator that makes it.
    pub operator: String,
    /// The module, where the model tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// With everything before it as in float: the error that enters here.
    pub alone: EvalPowerShape,
    /// In the quantized program as it is.
    pub end_to_end: EvalPowerShape,
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

fn measured(measured: Measured, worse: f64) -> EvalMeasuredShape {
    EvalMeasuredShape { float: finite(measured.float), quantized: finite(measured.quantized), worse: finite(worse) }
}

fn power(power: Power) -> EvalPowerShape {
    EvalPowerShape { sqnr: ratio(power.sqnr()), max_error: finite(power.largest) }
}

impl EvalShape {
    /// The shape of an evaluation.
    pub fn new(recipe: &Recipe, data: &Path, evaluation: &Evaluation, after: &AfterRun) -> Self {
        let labels = evaluation.labelled.as_ref().map(|labelled| EvalLabelsShape {
            name: labelled.label.clone(),
            output: labelled.output.to_string(),
            count: labelled.top1.of,
            ignored: labelled.ignored,
            right_float: labelled.top1.float,
            right_quantized: labelled.top1.quantized,
            accuracy: measured(labelled.accuracy(), labelled.accuracy().drop()),
            perplexity: labelled.perplexity.map(|found| measured(found, found.rise())),
        });
        let output = |output: &OutputReport| EvalOutputShape {
            name: output.name.to_string(),
            ty: output.ty.to_string(),
            power: output.power.map(power),
            agreeing: output.agreement.map(|share| share.met),
            positions: output.agreement.map(|share| share.of),
        };
        let layer = |layer: &LayerReport| EvalLayerShape {
            name: layer.name.to_string(),
            operator: layer.operator.to_string(),
            module: layer.module.as_deref().map(str::to_owned),
            alone: power(layer.alone),
            end_to_end: power(layer.end_to_end),
        };
        EvalShape {
            version: VERSION,
            data: data.display().to_string(),
            samples: evaluation.samples,
            batches: evaluation.batches,
            left_out: evaluation.left_out,
            seconds: evaluation.elapsed.as_secs_f64(),
            before: evaluation.run.before,
            after: evaluation.run.after,
            labels,
            outputs: evaluation.outputs.iter().map(output).collect(),
            layers: evaluation.layers.as_ref().map(|layers| layers.iter().map(layer).collect()),
            expectations: expectations(recipe, after),
            findings: findings(after),
        }
    }
}
