//! Packages that break rules of Core ML before anything is done to them.

use std::collections::HashSet;

use crate::check::words::count;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, programs};
use crate::element::ElementType;
use crate::model::Model;
use crate::model::program::{ProgramFacts, Shapes};

/// The rule.
pub const RULE: Rule = Rule {
    code: "package-faults",
    severity: Severity::Warning,
    title: "a package whose program breaks a rule of Core ML",
    binds: Binds::CoreMl,
    needs: Needs::Model,
    page: "
Every operation of a package is checked against what its operator demands: parameters, types, shapes, names; and the model's
description against what its functions take and give. States must be fp16 and of one shape, a model must have outputs, and a
classifier has one function. A package that breaks such a rule was damaged, or was written by a tool that knows something
that bitmill does not; Core ML will probably refuse it.

A run changes the weights and leaves the rest as it is, faults included.
",
    examples: &[
        Example::with_model(
            "program CoreML6\nfault CoreML6 linear fc: `weight` has 64 columns, and `x` has 32\nfc.weight  linear  64x64  fp16\n",
            "linear => int8 per-channel\n",
            "linear => int8 per-channel  # bitmill: allow(package-faults)\n",
        ),
        Example::with_model(
            "program CoreML8\ninput tokens int32\noutput logits fp16\nstate cache fp32\nfc.weight  linear  64x64  fp16\n",
            "linear => int8 per-channel\n",
            "linear => int8 per-channel  # bitmill: allow(package-faults)\n",
        ),
    ],
    sources: &[
        "coremltools: converters/mil/mil/ops/defs",
        "coremltools: converters/mil/backend/mil/load.py:728-740, states",
    ],
    check,
};

/// What is wrong, most telling first.
fn faults(context: &Context, model: &Model, facts: &ProgramFacts) -> Vec<String> {
    let own = facts.set.map(|set| model.program_faults(set)).unwrap_or_default();
    // What cannot be raised is told as an error.
    let broken = super::package_raise_breaks::broken(context);
    let broken: HashSet<&str> = broken.iter().map(|fault| fault.key.as_str()).collect();
    let stays = own.iter().filter(|fault| !broken.contains(fault.key.as_str()));
    let mut all: Vec<String> = stays.map(|fault| fault.what.clone()).collect();
    for state in &facts.states {
        if state.element.is_some_and(|element| element != ElementType::Fp16) {
            all.push(format!("state `{}` is not fp16", state.name));
        } else if state.shapes != Shapes::Fixed {
            all.push(format!("state `{}` has no fixed shape", state.name));
        }
    }
    // Where the program has outputs, that they are not described is told of each.
    let is_told = own.iter().any(|fault| fault.operation.is_empty());
    if facts.outputs.is_empty() && !facts.inputs.is_empty() && !is_told {
        all.push("the model has no outputs".to_owned());
    }
    if facts.is_classifier && facts.functions > 1 {
        all.push(format!("a classifier has one function, and this has {}", facts.functions));
    }
    all
}

fn check(context: &Context, report: &mut Report) {
    let (Some((model, _)), Some(facts)) = (context.model, programs::facts(context)) else { return };
    let faults = faults(context, model, facts);
    let (Some(first), Some(place)) = (faults.first(), programs::place(context)) else { return };
    let finding = report.add(place, format!("the package has {}: {first}", count(faults.len(), "fault")));
    let more: Vec<&str> = faults.iter().skip(1).take(2).map(String::as_str).collect();
    let more = if more.is_empty() { String::new() } else { format!("; also {}", more.join("; ")) };
    finding.help(format!("a run leaves it as it is, and Core ML will probably refuse it{more}"));
}
