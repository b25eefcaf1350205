//! Settings that two imports or presets make differently.

use crate::check::words::insert_setting;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::{FileId, Place, Recipe};

/// The rule.
pub const RULE: Rule = Rule {
    code: "settings-conflict",
    severity: Severity::Warning,
    title: "two imports or presets make one setting differently",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
A recipe has one target, one precision, one threshold. Where it says a setting itself, that holds, and what it imports or
extends is overridden, wherever the lines stand. Where it does not, and two of its imports or presets say different things,
the later one holds, and the order of two lines decides for which system weights are prepared.

Say the setting in the recipe itself: then it holds whatever is imported, in whatever order.
",
    examples: &[Example::recipe(
        "target iOS16\nextend \"coreml_fp32\"\nextend \"coreml_fp16\"\nlinear => int8 per-channel\n",
        "target iOS16\nprecision fp16\nextend \"coreml_fp32\"\nextend \"coreml_fp16\"\nlinear => int8 per-channel\n",
    )],
    sources: &["bitmill: README.md and grammar/bitmill.ebnf, on settings and imports"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    for overridden in &recipe.overridden {
        let (holds, lost) = (overridden.holds, overridden.lost);
        let (here, there) = apart(recipe, holds, lost);
        let said = |place: Place| recipe.text(place).trim();
        let name = overridden.setting;
        let message = format!("`{}` holds, and `{}` of another file does not", said(holds), said(lost));
        let finding = report.add(here, message);
        finding.here(format!("brings the `{name}` that holds")).label(there, format!("brings the other `{name}`"));
        finding.help(format!("say `{name}` in the recipe itself, which has the last word over what it takes over"));
        let is_one_line = |place: Place| !said(place).contains(['\n', '\r']);
        if here.file == FileId(0) && [holds, lost].into_iter().all(is_one_line) {
            for place in [holds, lost].into_iter().filter(|place| means_the_same_here(recipe, name, *place)) {
                let statement = said(place);
                finding.fix_with(format!("say `{statement}`"), false, vec![insert_setting(recipe, statement)]);
            }
        }
    }
}

/// Whether a setting of another file means the same in the recipe itself: paths count from the file that names them.
fn means_the_same_here(recipe: &Recipe, setting: &str, place: Place) -> bool {
    let directory = |file: FileId| recipe.sources.get(file.0 as usize).and_then(|source| source.path.parent());
    let is_path = matches!(setting, "model" | "output" | "calibrate");
    !is_path || directory(place.file) == directory(FileId(0))
}

/// The statements of one file through which two places of others came in.
fn apart(recipe: &Recipe, one: Place, other: Place) -> (Place, Place) {
    let (one, other) = (way(recipe, one), way(recipe, other));
    let same = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
    (
        one.get(same).or(one.last()).copied().unwrap_or_default(),
        other.get(same).or(other.last()).copied().unwrap_or_default(),
    )
}

/// The statements through which a place came in, from the recipe itself inwards, and the place.
fn way(recipe: &Recipe, place: Place) -> Vec<Place> {
    let outwards = |place: &Place| recipe.sources.get(place.file.0 as usize)?.included_at;
    let mut way: Vec<Place> = std::iter::successors(Some(place), outwards).collect();
    way.reverse();
    way
}
