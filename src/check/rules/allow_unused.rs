//! Comments that silence nothing.

use super::allow_error::is_error;
use crate::check::allow::{Idle, has_spoken};
use crate::check::words::{lines, remove_lines, remove_part};
use crate::check::{Binds, Context, Edit, Example, Needs, Report, Rule, Severity};
use crate::recipe::{Place, Recipe};
use crate::syntax::Span;

/// The rule.
pub const RULE: Rule = Rule {
    code: "allow-unused",
    severity: Severity::Hint,
    title: "a comment allows what is not found there",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
A comment `# bitmill: allow(CODE)` that silences nothing is left over: what it allowed has been mended, or it stands
at another statement than the one that was meant. Left where it is, it would silence a new finding that nobody has
looked at.

Whether a comment is needed may depend on the model. Where the recipe names a model that has not been read, nothing
is said.
",
    examples: &[Example::recipe(
        "target iOS18\nscheme w4 = int4 per-group(32) # bitmill: allow(scheme-unused)\nlinear => w4\n",
        "target iOS18\nscheme w4 = int4 per-group(32)\nlinear => w4\n",
    )],
    sources: &["bitmill: README.md and grammar/bitmill.ebnf, on comments"],
    // Asked by the driver, once it knows what the comments silence.
    check: |_, _| {},
};

/// Reports idle codes of rules that have looked at everything they could.
pub(in crate::check) fn find(context: &Context, idle: &[Idle], report: &mut Report) {
    // A recipe with mistakes is not understood far enough to say what its comments are for.
    if !context.recipe.problems.is_empty() {
        return;
    }
    for idle in idle {
        if idle.rule.code == RULE.code || is_error(context, idle.rule) || !has_spoken(context, idle.rule) {
            continue;
        }
        let message = format!("there is no `{}` here to allow", idle.rule.code);
        let finding = report.add(idle.place(), message);
        finding.help("remove it, so that it does not silence something new");
        finding.fix_with("remove it from the comment", true, vec![removal(context.recipe, idle)]);
    }
}

/// The edit that takes a code out of its comment, or the comment away when it names nothing else.
pub(super) fn removal(recipe: &Recipe, idle: &Idle) -> Edit {
    let comment = Place::new(idle.file, idle.allow.span);
    let codes = &idle.allow.codes;
    let span = match (idle.index.checked_sub(1), codes.get(idle.index + 1)) {
        (None, None) => {
            let line = recipe.text(lines(recipe, comment)).trim_start();
            return if line.starts_with('#') { remove_lines(recipe, comment) } else { remove_part(recipe, comment) };
        }
        (Some(before), _) => Span::new(codes[before].span.end, codes[idle.index].span.end),
        (None, Some(next)) => Span::new(codes[idle.index].span.start, next.span.start),
    };
    Edit { place: Place::new(idle.file, span), text: String::new() }
}
