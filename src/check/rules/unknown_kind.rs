//! Words in selectors that are no kind of operator.

use crate::check::words::{list, offer_nearest, offer_word};
use crate::check::{Binds, Context, Example, Finding, Needs, Report, Rule, Severity};
use crate::kind::KindWord;
use crate::recipe::problem::ProblemKind;
use crate::recipe::{Place, Recipe};

/// The rule.
pub const RULE: Rule = Rule {
    code: "unknown-kind",
    severity: Severity::Error,
    title: "a selector names a kind of operator that does not exist",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
A bare word in a selector is a kind of operator: `all`, `linear`, `embedding`, `conv`, `conv2d`, `matmul`, `lstm`
and so on. The kinds are the same whatever tool made the model, so that one recipe serves a PyTorch checkpoint and
a Core ML package.

Names of modules and weights stand in quotes, and are patterns: `\"lm_head\"` is exactly that module, `\"*.q_proj\"`
is every module whose name ends so.
",
    examples: &[
        Example::recipe("target iOS18\nlinaer => int4 per-group(32)\n", "target iOS18\nlinear => int4 per-group(32)\n"),
        Example::recipe(
            "target iOS18\nlinear => int4 per-group(32)\nlm_head => keep\n",
            "target iOS18\nlinear => int4 per-group(32)\n\"lm_head\" => keep\n",
        ),
    ],
    sources: &["bitmill: the table of kinds, `bitmill explain unknown-kind`"],
    check,
};

/// What other tools call the kinds.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("dense", "linear"),
    ("fc", "linear"),
    ("fully-connected", "linear"),
    ("inner_product", "linear"),
    ("gather", "embedding"),
    ("embeddings", "embedding"),
    ("layernorm", "norm"),
    ("layer_norm", "norm"),
    ("rmsnorm", "norm"),
    ("batchnorm", "norm"),
    ("batch_norm", "norm"),
    ("mm", "matmul"),
    ("bmm", "matmul"),
    ("deconv", "conv-transpose"),
    ("relu", "activation"),
    ("gelu", "activation"),
    ("silu", "activation"),
    ("sdpa", "attention"),
    ("any", "all"),
    ("everything", "all"),
    ("weights", "all"),
];

fn check(context: &Context, report: &mut Report) {
    for problem in &context.recipe.problems {
        let ProblemKind::UnknownKind { word } = &problem.kind else {
            continue;
        };
        let place = problem.place;
        let finding = report.add(place, format!("`{word}` is no kind of operator"));
        let kinds: Vec<&str> = KindWord::words().map(|(word, _)| word).collect();
        let folded = word.to_lowercase();
        let other = OTHER_NAMES.iter().find(|(name, _)| *name == folded);
        let known = match other {
            Some((_, meant)) => {
                offer_word(finding, place, word, meant);
                true
            }
            None => offer_nearest(finding, place, word, kinds.iter().copied()),
        };
        if !known && looks_like_a_name(word) && !is_compared(context.recipe, place) {
            offer_quotes(context, finding, place, word);
        } else {
            finding.help(format!("the kinds are {}", list(&kinds, usize::MAX)));
        }
    }
}

/// Names of modules have underscores and dots where kinds have hyphens.
fn looks_like_a_name(word: &str) -> bool {
    word.contains(['_', '.']) || word.ends_with(|c: char| c.is_ascii_digit())
}

/// Whether the word stands in `where ops == …`, where names have no place.
fn is_compared(recipe: &Recipe, place: Place) -> bool {
    let source = recipe.sources.get(place.file.0 as usize);
    let before = source.and_then(|s| s.text.get(..place.span.start as usize));
    before.is_some_and(|text| text.trim_end().ends_with('='))
}

fn offer_quotes(context: &Context, finding: &mut Finding, place: Place, word: &str) {
    let exact = format!("\"{word}\"");
    let inner = format!("\"*.{word}\"");
    finding.help(format!(
        "names of modules stand in quotes: `{exact}` is that module alone, `{inner}` every module whose name ends so"
    ));
    let dotted = format!(".{word}");
    let modules = || {
        let weights = context.model.iter().flat_map(|(model, _)| &model.weights);
        weights.map(|weight| weight.module())
    };
    // The model tells which of the two is meant; without one, both are offered.
    let unknown = context.model.is_none();
    if unknown || modules().any(|module| module == word) {
        finding.suggest(format!("write `{exact}`"), place, exact);
    }
    if unknown || modules().any(|module| module.ends_with(&dotted)) {
        finding.suggest(format!("write `{inner}`"), place, inner);
    }
}
