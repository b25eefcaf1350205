//! Places, edits and paths in the protocol's shapes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::protocol::{
    CodeDescription, Diagnostic, DiagnosticRelatedInformation, DiagnosticSeverity, DiagnosticTag,
    DocumentChangeOperation, DocumentChanges, Location, NumberOrString, OneOf, OptionalVersionedTextDocumentIdentifier,
    Position, Range, TextDocumentEdit, TextEdit, Uri, WorkspaceEdit,
};
use super::state::Asked;
use crate::check::{Edit, Severity};
use crate::ide::{Analysis, diagnostics};
use crate::recipe::{FileId, Place};
use crate::syntax::{self, LineColumn, LineIndex, Span};

/// The name that findings bear in an editor.
const SOURCE: &str = "bitmill";

/// The scheme of the pages that explain codes: clients that know it show them.
const PAGE: &str = "bitmill-page";

/// The path of a document: that of its file, or for one that was never saved a name that no file has.
pub fn path_of(uri: &Uri) -> Option<PathBuf> {
    match uri.scheme().as_str() {
        "file" => uri.to_file_path().map(|path| path.into_owned()).filter(|path| path.is_absolute()),
        "untitled" => Some(PathBuf::from(uri.as_str())),
        _ => None,
    }
}

/// What a request about a document works with.
pub struct View<'a> {
    /// The state of the world.
    pub asked: &'a Asked,
    /// The document's analysis.
    pub analysis: Arc<Analysis>,
}

impl View<'_> {
    /// The offset of a position; the nearest one of a position that does not exist.
    pub fn offset(&self, position: Position) -> usize {
        let place = LineColumn { line: position.line, column: position.character };
        self.analysis.lines().offset(self.analysis.text(), place, self.asked.unit) as usize
    }

    /// The bytes of a range.
    pub fn span(&self, range: Range) -> Span {
        let (start, end) = (self.offset(range.start) as u32, self.offset(range.end) as u32);
        Span::new(start.min(end), start.max(end))
    }

    /// The position of an offset.
    pub fn position(&self, offset: u32) -> Position {
        self.asked.position(self.analysis.lines(), self.analysis.text(), offset)
    }

    /// The range of some bytes.
    pub fn range(&self, span: Span) -> Range {
        self.asked.range(self.analysis.lines(), self.analysis.text(), span)
    }

    /// A place in the document or in what it imports. Presets have none that a client could open.
    pub fn location(&self, place: Place) -> Option<Location> {
        let range = self.range_in(place)?;
        Some(Location { uri: self.asked.uri(self.analysis.path_of(place.file))?, range })
    }

    fn range_in(&self, place: Place) -> Option<Range> {
        if place.file == FileId(0) {
            return Some(self.range(place.span));
        }
        let source = self.analysis.source(place.file).filter(|source| !source.preset)?;
        Some(self.asked.range(self.analysis.lines_of(place.file), &source.text, place.span))
    }

    /// Edits of the document alone.
    pub fn text_edits(&self, edits: Vec<syntax::TextEdit>) -> Vec<TextEdit> {
        edits.into_iter().map(|edit| TextEdit { range: self.range(edit.span), new_text: edit.replacement }).collect()
    }

    /// Edits of the document and of what it imports.
    pub fn edit(&self, edits: &[Edit]) -> Option<WorkspaceEdit> {
        let mut files: BTreeMap<PathBuf, Vec<TextEdit>> = BTreeMap::new();
        for edit in edits {
            let range = self.range_in(edit.place)?;
            let path = match edit.place.file {
                FileId(0) => self.analysis.path(),
                file => self.analysis.path_of(file),
            };
            files.entry(path.to_owned()).or_default().push(TextEdit { range, new_text: edit.text.clone() });
        }
        self.asked.edit_of(files)
    }

    /// The findings as the client shows them.
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        diagnostics::diagnostics(&self.analysis).into_iter().map(|one| self.diagnostic(&one)).collect()
    }

    /// A finding as the client shows it.
    pub fn diagnostic(&self, one: &diagnostics::Diagnostic) -> Diagnostic {
        let related = one.related.iter().filter_map(|label| {
            let location = self.location(label.place)?;
            Some(DiagnosticRelatedInformation { location, message: label.text.clone() })
        });
        let related: Vec<DiagnosticRelatedInformation> = related.collect();
        Diagnostic {
            range: self.range(one.span),
            severity: Some(match one.severity {
                Severity::Error => DiagnosticSeverity::ERROR,
                Severity::Warning => DiagnosticSeverity::WARNING,
                Severity::Hint => DiagnosticSeverity::HINT,
            }),
            code: Some(NumberOrString::String(one.code.to_string())),
            code_description: format!("{PAGE}:/{}.md", one.code).parse().ok().map(|href| CodeDescription { href }),
            source: Some(SOURCE.to_string()),
            message: one.message.clone(),
            related_information: (!related.is_empty()).then_some(related),
            tags: one.unnecessary.then(|| vec![DiagnosticTag::UNNECESSARY]),
            data: None,
        }
    }
}

impl Asked {
    /// The position of an offset in a text.
    pub fn position(&self, lines: &LineIndex, text: &str, offset: u32) -> Position {
        let LineColumn { line, column } = lines.place(text, offset, self.unit);
        Position { line, character: column }
    }

    /// The range of some bytes of a text.
    pub fn range(&self, lines: &LineIndex, text: &str, span: Span) -> Range {
        Range { start: self.position(lines, text, span.start), end: self.position(lines, text, span.end) }
    }

    /// What the client calls a file.
    pub fn uri(&self, path: &Path) -> Option<Uri> {
        match self.uris.get(path) {
            Some((uri, _)) => Some(uri.clone()),
            None => Uri::from_file_path(path),
        }
    }

    /// Edits of files, for the versions of those that are open.
    pub fn edit_of(&self, files: BTreeMap<PathBuf, Vec<TextEdit>>) -> Option<WorkspaceEdit> {
        let mut operations = Vec::new();
        let mut changes = Vec::new();
        for (path, edits) in files {
            let uri = self.uri(&path)?;
            if self.abilities.versioned_edits {
                let version = self.uris.get(&path).map(|(_, version)| *version);
                let text_document = OptionalVersionedTextDocumentIdentifier { uri, version };
                let edits = edits.into_iter().map(OneOf::Left).collect();
                operations.push(DocumentChangeOperation::Edit(TextDocumentEdit { text_document, edits }));
            } else {
                changes.push((uri, edits));
            }
        }
        Some(match self.abilities.versioned_edits {
            true => WorkspaceEdit {
                document_changes: Some(DocumentChanges::Operations(operations)),
                ..WorkspaceEdit::default()
            },
            false => WorkspaceEdit { changes: Some(changes.into_iter().collect()), ..WorkspaceEdit::default() },
        })
    }
}
