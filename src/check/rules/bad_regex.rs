//! Regular expressions that cannot be read.

use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::glob::Pattern;
use crate::recipe::problem::ProblemKind;

/// The rule.
pub const RULE: Rule = Rule {
    code: "bad-regex",
    severity: Severity::Error,
    title: "a regular expression that cannot be read",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
Text between slashes is a regular expression that must fit the whole dotted name of a module or weight, as if it began
with `^` and ended with `$`. A slash inside is written `\\/`.

Matching takes time linear in the name, whatever the expression. Look-ahead, look-behind and back-references cannot be
matched so and do not exist; `and`, `or` and `not` between selectors do what they are mostly used for.
",
    examples: &[
        Example::recipe(
            "target iOS18\n/*.q_proj/ => int4 per-group(32)\n",
            "target iOS18\n/.*\\.q_proj/ => int4 per-group(32)\n",
        ),
        Example::recipe(
            "target iOS18\nlinear and /(?!lm_head).*/ => int4 per-group(32)\n",
            "target iOS18\nlinear and not \"lm_head\" => int4 per-group(32)\n",
        ),
    ],
    sources: &["the regex crate: syntax of regular expressions"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for problem in &context.recipe.problems {
        let ProblemKind::BadRegex { why } = &problem.kind else {
            continue;
        };
        let place = problem.place;
        let written = context.recipe.text(place);
        let finding = report.add(place, format!("the regular expression {written} cannot be read"));
        finding.here(why.as_str());
        let inner = written.trim_start_matches('/').trim_end_matches('/');
        let text = inner.replace("\\/", "/");
        if why.contains("look-around") {
            finding.help("say it with selectors: `\"*.mlp.*\" and not \"*.down_proj\"`");
        } else {
            finding.help("it must fit the whole name: `.` is one character, `.*` any, `\\.` a dot, `(a|b)` either");
        }
        // What a pattern would take literally was meant as part of an expression.
        let is_regex = text.contains(['"', '\\', '(', '|', '+', '^', '$']) || text.contains(".*");
        if inner.starts_with('*') && !is_regex && Pattern::glob(&text).is_ok() {
            finding.fix("read it as a pattern in quotes", place, format!("\"{text}\""));
        }
    }
}
