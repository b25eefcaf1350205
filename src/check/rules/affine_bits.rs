//! Integers of 1, 2, 3, 5, 6 and 7 bits do not exist in Core ML.

use crate::check::schemes::affine_parts;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
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

A palette of the same width is the nearest thing that Core ML has, and usually the more exact one.
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
        let wider = if bits < 4 { 4 } else { 8 };
        let finding = report.add(part.place, format!("Core ML has no integers of {bits} bits, only of 4 and 8"));
        finding
            .here(format!("{bits}-bit integers"))
            .upstream("torchao quantizes, and lowering then fails with `Unsupported quantization range`")
            .help(format!("`{sign}int{wider}` keeps more precision; `lut{bits}` keeps the width, as a palette"));
        part.label_uses(finding);
        part.suggest(context.recipe, finding, format!("use {sign}int{wider}"), &[(
            Field::Base,
            &format!("{sign}int{wider}"),
        )]);
    }
}
