//! Globs that cannot be read.

use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::glob::Pattern;
use crate::recipe::problem::ProblemKind;

/// The rule.
pub const RULE: Rule = Rule {
    code: "bad-glob",
    severity: Severity::Error,
    title: "a pattern of names that cannot be read",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
Text in quotes is a pattern over the whole dotted name of a module or weight. `*` stands for any characters, dots
included, and `?` for one; `{q,k,v}` for one of several, `{0..11}` for each number of a range, `[0-9]` for a class of
characters and `[!0-9]` for all others. `\\\\` in front of any of these takes it literally.

What is more than that is a regular expression between slashes, which also must fit the whole name:
`/.*\\.(q|k|v)_proj/`.
",
    examples: &[
        Example::recipe(
            "target iOS18\n\"*.{q,k,v_proj\" => int4 per-group(32)\n",
            "target iOS18\n\"*.{q,k,v}_proj\" => int4 per-group(32)\n",
        ),
        Example::recipe(
            "target iOS18\n\"*.layers.{11..0}.*\" => int4 per-group(32)\n",
            "target iOS18\n\"*.layers.{0..11}.*\" => int4 per-group(32)\n",
        ),
    ],
    sources: &["bitmill: grammar/bitmill.ebnf, glob"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for problem in &context.recipe.problems {
        let ProblemKind::BadGlob { why } = &problem.kind else {
            continue;
        };
        let place = problem.place;
        let written = context.recipe.text(place);
        let finding = report.add(place, format!("the pattern {written} cannot be read"));
        finding.here(why.as_str());
        finding.help("`*` any characters, `?` one, `{a,b}` either, `{0..3}` each number, `[0-9]` a class");
        let text = written.trim_matches('"');
        if text.is_empty() {
            finding.suggest("match every weight", place, "all");
            continue;
        }
        if let Some(range) = forwards(text) {
            finding.fix(format!("write `{range}`"), place, format!("\"{range}\""));
        }
        // What fails as a glob and holds signs of the other language was probably meant as that.
        let is_regex = text.contains(['(', '|', '+', '^', '$']) || text.contains(".*") || text.contains("\\d");
        if is_regex && Pattern::regex(text).is_ok() && !text.contains('/') {
            finding.suggest("read it as a regular expression", place, format!("/{text}/"));
        }
        for close in ["}", "]"] {
            let closed = format!("{text}{close}");
            if Pattern::glob(&closed).is_ok() {
                finding.suggest(format!("close it at the end: `{closed}`"), place, format!("\"{closed}\""));
            }
        }
    }
}

/// The pattern with its one backward range turned round, if that is what is wrong with it.
fn forwards(text: &str) -> Option<String> {
    let mut backward = None;
    let mut open = None;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => open = Some(at),
            b'}' => {
                let Some(open) = open.take() else { continue };
                let Some((from, to)) = text[open + 1..at].split_once("..") else { continue };
                let numbers = from.parse::<u64>().ok().zip(to.parse::<u64>().ok());
                if numbers.is_some_and(|(from, to)| from > to) {
                    // Of several, each turned alone would leave the others.
                    if backward.is_some() {
                        return None;
                    }
                    backward = Some(format!("{}{{{to}..{from}}}{}", &text[..open], &text[at + 1..]));
                }
            }
            _ => {}
        }
    }
    backward.filter(|turned| Pattern::glob(turned).is_ok())
}
