//! Shapes for what is no input of the model.

use crate::check::words::{list, offer_nearest};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places};

/// The rule.
pub const RULE: Rule = Rule {
    code: "shapes-input",
    severity: Severity::Error,
    title: "shapes for what is no input of the model",
    binds: Binds::Model,
    needs: Needs::Model,
    page: "
`shapes` says which shapes the inputs of an exported program have, where the export leaves sizes open (`dynamic_shapes` of
`torch.export.export`). It names inputs as the export does: `bitmill inspect` shows them.

A checkpoint has no inputs, and those of a Core ML package were settled when it was converted.
",
    examples: &[
        Example::with_model(
            "export\ninput tokens 1xn\nrange n 1 128\nfc.weight  linear  64x64  fp32\n",
            "target iOS17\nshapes { token [1, 64] }\nlinear => int8 per-channel\n",
            "target iOS17\nshapes { tokens [1, 64] }\nlinear => int8 per-channel\n",
        ),
        Example::with_model(
            "fc.weight  linear  64x64  fp32\n",
            "target iOS17\nshapes { tokens [1, 64] }\nlinear => int8 per-channel\n",
            "target iOS17\nlinear => int8 per-channel\n",
        ),
    ],
    sources: &["bitmill: `bitmill explain shapes`"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    let (Some(shapes), Some((model, _))) = (&recipe.shapes, context.model) else { return };
    let Some(takes) = &model.takes else {
        let (what, why) = match model.is_package() {
            true => ("a Core ML package", "the shapes of its inputs were settled when it was converted"),
            false => ("a checkpoint", "it has no inputs"),
        };
        let finding = report.add(shapes.place, format!("the model is {what}: {why}"));
        finding.help("only an export of PyTorch (`.pt2`) leaves sizes open");
        places::offer_without(finding, recipe, "remove the statement", shapes.place);
        return;
    };
    for input in &shapes.inputs {
        if takes.shape(&input.name.value).is_some() {
            continue;
        }
        let finding = report.add(input.name.place, format!("the program takes no input `{}`", input.name.value));
        let names: Vec<&str> = takes.inputs.iter().map(|(name, _)| &**name).collect();
        if !offer_nearest(finding, input.name.place, &input.name.value, names.iter().copied()) {
            finding.help(format!("it takes {}", list(&names, 5)));
        }
    }
}
