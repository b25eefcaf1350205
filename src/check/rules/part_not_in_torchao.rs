//! Parts of schemes that torchao's weight-only configurations do not have.

use crate::check::upstream::{Missing, nothing, tell};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::Field;
use crate::scheme::{Affine, Arithmetic, Palette, PaletteFit, ScaleSearch, Scheme, WeightScheme};

/// The rule.
pub const RULE: Rule = Rule {
    code: "part-not-in-torchao",
    severity: Severity::Hint,
    title: "a part of a scheme that torchao does not have, with torchao's arithmetic",
    binds: Binds::Torchao,
    needs: Needs::Recipe,
    page: "
torchao's `IntxWeightOnlyConfig` has the types `int1` to `int8`, none without a sign, and chooses scales from the extremes
(`AFFINE`) or by `HQQ_SCALE_ONLY`. Its `CodebookWeightOnlyConfig` has a width and the shape of a block: entries are
found by k-means, are single values, and stay floats.

Core ML holds all of these, and bitmill writes them. The hint appears only where the recipe asks for torchao's arithmetic
by name (`arithmetic torchao`), since such a recipe is usually meant to be compared with torchao.
",
    examples: &[
        Example::recipe(
            "target iOS18\narithmetic torchao\nlinear => uint4 per-group(32)\n",
            "target iOS18\narithmetic torchao\nlinear => int4 per-group(32)\n",
        ),
        Example::recipe(
            "target iOS18\narithmetic torchao\nlinear => int4 per-group(32) by mse\n",
            "target iOS18\narithmetic torchao\nlinear => int4 per-group(32) by hqq\n",
        ),
        Example::recipe(
            "target iOS18\narithmetic torchao\nlinear => lut4 vector(2)\n",
            "target iOS18\narithmetic torchao\nlinear => lut4\n",
        ),
        Example::recipe(
            "target iOS18\narithmetic torchao\nlinear => lut4 per-grouped-channel(16) entries int8\n",
            "target iOS18\narithmetic torchao\nlinear => lut4 per-grouped-channel(16)\n",
        ),
        Example::recipe(
            "target iOS18\narithmetic torchao\nlinear => lut4 fit uniform\n",
            "target iOS18\narithmetic torchao\nlinear => lut4 fit kmeans\n",
        ),
    ],
    sources: &[
        "torchao: quantization/quant_api.py:1365-1476, IntxWeightOnlyConfig",
        "torchao: prototype/quantization/codebook_coreml, CodebookWeightOnlyConfig",
    ],
    check,
};

fn affine(scheme: &Scheme, is: impl Fn(&Affine) -> bool) -> bool {
    matches!(&scheme.weights, WeightScheme::Affine(affine) if is(affine))
}

fn palette(scheme: &Scheme, is: impl Fn(&Palette) -> bool) -> bool {
    matches!(&scheme.weights, WeightScheme::Palette(palette) if is(palette))
}

/// The signed type of the same width.
fn signed(scheme: &Scheme) -> String {
    match &scheme.weights {
        WeightScheme::Affine(affine) => format!("int{}", affine.bits),
        _ => String::new(),
    }
}

const CODEBOOK: &str = "`CodebookWeightOnlyConfig` has a width and a block, and finds float entries by k-means";

/// A scale per channel beside a palette is told by `lut-scaled`, unsigned integers by HQQ by `hqq-unsigned`.
const MISSING: &[Missing] = &[
    Missing {
        field: Field::Base,
        asks: |scheme| affine(scheme, |a| !a.signed && a.by != ScaleSearch::Hqq),
        has: "`IntxWeightOnlyConfig` has `int1` to `int8` only",
        instead: signed,
    },
    Missing {
        field: Field::By,
        asks: |scheme| affine(scheme, |a| a.by == ScaleSearch::Mse),
        has: "`IntxWeightOnlyConfig` chooses scales by `AFFINE` or `HQQ_SCALE_ONLY`",
        instead: nothing,
    },
    Missing { field: Field::Vector, asks: |s| palette(s, |p| p.vector > 1), has: CODEBOOK, instead: nothing },
    Missing { field: Field::Entries, asks: |s| palette(s, |p| p.int8_entries), has: CODEBOOK, instead: nothing },
    Missing {
        field: Field::Fit,
        asks: |s| palette(s, |p| p.fit != PaletteFit::Kmeans),
        has: CODEBOOK,
        instead: nothing,
    },
];

fn check(context: &Context, report: &mut Report) {
    tell(context, report, Arithmetic::Torchao, MISSING);
}
