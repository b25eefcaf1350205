//! Rules of recipes as the settings of upstream's quantizer that they stand for.

use std::collections::BTreeSet;
use std::path::Path;

use bitmill::check::{self, Known};
use bitmill::pt2e::Twice;
use bitmill::recipe::NoImports;
use bitmill::run::statics::quantizers;

use crate::Golden;
use crate::golden::{Config, Place, Who, cases, golden_places, places};

/// A configuration as a scheme.
fn scheme(config: Option<Config>) -> String {
    let Some(config) = config else { return "keep".to_owned() };
    format!(
        "{}int8 {} {}{}",
        if config.signed_weights { "" } else { "u" },
        if config.per_channel { "per-channel" } else { "per-tensor" },
        if config.symmetric { "symmetric" } else { "asymmetric" },
        if config.has_activations { ", activations uint8" } else { "" }
    )
}

/// What holds for all comes first and names come last, since the last rule that matches decides.
fn recipe(configs: &[(Who, Option<Config>)]) -> String {
    let rule = |(who, config): &(Who, Option<Config>)| match who {
        Who::Name(name) => format!("\"{name}\" or \"{name}.*\" => {}\n", scheme(*config)),
        Who::Type(class) => format!("{} => {}\n", class.to_lowercase(), scheme(*config)),
        Who::All if config.is_none() => String::new(),
        Who::All => format!("all => {}\n", scheme(*config)),
    };
    let rules: String = configs.iter().rev().map(rule).collect();
    format!("target iOS17\ncalibrate \"samples.safetensors\"\n{rules}")
}

/// Of the settings for modules and types, those that upstream was shown to mean; of the others, all.
#[test]
fn recipes_say_what_settings_mean() {
    let golden = Golden::new();
    let mut compared = 0;
    for case in cases(&golden) {
        let has_own = case.golden["recipe"].get("names").is_some() || case.golden["recipe"].get("types").is_some();
        if has_own && !case.is_intended() {
            continue;
        }
        let model = golden.model(&case.model);
        let text = recipe(&case.configs());
        let analysis = check::analyze(Path::new("a.bitmill"), &text, &NoImports, Known::Model(&model));
        // There are no samples here, which nothing else depends on.
        let is_error = |finding: &&check::Finding| {
            finding.severity == check::Severity::Error && finding.code != "calibration-samples"
        };
        assert_eq!(analysis.findings.iter().filter(is_error).count(), 0, "{text}");
        let export = model.export.as_ref().unwrap();
        let program = &export.programs[0];
        let plan = analysis.plan.as_ref().unwrap();
        let sites = quantizers(program, export, &analysis.recipe, plan, Twice::AsUpstream);
        let own: BTreeSet<Place> = places(program, &sites).into_iter().collect();
        let theirs: BTreeSet<Place> = golden_places(&case.golden).into_iter().map(|(place, ..)| place).collect();
        // There a setting by name is lost on convolutions whose bias was made by folding, which carries no module.
        let is_lost = case.name == "residual-cnn--name-over-type--intended";
        assert_eq!(
            own == theirs,
            !is_lost,
            "{}: {text}{:?}\n{:?}",
            case.name,
            own.difference(&theirs),
            theirs.difference(&own)
        );
        compared += 1;
    }
    assert_eq!(compared, if golden.is_full { 58 } else { 7 });
}
