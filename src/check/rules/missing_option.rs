//! Options that a built-in recipe demands and that are not given.

use std::collections::BTreeMap;

use crate::check::words::{list, statement_at};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::nearest::nearest;
use crate::recipe::preset::{ParameterKind, Preset};
use crate::recipe::problem::ProblemKind;
use crate::recipe::{Place, Recipe};
use crate::syntax::Span;
use crate::syntax::tree::StatementKind;

/// The rule.
pub const RULE: Rule = Rule {
    code: "missing-option",
    severity: Severity::Error,
    title: "a built-in recipe lacks an option that it demands",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
`coreml_codebook_weight_only` has no defaults for `bits`, the width of an index, and `block_size`, the rows and
columns that share a table. ExecuTorch demands both, and so does the recipe language.

A block of `[16, -1]` gives every 16 rows a table of their own, `[-1, 16]` every 16 columns, `[-1, -1]` one table for
the whole weight.
",
    examples: &[
        Example::recipe(
            "extend \"coreml_codebook_weight_only\" { block_size [16, -1] }\n",
            "extend \"coreml_codebook_weight_only\" { bits 4  block_size [16, -1] }\n",
        ),
        Example::recipe(
            "extend \"coreml_codebook_weight_only\"\n",
            "extend \"coreml_codebook_weight_only\" { bits 4  block_size [16, -1] }\n",
        ),
    ],
    sources: &["ExecuTorch: backends/apple/coreml/recipes/coreml_recipe_provider.py, the codebook recipe"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    // One finding for each `extend`, whatever it lacks.
    let mut lacking: BTreeMap<Place, (&str, Vec<&str>)> = BTreeMap::new();
    for problem in &recipe.problems {
        if let ProblemKind::MissingOption { key, owner } = &problem.kind {
            let entry = lacking.entry(problem.place).or_insert((owner, Vec::new()));
            entry.1.push(key);
        }
    }
    for (place, (owner, mut keys)) in lacking {
        // An option that is merely misspelt is told as that.
        for written in keys_of(recipe, place) {
            if let Some(meant) = nearest(written, keys.iter().copied()) {
                keys.retain(|key| *key != meant);
            }
        }
        if keys.is_empty() {
            continue;
        }
        let finding = report.add(place, format!("`{owner}` needs {}", list(&keys, usize::MAX)));
        finding.help("there is no default: upstream demands it too");
        let Some(preset) = Preset::by_name(owner) else {
            continue;
        };
        let options: Vec<String> = keys
            .iter()
            .filter_map(|key| Some(format!("{key} {}", likely_value(preset.parameter(key)?.kind))))
            .collect();
        if let Some((at, text)) = insertion(recipe, place, &options.join("  ")) {
            finding.suggest(format!("add `{}`", options.join("  ")), at, text);
        }
    }
}

/// The options that an `extend` statement gives.
fn keys_of(recipe: &Recipe, name: Place) -> Vec<&str> {
    match statement_at(recipe, name).map(|statement| &statement.kind) {
        Some(StatementKind::Extend { options: Some(options), .. }) => {
            options.entries.iter().map(|entry| entry.key.value.as_str()).collect()
        }
        _ => Vec::new(),
    }
}

/// A value that is a good first choice.
const fn likely_value(kind: ParameterKind) -> &'static str {
    match kind {
        ParameterKind::Size => "32",
        ParameterKind::Bits => "4",
        ParameterKind::Block => "[16, -1]",
        ParameterKind::Target => "iOS18",
        ParameterKind::Compute => "all",
        ParameterKind::Filter => "\"linear\"",
        ParameterKind::Flag => "true",
        ParameterKind::Text => "\"\"",
    }
}

/// Where options are added to an `extend` statement, and the text that does it.
fn insertion(recipe: &Recipe, name: Place, options: &str) -> Option<(Place, String)> {
    let statement = statement_at(recipe, name)?;
    let StatementKind::Extend { options: block, .. } = &statement.kind else {
        return None;
    };
    let at = |offset: u32| Place::new(name.file, Span::new(offset, offset));
    match block {
        None => Some((at(name.span.end), format!(" {{ {options} }}"))),
        Some(block) => Some((at(block.span.start + 1), format!(" {options} "))),
    }
}
