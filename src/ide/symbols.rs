//! The outline of a recipe, and the symbols of all recipes.

use std::path::PathBuf;

use super::workspace::Unavailable;
use super::{Analysis, Cancel, Cancelled, World};
use crate::recipe::Place;
use crate::syntax::Span;
use crate::syntax::tree::{Statement, StatementKind};

/// What a symbol is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SymbolKind {
    /// `model`, `target` and the like.
    Setting,
    /// `scheme NAME = …`
    Scheme,
    /// `import "PATH"`
    Import,
    /// `extend "PRESET"`
    Preset,
    /// `SELECTOR => SCHEME`
    Rule,
    /// `expect …`
    Expectation,
}

/// A statement as an outline shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// The selector of a rule, the name of a scheme, the word of a setting.
    pub name: String,
    /// What follows it, on one line; empty for nothing.
    pub detail: String,
    /// What it is.
    pub kind: SymbolKind,
    /// The whole statement.
    pub span: Span,
    /// What to select of it.
    pub selection: Span,
}

/// Every statement that can be read, in order.
pub fn outline(analysis: &Analysis) -> Vec<Symbol> {
    analysis.statements().iter().filter_map(|statement| symbol(analysis, statement)).collect()
}

fn symbol(analysis: &Analysis, statement: &Statement) -> Option<Symbol> {
    let (kind, selection) = match &statement.kind {
        StatementKind::Scheme { name, .. } => (SymbolKind::Scheme, name.as_ref()?.span),
        StatementKind::Import(path) => (SymbolKind::Import, path.as_ref()?.span),
        StatementKind::Extend { preset, .. } => (SymbolKind::Preset, preset.as_ref()?.span),
        StatementKind::Rule { arrow: None, .. } => return None,
        StatementKind::Rule { selector, .. } => (SymbolKind::Rule, selector.span()),
        StatementKind::Expect(stated) => {
            stated.as_ref()?;
            (SymbolKind::Expectation, word_of(analysis, statement.span))
        }
        StatementKind::Error => return None,
        _ => (SymbolKind::Setting, word_of(analysis, statement.span)),
    };
    let written = analysis.text_at(selection);
    let name = match kind {
        SymbolKind::Import | SymbolKind::Preset => one_line(written.trim_matches('"')),
        _ => one_line(written),
    };
    let behind = analysis.text_at(Span::new(selection.end.max(statement.span.start), statement.span.end));
    let detail = one_line(behind.trim_start_matches(['=', '>', ' ', '\t']));
    let name = if name.is_empty() { "?".to_string() } else { name };
    Some(Symbol { name, detail, kind, span: statement.span, selection })
}

/// The word that a statement begins with.
fn word_of(analysis: &Analysis, statement: Span) -> Span {
    let text = analysis.text_at(statement);
    let length = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(text.len());
    Span::new(statement.start, statement.start + length as u32)
}

/// A text on one line, not too long, without comments.
pub(super) fn one_line(text: &str) -> String {
    const LONGEST: usize = 120;
    let lines = text.lines().map(|line| line.split(" #").next().unwrap_or(""));
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    let joined = words.join(" ");
    match joined.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &joined[..at]),
        None => joined,
    }
}

/// A symbol and the recipe that holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Located {
    /// The recipe.
    pub path: PathBuf,
    /// Where in it.
    pub place: Place,
    /// The symbol.
    pub symbol: Symbol,
}

/// Symbols that are listed at most: an editor shows fewer.
const MOST_SYMBOLS: usize = 2_000;

/// The schemes, rules, imports and presets of all recipes whose names hold the letters of a query in its order, upper
/// and lower case alike.
///
/// # Errors
/// When the answer is no longer wanted.
pub fn workspace_symbols(world: &World, query: &str, cancel: &Cancel) -> Result<Vec<Located>, Cancelled> {
    let mut found = Vec::new();
    workspace_symbols_by_recipe(world, query, cancel, |part| found.extend(part))?;
    Ok(found)
}

/// As [`workspace_symbols`], handed over recipe by recipe.
///
/// # Errors
/// When the answer is no longer wanted.
pub fn workspace_symbols_by_recipe(
    world: &World,
    query: &str,
    cancel: &Cancel,
    mut take: impl FnMut(Vec<Located>),
) -> Result<(), Cancelled> {
    let mut left = MOST_SYMBOLS;
    for path in world.recipes() {
        cancel.check()?;
        let analysis = match world.analysis(&path, cancel) {
            Ok(analysis) => analysis,
            Err(Unavailable::Cancelled(cancelled)) => return Err(cancelled),
            Err(Unavailable::Unreadable(_)) => continue,
        };
        let is_meant = |symbol: &Symbol| symbol.kind != SymbolKind::Setting && holds(&symbol.name, query);
        let symbols = outline(&analysis).into_iter().filter(is_meant).take(left);
        let located = |symbol: Symbol| Located { path: path.clone(), place: analysis.place(symbol.selection), symbol };
        let part: Vec<Located> = symbols.map(located).collect();
        left -= part.len();
        if !part.is_empty() {
            take(part);
        }
        if left == 0 {
            break;
        }
    }
    Ok(())
}

/// Whether a name holds the letters of a query, in their order.
fn holds(name: &str, query: &str) -> bool {
    let mut letters = name.chars().flat_map(char::to_lowercase);
    query.chars().flat_map(char::to_lowercase).all(|wanted| letters.any(|letter| letter == wanted))
}
