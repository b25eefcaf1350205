//! iOS 15 has ML Programs, but no compressed weights.

use crate::check::needs::{self, MLPROGRAM};
use crate::check::schemes::asked;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::Field;

/// The rule.
pub const RULE: Rule = Rule {
    code: "target-no-compression",
    severity: Severity::Error,
    title: "a target that has no compressed weights",
    binds: Binds::CoreMl,
    needs: Needs::Recipe,
    page: "
iOS 15, macOS 12, watchOS 8 and tvOS 15 run ML Programs, but the operators that store compressed weights begin with
CoreML6: iOS 16, macOS 13, watchOS 9 and tvOS 16.

`coremltools.optimize.coreml` takes an iOS 15 package all the same and returns one for iOS 16 (iOS 17 where activations
are quantized), without a word: specification version 6 goes in, 7 comes out, and the promise about old devices is
broken. ExecuTorch fails at lowering: `No available version for constexpr_affine_dequantize in the iOS15 opset`.

Say the target that the model will really have. Without one a package stays what it is, of iOS 15 too.
",
    examples: &[
        Example::recipe("target iOS15\nlinear => int8 per-channel\n", "target iOS16\nlinear => int8 per-channel\n"),
        Example::recipe(
            "target iOS18, macOS12\nscheme w4 = int4 per-group(32)\nlinear => w4\nembedding => w4 asymmetric\n",
            "target iOS18, macOS15\nscheme w4 = int4 per-group(32)\nlinear => w4\nembedding => w4 asymmetric\n",
        ),
        Example::with_model(
            "program CoreML5\nfc.weight  linear  64x64  fp16\n",
            "linear => int8 per-channel\n",
            "target iOS16  # bitmill: allow(package-raised)\nlinear => int8 per-channel\n",
        ),
    ],
    sources: &[
        "coremltools: optimize/coreml/_quantization_passes.py",
        "coremltools: models/utils.py and optimize/coreml/_post_training_quantization.py, where targets are raised",
    ],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    let is_told = needs::has_no_mlprogram(recipe);
    let Some(set) = recipe.written_set().filter(|set| set.spec == MLPROGRAM && !is_told) else { return };
    // A preset's target is told by `preset-target-too-low`.
    let asked =
        asked(recipe, Field::Base, |rule, scheme| needs::compresses(scheme) && !needs::in_preset(recipe, rule.place));
    if asked.is_empty() {
        return;
    }
    let lowest = needs::lowest(recipe);
    let rules = match asked.iter().map(|one| one.rules.len()).sum::<usize>() {
        1 => "1 rule asks for them".to_string(),
        n => format!("{n} rules ask for them"),
    };
    let (place, name) = match needs::oldest(context) {
        Some(oldest) => (oldest.place, oldest.value.to_string()),
        None => (recipe.model_place().unwrap_or(asked[0].place), needs::package_is_of(set)),
    };
    let message = match needs::oldest(context) {
        Some(_) => format!("{name} has no compressed weights, and {rules}"),
        None => format!("{name}, which has no compressed weights, and {rules}"),
    };
    let finding = report.add(place, message);
    for one in asked.iter().take(3) {
        finding.label(one.place, format!("`{}` is stored compressed", recipe.text(one.place)));
    }
    finding
        .here("ML Programs of this system hold plain floats only")
        .help(format!("the first systems that have all that this recipe asks for are {}", lowest.systems()))
        .upstream(
            "coremltools.optimize returns a package for iOS16 without saying so; ExecuTorch fails at lowering: \
             `No available version for constexpr_affine_dequantize in the iOS15 opset`",
        );
    needs::offer_first_target(finding, context, lowest);
    needs::offer_target(finding, context, "raise", lowest, |target| target.set.spec < lowest.spec);
}
