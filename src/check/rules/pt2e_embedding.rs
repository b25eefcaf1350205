//! PT2E leaves embeddings in float.

use crate::check::schemes::shares_of;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places, words};
use crate::kind::{Kind, KindWord};
use crate::recipe::selector::Selector;

/// The rule.
pub const RULE: Rule = Rule {
    code: "pt2e-embedding",
    severity: Severity::Hint,
    title: "quantized activations for embeddings, which PT2E leaves in float",
    binds: Binds::ExecuTorch,
    needs: Needs::Recipe,
    page: "
`CoreMLQuantizer` annotates convolutions, linear layers, additions, products and pooling. Embeddings are not among its
patterns: through PT2E their tables stay in float, although a rule says otherwise. Older versions failed.

Give embeddings a rule of their own that quantizes weights only, and apply that by torchao's `quantize_` or by
`coremltools.optimize`; or say `embedding => keep`, which is what PT2E does.
",
    examples: &[Example::recipe(
        "target iOS17\ncalibrate \"calibration.safetensors\" { samples 128 }\nlinear or embedding => int8 per-channel, activations uint8\n",
        "target iOS17\ncalibrate \"calibration.safetensors\" { samples 128 }\nlinear => int8 per-channel, activations uint8\nembedding => int8 per-channel\n",
    )],
    sources: &[
        "ExecuTorch: backends/apple/coreml/quantizer/_coreml_quantizer.py, the patterns",
        "pytorch/executorch#9969 (open)",
    ],
    check,
};

/// Whether a selector asks for embeddings by their kind.
fn asks_embedding(selector: &Selector) -> bool {
    match selector {
        Selector::Or(a, b) | Selector::And(a, b) => asks_embedding(a) || asks_embedding(b),
        Selector::Where(inner, _) => asks_embedding(inner),
        Selector::Kind(word, _) => *word == KindWord::One(Kind::Embedding),
        Selector::Not(_) | Selector::Name(..) | Selector::Unreadable => false,
    }
}

fn check(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    let taken = shares_of(
        context,
        |rule, _| rule.scheme.as_ref().is_some_and(places::is_static),
        |_, weight, decision| weight.kind == Kind::Embedding && decision.outcome.is_change(),
    );
    for rule in &recipe.rules {
        if !rule.scheme.as_ref().is_some_and(places::is_static) {
            continue;
        }
        let explicit = asks_embedding(&rule.selector);
        let names: Vec<&str> =
            taken.iter().find(|share| std::ptr::eq(share.rule, rule)).map_or(Vec::new(), |share| share.names());
        if names.is_empty() && !explicit {
            continue;
        }
        let message = if names.is_empty() {
            "PT2E leaves embeddings in float".to_string()
        } else {
            format!("PT2E leaves {} in float: {}", words::count(names.len(), "embedding"), words::list(&names, 2))
        };
        let finding = report.add(rule.selector_place, message);
        finding.label(rule.scheme_place, "quantized activations go through PT2E");
        finding
            .help("give embeddings a rule of their own, for their weights only, or `embedding => keep`")
            .upstream("CoreMLQuantizer has no pattern for embeddings: their tables stay in float without a word")
            .weights(names);
        if !explicit {
            let keep = words::insert_after(recipe, rule.place, "embedding => keep");
            finding.fix_with("leave embeddings as they are", false, vec![keep]);
        }
    }
}
