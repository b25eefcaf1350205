//! Comments that allow a code that no rule has.

use super::RULES;
use crate::check::words::offer_nearest;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, pages};
use crate::recipe::{FileId, Place};

/// The rule.
pub const RULE: Rule = Rule {
    code: "allow-unknown",
    severity: Severity::Warning,
    title: "a comment allows a code that no rule has",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
`# bitmill: allow(CODE)` silences the warnings and hints of one rule: on the line it stands at the end of, on the next
statement when it stands alone above it. The codes are those that findings show and that `bitmill explain` knows.

A misspelt code silences nothing.
",
    examples: &[Example::recipe(
        "target iOS18\nscheme w4 = int4 per-group(32) # bitmill: allow(scheme-unsed)\nlinear => w4\n",
        "target iOS18\nscheme w4 = int4 per-group(32)\nlinear => w4\n",
    )],
    sources: &["bitmill: README.md and grammar/bitmill.ebnf, on comments"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for (file, source) in (0..).map(FileId).zip(&context.recipe.sources) {
        for code in source.allows.iter().flat_map(|allow| &allow.codes) {
            if pages::rule(&code.value).is_some() {
                continue;
            }
            let place = Place::new(file, code.span);
            let finding = report.add(place, format!("no rule has the code `{}`", code.value));
            offer_nearest(finding, place, &code.value, RULES.iter().map(|rule| rule.code));
            finding.help("`bitmill rules` lists the codes");
        }
    }
}
