//! What a model asks of systems beside its operators.

use crate::check::needs::{self, BLOCKS, COMPRESSION, SCALED_TABLES};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, programs};
use crate::element::ElementType;
use crate::model::program::{ProgramFacts, Shapes};

/// The rule.
pub const RULE: Rule = Rule {
    code: "package-feature-target",
    severity: Severity::Error,
    title: "a model with inputs, states or functions that its operator set does not have",
    binds: Binds::CoreMl,
    needs: Needs::Model,
    page: "
Beside its operators a model has features that came with a system:

- fp16 inputs and outputs: iOS 16;
- states, several functions, models without inputs, several inputs with enumerated shapes: iOS 18;
- int8 inputs and outputs: iOS 26.

A package with such a feature and an older operator set is refused when it is loaded. Say a target that has it.
",
    examples: &[
        Example::with_model(
            "program CoreML7\ninput tokens int32\noutput logits fp16\nstate cache fp16\nfc.weight  linear  64x64  fp16\n",
            "target iOS17\nlinear => int8 per-channel\n",
            "target iOS18\nlinear => int4 per-group(32)\n",
        ),
        Example::with_model(
            "program CoreML8\ninput image int8\noutput logits fp16\nfc.weight  linear  64x64  fp16\n",
            "linear => int4 per-group(32)\n",
            "target iOS26\nlinear => int4 per-group(32)\n",
        ),
    ],
    sources: &[
        "coremltools: converters/_converters_entry.py, types of inputs and outputs",
        "coremltools: converters/mil/mil/ops/defs/iOS18/states.py",
        "coremltools: docs-guides/source/flexible-inputs.md",
        "ExecuTorch: backends/apple/coreml/compiler/coreml_preprocess.py",
    ],
    check,
};

/// Something that a model has and what it needs.
pub(super) struct ModelFeature {
    /// In the words of a sentence: "a state (`cache`)".
    name: String,
    /// The specification version that brought it.
    pub(super) spec: i32,
}

/// Everything of the kind that a model has.
pub(super) fn features(facts: &ProgramFacts) -> Vec<ModelFeature> {
    let mut all = Vec::new();
    let mut push = |name: String, spec| all.push(ModelFeature { name, spec });
    let sides = [("input", &facts.inputs), ("output", &facts.outputs)]
        .into_iter()
        .flat_map(|(side, features)| features.iter().map(move |feature| (side, feature)));
    let of = |element| sides.clone().find(|(_, feature)| feature.element == Some(element));
    if let Some((side, feature)) = of(ElementType::Int8) {
        push(format!("an int8 {side} (`{}`)", feature.name), SCALED_TABLES);
    }
    if let Some((side, feature)) = of(ElementType::Fp16) {
        push(format!("an fp16 {side} (`{}`)", feature.name), COMPRESSION);
    }
    if let Some(state) = facts.states.first() {
        push(format!("a state (`{}`)", state.name), BLOCKS);
    }
    if facts.functions > 1 {
        push(format!("{} functions", facts.functions), BLOCKS);
    }
    if facts.inputs.iter().filter(|input| input.shapes == Shapes::Enumerated).count() > 1 {
        push("several inputs with enumerated shapes".into(), BLOCKS);
    }
    if facts.inputs.is_empty() && facts.states.is_empty() && !facts.outputs.is_empty() {
        push("no inputs".into(), BLOCKS);
    }
    all
}

fn check(context: &Context, report: &mut Report) {
    let Some(facts) = programs::facts(context) else { return };
    let Some(written) = context.recipe.written_opset(facts.set).map(needs::set_of) else { return };
    let Some(feature) = features(facts).into_iter().max_by_key(|feature| feature.spec) else { return };
    let Some(place) = programs::place(context).filter(|_| feature.spec > written.spec) else { return };
    let need = needs::set(feature.spec);
    let place = needs::oldest(context).map_or(place, |oldest| oldest.place);
    let message = format!("the model has {}, which needs {}", feature.name, need.systems());
    let finding = report.add(place, message);
    finding
        .here(format!("the operators of {}", written.name))
        .upstream("Core ML refuses the package when it is loaded")
        .help(format!("{} is the first operator set that has it", need.name));
    programs::offer_set(finding, context, need);
}
