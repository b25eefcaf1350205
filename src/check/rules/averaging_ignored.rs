//! The constant of a moving average, for an observer that averages nothing.

use crate::check::{Binds, Context, Edit, Example, Needs, Report, Rule, Severity, places};
use crate::recipe::Observer;

/// The rule.
pub const RULE: Rule = Rule {
    code: "averaging-ignored",
    severity: Severity::Warning,
    title: "`averaging` for an observer that does not average",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
`averaging` is the weight that a new batch has in a moving average of ranges. The observer `min-max` keeps the smallest
and the largest value it has ever seen and averages nothing, so the number has no effect beside it.

Either observe with `moving-average-min-max`, which is upstream's default, or leave `averaging` out.
",
    examples: &[Example::recipe(
        "target iOS17\ncalibrate \"calibration.safetensors\" { samples 128  observer min-max  averaging 0.01 }\nlinear => int8 per-channel, activations uint8\n",
        "target iOS17\ncalibrate \"calibration.safetensors\" { samples 128  observer min-max }\nlinear => int8 per-channel, activations uint8\n",
    )],
    sources: &["torch: MovingAverageMinMaxObserver, averaging_constant"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    let Some(calibrate) = &recipe.calibrate else { return };
    let (Some(averaging), Some(observer)) = (calibrate.averaging, calibrate.observer) else { return };
    if observer.value != Observer::MinMax {
        return;
    }
    let finding = report.add(averaging.place, "`averaging` has no effect with the observer `min-max`");
    finding.label(observer.place, "keeps the extremes ever seen");
    finding.help("leave `averaging` out, or observe with `moving-average-min-max`");
    if let Some(edit) = places::without_option(recipe, "averaging", averaging.place) {
        finding.fix_with("remove it", false, vec![edit]);
    }
    let edit = Edit { place: observer.place, text: "moving-average-min-max".into() };
    finding.fix_with("observe a moving average", false, vec![edit]);
}
