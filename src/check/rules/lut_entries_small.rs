//! int8 entries of tables that are too small.

use crate::check::schemes::palette_parts;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::Field;
use crate::scheme::{Granularity, Palette};

/// The rule.
pub const RULE: Rule = Rule {
    code: "lut-entries-small",
    severity: Severity::Hint,
    title: "int8 entries of a table with fewer than ten values",
    binds: Binds::Coremltools,
    needs: Needs::Recipe,
    page: "
`entries int8` halves the bytes of a table. One table of 2, 4 or 8 entries takes 16 bytes at most: there is nothing to
gain, and precision to lose.

coremltools silently keeps such a table in fp16: only constants of at least ten elements go to the weight file, and the
same test decides what is compressed.
",
    examples: &[Example::recipe("target iOS18\nlinear => lut2 entries int8\n", "target iOS16\nlinear => lut2\n")],
    sources: &[
        "coremltools: converters/mil/backend/mil/load.py:59-72, optimize/coreml/_quantization_passes.py:157-159",
    ],
    check,
};

/// Below so many values coremltools leaves a constant alone.
const FEWEST: u32 = 10;

fn values(palette: &Palette) -> u32 {
    (1u32 << palette.bits) * palette.vector
}

/// Whether a palette has int8 entries in one table that is too small for them.
pub(super) fn is_small(palette: &Palette) -> bool {
    palette.int8_entries && palette.granularity.plain() == Granularity::PerTensor && values(palette) < FEWEST
}

fn check(context: &Context, report: &mut Report) {
    for (part, palette) in palette_parts(context.recipe, Field::Entries, is_small) {
        let finding =
            report.add(part.place, format!("a table of {} values gains nothing from int8 entries", values(palette)));
        finding
            .label_if(part.origins.get(Field::Base), "the table")
            .upstream("coremltools silently keeps the entries of tables below 10 values in fp16")
            .help("leave `entries int8` away");
        part.label_uses(finding);
        part.suggest(context.recipe, finding, "leave `entries int8` away", &[(Field::Entries, "")]);
    }
}
