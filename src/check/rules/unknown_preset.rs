//! `extend` with a name that no built-in recipe has.

use crate::check::words::{list, offer_nearest, statement_at};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::Place;
use crate::recipe::preset::PRESETS;
use crate::recipe::problem::ProblemKind;

/// The rule.
pub const RULE: Rule = Rule {
    code: "unknown-preset",
    severity: Severity::Error,
    title: "`extend` names a built-in recipe that does not exist",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
`extend` takes over one of the recipes that ExecuTorch's Core ML backend has built in, under its upstream name, with
the parameters it has there: `extend \"coreml_torchao_int4_weight_only_per_group\" { group_size 32 }`. What it stands
for is shown on hover and by `bitmill plan`; statements beside it add to it and have the last word.

A recipe of your own is taken over with `import \"base.bitmill\"` instead.
",
    examples: &[Example::recipe(
        "extend \"coreml_torchao_int4_weight_only_per_grp\"\n",
        "extend \"coreml_torchao_int4_weight_only_per_group\"\n",
    )],
    sources: &["ExecuTorch: backends/apple/coreml/recipes/coreml_recipe_types.py"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for problem in &context.recipe.problems {
        let ProblemKind::UnknownPreset { name } = &problem.kind else {
            continue;
        };
        let place = problem.place;
        let finding = report.add(place, format!("there is no built-in recipe `{name}`"));
        let names: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
        let folded = name.to_lowercase();
        let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        let is_near = offer_nearest(finding, place, &format!("\"{folded}\""), quoted.iter().map(String::as_str));
        if !is_near && folded.len() > 3 {
            let holds = quoted.iter().filter(|quoted| quoted.contains(&folded)).take(3);
            for quoted in holds {
                finding.suggest(format!("write {quoted}"), place, quoted);
            }
        }
        if !name.ends_with(".bitmill") {
            finding.help(format!("the built-in recipes are {}", list(&names, usize::MAX)));
            continue;
        }
        finding.help("a recipe in a file is taken over with `import`");
        if let Some(statement) = statement_at(context.recipe, place) {
            let whole = Place::new(place.file, statement.span);
            finding.suggest("import the file", whole, format!("import {}", context.recipe.text(place)));
        }
    }
}
