//! Settings with a word that they do not know.

use crate::check::words::{either, offer_nearest, offer_word};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::ComputeUnits;
use crate::recipe::problem::ProblemKind;

/// The rule.
pub const RULE: Rule = Rule {
    code: "unknown-choice",
    severity: Severity::Error,
    title: "a setting has a word that it does not know",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
Some settings and parts of schemes choose among a few words: `compute cpu-and-ne`, `precision fp16`,
`observer min-max`, `scale fp16`, `by hqq`, `fit uniform`, `entries int8`, `activations uint8`.

The words are spelled in one way, with hyphens, whatever the tools call the same thing: `cpu-and-ne` is coremltools'
`CPU_AND_NE`, `moving-average-min-max` is `moving_average_min_max`. Where a tool has a choice that ExecuTorch refuses,
such as the observer `ema_min_max`, the language does not have it either.
",
    examples: &[
        Example::recipe(
            "target iOS18\ncompute gpu\nlinear => int4 per-group(32)\n",
            "target iOS18\ncompute cpu-and-gpu\nlinear => int4 per-group(32)\n",
        ),
        Example::recipe(
            "target iOS18\nprecision half\nlinear => int4 per-group(32)\n",
            "target iOS18\nprecision fp16\nlinear => int4 per-group(32)\n",
        ),
        Example::recipe(
            "target iOS18\nlinear => int4 per-group(32) by hhq\n",
            "target iOS18\nlinear => int4 per-group(32) by hqq\n",
        ),
    ],
    sources: &[
        "coremltools: coremltools/__init__.py, ComputeUnit",
        "ExecuTorch: backends/apple/coreml/quantizer, `Unsupported observer type`",
    ],
    check,
};

/// What people and tools write, setting by setting.
const OTHER_NAMES: &[(&str, &str, &str)] = &[
    ("compute", "gpu", "cpu-and-gpu"),
    ("compute", "ane", "cpu-and-ne"),
    ("compute", "ne", "cpu-and-ne"),
    ("compute", "npu", "cpu-and-ne"),
    ("compute", "cpu-and-ane", "cpu-and-ne"),
    ("precision", "half", "fp16"),
    ("precision", "float16", "fp16"),
    ("precision", "float32", "fp32"),
    ("precision", "float", "fp32"),
    ("scale", "half", "fp16"),
    ("scale", "float16", "fp16"),
    ("scale", "float32", "fp32"),
    ("scale", "bfloat16", "bf16"),
    ("dtype", "float16", "fp16"),
    ("dtype", "float32", "fp32"),
    ("dtype", "bfloat16", "bf16"),
    ("arithmetic", "torch", "torchao"),
    ("arithmetic", "ao", "torchao"),
    ("arithmetic", "coreml", "coremltools"),
    ("arithmetic", "ct", "coremltools"),
    ("activations", "quint8", "uint8"),
    ("activations", "qint8", "int8"),
];

fn check(context: &Context, report: &mut Report) {
    for problem in &context.recipe.problems {
        let ProblemKind::UnknownChoice { setting, word, choices } = &problem.kind else {
            continue;
        };
        let place = problem.place;
        let finding = report.add(place, format!("`{setting}` does not know `{word}`"));
        finding.help(format!("it can be {}", either(choices)));
        let folded = word.to_lowercase();
        let other = OTHER_NAMES.iter().find(|(of, name, _)| of == setting && *name == folded);
        let unit = ComputeUnits::ALL.iter().find(|(_, _, upstream, _)| *upstream == word);
        let meant = match (other, unit) {
            (Some((.., meant)), _) => Some(*meant),
            (None, Some((_, meant, ..))) if *setting == "compute" => Some(*meant),
            _ => None,
        };
        match meant {
            Some(meant) => offer_word(finding, place, word, meant),
            None => _ = offer_nearest(finding, place, word, choices.iter().copied()),
        }
        if *setting == "observer" && folded.starts_with("ema") {
            finding.upstream("coremltools takes `ema_min_max`; ExecuTorch fails with `Unsupported observer type`");
        }
    }
}
