//! Several inputs with several shapes each, for systems that take one.

use crate::check::needs::{self, BLOCKS};
use crate::check::words::list;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::graph::Name;

/// The rule.
pub const RULE: Rule = Rule {
    code: "shapes-several-inputs",
    severity: Severity::Error,
    title: "several inputs with enumerated shapes before iOS 18",
    binds: Binds::CoreMl,
    needs: Needs::Model,
    page: "
Before iOS 18 one input of a model may have enumerated shapes. Inputs that share an open size have several shapes together,
whether `shapes` names them or not.

For older systems choose one shape, or leave the sizes open: ranges may be given for any number of inputs.
",
    examples: &[Example::with_model(
        "export\ninput tokens 1xn\ninput mask 1xn\nrange n 1 128\nfc.weight  linear  64x64  fp32\n",
        "target iOS17\nshapes { tokens [[1, 32], [1, 64]] }\nlinear => int8 per-channel\n",
        "target iOS18\nshapes { tokens [[1, 32], [1, 64]] }\nlinear => int8 per-channel\n",
    )],
    sources: &["ExecuTorch: backends/apple/coreml/compiler/coreml_preprocess.py:546-560"],
    check,
};

/// The inputs that have several shapes each, where there is more than one.
pub(super) fn several(context: &Context) -> Vec<Name> {
    let takes = context.model.and_then(|(model, _)| model.takes.as_ref());
    let Some((shapes, takes)) = context.recipe.shapes.as_ref().zip(takes) else { return Vec::new() };
    let enumerated = shapes.bind(takes).map(|settled| settled.enumerated).unwrap_or_default();
    if enumerated.len() < 2 { Vec::new() } else { enumerated.into_iter().map(|(name, _)| name).collect() }
}

fn check(context: &Context, report: &mut Report) {
    let names = several(context);
    let (Some(shapes), Some(oldest)) = (&context.recipe.shapes, needs::oldest(context)) else { return };
    if names.is_empty() || oldest.value.set.spec >= BLOCKS {
        return;
    }
    let names: Vec<&str> = names.iter().map(|name| &**name).collect();
    let need = needs::set(BLOCKS);
    let message = format!("inputs {} have several shapes, which needs {}", list(&names, 3), need.systems());
    let finding = report.add(shapes.place, message);
    finding.label(oldest.place, format!("the operators of {}", oldest.value.set.name));
    finding.upstream("ExecuTorch refuses it when it lowers the model");
    needs::offer_target(finding, context, "raise", need, |target| target.set.spec < BLOCKS);
}
