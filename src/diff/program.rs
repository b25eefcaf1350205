//! What changed in a program beside its weights.

use std::collections::BTreeMap;

use crate::graph::mil::Side;
use crate::inspect::program::ProgramSummary;

/// Something as it was and as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<T> {
    /// In the first model.
    pub before: T,
    /// In the second model.
    pub after: T,
}

impl<T: PartialEq> Change<T> {
    /// Whether it changed.
    pub fn is_change(&self) -> bool {
        self.before != self.after
    }
}

/// What changed in a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramChange {
    /// The `specificationVersion`.
    pub specification: Change<i32>,
    /// The operator sets of its functions: `CoreML8`.
    pub operator_sets: Change<String>,
    /// Operators of which there are more or fewer, by name.
    pub operators: Vec<(String, Change<usize>)>,
    /// Inputs, outputs and states that came, went or have another type.
    pub features: Vec<FeatureChange>,
}

/// An input, output or state that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureChange {
    /// The function.
    pub function: String,
    /// As what the function has it.
    pub side: Side,
    /// Its name.
    pub name: String,
    /// Its type; `None` where there is no such feature.
    pub ty: Change<Option<String>>,
}

impl ProgramChange {
    /// Compares two programs.
    pub fn between(before: &ProgramSummary, after: &ProgramSummary) -> ProgramChange {
        let mut operators: BTreeMap<&str, Change<usize>> = BTreeMap::new();
        for (operator, count) in &before.operators {
            operators.entry(operator).or_insert(Change { before: 0, after: 0 }).before = *count;
        }
        for (operator, count) in &after.operators {
            operators.entry(operator).or_insert(Change { before: 0, after: 0 }).after = *count;
        }
        let operators = operators.into_iter().filter(|(_, change)| change.is_change());
        ProgramChange {
            specification: Change { before: before.specification, after: after.specification },
            operator_sets: Change { before: before.opsets().join(", "), after: after.opsets().join(", ") },
            operators: operators.map(|(operator, change)| (operator.to_string(), change)).collect(),
            features: features(before, after),
        }
    }

    /// Whether nothing changed.
    pub fn is_same(&self) -> bool {
        !self.specification.is_change()
            && !self.operator_sets.is_change()
            && self.operators.is_empty()
            && self.features.is_empty()
    }
}

fn features(before: &ProgramSummary, after: &ProgramSummary) -> Vec<FeatureChange> {
    type All<'s> = BTreeMap<(&'s str, Side, &'s str), Change<Option<String>>>;
    fn all<'s>(summary: &'s ProgramSummary, into: &mut All<'s>, set: fn(&mut Change<Option<String>>, String)) {
        for function in &summary.functions {
            for feature in &function.features {
                let key = (function.name.as_str(), feature.side, feature.name.as_str());
                set(into.entry(key).or_insert(Change { before: None, after: None }), feature.ty.clone());
            }
        }
    }
    let mut found = All::new();
    all(before, &mut found, |change, ty| change.before = Some(ty));
    all(after, &mut found, |change, ty| change.after = Some(ty));
    let changed = found.into_iter().filter(|(_, change)| change.is_change());
    let change = |((function, side, name), ty): ((&str, Side, &str), _)| FeatureChange {
        function: function.to_string(),
        side,
        name: name.to_string(),
        ty,
    };
    changed.map(change).collect()
}
