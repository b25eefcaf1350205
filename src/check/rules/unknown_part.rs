//! Words in schemes that are neither parts nor names of schemes.

use crate::check::words::{self, offer_nearest, offer_word};
use crate::check::{Binds, Context, Example, Finding, Needs, Report, Rule, Severity};
use crate::recipe::problem::ProblemKind;
use crate::recipe::{PART_WORDS, Place, Placed, Recipe, base_words};
use crate::scheme::{Mapping, PaletteFit, ScaleSearch};
use crate::syntax::keywords::OPERAND_PARTS;
use crate::syntax::tree::StatementKind;

/// The rule.
pub const RULE: Rule = Rule {
    code: "unknown-part",
    severity: Severity::Error,
    title: "a scheme holds a word that is no part of schemes and no scheme's name",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
A scheme is a few words in any order: what the weights become (`int4`, `lut3`, `fp16`, `keep`), who shares a scale
or a table (`per-channel`, `per-group(32)`), the mapping, and so on; or the name of a scheme that is defined further
up, perhaps with parts that change it: `w4 asymmetric`.

Integers are `int1` to `int8` and `uint1` to `uint8`, palettes are `lut1` to `lut8`: their widths are those that
torchao has. Core ML has no weights of 16-bit integers and none of booleans; `fp16` halves a model of 32-bit floats.

Recipes are read from top to bottom, so that a scheme is defined above the rules that use it.
",
    examples: &[
        Example::recipe("target iOS18\nlinear => int4 per-grop(32)\n", "target iOS18\nlinear => int4 per-group(32)\n"),
        Example::recipe(
            "target iOS18\nlinear => w4\nscheme w4 = int4 per-group(32)\n",
            "target iOS18\nscheme w4 = int4 per-group(32)\nlinear => w4\n",
        ),
        Example::recipe("target iOS18\nlinear => lut9\n", "target iOS18\nlinear => lut4 per-grouped-channel(16)\n"),
    ],
    sources: &[
        "torchao: quantization/quant_api.py, IntxWeightOnlyConfig: torch.int1 to torch.int8",
        "coremltools: converters/mil/mil/ops/defs/iOS18/compression.py, the types of constexpr operators",
    ],
    check,
};

/// What other tools and people call the parts.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("float16", "fp16"),
    ("half", "fp16"),
    ("f16", "fp16"),
    ("float32", "fp32"),
    ("float", "fp32"),
    ("f32", "fp32"),
    ("bfloat16", "bf16"),
    ("float8_e4m3fn", "fp8-e4m3"),
    ("float8_e5m2", "fp8-e5m2"),
    ("fp8", "fp8-e4m3"),
    ("none", "keep"),
    ("skip", "keep"),
    ("linear_symmetric", "symmetric"),
    ("affine", "asymmetric"),
    ("symmetric_no_clipping_err", "symmetric-no-clipping"),
    ("qint8", "int8"),
    ("quint8", "uint8"),
    ("qint4", "int4"),
    ("quint4", "uint4"),
    ("per-axis", "per-channel"),
    ("per_axis", "per-channel"),
    ("per-block", "per-group"),
    ("per_block", "per-group"),
];

/// Schemes that are looked at for what was meant; of more, the latest.
const MOST_NAMES: usize = 200;

/// The names of the schemes above, each once.
fn names_above(recipe: &Recipe, defined: usize) -> Vec<&str> {
    let above = recipe.schemes.get(..defined).unwrap_or_default();
    let latest = &above[above.len().saturating_sub(MOST_NAMES)..];
    let mut names: Vec<&str> = latest.iter().map(|scheme| scheme.name.value.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn check(context: &Context, report: &mut Report) {
    for problem in &context.recipe.problems {
        let ProblemKind::UnknownPart { word, defined_below, schemes } = &problem.kind else {
            continue;
        };
        let place = problem.place;
        if let Some(below) = defined_below {
            let message = format!("scheme `{word}` is used before it is defined");
            let finding = report.add(place, message);
            used_too_early(context.recipe, finding, Placed::new(word.as_str(), place), *below);
            continue;
        }
        let message = format!("`{word}` is no part of a scheme, and no scheme has that name");
        let is_listed = !report.is_full();
        let finding = report.add(place, message);
        if !is_listed || width(finding, place, word) {
            continue;
        }
        let schemes = names_above(context.recipe, *schemes);
        let folded = word.to_lowercase();
        let operand = operand_of(&folded).map(|part| format!("{part} {folded}"));
        let other = OTHER_NAMES.iter().find(|(name, _)| *name == folded);
        if let Some(meant) = operand.as_deref().or(other.map(|(_, meant)| *meant)) {
            offer_word(finding, place, word, meant);
        } else {
            let bases = base_words();
            let known = bases.iter().map(|(word, _)| word.as_str());
            let known = known.chain(schemes.iter().copied());
            let known = known.chain(PART_WORDS.iter().map(|(word, ..)| *word));
            let known = known.chain(Mapping::ALL.iter().map(|(_, word, _)| *word));
            let known = known.chain(OPERAND_PARTS.iter().map(|part| part.word));
            offer_nearest(finding, place, word, known.chain(["activations"]));
        }
        finding.help(match schemes.as_slice() {
            [] => "a scheme says what the weights become, such as `int4`, `lut4`, `fp16` or `keep`, and then how"
                .to_string(),
            names => format!(
                "a scheme says what the weights become, such as `int4` or `lut4`, or begins with a scheme that is \
                 defined further up: {}",
                words::list(names, 8)
            ),
        });
    }
}

/// `hqq` belongs behind `by`, `uniform` behind `fit`.
fn operand_of(word: &str) -> Option<&'static str> {
    if ScaleSearch::from_word(word).is_some() {
        Some("by")
    } else if PaletteFit::from_word(word).is_some() {
        Some("fit")
    } else {
        None
    }
}

/// Explains a width that does not exist: `int16`, `lut9`, `bool`.
fn width(finding: &mut Finding, place: Place, word: &str) -> bool {
    let digits_at = word.find(|c: char| c.is_ascii_digit()).unwrap_or(word.len());
    let (family, digits) = word.split_at(digits_at);
    let bits: Option<u64> = digits.parse().ok();
    match (family, bits) {
        ("bool", _) => {
            finding
                .help("the narrowest are `int1`, and `lut1` with two values of any size")
                .suggest("use lut1", place, "lut1");
        }
        ("int" | "uint", Some(bits)) => {
            let prefix = if family == "uint" { "u" } else { "" };
            finding.help(format!(
                "integers are `{prefix}int1` to `{prefix}int8`; Core ML itself has those of 4 and 8 bits"
            ));
            if bits > 8 {
                finding.suggest(format!("use {family}8"), place, format!("{family}8"));
                finding.suggest("use fp16", place, "fp16");
            } else {
                finding.suggest(format!("use {family}4"), place, format!("{family}4"));
            }
        }
        ("lut", Some(bits)) => {
            finding.help("palettes are `lut1` to `lut8`: the digit is the width of an index, 2 to 256 values");
            let near = if bits > 8 { "lut8" } else { "lut4" };
            finding.suggest(format!("use {near}"), place, near);
        }
        _ => return false,
    }
    true
}

/// Offers to move the definition above the statement that uses it.
fn used_too_early(recipe: &Recipe, finding: &mut Finding, word: Placed<&str>, below: Place) {
    finding
        .here("used here")
        .label(below, "defined here, further down")
        .help("recipes are read from top to bottom: define a scheme above the rules that use it");
    let used = words::statement_at(recipe, word.place);
    let defined = words::statement_at(recipe, below);
    let (Some(used), Some(defined)) = (used, defined) else {
        return;
    };
    if !matches!(defined.kind, StatementKind::Scheme { .. }) || used.span == defined.span {
        return;
    }
    let at = Place::new(below.file, defined.span);
    let moved = recipe.text(at).to_string();
    let edits =
        vec![words::insert_above(recipe, Place::new(below.file, used.span), &moved), words::remove_lines(recipe, at)];
    // Not safe: what the definition itself is made of may stand between the two places.
    finding.fix_with(format!("move the definition of `{}` up", word.value), false, edits);
}
