//! Samples that are not there, or do not fit the program.

use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places};
use crate::convert;
use crate::pt2e::Samples;

/// The rule.
pub const RULE: Rule = Rule {
    code: "calibration-samples",
    severity: Severity::Error,
    title: "samples that are missing or do not fit the program",
    binds: Binds::Model,
    needs: Needs::Model,
    page: "
To quantize activations, the exported program runs on the samples of `calibrate`. The file is a `.safetensors` with a
tensor for each input of the program, under the input's name (`bitmill inspect` shows it), samples along its first
dimension; or with numbered ones (`image.0`, `image.1`, …), each a batch. Shapes and types must be those that the program
takes, and there must be as many samples as it takes at once.

Here only the header of the file is read. That all values are numbers is checked when a run begins, before anything is
written.
",
    examples: &[Example::with_model(
        "export\nfc.weight  linear  64x64  fp32\n",
        "target iOS17\ncalibrate \"missing.safetensors\"\nlinear => int8 per-channel, activations uint8\n",
        "target iOS17\nlinear => int8 per-channel\n",
    )],
    sources: &["bitmill: README.md, and `bitmill explain calibrate`"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    let Some((model, _)) = context.model.filter(|(model, _)| model.is_export()) else { return };
    let Some(calibrate) = &recipe.calibrate else { return };
    let Some(path) = &calibrate.path else { return };
    if !recipe.rules.iter().filter_map(|rule| rule.scheme.as_ref()).any(places::is_static) {
        return;
    }
    let file = recipe.path(path);
    let help = "`calibrate` takes a safetensors file with a tensor for each input: `bitmill explain calibrate`";
    if !file.exists() {
        report.add(path.place, "there is no such file of samples").help(help);
        return;
    }
    let Some(program) = model.export.as_ref().and_then(|export| export.programs.first()) else { return };
    // Shapes that do not fit are told by the rule for them.
    let Ok(program) = recipe.shaped(program) else { return };
    let limit = calibrate.samples.map(|samples| samples.value);
    if let Err(error) = Samples::described(&file, &convert::interfaces(&program), limit) {
        report.add(path.place, error.to_string()).help(help);
    }
}
