//! What a scheme is, costs, needs, and is called elsewhere.

use std::fmt::Write;

use super::word;
use crate::coreml::feature::{Feature, lowest_set};
use crate::ide::Analysis;
use crate::ide::navigation::scheme_at;
use crate::ide::prospects::Prospects;
use crate::ide::walk::Leaf;
use crate::plan::words::{arithmetic, change};
use crate::recipe::{NamedScheme, Recipe};
use crate::scheme::{ActivationScheme, Mapping, Scheme, WeightScheme};
use crate::syntax::tree::{Expectation, Statement, StatementKind};
use crate::translation::translations;

/// The scheme at an offset: of the part under the cursor its meaning, then all of the scheme.
pub(super) fn page(analysis: &Analysis, offset: usize, leaf: Option<Leaf<'_>>) -> Option<String> {
    let (_, statement) = analysis.statement_at(offset)?;
    let mut page = String::new();
    if let Some((_, named)) = scheme_at(analysis, offset) {
        describe_name(&mut page, named);
    } else if let Some(meaning) = leaf.and_then(|leaf| word(leaf.text)) {
        _ = writeln!(page, "{meaning}");
    }
    let scheme = scheme_of(analysis, statement);
    if let Some(scheme) = scheme {
        describe(&mut page, analysis, statement, &scheme);
    }
    (!page.is_empty()).then(|| page.trim_start().to_string())
}

/// The scheme that a statement gives.
fn scheme_of(analysis: &Analysis, statement: &Statement) -> Option<Scheme> {
    let recipe: &Recipe = analysis.recipe();
    let place = analysis.place(statement.span);
    match &statement.kind {
        StatementKind::Rule { .. } => recipe.rules.iter().find(|rule| rule.place == place)?.scheme.clone(),
        StatementKind::Scheme { .. } => recipe.schemes.iter().find(|named| named.place == place)?.scheme.clone(),
        StatementKind::Expect(Some(Expectation::Decides { .. })) => {
            recipe.expects.iter().find(|expect| expect.place == place).and_then(|expect| match &expect.claim {
                crate::recipe::Claim::Decides { scheme, .. } => Some(scheme.clone()),
                _ => None,
            })
        }
        _ => None,
    }
}

fn describe_name(page: &mut String, named: &NamedScheme) {
    let meaning = named.scheme.as_ref().map_or("cannot be read".to_string(), |scheme| format!("`{scheme}`"));
    let used = match named.uses.len() {
        0 => "not used".to_string(),
        1 => "used once".to_string(),
        uses => format!("used {uses} times"),
    };
    _ = writeln!(page, "`{}` is {meaning}, {used}", named.name.value);
}

/// Size, operators, systems and translations.
fn describe(page: &mut String, analysis: &Analysis, statement: &Statement, scheme: &Scheme) {
    _ = writeln!(page, "\n```bitmill\n{scheme}\n```\n");
    if scheme.weights == WeightScheme::Keep && scheme.sparse.is_none() {
        return;
    }
    let mut prospects = Prospects::of(analysis, statement.span.start);
    let prospect = prospects.judge(scheme);
    if let Some(why) = prospect.unfit {
        _ = writeln!(page, "- **does not fit**: {why}");
    }
    if let Some((before, after, bits)) = prospect.sizes {
        _ = writeln!(page, "- {bits:.2} bits per weight, {}", change(before, after));
    }
    let mut operators = prospects.operators(scheme);
    if scheme.activations.is_some() {
        operators.extend(Feature::Activations.need().operators.split(", "));
    }
    if !operators.is_empty() {
        let operators: Vec<String> = operators.iter().map(|operator| format!("`{operator}`")).collect();
        _ = writeln!(page, "- Core ML operators: {}", operators.join(", "));
    }
    let set = lowest_set(scheme);
    _ = writeln!(page, "- runs from {} ({})", set.systems(), set.name);
    if is_symmetric(scheme) {
        _ = writeln!(page, "- {}", arithmetic(analysis.recipe()));
    }
    _ = write!(page, "\n```python\n");
    for translation in translations(scheme) {
        match translation.code {
            Ok(code) => _ = writeln!(page, "# {}\n{code}", translation.tool),
            Err(why) => _ = writeln!(page, "# {}: {}", translation.tool, why.replace('`', "")),
        }
    }
    _ = writeln!(page, "```");
}

/// Whether the arithmetic makes a difference.
fn is_symmetric(scheme: &Scheme) -> bool {
    let of_weights = matches!(&scheme.weights, WeightScheme::Affine(affine) if affine.mapping == Mapping::Symmetric);
    of_weights || matches!(scheme.activations, Some(ActivationScheme::Static { .. }))
}
