//! Palettes with indices of 5 and 7 bits.

use crate::check::needs::in_preset;
use crate::check::schemes::palette_parts;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::plan::fit::storage_bits;
use crate::recipe::Field;

/// The rule.
pub const RULE: Rule = Rule {
    code: "lut-bits",
    severity: Severity::Hint,
    title: "palette indices of 5 or 7 bits, which are stored in 6 and 8",
    binds: Binds::CoreMl,
    needs: Needs::Recipe,
    page: "
Core ML has indices of 1, 2, 3, 4, 6 and 8 bits. There is no type of 5 or 7. bitmill stores such palettes in the next
width, with 32 of 64 or 128 of 256 entries used: the file is no smaller than with 6 or 8 bits, and less exact.

ExecuTorch's recipe `coreml_codebook_weight_only` takes `bits=5`, torchao clusters for minutes, and lowering then dies
with `KeyError: 'uint5'`. With that preset it is a warning.

Use `lut6` or `lut8` for the same size, `lut4` or `lut6` for a smaller one.
",
    examples: &[
        Example::recipe("target iOS16\nlinear => lut5\n", "target iOS16\nlinear => lut6\n"),
        Example::recipe(
            "target iOS18\nlinear => lut7 per-grouped-channel(16)\n",
            "target iOS18\nlinear => lut6 per-grouped-channel(16)\n",
        ),
    ],
    sources: &[
        "coremltools: converters/mil/mil/ops/defs/iOS16/constexpr_ops.py:197-199, iOS18/compression.py:296-299",
        "ExecuTorch: backends/apple/coreml/recipes/coreml_recipe_provider.py:205-214",
    ],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for (part, palette) in palette_parts(context.recipe, Field::Base, |p| matches!(p.bits, 5 | 7)) {
        let (bits, stored) = (palette.bits, storage_bits(palette.bits));
        let narrower = stored - 2;
        let message =
            format!("Core ML has no {bits}-bit indices: they take {stored} bits, with half of the entries unused");
        // The upstream call that a preset names fails for certain.
        let severity = if in_preset(context.recipe, part.place) { Severity::Warning } else { RULE.severity };
        let finding = report.add_as(severity, part.place, message);
        finding
            .here(format!("{} entries, stored as {}", 1u32 << bits, 1u32 << stored))
            .upstream(format!("torchao clusters for minutes, and lowering then fails with `KeyError: 'uint{bits}'`"))
            .help(format!("`lut{stored}` is as large and more exact; `lut{narrower}` is smaller"));
        part.label_uses(finding);
        for bits in [stored, narrower] {
            part.suggest(context.recipe, finding, format!("use lut{bits}"), &[(Field::Base, &format!("lut{bits}"))]);
        }
    }
}
