//! What a scheme is, costs, needs, and is called elsewhere.

use std::fmt::Write;

use super::word;
use crate::ide::Analysis;
use crate::ide::navigation::scheme_at;
use crate::ide::scheme_facts;
use crate::ide::walk::Leaf;
use crate::plan::words::change;
use crate::recipe::{NamedScheme, Recipe};
use crate::scheme::Scheme;
use crate::syntax::tree::{Expectation, Statement, StatementKind};

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
    let Some(facts) = scheme_facts::of_statement(analysis, statement.span.start, scheme) else { return };
    if let Some(why) = facts.unfit {
        _ = writeln!(page, "- **does not fit**: {why}");
    }
    if let Some((before, after, bits)) = facts.sizes {
        _ = writeln!(page, "- {bits:.2} bits per weight, {}", change(before, after));
    }
    if !facts.operators.is_empty() {
        let operators: Vec<String> = facts.operators.iter().map(|operator| format!("`{operator}`")).collect();
        _ = writeln!(page, "- Core ML operators: {}", operators.join(", "));
    }
    _ = writeln!(page, "- runs from {} ({})", facts.set.systems(), facts.set.name);
    if let Some(arithmetic) = facts.arithmetic {
        _ = writeln!(page, "- {arithmetic}");
    }
    _ = write!(page, "\n```python\n");
    for translation in facts.translations {
        match translation.code {
            Ok(code) => _ = writeln!(page, "# {}\n{code}", translation.tool),
            Err(why) => _ = writeln!(page, "# {}: {}", translation.tool, why.replace('`', "")),
        }
    }
    _ = writeln!(page, "```");
}
