//! Operations that a newer operator set does not have in their form.

use std::collections::HashSet;

use crate::check::needs;
use crate::check::words::count;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::graph::function::Opset;
use crate::model::program::ProgramFault;

/// The rule.
pub const RULE: Rule = Rule {
    code: "package-raise-breaks",
    severity: Severity::Error,
    title: "an operation that the target's operator set does not have in this form",
    binds: Binds::CoreMl,
    needs: Needs::Model,
    page: "
A package is written in the operator set of the target. Newer sets contain the operators of older ones, but some got a new
version with other parameters or other types, and then the old form is no longer valid. bitmill brings compressed constants
into their new form; other operations stay as they are, so the result would be a package that Core ML refuses.

Leave the package in its own operator set, which is what happens without `target`, or convert the model again for the
newer system.
",
    examples: &[Example::with_model(
        "program CoreML6\nfault CoreML7,CoreML8,CoreML9 resize_bilinear resize: `target_size_height` must be int32\nfc.weight  linear  64x64  fp16\n",
        "target iOS18\nlinear => int4 per-group(32)\n",
        "linear => int8 per-channel\n",
    )],
    sources: &["coremltools: converters/mil/mil/ops/defs, versions of operators"],
    check,
};

/// What is wrong in the target's operator set and not in the package's own.
pub(super) fn broken(context: &Context) -> Vec<ProgramFault> {
    let Some((model, _)) = context.model else { return Vec::new() };
    let Some((facts, own)) = model.facts.as_ref().and_then(|facts| Some((facts, facts.set?))) else {
        return Vec::new();
    };
    let Some(written) = context.recipe.written_opset(facts.set).filter(|set| *set > own) else { return Vec::new() };
    let before = model.program_faults(own);
    let after = model.program_faults(written);
    let known: HashSet<&str> = before.iter().map(|fault| fault.key.as_str()).collect();
    let is_new = |fault: &&ProgramFault| !known.contains(fault.key.as_str());
    let mut broken: Vec<ProgramFault> = after.iter().filter(is_new).cloned().collect();
    // Constants that are compressed already must be sound to be brought into the new form.
    if own < Opset::CoreML8 && written >= Opset::CoreML8 {
        broken.extend(before.iter().filter(|fault| fault.operator.starts_with("constexpr_")).cloned());
    }
    broken
}

fn check(context: &Context, report: &mut Report) {
    let broken = broken(context);
    let (Some(first), Some(oldest)) = (broken.first(), needs::oldest(context)) else { return };
    let what = count(broken.len(), "operation");
    let message = format!("{what} of the package would not be valid for {}: {}", oldest.value, first.what);
    let finding = report.add(oldest.place, message);
    finding.here(format!("has the operators of {}", oldest.value.set.name));
    let more: Vec<&str> = broken.iter().skip(1).take(2).map(|fault| fault.what.as_str()).collect();
    let more = if more.is_empty() { String::new() } else { format!("; also {}", more.join("; ")) };
    finding
        .help(format!("convert the model again for this target, or leave the package in its own operator set{more}"));
}
