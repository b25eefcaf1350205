//! Imports nested deeper, or more of them, than anyone writes.

use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::FileId;
use crate::recipe::problem::ProblemKind;

/// A chain of files, each of which imports the next; the last holds a rule.
macro_rules! chain {
    ($($number:literal)+ => $($next:literal)+) => {
        &[
            $((concat!($number, ".bitmill"), concat!("import \"", $next, ".bitmill\"\n")),)+
            ("64.bitmill", "linear => int4 per-group(32)\n"),
        ]
    };
}

/// The rule.
pub const RULE: Rule = Rule {
    code: "import-limit",
    severity: Severity::Error,
    title: "imports are nested deeper, or are more, than anyone writes",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
A recipe reads at most 1000 files, at most 64 of them inside each other. Recipes that people write stay far below: the
limit is there against files that import each other in ever new ways, which would otherwise take all memory.
",
    examples: &[Example {
        bad: "target iOS18\nimport \"1.bitmill\"\n",
        good: "target iOS18\nimport \"2.bitmill\"\n",
        model: "",
        facts: &[],
        files: chain! {
            1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32
            33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63
            =>
            2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33
            34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64
        },
    }],
    sources: &["bitmill: the limits in src/recipe/resolve.rs"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    for problem in &recipe.problems {
        if !matches!(problem.kind, ProblemKind::TooManyImports) {
            continue;
        }
        let place = problem.place;
        let finding = report.add(place, "more files are imported than a recipe may read");
        finding.here("not read").help("a recipe reads at most 1000 files, at most 64 of them inside each other");
        // Where it begins in the recipe itself.
        let mut at = place;
        while at.file != FileId(0)
            && let Some(outer) = recipe.sources.get(at.file.0 as usize).and_then(|s| s.included_at)
        {
            at = outer;
        }
        if at != place {
            finding.label(at, "reached from here");
        }
    }
}
