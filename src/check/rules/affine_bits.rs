//! Integers of 1, 2, 3, 5, 6 and 7 bits do not exist in Core ML.

use crate::check::schemes::affine_parts;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::coreml::feature::Feature;
use crate::plan::fit::storage_bits;
use crate::recipe::Field;

/// The rule.
pub const RULE: Rule = Rule {
    code: "affine-bits",
    severity: Severity::Error,
    title: "integers of a width that Core ML does not have",
    binds: Binds::CoreMl,
    needs: Needs::Recipe,
    page: "
Core ML stores integer weights in 4 or 8 bits: `int4`, `uint4`, `int8`, `uint8`. Widths of 1, 2, 3 and 6 bits exist
for the indices of palettes only, 5 and 7 not at all.

torchao takes every width from `int1` to `int8` and quantizes without a word. The failure comes at lowering, after
minutes: `Unsupported quantization range: -4 to 3. CoreML only supports 4-bit and 8-bit quantization`.

A palette of the same width, or of the next that there is (6 bits for 5, 8 for 7), is the nearest thing that Core ML has,
and usually the more exact one. Before iOS18 there are neither 4-bit integers nor 3-bit palettes.
",
    examples: &[
        Example::recipe(
            "target iOS18\nlinear => int3 per-channel\n",
            "target iOS18\nlinear => int4 per-channel\n",
        ),
        Example::recipe(
            "target iOS18\nscheme w = uint6 per-group(32) asymmetric\nlinear => w\nembedding => w\n",
            "target iOS18\nscheme w = uint8 per-group(32) asymmetric\nlinear => w\nembedding => w\n",
        ),
    ],
    sources: &[
        "coremltools: converters/mil/mil/ops/defs/iOS18/compression.py, constexpr_blockwise_shift_scale",
        "ExecuTorch: backends/apple/coreml/compiler/torch_ops.py, dequantize_affine",
    ],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for (part, affine) in affine_parts(context.recipe, Field::Base, |affine| !matches!(affine.bits, 4 | 8)) {
        let (sign, bits) = (if affine.signed { "" } else { "u" }, affine.bits);
        let old = context.recipe.written_set().is_some_and(|set| set.spec < Feature::Int4.need().spec);
        let wider = if bits < 4 && !old { 4 } else { 8 };
        // The narrowest palette that is no coarser, and that the target has.
        let palette = match storage_bits(bits) {
            3 if old => 4,
            stored => stored,
        };
        let finding = report.add(part.place, format!("Core ML has no {bits}-bit integers, only those of 4 and 8 bits"));
        finding
            .here(format!("{bits}-bit integers"))
            .upstream("torchao quantizes, and lowering then fails with `Unsupported quantization range`")
            .help(format!("`{sign}int{wider}` keeps more precision; `lut{palette}` is the palette for it"));
        part.label_uses(finding);
        part.suggest(
            context.recipe,
            finding,
            format!("use {sign}int{wider}"),
            &[(Field::Base, &format!("{sign}int{wider}"))],
        );
        let edits = part.edits_to_palette(context.recipe, palette);
        finding.fix_with(format!("use lut{palette}"), false, edits);
    }
}
