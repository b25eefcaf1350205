//! What is in the files that a recipe names.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::ide::{Analysis, ModelState};
use crate::inspect::export::ProgramOfExport;
use crate::model::Role;
use crate::recipe::FileId;
use crate::words::{count, size};

/// Inputs and outputs that are named.
const FIRST: usize = 8;

/// What a model holds.
pub(super) fn model(analysis: &Analysis) -> Option<String> {
    let open = match analysis.model_state() {
        ModelState::None => return None,
        ModelState::Unreadable { why, .. } => return Some(why.to_string()),
        ModelState::Open(open) => open,
    };
    let model = &open.model;
    let mut page = format!("`{}`: {}", model.path.display(), model.format.word());
    if let Some(architecture) = &model.architecture {
        _ = write!(page, ", `{architecture}`");
    }
    _ = writeln!(page, "\n\n{}, {}", count(model.weights.len(), "tensor"), size(model.bytes()));
    let mut kinds: BTreeMap<&str, (usize, u64)> = BTreeMap::new();
    for weight in model.weights.iter().filter(|weight| weight.role == Role::Weight) {
        let (many, bytes) = kinds.entry(weight.kind.word()).or_default();
        (*many, *bytes) = (*many + 1, bytes.saturating_add(weight.bytes));
    }
    let mut kinds: Vec<(&str, (usize, u64))> = kinds.into_iter().collect();
    kinds.sort_by_key(|(_, (_, bytes))| std::cmp::Reverse(*bytes));
    page.push('\n');
    for (kind, (many, bytes)) in kinds {
        _ = writeln!(page, "- `{kind}`: {}, {}", count(many, "weight"), size(bytes));
    }
    if let Some(export) = &model.export {
        let listed = |what: &str, all: &[(String, String)]| {
            let each: Vec<String> = all.iter().take(FIRST).map(|(name, ty)| format!("`{name}` {ty}")).collect();
            let more = all.len().checked_sub(FIRST).filter(|more| *more > 0);
            let more = more.map_or(String::new(), |more| format!(" and {more} more"));
            format!("\n{what} {}{more}\n", each.join(", "))
        };
        for program in export.programs.iter().map(ProgramOfExport::of) {
            page.push_str(&listed("takes", &program.inputs));
            page.push_str(&listed("gives", &program.outputs));
        }
    }
    let known = model.kinds_known();
    if !known.is_empty() {
        _ = writeln!(page, "\nkinds are known {known}");
    }
    if let Some(set) = analysis.recipe().defaults.set {
        _ = writeln!(page, "\nwritten for {} ({})", set.name, set.systems());
    }
    if let Some(totals) = analysis.totals() {
        _ = writeln!(page, "\nthis recipe: {totals}");
    }
    Some(page)
}

/// What an import brings in.
pub(super) fn import(analysis: &Analysis, offset: usize) -> Option<String> {
    let (_, statement) = analysis.statement_at(offset)?;
    let at = Some(analysis.place(statement.span));
    let recipe = analysis.recipe();
    let file = (0..).map(FileId).zip(&recipe.sources).find(|(_, source)| source.included_at == at)?.0;
    let is_inside = |place: crate::recipe::Place| {
        let mut file_of = Some(place.file);
        // What it imports itself comes with it.
        while let Some(inner) = file_of {
            if inner == file {
                return true;
            }
            file_of = analysis.source(inner).and_then(|source| source.included_at).map(|at| at.file);
        }
        false
    };
    let rules = recipe.rules.iter().filter(|rule| is_inside(rule.place)).count();
    let schemes: Vec<String> = recipe
        .schemes
        .iter()
        .filter(|scheme| is_inside(scheme.name.place))
        .map(|scheme| match &scheme.scheme {
            Some(spelled) => format!("- `{}` = `{spelled}`\n", scheme.name.value),
            None => format!("- `{}`\n", scheme.name.value),
        })
        .collect();
    let head = format!("`{}`: {}, {}", analysis.shown_path(file), count(rules, "rule"), count(schemes.len(), "scheme"));
    Some(format!("{head}\n\n{}", schemes.concat()))
}
