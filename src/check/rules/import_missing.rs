//! Imported files that cannot be read.

use std::path::Path;

use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::problem::ProblemKind;

/// The rule.
pub const RULE: Rule = Rule {
    code: "import-missing",
    severity: Severity::Error,
    title: "an imported recipe cannot be read",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
`import \"base.bitmill\"` stands for the statements of that file. The path is taken from the directory of the file that
imports, not from where the command was started, so that a recipe means the same everywhere.

The name is complete: nothing is appended to it and nothing is searched for. Files are UTF-8 text.
",
    examples: &[Example {
        bad: "target iOS18\nimport \"base\"\n",
        good: "target iOS18\nimport \"base.bitmill\"\n",
        model: "",
        facts: &[],
        files: &[("base.bitmill", "linear => int4 per-group(32)\n")],
    }],
    sources: &["bitmill: README.md and grammar/bitmill.ebnf, on imports"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    for problem in &recipe.problems {
        let ProblemKind::ImportFailed { path, why, missing } = &problem.kind else {
            continue;
        };
        let place = problem.place;
        let shown = path.display();
        if !missing {
            report.add(place, format!("`{shown}` cannot be read: {why}")).help("recipes are files of UTF-8 text");
            continue;
        }
        let finding = report.add(place, format!("there is no file `{shown}`"));
        let importing = recipe.sources.get(place.file.0 as usize).map(|source| source.path.as_path());
        finding.help(match importing.and_then(Path::parent) {
            Some(directory) if !directory.as_os_str().is_empty() && path.is_relative() => {
                format!("paths are taken from the directory of the file that imports: `{}`", directory.display())
            }
            _ => "paths are taken from the directory of the file that imports".to_string(),
        });
        let written = recipe.text(place).trim_matches('"');
        if path.extension().is_none() && !written.is_empty() {
            finding.suggest(format!("import `{written}.bitmill`"), place, format!("\"{written}.bitmill\""));
        }
    }
}
