//! Shapes that the exported program does not take.

use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::graph::aten::shapes::ShapeError;

/// The rule.
pub const RULE: Rule = Rule {
    code: "shapes-misfit",
    severity: Severity::Error,
    title: "shapes that the exported program does not take",
    binds: Binds::Model,
    needs: Needs::Model,
    page: "
A size that `shapes` gives must be one that the export was made for: what is fixed in the program stays as it is, and what
is open has limits (`torch.export.Dim(\"n\", min=1, max=128)`). Sizes that are one symbol in the program are equal
everywhere.

Of several inputs with several shapes the first of each belong together, the second of each, and so on, so they have as
many; an input with one shape has it always. Core ML takes 128 shapes at most, each of them once.
",
    examples: &[
        Example::with_model(
            "export\ninput tokens 1xn\nrange n 1 128\nfc.weight  linear  64x64  fp32\n",
            "target iOS17\nshapes { tokens [1, 256] }\nlinear => int8 per-channel\n",
            "target iOS17\nshapes { tokens [1, 128] }\nlinear => int8 per-channel\n",
        ),
        Example::with_model(
            "export\ninput tokens 1xn\nrange n 1 128\nfc.weight  linear  64x64  fp32\n",
            "target iOS17\nshapes { tokens [[1, 32], [1, 64], [1, 32]] }\nlinear => int8 per-channel\n",
            "target iOS17\nshapes { tokens [[1, 32], [1, 64]] }\nlinear => int8 per-channel\n",
        ),
        Example::with_model(
            "export\ninput tokens 1xn\ninput mask 1xn\nrange n 1 128\nfc.weight  linear  64x64  fp32\n",
            "target iOS17\nshapes {\n  tokens [1, 32]\n  mask [1, 33]\n}\nlinear => int8 per-channel\n",
            "target iOS17\nshapes { tokens [1, 32] }\nlinear => int8 per-channel\n",
        ),
    ],
    sources: &[
        "ExecuTorch: backends/apple/coreml/compiler/enumerated_shape_utils.py:102-167",
        "coremltools: docs-guides/source/flexible-inputs.md",
    ],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let (Some(shapes), Some((model, _))) = (&context.recipe.shapes, context.model) else { return };
    let Some(takes) = &model.takes else { return };
    let Err((place, error)) = shapes.bind(takes) else { return };
    let help = match &error {
        // Told by the rule for it.
        ShapeError::NoInput(_) => return,
        ShapeError::Rank { .. } | ShapeError::Fixed { .. } => "`bitmill inspect` shows what the program takes",
        ShapeError::Range { .. } => "choose a size within the range, or export the model for a wider one",
        ShapeError::Differs { .. } => "inputs that share a size need a shape for one of them only",
        ShapeError::Open { .. } => "give the shape of the input that has this size itself, too",
        ShapeError::Counts { .. } => "give as many, or one that always holds",
        ShapeError::Twice => "give each shape once",
        ShapeError::TooMany(_) => "choose the most usual ones, or leave the sizes open: without `shapes` ranges stay",
        ShapeError::Other { .. } => "one shape of it is enough, where it does not change",
    };
    report.add(place, error.to_string()).help(help);
}
