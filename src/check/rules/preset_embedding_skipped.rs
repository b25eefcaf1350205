//! torchao's recipes quantize linear layers only, whatever their documentation says.

use crate::check::{Binds, Context, Edit, Example, Needs, Report, Rule, Severity, needs, words};
use crate::kind::Kind;
use crate::plan::{Outcome, Reason};
use crate::recipe::{Extend, Place, Recipe};
use crate::syntax::Span;

/// The rule.
pub const RULE: Rule = Rule {
    code: "preset-embedding-skipped",
    severity: Severity::Hint,
    title: "a built-in recipe of torchao that leaves embeddings in float",
    binds: Binds::ExecuTorch,
    needs: Needs::Model,
    page: "
ExecuTorch documents its torchao recipes as covering \"Embedding and linear layers\". In fact `filter_fn` is None when
it is not given, and then torchao's own default holds, which is linear layers only: the table of an embedding stays in
float. In small language models that is a large part of the file. Only the codebook recipe covers both by default.

Say what is meant, with `filter \"linear or embedding\"` or with a rule for embeddings; `embedding => keep` says that
float is meant.
",
    examples: &[Example::with_model(
        "embed_tokens.weight  embedding  256x64  fp16\nlayers.{0..3}.q_proj.weight  linear  64x64  fp16\n",
        "extend \"coreml_torchao_int8_weight_only_per_channel\"\n",
        "extend \"coreml_torchao_int8_weight_only_per_channel\" { filter \"linear or embedding\" }\n",
    )],
    sources: &[
        "ExecuTorch: backends/apple/coreml/recipes/coreml_recipe_types.py and coreml_recipe_provider.py",
        "ExecuTorch: export/stages.py; torchao: quantization/quant_api.py, _is_linear",
    ],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let Some((model, plan)) = context.model else { return };
    let torchao = |extend: &&Extend| {
        extend.expansion.is_some()
            && extend.preset.is_some_and(|preset| preset.name.starts_with("coreml_torchao_"))
            && needs::parameter(extend, "filter_fn").is_none()
    };
    let extends: Vec<&Extend> = context.recipe.extends.iter().filter(torchao).collect();
    if extends.is_empty() {
        return;
    }
    let skipped = model.weights.iter().zip(&plan.decisions).filter(|(weight, decision)| {
        weight.kind == Kind::Embedding && decision.outcome == Outcome::Keep(Reason::NoRule)
    });
    let names: Vec<&str> = skipped.map(|(weight, _)| weight.name.as_str()).collect();
    if names.is_empty() {
        return;
    }
    for extend in extends {
        let finding = report.add(
            extend.name.place,
            format!(
                "`{}` leaves {} in float: {}",
                extend.name.value,
                words::count(names.len(), "embedding"),
                words::list(&names, 2)
            ),
        );
        finding
            .help("say `filter \"linear or embedding\"`, or `embedding => keep` if this is meant")
            .upstream("its documentation says \"Embedding and linear layers\"; without a filter only linear layers are quantized")
            .weights(names.iter().copied())
            .fix_with("cover embeddings too", false, vec![with_filter(context.recipe, extend)]);
        let keep = words::insert_after(context.recipe, extend.place, "embedding => keep");
        finding.fix_with("say that embeddings stay in float", false, vec![keep]);
    }
}

/// Adds the filter to the block of options, or a block with it.
fn with_filter(recipe: &Recipe, extend: &Extend) -> Edit {
    let place = extend.place;
    let written = recipe.text(place).trim_end();
    // Behind the opening brace, since a comment may stand before the closing one.
    let (behind, text) = match written.find('{') {
        Some(open) => (open + 1, " filter \"linear or embedding\" "),
        None => (written.len(), " { filter \"linear or embedding\" }"),
    };
    let at = place.span.start + behind as u32;
    Edit { place: Place::new(place.file, Span::new(at, at)), text: text.into() }
}
