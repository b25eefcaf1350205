//! Tables that are large beside the indices.

use crate::check::schemes::{shares, weights_named};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places};
use crate::model::Weight;
use crate::plan::fit::storage_bits;
use crate::plan::size::float_bytes;
use crate::plan::{Fitted, Outcome};
use crate::recipe::Field;

/// The rule.
pub const RULE: Rule = Rule {
    code: "lut-table-size",
    severity: Severity::Hint,
    title: "palettes whose tables take more than a quarter of what the indices take",
    binds: Binds::Model,
    needs: Needs::Model,
    page: "
A palette of n bits takes n bits an element for the indices, and 16 bits for each of the 2^n entries of a table, spread
over the elements that share it: n + 16 · 2^n / elements. A table of 256 entries needs 4096 elements to cost one bit
more, one of 16 entries 256.

Where tables take more than a quarter of what the indices take, another width or a larger group gives more for the same
size: `lut4` for all of a small weight, or `int8 per-channel`.
",
    examples: &[Example::with_model(
        "layers.{0..3}.q_proj.weight  linear  64x64  fp16\n",
        "target iOS18\nlinear => lut8 per-grouped-channel(16)\n",
        "target iOS18\nlinear => lut4 per-grouped-channel(16)\n",
    )],
    sources: &["coremltools: docs-guides/source/opt-palettization-perf.md"],
    check,
};

/// Bytes of indices and of tables of a palettized weight.
fn sizes(weight: &Weight, outcome: &Outcome) -> Option<(u64, u64)> {
    let Outcome::Change(Fitted::Palette { block, bits, vector, int8_entries, entry, .. }) = outcome else {
        return None;
    };
    let (bits, vector) = (u64::from(storage_bits(*bits)), u64::from((*vector).max(1)));
    let share = block.iter().map(|extent| *extent as u64).product::<u64>().max(1);
    let entry = if *int8_entries { 1 } else { float_bytes(*entry) };
    let tables = (weight.elements() / share).saturating_mul(vector << bits).saturating_mul(entry);
    Some((weight.elements().saturating_mul(bits) / vector / 8, tables))
}

fn check(context: &Context, report: &mut Report) {
    for share in shares(context, |_, weight, decision| sizes(weight, &decision.outcome).is_some()) {
        let (mut indices, mut tables, mut elements) = (0u64, 0u64, 0u64);
        for (weight, decision) in &share.weights {
            let Some((of_indices, of_tables)) = sizes(weight, &decision.outcome) else { continue };
            indices = indices.saturating_add(of_indices);
            tables = tables.saturating_add(of_tables);
            elements = elements.saturating_add(weight.elements());
        }
        if tables <= indices / 4 || elements == 0 {
            continue;
        }
        let bits = |bytes: u64| bytes as f64 * 8.0 / elements as f64;
        let names = share.names();
        let message = format!(
            "tables take {:.1} bits per weight beside {:.1} for the indices, in {}",
            bits(tables),
            bits(indices),
            weights_named(&names)
        );
        let finding = report.add(places::part(share.rule, Field::Granularity), message);
        finding
            .here(format!("{:.1} bits per weight in all", bits(tables.saturating_add(indices))))
            .label(share.rule.selector_place, "these weights are meant")
            .help("use fewer bits, a table for more elements, or integers, whose scales are small")
            .weights(names);
    }
}
