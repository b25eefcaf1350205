//! Tables that are large beside the indices.

use super::lut_many_tables::has_many_tables;
use crate::check::schemes::{shares_of, weights_named};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places};
use crate::model::Weight;
use crate::plan::fit::storage_bits;
use crate::plan::size::float_bytes;
use crate::plan::{Decision, Fitted, Outcome};
use crate::recipe::{self, Field};
use crate::scheme::WeightScheme;

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

/// Bytes of indices and tables, where the tables are large for them.
fn large(weight: &Weight, decision: &Decision) -> Option<(u64, u64)> {
    sizes(weight, &decision.outcome).filter(|(indices, tables)| *tables > indices / 4)
}

fn check(context: &Context, report: &mut Report) {
    // Tables for a few channels are told by `lut-many-tables`, weights that grow by `weight-grows`.
    let is_told = |rule: &recipe::Rule, decision: &Decision| {
        decision.after >= decision.before || rule.scheme.as_ref().is_some_and(has_many_tables)
    };
    let wanted = |rule: &recipe::Rule, weight: &Weight, decision: &Decision| {
        large(weight, decision).is_some() && !is_told(rule, decision)
    };
    let is_palette = |rule: &recipe::Rule| {
        rule.scheme.as_ref().is_some_and(|scheme| matches!(scheme.weights, WeightScheme::Palette(_)))
    };
    for share in shares_of(context, |rule, did| did.changes > 0 && is_palette(rule), wanted) {
        // The worst of them is shown.
        let all = share.weights.iter().filter_map(|(weight, decision)| Some((weight, large(weight, decision)?)));
        let per_element = |bytes: u64, weight: &Weight| bytes as f64 * 8.0 / weight.elements().max(1) as f64;
        let worst = all.max_by(|(a, (_, x)), (b, (_, y))| per_element(*x, a).total_cmp(&per_element(*y, b)));
        let Some((worst, (indices, tables))) = worst else { continue };
        let bits = |bytes: u64| per_element(bytes, worst);
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
