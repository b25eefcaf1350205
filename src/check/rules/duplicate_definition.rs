//! Names and settings given twice in one file.

use crate::check::words::{remove_lines, remove_part, statement_at};
use crate::check::{Binds, Context, Edit, Example, Finding, Needs, Report, Rule, Severity};
use crate::recipe::problem::ProblemKind;
use crate::recipe::{Place, Recipe};

/// The rule.
pub const RULE: Rule = Rule {
    code: "duplicate-definition",
    severity: Severity::Error,
    title: "a setting, option or scheme is given twice in one file",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
A file says each setting once, and gives each scheme its own name. Rules are different: of those, as many as you like
may match the same weight, and the last decides.

A recipe that imports or extends another has the last word over what it takes over: `target iOS18` beside an `import`
replaces the target of the imported file, wherever the line stands. That is no repetition.

Several systems belong in one line: `target iOS18, macOS15`.
",
    examples: &[
        Example::recipe(
            "target iOS18\ntarget macOS15\nlinear => int4 per-group(32)\n",
            "target iOS18, macOS15\nlinear => int4 per-group(32)\n",
        ),
        Example::recipe(
            "target iOS18\nscheme w = int4 per-group(32)\nscheme w = lut4 per-grouped-channel(16)\nlinear => w\n",
            "target iOS18\nscheme w = int4 per-group(32)\nlinear => w\n",
        ),
    ],
    sources: &["bitmill: README.md and grammar/bitmill.ebnf, on settings and imports"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    for problem in &recipe.problems {
        let ProblemKind::Duplicate { what, first } = &problem.kind else {
            continue;
        };
        let place = problem.place;
        let message = if what.starts_with("scheme") {
            format!("{what} is defined twice")
        } else {
            format!("{what} is given twice")
        };
        let finding = report.add(place, message);
        finding.here("the second time").label(*first, "first here");
        finding.help("a file says it once: the line further down does not replace the other");
        if what.starts_with("option") {
            finding.fix_with("remove the second", false, vec![remove_part(recipe, place)]);
            finding.fix_with("remove the first", false, vec![remove_part(recipe, *first)]);
            continue;
        }
        if what == "`target`" {
            join_targets(recipe, finding, *first, place);
        }
        let whole = |place: Place| statement_at(recipe, place).map(|s| Place::new(place.file, s.span));
        if let (Some(first), Some(second)) = (whole(*first), whole(place)) {
            finding.fix_with("remove the second", false, vec![remove_lines(recipe, second)]);
            finding.fix_with("remove the first", false, vec![remove_lines(recipe, first)]);
        }
    }
}

/// Offers one line for all systems.
fn join_targets(recipe: &Recipe, finding: &mut Finding, first: Place, second: Place) {
    let systems = |place| recipe.text(place).strip_prefix("target").map(str::trim);
    let (Some(one), Some(other)) = (systems(first), systems(second)) else {
        return;
    };
    if one == "none" || other == "none" || one.is_empty() || other.is_empty() {
        return;
    }
    let joined = Edit { place: first, text: format!("target {one}, {other}") };
    finding.fix_with("name all systems in one line", false, vec![joined, remove_lines(recipe, second)]);
}
