//! Where a name is given and where it is used. Names are those of schemes; imports lead to their files.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

use super::walk::{self, Leaf, Role};
use super::workspace::{Unavailable, canonical};
use super::{Analysis, Cancel, Cancelled, World};
use crate::glossary;
use crate::recipe::{FileId, NamedScheme, Place};
use crate::syntax::token::TokenKind;
use crate::syntax::{Span, lex};

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The file.
    pub path: PathBuf,
    /// The place in the analysis that was asked.
    pub place: Place,
}

/// Where something is defined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// What the cursor is on.
    pub origin: Span,
    /// Where it is defined.
    pub targets: Vec<Location>,
}

/// A place where the name under the cursor stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Highlight {
    /// Where.
    pub span: Span,
    /// Whether the name is given there.
    pub is_definition: bool,
}

/// Places of one file, with the text that they count in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFile {
    /// The file.
    pub path: PathBuf,
    /// Its text.
    pub text: Arc<str>,
    /// The places, in order.
    pub spans: Vec<Span>,
}

/// Why something cannot be renamed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RenameError {
    /// Nobody waits for it any longer.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// There is nothing there that has a name of its own.
    #[error("only schemes have names of their own: put the cursor on one")]
    NoName,
    /// The new name is none.
    #[error("`{0}` is no name: a name is one word of letters, digits, `_` and `-`, and begins with a letter")]
    NotAWord(String),
    /// The new name means something already.
    #[error("`{0}` has a meaning in the language already")]
    Taken(String),
    /// Another scheme has the new name.
    #[error("there is a scheme `{0}` already")]
    Exists(String),
    /// Another scheme of a recipe that uses this one has the new name.
    #[error("{}, which uses this scheme, has a scheme `{name}` already", path.display())]
    ExistsIn {
        /// The new name.
        name: String,
        /// The recipe.
        path: PathBuf,
    },
}

/// The word or literal that a cursor at an offset touches.
pub(super) fn leaf_at(analysis: &Analysis, offset: usize) -> Option<Leaf<'_>> {
    let at = u32::try_from(offset).ok()?;
    let (_, statement) = analysis.statement_at(offset)?;
    let leaves = walk::leaves(statement);
    let mut touching = leaves.into_iter().filter(|leaf| leaf.span.touches(at));
    let first = touching.next()?;
    // Between two, the one behind the cursor.
    Some(touching.next().unwrap_or(first))
}

/// The scheme whose name stands at an offset, given or used.
pub(super) fn scheme_at(analysis: &Analysis, offset: usize) -> Option<(Span, &NamedScheme)> {
    let leaf = leaf_at(analysis, offset)?;
    let place = analysis.place(leaf.span);
    let mut schemes = analysis.recipe().schemes.iter();
    let scheme = schemes.find(|scheme| scheme.name.place == place || scheme.uses.contains(&place))?;
    Some((leaf.span, scheme))
}

/// Where the name at an offset is defined: a scheme at its statement, an import at the beginning of its file.
pub fn definition(analysis: &Analysis, offset: usize) -> Option<Definition> {
    let location = |place: Place| Location { path: analysis.path_of(place.file).to_owned(), place };
    if let Some((origin, scheme)) = scheme_at(analysis, offset) {
        return Some(Definition { origin, targets: vec![location(scheme.name.place)] });
    }
    let leaf = leaf_at(analysis, offset).filter(|leaf| leaf.role == Role::ImportPath)?;
    let (_, statement) = analysis.statement_at(offset)?;
    let brought_in = Some(analysis.place(statement.span));
    let sources = (0..).map(FileId).zip(&analysis.recipe().sources);
    let targets = sources.filter(|(_, source)| source.included_at == brought_in);
    let targets: Vec<Location> = targets.map(|(file, _)| location(Place::new(file, Span::default()))).collect();
    (!targets.is_empty()).then_some(Definition { origin: leaf.span, targets })
}

/// Where the name at an offset stands in the text itself.
pub fn highlight(analysis: &Analysis, offset: usize) -> Vec<Highlight> {
    let Some((_, scheme)) = scheme_at(analysis, offset) else { return Vec::new() };
    let given = Some(scheme.name.place).into_iter().map(|place| (place, true));
    let places = given.chain(scheme.uses.iter().map(|place| (*place, false)));
    let own = places.filter(|(place, _)| place.file == FileId(0));
    let mut found: Vec<Highlight> =
        own.map(|(place, is_definition)| Highlight { span: place.span, is_definition }).collect();
    found.sort_by_key(|highlight| highlight.span);
    found
}

/// The places that change together while a scheme's name is typed; `None` where the cursor is on none.
pub fn linked_editing(analysis: &Analysis, offset: usize) -> Option<Vec<Span>> {
    let spans: Vec<Span> = highlight(analysis, offset).into_iter().map(|highlight| highlight.span).collect();
    (spans.len() > 1).then_some(spans)
}

/// Every place of every recipe where the name at an offset is used, and with `definition` where it is given.
///
/// # Errors
/// When the answer is no longer wanted.
pub fn references(
    world: &World,
    analysis: &Analysis,
    offset: usize,
    definition: bool,
    cancel: &Cancel,
) -> Result<Vec<InFile>, Cancelled> {
    let Some((_, scheme)) = scheme_at(analysis, offset) else { return Ok(Vec::new()) };
    let mut found = Found::default();
    found.collect(analysis, scheme, definition);
    for (other, name) in users(world, analysis, scheme, cancel)? {
        // Imported twice, it is there twice.
        for scheme in other.recipe().schemes.iter().filter(|scheme| scheme.name.place == name) {
            found.collect(&other, scheme, definition);
        }
    }
    Ok(found.into_files())
}

/// Every recipe in which the scheme of an analysis is one of its schemes, with the places of its name there.
fn users(
    world: &World,
    analysis: &Analysis,
    scheme: &NamedScheme,
    cancel: &Cancel,
) -> Result<Vec<(Arc<Analysis>, Place)>, Cancelled> {
    let home = canonical(analysis.path_of(scheme.name.place.file));
    let given = scheme.name.place.span;
    let mut found = Vec::new();
    for path in world.recipes() {
        cancel.check()?;
        let other = match world.analysis(&path, cancel) {
            Ok(other) => other,
            Err(Unavailable::Cancelled(cancelled)) => return Err(cancelled),
            Err(Unavailable::Unreadable(_)) => continue,
        };
        let is_it = |place: &Place| place.span == given && canonical(other.path_of(place.file)) == home;
        let mut places: Vec<Place> = other.recipe().schemes.iter().map(|one| one.name.place).filter(is_it).collect();
        places.dedup();
        found.extend(places.into_iter().map(|place| (Arc::clone(&other), place)));
    }
    Ok(found)
}

/// Places by file, each once.
#[derive(Default)]
struct Found(BTreeMap<PathBuf, InFile>);

impl Found {
    fn collect(&mut self, analysis: &Analysis, scheme: &NamedScheme, definition: bool) {
        let given = definition.then_some(scheme.name.place);
        for place in given.into_iter().chain(scheme.uses.iter().copied()) {
            let Some(source) = analysis.source(place.file).filter(|source| !source.preset) else { continue };
            let file = self.0.entry(canonical(&source.path)).or_insert_with(|| InFile {
                path: source.path.clone(),
                text: Arc::from(source.text.as_str()),
                spans: Vec::new(),
            });
            file.spans.push(place.span);
        }
    }

    fn into_files(self) -> Vec<InFile> {
        let mut files: Vec<InFile> = self.0.into_values().collect();
        for file in &mut files {
            file.spans.sort();
            file.spans.dedup();
        }
        files
    }
}

/// The name at an offset that can be renamed.
pub fn prepare_rename(analysis: &Analysis, offset: usize) -> Option<Span> {
    scheme_at(analysis, offset).map(|(span, _)| span)
}

/// The places that a new name for the scheme at an offset goes to, in every recipe that uses it.
///
/// # Errors
/// See [`RenameError`].
pub fn rename(
    world: &World,
    analysis: &Analysis,
    offset: usize,
    new: &str,
    cancel: &Cancel,
) -> Result<Vec<InFile>, RenameError> {
    let (_, scheme) = scheme_at(analysis, offset).ok_or(RenameError::NoName)?;
    let is_word = matches!(lex(new).as_slice(), [token] if token.kind == TokenKind::Word && token.flaw.is_none());
    if !is_word || !new.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        return Err(RenameError::NotAWord(new.to_string()));
    }
    if glossary::entries().iter().any(|entry| entry.word == new) {
        return Err(RenameError::Taken(new.to_string()));
    }
    if new != scheme.name.value && analysis.recipe().schemes.iter().any(|other| other.name.value == new) {
        return Err(RenameError::Exists(new.to_string()));
    }
    for (other, name) in users(world, analysis, scheme, cancel)? {
        if other.recipe().schemes.iter().any(|one| one.name.value == new && one.name.place != name) {
            return Err(RenameError::ExistsIn { name: new.to_string(), path: other.path().to_owned() });
        }
    }
    Ok(references(world, analysis, offset, true, cancel)?)
}
