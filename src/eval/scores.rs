//! Sums over samples: how near outputs stay, and how often labels are met.

use super::classes::{Classes, Meaning, Position};
use super::labels::{BatchLabels, IGNORED, Labels};
use super::programs::{Pair, Ready};
use super::{EvalError, Labelled, OutputReport, Task};
use crate::check::Measured;
use crate::exec::Tensor;
use crate::graph::{Binding, Name, Operation, TensorType};
use crate::quant::power::Power;
use crate::words::shown;

/// So many of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share {
    /// Those that are as wanted.
    pub met: u64,
    /// All.
    pub of: u64,
}

impl Share {
    /// From 0 to 1; NaN of nothing.
    pub fn share(self) -> f64 {
        self.met as f64 / self.of as f64
    }

    fn add(&mut self, met: usize, of: usize) {
        self.met += met as u64;
        self.of += of as u64;
    }
}

/// How many labels each program met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Top1 {
    /// In float.
    pub float: u64,
    /// Quantized.
    pub quantized: u64,
    /// Labels that count.
    pub of: u64,
}

/// Adds up batches.
#[derive(Debug)]
pub struct Scorer {
    names: Vec<Name>,
    sums: Vec<Sums>,
    /// What the values of each output are along their classes.
    meanings: Vec<Meaning>,
    /// The output that labels are to be about, if somebody said so.
    asked: Option<usize>,
    /// The output that labels are about, once the first batch has shown.
    chosen: Option<usize>,
    next_token: bool,
    is_sequence: bool,
    top1: Top1,
    ignored: u64,
    /// Sums of -ln p, in float and quantized.
    loss: [f64; 2],
}

#[derive(Debug, Default)]
struct Sums {
    ty: Option<TensorType>,
    power: Option<Power>,
    agreement: Option<Share>,
}

impl Scorer {
    /// Nothing so far.
    pub fn new(task: &Task, pair: &Pair) -> Result<Scorer, EvalError> {
        let names: Vec<Name> = pair.float.executable.outputs().map(|(name, _)| name.clone()).collect();
        let at = |asked: &str| {
            let found = names.iter().position(|name| **name == *asked);
            let listed = || names.iter().map(|name| format!("`{}`", shown(name))).collect::<Vec<_>>().join(", ");
            let unknown = || format!("the model gives no `{}`: its outputs are {}", shown(asked), listed());
            found.ok_or_else(|| EvalError::Asked(unknown()))
        };
        Ok(Scorer {
            asked: task.output.map(at).transpose()?,
            meanings: names.iter().map(|name| meaning(&pair.float, name)).collect(),
            sums: names.iter().map(|_| Sums::default()).collect(),
            names,
            chosen: None,
            next_token: task.next_token,
            is_sequence: false,
            top1: Top1::default(),
            ignored: 0,
            loss: [0.0; 2],
        })
    }

    /// Adds a batch whose first sample has this number.
    pub fn add(
        &mut self,
        float: &[(Name, Tensor)],
        quantized: &[(Name, Tensor)],
        labels: Option<&BatchLabels>,
        first: usize,
    ) -> Result<(), EvalError> {
        let mut about = None;
        if let Some(labels) = labels {
            let at = self.output_of(float, labels)?;
            let classes = float.get(at).and_then(|(_, output)| Classes::of_labels(output, labels));
            about = classes.map(|classes| (at, classes, labels));
            if about.is_none() {
                return Err(self.unfit(float, labels));
            }
        }
        for (at, ((name, was), (_, is))) in float.iter().zip(quantized).enumerate() {
            if was.shape() != is.shape() {
                return Err(EvalError::Differ(name.to_string()));
            }
            let differ = || EvalError::Differ(name.to_string());
            let Some(sums) = self.sums.get_mut(at) else { return Err(differ()) };
            sums.ty.get_or_insert_with(|| was.ty());
            if let (Some(was), Some(is)) = (was.as_floats(), is.as_floats()) {
                let power = Power::between(was, is).map_err(|_| differ())?;
                sums.power = Some(sums.power.unwrap_or_default().and(&power));
            }
            match about.filter(|(chosen, ..)| *chosen == at) {
                Some((_, classes, labels)) => self.score(at, classes, (was, is), labels, first)?,
                None => sums.agree(was, is),
            }
        }
        Ok(())
    }

    /// The output that labels are about.
    fn output_of(&mut self, outputs: &[(Name, Tensor)], labels: &BatchLabels) -> Result<usize, EvalError> {
        if let Some(known) = self.asked.or(self.chosen) {
            return Ok(known);
        }
        let fits = |(_, (_, output)): &(usize, &(Name, Tensor))| Classes::of_labels(output, labels).is_some();
        let fitting: Vec<usize> = outputs.iter().enumerate().filter(fits).map(|(at, _)| at).collect();
        match fitting[..] {
            [] => Err(self.unfit(outputs, labels)),
            [one] => {
                self.chosen = Some(one);
                Ok(one)
            }
            _ => {
                let names: Vec<String> = fitting.iter().map(|at| format!("`{}`", shown(&self.names[*at]))).collect();
                let names = names.join(", ");
                Err(EvalError::Asked(format!(
                    "labels fit the outputs {names}: name the one they are about with --output"
                )))
            }
        }
    }

    fn unfit(&self, outputs: &[(Name, Tensor)], labels: &BatchLabels) -> EvalError {
        let asked = self.asked.and_then(|at| outputs.get(at)).map(std::slice::from_ref).unwrap_or(outputs);
        let given: Vec<String> = asked.iter().map(|(name, output)| format!("`{}` {output}", shown(name))).collect();
        EvalError::Labels(format!(
            "no output has classes for the labels, which are {:?} for a batch: the model gives {}",
            labels.shape,
            given.join(", ")
        ))
    }

    fn score(
        &mut self,
        at: usize,
        classes: Classes,
        (was, is): (&Tensor, &Tensor),
        labels: &BatchLabels,
        first: usize,
    ) -> Result<(), EvalError> {
        self.chosen = Some(at);
        let each = labels.values.len().checked_div(labels.shape.first().copied().unwrap_or(1)).unwrap_or(1).max(1);
        let number = classes.number(was).and_then(|number| i64::try_from(number).ok()).unwrap_or(i64::MAX);
        let odd = |label: &&i64| **label != IGNORED && !(0..number).contains(*label);
        if let Some((place, label)) = labels.values.iter().enumerate().find(|(_, label)| odd(label)) {
            let (sample, name) = (first + place / each + 1, shown(&self.names[at]));
            return Err(EvalError::Labels(match classes {
                Classes::Along(_) => {
                    format!("the label {label} of sample {sample} is none of the {number} classes of `{name}`")
                }
                Classes::Chosen => format!("the label {label} of sample {sample} is no class"),
            }));
        }
        self.is_sequence |= labels.shape.len() > 1 && classes == Classes::Along(was.rank() - 1);
        let wants_loss = self.is_sequence || self.next_token;
        let meaning = self.meanings.get(at).copied().filter(|_| wants_loss);
        let [was, is] = [was, is].map(|output| classes.positions(output, Some(&labels.values), meaning));
        let agree = |(was, is): &(&Position, &Position)| was.top.is_some() && was.top == is.top;
        let agreeing = was.iter().zip(&is).filter(agree).count();
        self.sums[at].agreement.get_or_insert_default().add(agreeing, was.len());
        for ((was, is), label) in was.iter().zip(&is).zip(&labels.values) {
            if *label == IGNORED {
                self.ignored += 1;
                continue;
            }
            self.top1.of += 1;
            self.top1.float += u64::from(was.top == Some(*label));
            self.top1.quantized += u64::from(is.top == Some(*label));
            self.loss[0] += was.loss;
            self.loss[1] += is.loss;
        }
        Ok(())
    }

    /// How near each output stayed.
    pub fn outputs(self) -> Vec<OutputReport> {
        let report = |(name, sums): (Name, Sums)| {
            let ty = sums.ty?;
            Some(OutputReport { name, ty, power: sums.power, agreement: sums.agreement })
        };
        self.names.into_iter().zip(self.sums).filter_map(report).collect()
    }

    /// How often the labels were met.
    pub fn labelled(&self, labels: Option<&Labels>) -> Result<Option<Labelled>, EvalError> {
        let (Some(labels), Some(at)) = (labels, self.chosen) else { return Ok(None) };
        if self.top1.of == 0 {
            return Err(EvalError::Labels(format!("{} are none that count", labels.described())));
        }
        let of_loss = |loss: f64| (loss / self.top1.of as f64).exp();
        let is_measured = (self.is_sequence || self.next_token) && self.sums[at].power.is_some();
        Ok(Some(Labelled {
            label: labels.name().map(str::to_owned),
            output: self.names[at].clone(),
            top1: self.top1,
            ignored: self.ignored,
            perplexity: is_measured
                .then(|| Measured { float: of_loss(self.loss[0]), quantized: of_loss(self.loss[1]) }),
        }))
    }
}

impl Sums {
    /// Counts where the programs agree, without labels.
    fn agree(&mut self, was: &Tensor, is: &Tensor) {
        if let Some(classes) = Classes::likely(was) {
            let [was, is] = [was, is].map(|output| classes.positions(output, None, None));
            let same = was.iter().zip(&is).filter(|(was, is)| was.top.is_some() && was.top == is.top).count();
            self.agreement.get_or_insert_default().add(same, was.len());
        } else if was.as_floats().is_none() {
            let same = match (was.as_ints(), is.as_ints(), was.as_bools(), is.as_bools()) {
                (Some(was), Some(is), ..) => was.iter().zip(is).filter(|(was, is)| was == is).count(),
                (_, _, Some(was), Some(is)) => was.iter().zip(is).filter(|(was, is)| was == is).count(),
                _ => 0,
            };
            self.agreement.get_or_insert_default().add(same, was.len());
        }
    }
}

/// What the values of an output are: those that a softmax made, or that were only cast or reshaped since, are
/// probabilities.
fn meaning(ready: &Ready, output: &Name) -> Meaning {
    const PASSING: [&str; 7] = ["cast", "identity", "reshape", "squeeze", "expand_dims", "dequantize", "quantize"];
    let operations = &ready.function.block.operations;
    let mut name = output.clone();
    // Each step goes back by one operation at least.
    for _ in 0..operations.len() {
        let makes = |operation: &&Operation| operation.outputs.iter().any(|made| made.name == name);
        let Some(operation) = operations.iter().rfind(makes) else { break };
        if &*operation.kind == "softmax" {
            return Meaning::Probabilities;
        }
        let taken = [operation.input("x"), operation.input("input")].concat();
        match taken.first() {
            Some(Binding::Value(from)) if PASSING.contains(&&*operation.kind) => name = from.clone(),
            _ => break,
        }
    }
    Meaning::Logits
}
