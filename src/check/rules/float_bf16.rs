//! Core ML has no bfloat16 weights.

use crate::check::schemes::asked;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::Field;
use crate::scheme::{FloatType, WeightScheme};

/// The rule.
pub const RULE: Rule = Rule {
    code: "float-bf16",
    severity: Severity::Error,
    title: "weights in bfloat16, which no Core ML operator takes",
    binds: Binds::CoreMl,
    needs: Needs::Recipe,
    page: "
bfloat16 has a number in Core ML's file formats, and nothing else: no operator lists it, and coremltools maps no type to
it. A PyTorch model in bfloat16 fails in lowering, with `KeyError: torch.bfloat16`.

fp16 takes the same space and is finer, but reaches only to 65504. fp32 holds every bfloat16 exactly.
",
    examples: &[Example::recipe("target iOS16\nlinear => bf16\n", "target iOS16\nlinear => fp16\n")],
    sources: &["coremltools: converters/mil/mil/types/type_mapping.py"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let asked = asked(context.recipe, Field::Base, |_, scheme| scheme.weights == WeightScheme::Float(FloatType::Bf16));
    for asked in asked {
        let finding = report.add(asked.place, "Core ML has no bfloat16 weights");
        asked.label_uses(finding);
        finding
            .help("`fp16` takes the same space and reaches to 65504; `fp32` holds every bfloat16 exactly")
            .upstream("lowering a bfloat16 model fails with `KeyError: torch.bfloat16`")
            .suggest("use fp16", asked.place, "fp16")
            .suggest("use fp32", asked.place, "fp32");
    }
}
