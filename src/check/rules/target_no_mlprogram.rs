//! Systems before iOS 15 have no ML Programs, and all compression is in ML Programs.

use crate::check::needs::{self, MLPROGRAM};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};

/// The rule.
pub const RULE: Rule = Rule {
    code: "target-no-mlprogram",
    severity: Severity::Error,
    title: "a target older than ML Programs",
    binds: Binds::CoreMl,
    needs: Needs::Recipe,
    page: "
Quantized weights are stored by operators of ML Programs, and ML Programs begin with iOS 15, macOS 12, watchOS 8 and
tvOS 15. What runs on older systems is a neural network of the older format, which this language does not write.

coremltools refuses such a target for an ML Program: `minimum deployment target must be at least iOS15`.

ML Programs of iOS 15 have no compressed weights yet, so iOS 16, macOS 13, watchOS 9 and tvOS 16 are the first targets
that are of use to a recipe.
",
    examples: &[
        Example::recipe("target iOS14\nlinear => int8 per-channel\n", "target iOS16\nlinear => int8 per-channel\n"),
        Example::recipe(
            "target iOS18, macOS10.15\nlinear => int4 per-group(32)\n",
            "target iOS18, macOS15\nlinear => int4 per-group(32)\n",
        ),
    ],
    sources: &["coremltools: converters/_converters_entry.py", "Core ML: mlmodel/format/Model.proto"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let Some(oldest) = needs::oldest(context).filter(|target| target.value.set.spec < MLPROGRAM) else { return };
    let lowest = needs::set(needs::lowest(context.recipe).spec.max(needs::COMPRESSION));
    let finding = report.add(oldest.place, format!("{} has no ML Programs", oldest.value));
    finding
        .help(format!("the first systems that have all that this recipe asks for are {}", lowest.systems()))
        .upstream("coremltools stops: `minimum deployment target must be at least iOS15`");
    needs::offer_target(finding, context, "raise", lowest, |target| target.set.spec < lowest.spec);
}
