//! Phrases and edits that several rules need.

use std::ops::Range;

use super::Context;
use super::finding::{Edit, Finding};
use super::needs;
use crate::coreml::target::{OperatorSet, Platform};
use crate::nearest::nearest;
use crate::recipe::{FileId, Place, Recipe};
use crate::syntax::Span;
use crate::syntax::token::quote;
use crate::syntax::tree::Statement;
pub use crate::words::{count, counted};

/// `a`, `b` and 3 more: the first few of many names, in backquotes.
pub fn list<S: AsRef<str>>(names: &[S], show: usize) -> String {
    let shown: Vec<String> = names.iter().take(show).map(|name| format!("`{}`", name.as_ref())).collect();
    match (shown.as_slice(), names.len().saturating_sub(show)) {
        ([], _) => String::new(),
        ([one], 0) => one.clone(),
        ([head @ .., last], 0) => format!("{} and {last}", head.join(", ")),
        (all, more) => format!("{} and {more} more", all.join(", ")),
    }
}

/// The names that are nearest to one that a model does not have, as help; `none` when there are none.
pub fn nearest_help(near: &[String], none: String) -> String {
    match near {
        [] => none,
        [one] => format!("the nearest is {}", list(&[one], 1)),
        several => format!("the nearest are {}", list(several, 3)),
    }
}

/// Labels the target that makes it so and offers to raise it to an operator set: on every platform that the
/// recipe names and that is older. Without a target the operator set is that of the package which is the model.
pub fn needs_set(finding: &mut Finding, context: &Context, set: &'static OperatorSet) {
    if let (None, Some(own)) = (&context.recipe.target, context.recipe.defaults.set) {
        finding.label_if(context.recipe.model_place(), needs::package_is_of(own));
        needs::offer_first_target(finding, context, set);
    }
    let Some(oldest) = needs::oldest(context) else {
        return;
    };
    let has = format!("{} has the operators of {}", oldest.value, oldest.value.set.name);
    finding.label(oldest.place, has);
    needs::offer_target(finding, context, "raise", set, |target| target.set.spec < set.spec);
}

/// The iOS name of an operator set, the one that upstream's messages use.
pub fn ios(set: &OperatorSet) -> String {
    set.on(Platform::Ios).unwrap_or_default()
}

/// The place directly behind a statement's line, where a new statement can be inserted as `"STATEMENT\n"`
/// after a line end; with the text to put before it when the file does not end its last line.
pub fn line_after(recipe: &Recipe, place: Place) -> (Place, &'static str) {
    let text = text_of(recipe, place.file);
    let at = line_end(text, place.span.end as usize);
    let before = if text[..at].ends_with(['\n', '\r']) { "" } else { line_ending(text) };
    (Place::new(place.file, Span::new(at as u32, at as u32)), before)
}

/// How the lines of a text end: as its first does.
pub fn line_ending(text: &str) -> &'static str {
    match text.find(['\n', '\r']) {
        Some(at) if text[at..].starts_with("\r\n") => "\r\n",
        Some(at) if text[at..].starts_with('\r') => "\r",
        _ => "\n",
    }
}

/// Where the line of an offset begins. `\n`, `\r\n` and `\r` end one, as in the grammar.
fn line_start(text: &str, offset: usize) -> usize {
    text.get(..offset).and_then(|before| before.rfind(['\n', '\r'])).map_or(0, |at| at + 1)
}

/// Where the line behind that of an offset begins; the end of the text where there is none.
fn line_end(text: &str, offset: usize) -> usize {
    let behind = text.get(offset..).unwrap_or("");
    let Some(end) = behind.find(['\n', '\r']) else { return text.len() };
    offset + end + if behind[end..].starts_with("\r\n") { 2 } else { 1 }
}

/// The edit that adds a statement behind another.
pub fn insert_after(recipe: &Recipe, place: Place, statement: &str) -> Edit {
    let (at, before) = line_after(recipe, place);
    let ending = line_ending(text_of(recipe, place.file));
    Edit { place: at, text: format!("{before}{statement}{ending}") }
}

/// The pattern that means exactly this name, as it is written in a selector; `None` for a name that no text can hold.
pub fn literal(name: &str) -> Option<String> {
    let special = |c: char| matches!(c, '*' | '?' | '{' | '}' | '[' | ']' | '\\');
    if name.is_empty() || name.contains(char::is_control) {
        return None;
    }
    let escaped = |c: char| special(c).then_some('\\').into_iter().chain([c]);
    Some(quote(&name.chars().flat_map(escaped).collect::<String>()))
}

/// "`a`, `b` or `c`": what something could be.
pub fn either<S: AsRef<str>>(choices: &[S]) -> String {
    let quoted: Vec<String> = choices.iter().map(|choice| format!("`{}`", choice.as_ref())).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [head @ .., last] => format!("{} or {last}", head.join(", ")),
    }
}

/// Offers the word that was probably meant in place of one that nobody knows, and says so there. The fix is
/// safe where only letters differ: `int9` may mean `int8`, or something else.
pub fn offer_nearest<'w>(
    finding: &mut Finding,
    place: Place,
    word: &str,
    words: impl IntoIterator<Item = &'w str>,
) -> bool {
    let Some(meant) = nearest(word, words) else {
        return false;
    };
    offer_word(finding, place, word, meant);
    true
}

/// As [`offer_nearest`], where the word that was meant is known.
pub fn offer_word(finding: &mut Finding, place: Place, word: &str, meant: &str) {
    let digits = |text: &str| -> String { text.chars().filter(char::is_ascii_digit).collect() };
    let title = format!("write `{meant}`");
    finding.here(format!("did you mean `{meant}`?"));
    if digits(word) == digits(meant) {
        finding.fix(title, place, meant);
    } else {
        finding.suggest(title, place, meant);
    }
}

/// The statement that a place stands in.
pub fn statement_at(recipe: &Recipe, place: Place) -> Option<&Statement> {
    let source = recipe.sources.get(place.file.0 as usize)?;
    let statements = &source.tree.statements;
    let behind = statements.partition_point(|s| s.span.start <= place.span.start);
    let statement = statements.get(behind.checked_sub(1)?)?;
    (place.span.start < statement.span.end).then_some(statement)
}

/// The text of a file.
pub fn text_of(recipe: &Recipe, file: FileId) -> &str {
    recipe.sources.get(file.0 as usize).map_or("", |source| source.text.as_str())
}

/// The whole lines that a place stands on, with their line ends.
pub fn lines(recipe: &Recipe, place: Place) -> Place {
    let text = text_of(recipe, place.file);
    let Range { start, end } = place.span.range();
    let (start, end) = (line_start(text, start), line_end(text, end));
    Place::new(place.file, Span::new(start as u32, end as u32))
}

/// The edit that removes the lines of a statement.
pub fn remove_lines(recipe: &Recipe, place: Place) -> Edit {
    Edit { place: lines(recipe, place), text: String::new() }
}

/// The edit that removes a part of a statement with the blanks before it, or behind it where it comes first.
pub fn remove_part(recipe: &Recipe, place: Place) -> Edit {
    let text = text_of(recipe, place.file);
    let blank = |c: char| c == ' ' || c == '\t';
    let range = place.span.range();
    let before = text.get(..range.start).unwrap_or("");
    let behind = text.get(range.end..).unwrap_or("");
    let blanks_before = before.len() - before.trim_end_matches(blank).len();
    let blanks_behind = behind.len() - behind.trim_start_matches(blank).len();
    let begins = before.trim_end_matches(blank).ends_with(['=', '>', '\n', '\r']) || before.is_empty();
    let (start, end) =
        if begins { (range.start, range.end + blanks_behind) } else { (range.start - blanks_before, range.end) };
    Edit { place: Place::new(place.file, Span::new(start as u32, end as u32)), text: String::new() }
}

/// The edit that adds a statement above another, and above the comments that belong to that line.
pub fn insert_above(recipe: &Recipe, place: Place, statement: &str) -> Edit {
    let text = text_of(recipe, place.file);
    let mut at = lines(recipe, place).span.start as usize;
    // A comment that allows something speaks of the line below it.
    while at > 0 {
        let above = text[..at].strip_suffix('\n').unwrap_or(&text[..at]);
        let above = above.strip_suffix('\r').unwrap_or(above);
        let start = line_start(text, above.len());
        if !above[start..].trim_start().starts_with("# bitmill:") {
            break;
        }
        at = start;
    }
    // A byte order mark is one at the beginning only.
    if at == 0 && text.starts_with('\u{feff}') {
        at = '\u{feff}'.len_utf8();
    }
    Edit {
        place: Place::new(place.file, Span::new(at as u32, at as u32)),
        text: format!("{statement}{}", line_ending(text)),
    }
}

/// The edit that adds a setting: behind `model`, or above everything else the recipe says.
pub fn insert_setting(recipe: &Recipe, statement: &str) -> Edit {
    let root = FileId(0);
    if let Some(model) = &recipe.model
        && let Some(at) = statement_at(recipe, model.place)
        && model.place.file == root
    {
        return insert_after(recipe, Place::new(root, at.span), statement);
    }
    let statements = recipe.sources.first().map(|s| s.tree.statements.as_slice());
    let first = statements.and_then(|all| all.first()).map_or(Span::default(), |s| s.span);
    insert_above(recipe, Place::new(root, first), statement)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::check::fix;
    use crate::recipe::{NoImports, resolve};

    /// A text after the edit that `edit` makes of it and its last rule.
    fn edited(text: &str, edit: impl Fn(&Recipe, Place) -> Edit) -> String {
        let recipe = resolve(Path::new("a.bitmill"), text, &NoImports);
        let edit = edit(&recipe, recipe.rules.last().unwrap().place);
        fix::apply(text, FileId(0), &[&edit]).0
    }

    #[test]
    fn lines_end_as_in_the_grammar() {
        for end in ["\n", "\r\n", "\r"] {
            let text = ["target iOS18", "all => keep", "linear => int4", "# end", ""].join(end);
            let without = ["target iOS18", "all => keep", "# end", ""].join(end);
            assert_eq!(edited(&text, remove_lines), without);
            let behind = edited(&text, |recipe, place| insert_after(recipe, place, "conv => int8"));
            assert_eq!(behind, text.replace("# end", &format!("conv => int8{end}# end")));
            let allowed = text.replace("linear", &format!("# bitmill: allow(x){end}linear"));
            let above = edited(&allowed, |recipe, place| insert_above(recipe, place, "conv => int8"));
            assert_eq!(above, allowed.replace("# bitmill", &format!("conv => int8{end}# bitmill")));
            let open = text.trim_end_matches(['\r', '\n']);
            let behind =
                edited(&format!("{open}{end}conv => int4"), |recipe, place| insert_after(recipe, place, "all => keep"));
            assert_eq!(behind, format!("{open}{end}conv => int4{end}all => keep{end}"));
        }
        let last = edited("all => keep", |recipe, place| insert_after(recipe, place, "conv => int8"));
        assert_eq!(last, "all => keep\nconv => int8\n");
        assert_eq!(edited("all => keep", remove_lines), "");
    }

    #[test]
    fn literals_mean_one_name() {
        let model = crate::model::Model::listing("a.weight  linear  4x4  fp16\n").unwrap();
        let names = ["layers.0.q", "a*b", "a[0].{x}", "q\"uote", "back\\slash", "what?", "größe"];
        for name in names {
            let text = format!("{} => keep\n", literal(name).unwrap());
            let recipe = resolve(Path::new("a.bitmill"), &text, &NoImports);
            assert!(recipe.problems.is_empty(), "{text}{:?}", recipe.problems);
            let matches = |other: &&&str| {
                let weight = crate::model::Weight {
                    name: format!("{other}.weight"),
                    module_len: other.len(),
                    ..model.weights[0].clone()
                };
                recipe.rules[0].selector.matches(&weight)
            };
            assert_eq!(names.iter().filter(matches).collect::<Vec<_>>(), [&name], "{text}");
        }
        assert_eq!((literal("a\nb"), literal("")), (None, None));
    }

    #[test]
    fn settings_stand_behind_a_byte_order_mark() {
        let with_target = edited("\u{feff}all => int4\n", |recipe, _| insert_setting(recipe, "target iOS18"));
        assert_eq!(with_target, "\u{feff}target iOS18\nall => int4\n");
    }
}
