//! Options and arguments with a value that cannot be.

use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::problem::ProblemKind;

/// The rule.
pub const RULE: Rule = Rule {
    code: "bad-value",
    severity: Severity::Error,
    title: "an option or argument has a value that it cannot have",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
Groups, channels and samples are whole numbers of at least 1; shares are given in percent; the extents of a block are
one number for each axis, with -1 for the whole of it.

Upstream looks at such values late or not at all: ExecuTorch refuses a `group_size` of 0, coremltools refuses
`target_sparsity=1` because it is not the float `1.0`, and torchao refuses a block of one extent with a bare
`AssertionError` that has no text.
",
    examples: &[
        Example::recipe("target iOS18\nlinear => int4 per-group(0)\n", "target iOS18\nlinear => int4 per-group(32)\n"),
        Example::recipe("target iOS16\nlinear => sparse 0.75\n", "target iOS16\nlinear => sparse 75%\n"),
    ],
    sources: &[
        "ExecuTorch: backends/apple/coreml/recipes/coreml_recipe_provider.py",
        "coremltools: coremltools/optimize/coreml/_config.py",
        "torchao: prototype/quantization/codebook_coreml/codebook_ops.py",
    ],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for problem in &context.recipe.problems {
        let ProblemKind::BadValue { owner, must, instead } = &problem.kind else {
            continue;
        };
        let place = problem.place;
        let written = context.recipe.text(place);
        let (must, hint) = must.split_once(": ").map_or((*must, None), |(must, hint)| (must, Some(hint)));
        let named = if owner.contains(' ') { owner.clone() } else { format!("`{owner}`") };
        // A part is shown where it stands; the value of an option is quoted in the message.
        let message = if written.starts_with(owner.as_str()) || written.is_empty() || written.len() > 40 {
            format!("{named} takes {must}")
        } else {
            format!("{named} takes {must}, not `{written}`")
        };
        let finding = report.add(place, message);
        match hint {
            Some(example) if example.starts_with('`') => _ = finding.help(format!("for example {example}")),
            Some(hint) => _ = finding.help(hint),
            None => {}
        }
        match instead.as_deref() {
            // A bare number may also be meant as a bound on magnitudes, so this is not certain.
            Some(share) if owner == "sparse" && share.ends_with('%') => {
                finding.help(format!("a share is `sparse {share}`, a bound on magnitudes `sparse-below {written}`"));
                finding.suggest(format!("write `{share}`"), place, share);
            }
            Some("") => _ = finding.suggest("remove the brackets", place, ""),
            Some(value) => _ = finding.suggest(format!("write `{value}`"), place, value),
            None => {}
        }
    }
}
