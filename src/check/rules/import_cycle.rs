//! Recipes that import themselves.

use crate::check::words::{lines, remove_lines};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::problem::ProblemKind;

/// The rule.
pub const RULE: Rule = Rule {
    code: "import-cycle",
    severity: Severity::Error,
    title: "a recipe imports itself, directly or through others",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
`import` stands for the statements of another file, and those of a file that is still being read would never end. The
circle is shown file by file.

What two recipes share belongs in a third that both import.
",
    examples: &[Example::recipe(
        "target iOS18\nimport \"recipe.bitmill\"\nlinear => int4 per-group(32)\n",
        "target iOS18\nlinear => int4 per-group(32)\n",
    )],
    sources: &["bitmill: README.md and grammar/bitmill.ebnf, on imports"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    for problem in &recipe.problems {
        let ProblemKind::ImportCycle { chain } = &problem.kind else {
            continue;
        };
        let place = problem.place;
        let names: Vec<String> = chain.iter().map(|path| format!("`{}`", path.display())).collect();
        let message = match names.as_slice() {
            [only, _] => format!("{only} imports itself"),
            _ => format!("these recipes import each other in a circle: {}", names.join(" → ")),
        };
        let finding = report.add(place, message);
        finding.here("closes the circle");
        // The way here, from this file outwards to the one where the circle begins.
        let mut file = place.file;
        for _ in 2..chain.len() {
            let source = recipe.sources.get(file.0 as usize);
            let Some(at) = source.and_then(|source| source.included_at) else {
                break;
            };
            let imported = source.map_or(String::new(), |source| source.path.display().to_string());
            finding.label(at, format!("`{imported}` is imported here"));
            file = at.file;
        }
        finding.help("what both need belongs in a third file that each imports");
        // The import adds nothing, since it is not followed.
        let edit = remove_lines(recipe, lines(recipe, place));
        finding.fix_with("remove this import", true, vec![edit]);
    }
}
