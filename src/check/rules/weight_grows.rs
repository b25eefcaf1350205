//! Weights that do not become smaller.

use super::lut_many_tables::has_many_tables;
use super::sparse_low::has_too_few;
use crate::check::schemes::{shares_of, weights_named};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places};
use crate::model::Weight;
use crate::plan::{Decision, Fitted, Outcome};
use crate::recipe::{self, Field};
use crate::scheme::Scheme;

/// The rule.
pub const RULE: Rule = Rule {
    code: "weight-grows",
    severity: Severity::Hint,
    title: "a weight that takes as much as before, or more",
    binds: Binds::Model,
    needs: Needs::Model,
    page: "
Scales, tables and masks take space beside the codes. Where few elements share one, they take more than the codes save:
`lut8` with a table of 256 entries makes a weight of 1024 elements bigger, and so does `int8` with an fp16 scale for every
two elements. coremltools leaves constants of fewer than ten elements alone for that reason.

Where weights come to twice their size or more, it is a warning: `lut8 block[1, 1]` stores a table of 256 entries for every
single element.

Use larger groups, fewer bits in an index, integers per channel, or leave small weights as they are with
`where params < 4096 => keep`.
",
    examples: &[
        Example::with_model(
            "fc1.weight  linear  64x64  fp16\nhead.weight  linear  8x64  fp16\n",
            "target iOS16\nthreshold 0\nlinear => lut8\n\"fc1\" => int8 per-channel\n",
            "target iOS16\nthreshold 0\nlinear => int8 per-channel\n",
        ),
        Example::with_model(
            "fc1.weight  linear  64x64  fp16\n",
            "target iOS18\nlinear => int8 block[1, 2]\n",
            "target iOS18\nlinear => int8 block[1, 32]\n",
        ),
    ],
    sources: &[
        "coremltools: docs-guides/source/opt-palettization-perf.md",
        "coremltools: converters/mil/backend/mil/load.py:59-72",
    ],
    check,
};

/// Whether something has become twice as large.
fn is_double(before: u64, after: u64) -> bool {
    after / 2 >= before
}

fn check(context: &Context, report: &mut Report) {
    let is_wanted = |rule: &recipe::Rule, weight: &Weight, decision: &Decision| {
        // Wider floats are told by `float-grows`, tables for a few channels by `lut-many-tables` where they are only
        // slow, masks that cost more than they save by `sparse-low`.
        let is_slow = |scheme: &Scheme| has_many_tables(scheme) && !is_double(decision.before, decision.after);
        let told = rule.scheme.as_ref().is_none_or(|s| is_slow(s) || has_too_few(s, Some(weight)));
        let is_packed = match &decision.outcome {
            Outcome::Change(Fitted::Affine { .. } | Fitted::Palette { .. }) => true,
            Outcome::Change(Fitted::Sparse { .. } | Fitted::Float(_)) | Outcome::Keep(_) | Outcome::Misfit(_) => false,
        };
        // 8-bit floats are as small as integers; what is changed of them is changed for another reason.
        is_packed && !told && weight.dtype.bits() > 8 && decision.after >= decision.before
    };
    for share in shares_of(context, |_, did| did.grows > 0, is_wanted) {
        let names = share.names();
        let (before, after) = share.weights.iter().fold((0u64, 0u64), |(before, after), (_, decision)| {
            (before.saturating_add(decision.before), after.saturating_add(decision.after))
        });
        let verb = if names.len() == 1 { "does" } else { "do" };
        let message = format!("{} {verb} not become smaller", weights_named(&names));
        let severity = if is_double(before, after) { Severity::Warning } else { RULE.severity };
        let finding = report.add_as(severity, places::part(share.rule, Field::Granularity), message);
        finding
            .here(format!("{} before, {} after", crate::words::size(before), crate::words::size(after)))
            .label(share.rule.selector_place, "these weights are meant")
            .help("let more elements share a scale or a table, or leave these weights as they are")
            .weights(names);
    }
}
