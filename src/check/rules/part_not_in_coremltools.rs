//! Parts of schemes that coremltools' configurations do not have.

use crate::check::upstream::{Missing, nothing, tell};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::Field;
use crate::scheme::{Arithmetic, Granularity, Mapping, ScaleSearch, Scheme, WeightScheme};

/// The rule.
pub const RULE: Rule = Rule {
    code: "part-not-in-coremltools",
    severity: Severity::Hint,
    title: "a part of a scheme that coremltools does not have, with coremltools' arithmetic",
    binds: Binds::Coremltools,
    needs: Needs::Recipe,
    page: "
coremltools' `OpLinearQuantizerConfig` has two modes, `linear_symmetric` and `linear`, which are `symmetric` and
`asymmetric`, and takes scales from the extremes: no search for better ones. Its `OpPalettizerConfig` has tables for
groups of channels of one axis; for blocks of several it stops with `General block-wise palettization is not supported`.

Core ML holds what comes of all of these, and bitmill writes it. The hint appears only where the recipe asks for
coremltools' arithmetic by name (`arithmetic coremltools`), since such a recipe is usually meant to be compared with it.
",
    examples: &[
        Example::recipe(
            "target iOS18\narithmetic coremltools\nlinear => int4 per-group(32) by mse\n",
            "target iOS18\narithmetic coremltools\nlinear => int4 per-group(32)\n",
        ),
        Example::recipe(
            "target iOS18\narithmetic coremltools\nlinear => int4 per-group(32) symmetric-no-clipping\n",
            "target iOS18\narithmetic coremltools\nlinear => int4 per-group(32) symmetric\n",
        ),
        Example::recipe(
            "target iOS18\narithmetic coremltools\nlinear => lut4 block[16, 32]\n",
            "target iOS18\narithmetic coremltools\nlinear => lut4 block[16, -1]\n",
        ),
    ],
    sources: &[
        "coremltools: optimize/coreml/_config.py, OpLinearQuantizerConfig and OpPalettizerConfig",
        "coremltools: optimize/coreml/_quantization_passes.py, palettize_weights",
    ],
    check,
};

/// The extents of a palette's block on more than one axis.
fn on_several_axes(scheme: &Scheme) -> Option<&[Option<usize>]> {
    match &scheme.weights {
        WeightScheme::Palette(palette) => match &palette.granularity {
            Granularity::Block(extents) if extents.iter().flatten().count() > 1 => Some(extents),
            _ => None,
        },
        _ => None,
    }
}

/// Groups of the first axis alone.
fn on_one_axis(scheme: &Scheme) -> String {
    let mut extents = on_several_axes(scheme).unwrap_or_default().to_vec();
    let first = extents.iter().position(Option::is_some).unwrap_or(0);
    extents.iter_mut().skip(first + 1).for_each(|extent| *extent = None);
    Granularity::Block(extents).to_string()
}

fn searches(scheme: &Scheme) -> bool {
    matches!(&scheme.weights, WeightScheme::Affine(affine) if affine.by != ScaleSearch::MinMax)
}

fn does_not_clip(scheme: &Scheme) -> bool {
    matches!(&scheme.weights, WeightScheme::Affine(affine) if affine.mapping == Mapping::SymmetricNoClipping)
}

const MISSING: &[Missing] = &[
    Missing {
        field: Field::By,
        asks: searches,
        has: "`OpLinearQuantizerConfig` takes scales from the smallest and the largest value",
        instead: nothing,
    },
    Missing {
        field: Field::Mapping,
        asks: does_not_clip,
        has: "`OpLinearQuantizerConfig` has the modes `linear_symmetric` and `linear`",
        instead: |_| Mapping::Symmetric.word().to_string(),
    },
    Missing {
        field: Field::Granularity,
        asks: |scheme| on_several_axes(scheme).is_some(),
        has: "coremltools stops with `General block-wise palettization is not supported`",
        instead: on_one_axis,
    },
];

fn check(context: &Context, report: &mut Report) {
    tell(context, report, Arithmetic::Coremltools, MISSING);
}
