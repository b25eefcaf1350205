//! Two models compared.

use super::model::CompressionShape;
use super::run::ratio;
use crate::check::report::json::VERSION;
use crate::diff::{Comparison, FeatureChange, Pair, ProgramChange, StoredAs, ValueChange};
use crate::model::{Model, Weight};
use serde::Serialize;

/// What `diff --json` writes.
#[derive(Debug, Serialize)]
pub struct DiffShape<'a> {
    /// The version of the shapes.
    pub version: u32,
    /// Whether nothing is told apart.
    pub same: bool,
    /// Weights that both models have and that are stored otherwise or have other values, the worst first; all of
    /// them with `--all`.
    pub weights: Vec<DiffWeight<'a>>,
    /// Names of the weights that only the first model has.
    pub only_before: Vec<&'a str>,
    /// Names of the weights that only the second model has.
    pub only_after: Vec<&'a str>,
    /// Sums over the weights that both have.
    pub total: DiffTotal,
    /// What changed in the program, where both models have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<DiffProgram<'a>>,
}

/// A weight of both models.
#[derive(Debug, Serialize)]
pub struct DiffWeight<'a> {
    /// Its name in the first model.
    pub name: &'a str,
    /// Its name in the second model, where that is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_after: Option<&'a str>,
    /// `same`, `error`, `shape` or `bytes`.
    pub values: &'static str,
    /// Signal to noise ratio in dB; absent where the values are the same or cannot be compared, null where one that
    /// was NaN or infinite has changed, or one has become so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sqnr: Option<Option<f64>>,
    /// The largest absolute error; null where it is infinite.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_error: Option<Option<f64>>,
    /// In the first model.
    pub before: DiffStored<'a>,
    /// In the second model.
    pub after: DiffStored<'a>,
}

/// How a weight is stored.
#[derive(Debug, Serialize)]
pub struct DiffStored<'a> {
    /// Its dimensions.
    pub shape: &'a [usize],
    /// Its element type.
    pub dtype: &'static str,
    /// How it is compressed, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression: Option<CompressionShape>,
    /// Its bytes.
    pub bytes: u64,
}

/// Sums over weights of both models.
#[derive(Debug, Serialize)]
pub struct DiffTotal {
    /// How many.
    pub weights: usize,
    /// Those of them whose values are the same.
    pub same_values: usize,
    /// Those of them whose values cannot be compared.
    pub incomparable: usize,
    /// Bytes in the first model.
    pub before: u64,
    /// Bytes in the second model.
    pub after: u64,
    /// Signal to noise ratio in dB over all that can be compared; absent where nothing is lost, null where a value that
    /// was NaN or infinite has changed, or one has become so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sqnr: Option<Option<f64>>,
}

/// What changed in a program.
#[derive(Debug, Serialize)]
pub struct DiffProgram<'a> {
    /// The `specificationVersion`.
    pub specification_version: DiffChange<i32>,
    /// The operator sets of its functions.
    pub operator_set: DiffChange<&'a str>,
    /// Operators of which there are more or fewer, with their numbers.
    pub operators: Vec<DiffOperator<'a>>,
    /// Inputs, outputs and states that came, went or changed.
    pub features: Vec<DiffFeature<'a>>,
}

/// Something before and after.
#[derive(Debug, Serialize)]
pub struct DiffChange<T> {
    /// In the first model.
    pub before: T,
    /// In the second model.
    pub after: T,
}

/// An operator.
#[derive(Debug, Serialize)]
pub struct DiffOperator<'a> {
    /// Its name.
    pub operator: &'a str,
    /// Operations.
    #[serde(flatten)]
    pub count: DiffChange<usize>,
}

/// An input, output or state.
#[derive(Debug, Serialize)]
pub struct DiffFeature<'a> {
    /// The function.
    pub function: &'a str,
    /// `input`, `output` or `state`.
    pub side: &'static str,
    /// Its name.
    pub name: &'a str,
    /// Its type, null where there is none.
    #[serde(flatten)]
    pub ty: DiffChange<Option<&'a str>>,
}

impl<'a> DiffStored<'a> {
    fn new(weight: &'a Weight, stored: &StoredAs) -> Self {
        DiffStored {
            shape: &weight.shape,
            dtype: stored.dtype.name(),
            compression: stored.compressed.as_ref().map(CompressionShape::new),
            bytes: weight.bytes,
        }
    }
}

impl<'a> DiffWeight<'a> {
    fn new(pair: &Pair, before: &'a Model, after: &'a Model) -> Self {
        let (first, second) = (&before.weights[pair.before], &after.weights[pair.after]);
        let (values, power) = match &pair.values {
            ValueChange::Same => ("same", None),
            ValueChange::Error { power, .. } => ("error", Some(power)),
            ValueChange::Shape => ("shape", None),
            ValueChange::Bytes => ("bytes", None),
        };
        DiffWeight {
            name: &first.name,
            name_after: (first.name != second.name).then_some(&second.name),
            values,
            sqnr: power.and_then(|_| ratio(pair.values.sqnr())),
            max_error: power.map(|power| power.largest.is_finite().then_some(power.largest)),
            before: DiffStored::new(first, &pair.was),
            after: DiffStored::new(second, &pair.is),
        }
    }
}

impl<'a> DiffProgram<'a> {
    fn new(program: &'a ProgramChange) -> Self {
        let feature = |feature: &'a FeatureChange| DiffFeature {
            function: &feature.function,
            side: feature.side.word(),
            name: &feature.name,
            ty: DiffChange { before: feature.ty.before.as_deref(), after: feature.ty.after.as_deref() },
        };
        let operators = program.operators.iter().map(|(operator, change)| DiffOperator {
            operator,
            count: DiffChange { before: change.before, after: change.after },
        });
        let (specification, sets) = (&program.specification, &program.operator_sets);
        DiffProgram {
            specification_version: DiffChange { before: specification.before, after: specification.after },
            operator_set: DiffChange { before: &sets.before, after: &sets.after },
            operators: operators.collect(),
            features: program.features.iter().map(feature).collect(),
        }
    }
}

impl<'a> DiffShape<'a> {
    /// The shape of a comparison; of all weights, or only of those that changed.
    pub fn new(found: &'a Comparison, before: &'a Model, after: &'a Model, all: bool) -> Self {
        let sum = found.total(before, after);
        let shown = found.pairs.iter().filter(|pair| all || !pair.is_same());
        DiffShape {
            version: VERSION,
            same: found.is_same(),
            weights: shown.map(|pair| DiffWeight::new(pair, before, after)).collect(),
            only_before: found.only_before.iter().map(|index| before.weights[*index].name.as_str()).collect(),
            only_after: found.only_after.iter().map(|index| after.weights[*index].name.as_str()).collect(),
            total: DiffTotal {
                weights: sum.weights,
                same_values: sum.same,
                incomparable: sum.incomparable,
                before: sum.before,
                after: sum.after,
                sqnr: ratio(sum.values().sqnr()),
            },
            program: found.program.as_ref().map(DiffProgram::new),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::quant::power::Power;
    use crate::run::outcome::decibels;

    #[test]
    fn totals_tell_what_is_lost_and_what_cannot_be_compared() {
        let model = Model::listing("a.weight  linear  4x4  fp16\nb.weight  linear  4x4  fp16\n").unwrap();
        let stored = StoredAs { dtype: DType::F16, compressed: None };
        let total = |values: [ValueChange; 2]| {
            let pair = |(at, values)| Pair { before: at, after: at, was: stored.clone(), is: stored.clone(), values };
            let pairs = values.into_iter().enumerate().map(pair).collect();
            let found = Comparison { pairs, only_before: Vec::new(), only_after: Vec::new(), program: None };
            let shape = serde_json::to_value(DiffShape::new(&found, &model, &model, false)).unwrap();
            (shape["total"]["incomparable"].clone(), shape["total"].get("sqnr").cloned())
        };
        let error = |noise, not_finite| {
            let power = Power { signal: 4.0, noise, largest: noise, absolute: noise, count: 4 };
            ValueChange::Error { power, not_finite }
        };
        assert_eq!(total([ValueChange::Same, ValueChange::Shape]), (1.into(), None));
        assert_eq!(total([ValueChange::Same, error(0.0, 1)]), (0.into(), Some(serde_json::Value::Null)));
        assert_eq!(total([ValueChange::Bytes, error(4.0, 0)]), (1.into(), Some(0.0.into())));
        assert_eq!(total([ValueChange::Same, error(f64::INFINITY, 0)]), (0.into(), Some(serde_json::Value::Null)));
        assert_eq!(decibels(error(f64::INFINITY, 0).sqnr()), "destroyed");
    }
}
