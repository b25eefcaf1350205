//! What the tool whose arithmetic a recipe asks for by name has no words for.

use super::Context;
use super::finding::Report;
use super::places;
use super::schemes::parts;
use crate::recipe::Field;
use crate::scheme::{Arithmetic, Scheme};

/// A part of a scheme that a tool does not have.
pub struct Missing {
    /// The part.
    pub field: Field,
    /// Whether a scheme has it.
    pub asks: fn(&Scheme) -> bool,
    /// What the tool has, in a sentence that names its configuration.
    pub has: &'static str,
    /// What to write instead; empty to leave the part away.
    pub instead: fn(&Scheme) -> String,
}

/// Nothing: the part is left away.
pub fn nothing(_: &Scheme) -> String {
    String::new()
}

/// Tells of every part that a tool does not have, where the recipe asks for its arithmetic by name.
pub fn tell(context: &Context, report: &mut Report, tool: Arithmetic, all: &[Missing]) {
    let Some(asked_for) = places::asks_for(context, tool) else { return };
    for missing in all {
        for part in parts(context.recipe, missing.field, missing.asks) {
            let written = context.recipe.text(part.place);
            let finding = report.add(part.place, format!("{tool} has no `{written}`"));
            finding
                .label(asked_for, format!("{tool}'s arithmetic is asked for here"))
                .upstream(missing.has)
                .help(format!("bitmill writes it all the same; what {tool} makes differs"));
            part.label_uses(finding);
            let instead = (missing.instead)(part.scheme);
            let title = match instead.as_str() {
                "" => format!("leave `{written}` away"),
                other => format!("use {other}"),
            };
            part.suggest(context.recipe, finding, title, &[(missing.field, &instead)]);
        }
    }
}
