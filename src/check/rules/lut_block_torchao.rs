//! Blocks of palettes that torchao refuses.

use crate::check::needs::in_preset;
use crate::check::schemes::{palette_parts, users_of};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places};
use crate::recipe::Field;
use crate::scheme::{Arithmetic, Granularity};

/// The rule.
pub const RULE: Rule = Rule {
    code: "lut-block-torchao",
    severity: Severity::Hint,
    title: "palette blocks that torchao does not take",
    binds: Binds::Torchao,
    needs: Needs::Recipe,
    page: "
Core ML's `constexpr_lut_to_dense` can hold tables on several axes at once, and bitmill writes them. torchao's
`CodebookWeightOnlyConfig` cannot: its `block_size` has exactly two entries, of which at least one covers its whole axis.
`block[16, -1]` is sixteen rows, `block[-1, 16]` sixteen columns; `block[8, 16]` stops it with a bare AssertionError.

The hint appears where the recipe asks for torchao's arithmetic by name (`arithmetic torchao`). With the preset
`coreml_codebook_weight_only`, which names that very call, it is a warning.
",
    examples: &[
        Example::recipe(
            "target iOS18\narithmetic torchao\nlinear => lut4 block[16, 32]\n",
            "target iOS18\narithmetic torchao\nlinear => lut4 block[16, -1]\n",
        ),
        Example::recipe(
            "target iOS18\nextend \"coreml_codebook_weight_only\" { bits 4  block [16, 32] }\n",
            "target iOS18\nextend \"coreml_codebook_weight_only\" { bits 4  block [16, -1] }\n",
        ),
    ],
    sources: &["torchao: prototype/quantization/codebook_coreml/codebook_ops.py:126-152"],
    check,
};

/// The extents of a block that is neither a tensor, nor groups of rows or columns.
fn refused(granularity: &Granularity) -> Option<&[Option<usize>]> {
    match granularity {
        Granularity::Block(extents) if extents.len() != 2 || extents.iter().all(Option::is_some) => Some(extents),
        _ => None,
    }
}

fn check(context: &Context, report: &mut Report) {
    let asked_for = places::asks_for(context, Arithmetic::Torchao);
    for (part, palette) in palette_parts(context.recipe, Field::Granularity, |p| refused(&p.granularity).is_some()) {
        let Some(extents) = refused(&palette.granularity) else { continue };
        let of_preset = in_preset(context.recipe, part.place);
        if !of_preset && asked_for.is_none() {
            continue;
        }
        // A number that happens to be the length of its axis covers it.
        let users = users_of(context, part.place);
        let covers = |shape: &[usize]| extents.iter().zip(shape).any(|(extent, length)| *extent == Some(*length));
        if extents.len() == 2 && !users.is_empty() && users.iter().all(|weight| covers(&weight.shape)) {
            continue;
        }
        let why = match extents.len() {
            2 => "one of the two must be -1",
            _ => "it takes two extents only",
        };
        let severity = if of_preset { Severity::Warning } else { RULE.severity };
        let message = format!("torchao has no tables for `{}`: {why}", palette.granularity);
        let finding = report.add_as(severity, part.place, message);
        finding
            .label_if(asked_for, "torchao's arithmetic is asked for here")
            .upstream("`CodebookWeightOnlyConfig` stops with an AssertionError without a text")
            .help("bitmill and Core ML take it; torchao takes groups of the rows or of the columns of a matrix");
        part.label_uses(finding);
        if let [Some(rows), Some(columns)] = extents[..] {
            for granularity in [format!("block[{rows}, -1]"), format!("block[-1, {columns}]")] {
                let title = format!("use {granularity}");
                part.suggest(context.recipe, finding, title, &[(Field::Granularity, &granularity)]);
            }
        }
    }
}
