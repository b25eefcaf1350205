//! Models that cannot be read.

use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::Place;

/// The rule.
pub const RULE: Rule = Rule {
    code: "model-unreadable",
    severity: Severity::Error,
    title: "the model cannot be read",
    binds: Binds::Model,
    needs: Needs::Recipe,
    page: "
A recipe with a model is checked against its names and shapes. When the model cannot be read, only the recipe itself
has been checked: rules may match nothing, and groups may not divide.

A model is a `.safetensors` file, a directory of them with an index or a `config.json`, an exported program (`.pt2`), or a
Core ML package. The path is taken from the directory of the recipe.
",
    examples: &[Example::with_model(
        "!digit.safetensors: there is no such file",
        "model \"digit.safetensors\"\ntarget iOS18\nlinear => int4 per-group(32)\n",
        "model \"digits.safetensors\"\ntarget iOS18\nlinear => int4 per-group(32)\n",
    )],
    sources: &["bitmill: README.md and grammar/bitmill.ebnf, on models"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let Some(why) = context.model_error else {
        return;
    };
    let place = context.recipe.model.as_ref().map_or(Place::default(), |model| model.place);
    let finding = report.add(place, format!("the model cannot be read: {why}"));
    finding.help("until it can, only the recipe itself is checked, not what it does to the model");
}
