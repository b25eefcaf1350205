//! Answers of [`crate::ide`] in the protocol's shapes.

use std::collections::BTreeMap;
use std::hash::BuildHasher as _;
use std::path::Path;

use serde_json::{Value, json};

use super::convert::{View, path_of};
use super::protocol::*;
use super::state::{Asked, moved_on};
use super::{capabilities, commands};
use crate::ide::actions::{self, ActionKind};
use crate::ide::code_lenses::{self, LensCommand};
use crate::ide::completion::{self, CompletionKind};
use crate::ide::folding::{self, FoldKind};
use crate::ide::navigation::{self, InFile, RenameError};
use crate::ide::symbols::{self, Located};
use crate::ide::{
    diagnostics, document_links, hover as hovers, imports, inlay_hints as hints, semantic_tokens,
    signature_help as signatures,
};
use crate::syntax::{LineIndex, Span};

/// A text in Markdown.
fn markdown(value: String) -> MarkupContent {
    MarkupContent { kind: MarkupKind::Markdown, value }
}

/// The same, as documentation.
pub fn markdown_documentation(value: String) -> Documentation {
    Documentation::MarkupContent(markdown(value))
}

/// What is completed, as editors show its like.
const KINDS: [(CompletionKind, CompletionItemKind); 17] = [
    (CompletionKind::Keyword, CompletionItemKind::KEYWORD),
    (CompletionKind::Kind, CompletionItemKind::CLASS),
    (CompletionKind::Name, CompletionItemKind::MODULE),
    (CompletionKind::Fact, CompletionItemKind::PROPERTY),
    (CompletionKind::Scheme, CompletionItemKind::VARIABLE),
    (CompletionKind::Base, CompletionItemKind::STRUCT),
    (CompletionKind::Part, CompletionItemKind::FUNCTION),
    (CompletionKind::Choice, CompletionItemKind::ENUM_MEMBER),
    (CompletionKind::Target, CompletionItemKind::CONSTANT),
    (CompletionKind::Preset, CompletionItemKind::INTERFACE),
    (CompletionKind::Option, CompletionItemKind::FIELD),
    (CompletionKind::Number, CompletionItemKind::VALUE),
    (CompletionKind::Operator, CompletionItemKind::OPERATOR),
    (CompletionKind::File, CompletionItemKind::FILE),
    (CompletionKind::Directory, CompletionItemKind::FOLDER),
    (CompletionKind::Code, CompletionItemKind::REFERENCE),
    (CompletionKind::Snippet, CompletionItemKind::SNIPPET),
];

/// Everything that can be written at a position.
pub fn completion(view: &View, position: Position) -> CompletionResponse {
    let snippets = view.asked.abilities.snippets;
    let items = completion::completion(&view.analysis, view.offset(position)).into_iter().map(|one| {
        let kind = KINDS.iter().position(|(kind, _)| *kind == one.kind);
        let new_text = if snippets { one.insert.clone() } else { one.plain() };
        let is_snippet = one.is_snippet && snippets;
        let detail = one.unfit.clone().map(|why| format!("does not fit here: {why}")).unwrap_or(one.detail);
        CompletionItem {
            kind: kind.map(|at| KINDS[at].1),
            detail: (!detail.is_empty()).then_some(detail),
            preselect: one.preselect.then_some(true),
            sort_text: Some(one.sort),
            filter_text: one.filter,
            insert_text_format: Some(if is_snippet { InsertTextFormat::SNIPPET } else { InsertTextFormat::PLAIN_TEXT }),
            text_edit: Some(CompletionTextEdit::Edit(TextEdit { range: view.range(one.span), new_text })),
            tags: one.unfit.map(|_| vec![CompletionItemTag::DEPRECATED]),
            data: kind.map(|kind| json!({"kind": kind, "label": &one.label})),
            label: one.label,
            ..CompletionItem::default()
        }
    });
    CompletionResponse::Array(items.collect())
}

/// What an item that the client has been sent completes.
pub fn completion_of(item: &CompletionItem) -> Option<(CompletionKind, String)> {
    let data = item.data.as_ref()?;
    let kind = usize::try_from(data.get("kind")?.as_u64()?).ok()?;
    Some((KINDS.get(kind)?.0, data.get("label")?.as_str()?.to_string()))
}

/// What stands at a position.
pub fn hover(view: &View, position: Position) -> Option<Hover> {
    let found = hovers::hover(&view.analysis, view.offset(position))?;
    Some(Hover { contents: HoverContents::Markup(markdown(found.markdown)), range: Some(view.range(found.span)) })
}

/// What can stand in the brackets at a position.
pub fn signature_help(view: &View, position: Position) -> Option<SignatureHelp> {
    let found = signatures::signature_help(&view.analysis, view.offset(position))?;
    // These offsets are UTF-16, whatever columns are.
    let units = |bytes: usize| found.label.get(..bytes).map_or(0, |text| text.encode_utf16().count()) as u32;
    let parameters = found.parameters.iter().map(|parameter| ParameterInformation {
        label: ParameterLabel::LabelOffsets([units(parameter.span.start), units(parameter.span.end)]),
        documentation: Some(markdown_documentation(parameter.documentation.clone())),
    });
    let active = found.active.map(|active| active as u32);
    let signature = SignatureInformation {
        parameters: Some(parameters.collect()),
        documentation: Some(markdown_documentation(found.documentation)),
        active_parameter: active,
        label: found.label,
    };
    Some(SignatureHelp { signatures: vec![signature], active_signature: Some(0), active_parameter: active })
}

/// The hints of a range.
pub fn inlay_hints(view: &View, range: Range) -> Vec<InlayHint> {
    let found = hints::inlay_hints(&view.analysis, Some(view.span(range)));
    let hint = |hint: hints::InlayHint| InlayHint {
        position: view.position(hint.offset),
        label: InlayHintLabel::String(hint.label),
        kind: None,
        text_edits: None,
        tooltip: hint.tooltip.map(|tooltip| InlayHintTooltip::MarkupContent(markdown(tooltip))),
        padding_left: Some(true),
        padding_right: None,
        data: None,
    };
    found.into_iter().map(hint).collect()
}

/// What can be done with the recipe.
pub fn code_lenses(view: &View, uri: &Uri) -> Vec<CodeLens> {
    let lens = |lens: code_lenses::CodeLens| {
        let uri = Value::String(uri.as_str().to_string());
        let (command, arguments) = match lens.command {
            LensCommand::Run => (commands::RUN, vec![uri]),
            LensCommand::Plan => (commands::PLAN, vec![uri]),
            LensCommand::Explain(word) => (commands::EXPLAIN, vec![uri, Value::String(word)]),
        };
        let command = Command { title: lens.title, command: command.to_string(), arguments: Some(arguments) };
        CodeLens { range: view.range(lens.span), command: Some(command), data: None }
    };
    code_lenses::code_lenses(&view.analysis).into_iter().map(lens).collect()
}

/// What mends the findings of a range.
pub fn code_actions(view: &View, params: &CodeActionParams) -> Result<CodeActionResponse> {
    let is_wanted = |kind: &CodeActionKind| {
        params.context.only.as_ref().is_none_or(|only| {
            let is_in = |wanted: &CodeActionKind| {
                let rest = kind.as_str().strip_prefix(wanted.as_str());
                rest.is_some_and(|rest| wanted.as_str().is_empty() || rest.is_empty() || rest.starts_with('.'))
            };
            only.iter().any(is_in)
        })
    };
    let mut found = actions::actions(&view.analysis, view.span(params.range));
    // It takes analyses of its own: not each time that the cursor moves, but when a document is saved.
    let is_automatic = params.context.trigger_kind == Some(CodeActionTriggerKind::AUTOMATIC);
    let is_asked = !is_automatic || params.context.only.is_some();
    if is_asked && is_wanted(&CodeActionKind::SOURCE_FIX_ALL) {
        let all = actions::fix_all(&view.asked.world, &view.analysis, &view.asked.cancel);
        found.extend(all.map_err(|_| moved_on())?);
    }
    let findings = diagnostics::diagnostics(&view.analysis);
    let action = |action: actions::Action| {
        let kind = match action.kind {
            ActionKind::QuickFix | ActionKind::Silence => CodeActionKind::QUICKFIX,
            ActionKind::FixAll => CodeActionKind::SOURCE_FIX_ALL,
        };
        let about = findings.iter().find(|one| Some(one.finding) == action.finding);
        // Edits of a preset's text can go nowhere.
        let edit = view.edit(&action.edits).filter(|_| is_wanted(&kind))?;
        Some(CodeActionOrCommand::CodeAction(CodeAction {
            title: action.title,
            kind: Some(kind),
            diagnostics: about.map(|one| vec![view.diagnostic(one)]),
            edit: Some(edit),
            is_preferred: action.is_preferred.then_some(true),
            ..CodeAction::default()
        }))
    };
    Ok(found.into_iter().filter_map(action).collect())
}

fn symbol_kind(kind: symbols::SymbolKind) -> SymbolKind {
    match kind {
        symbols::SymbolKind::Setting => SymbolKind::PROPERTY,
        symbols::SymbolKind::Scheme => SymbolKind::VARIABLE,
        symbols::SymbolKind::Import => SymbolKind::MODULE,
        symbols::SymbolKind::Preset => SymbolKind::INTERFACE,
        symbols::SymbolKind::Rule => SymbolKind::EVENT,
        symbols::SymbolKind::Expectation => SymbolKind::BOOLEAN,
    }
}

/// The statements of a recipe.
pub fn outline(view: &View) -> Vec<DocumentSymbol> {
    let symbol = |symbol: symbols::Symbol| {
        #[allow(deprecated)]
        DocumentSymbol {
            name: symbol.name,
            detail: (!symbol.detail.is_empty()).then_some(symbol.detail),
            kind: symbol_kind(symbol.kind),
            tags: None,
            deprecated: None,
            range: view.range(symbol.span),
            selection_range: view.range(symbol.selection),
            children: None,
        }
    };
    symbols::outline(&view.analysis).into_iter().map(symbol).collect()
}

/// Those of all recipes.
pub fn workspace_symbols(asked: &Asked, found: Vec<Located>) -> Vec<WorkspaceSymbol> {
    let symbol = |located: Located| {
        let view = asked.view(&located.path).ok()?;
        let location = OneOf::Left(view.location(located.place)?);
        let container_name = located.path.file_name().map(|name| name.to_string_lossy().into_owned());
        let kind = symbol_kind(located.symbol.kind);
        Some(WorkspaceSymbol { name: located.symbol.name, kind, tags: None, container_name, location, data: None })
    };
    found.into_iter().filter_map(symbol).collect()
}

/// What can be folded.
pub fn folds(view: &View) -> Vec<FoldingRange> {
    let whole_lines = view.asked.abilities.folds_lines;
    let fold = |fold: folding::Fold| {
        let Range { start, end } = view.range(fold.span);
        FoldingRange {
            start_line: start.line,
            start_character: (!whole_lines).then_some(start.character),
            end_line: end.line,
            end_character: (!whole_lines).then_some(end.character),
            kind: match fold.kind {
                FoldKind::Statement => None,
                FoldKind::Comment => Some(FoldingRangeKind::Comment),
                FoldKind::Imports => Some(FoldingRangeKind::Imports),
            },
            collapsed_text: None,
        }
    };
    folding::folding(&view.analysis).into_iter().map(fold).collect()
}

/// What a selection at a position grows to, step by step.
pub fn selection(view: &View, position: Position) -> SelectionRange {
    let spans = folding::selection_ranges(&view.analysis, view.offset(position));
    let grown = spans
        .into_iter()
        .rev()
        .fold(None, |parent, span| Some(Box::new(SelectionRange { range: view.range(span), parent })));
    // One has to be given for each position.
    grown.map_or(SelectionRange { range: Range { start: position, end: position }, parent: None }, |range| *range)
}

/// Tokens, each told from the one before it.
pub fn tokens(view: &View, found: Vec<semantic_tokens::SemanticToken>) -> Vec<SemanticToken> {
    let types = capabilities::token_types();
    let mut before = Position::default();
    let token = |token: semantic_tokens::SemanticToken| {
        let Range { start, end } = view.range(token.span);
        let delta_line = start.line - before.line;
        let delta_start = if delta_line == 0 { start.character - before.character } else { start.character };
        before = start;
        SemanticToken {
            delta_line,
            delta_start,
            length: end.character.saturating_sub(start.character),
            token_type: types.iter().position(|name| *name == token.meaning.name()).unwrap_or_default() as u32,
            token_modifiers_bitset: token.is_definition.into(),
        }
    };
    found.into_iter().map(token).collect()
}

/// What has changed between two lists of tokens: all between their common beginning and their common end.
pub fn token_edits(before: &[SemanticToken], after: &[SemanticToken]) -> Vec<SemanticTokensEdit> {
    /// Numbers that a token is sent as.
    const WIDTH: usize = 5;
    let head = before.iter().zip(after).take_while(|(before, after)| before == after).count();
    let (before, after) = (&before[head..], &after[head..]);
    let tail = before.iter().rev().zip(after.iter().rev()).take_while(|(before, after)| before == after).count();
    let (before, after) = (&before[..before.len() - tail], &after[..after.len() - tail]);
    if before.is_empty() && after.is_empty() {
        return Vec::new();
    }
    vec![SemanticTokensEdit {
        start: (head * WIDTH) as u32,
        delete_count: (before.len() * WIDTH) as u32,
        data: Some(after.to_vec()),
    }]
}

/// Where a name is defined.
pub fn definition(view: &View, position: Position) -> Option<GotoDefinitionResponse> {
    let found = navigation::definition(&view.analysis, view.offset(position))?;
    let targets = found.targets.iter().filter_map(|target| view.location(target.place));
    Some(GotoDefinitionResponse::Array(targets.collect()))
}

/// Places of files that need not be open.
pub fn locations(asked: &Asked, files: &[InFile]) -> Vec<Location> {
    let of_file = |file: &InFile| {
        let lines = LineIndex::new(&file.text);
        let uri = asked.uri(&file.path)?;
        let location = |span: &_| Location { uri: uri.clone(), range: asked.range(&lines, &file.text, *span) };
        Some(file.spans.iter().map(location).collect::<Vec<_>>())
    };
    files.iter().filter_map(of_file).flatten().collect()
}

/// A recipe as an item of the hierarchy of imports; `None` where it cannot be read.
pub fn recipe_item(asked: &Asked, path: &Path) -> Option<CallHierarchyItem> {
    let view = asked.view(path).ok()?;
    let range = view.range(Span::new(0, view.analysis.text().len() as u32));
    Some(CallHierarchyItem {
        name: path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
        kind: SymbolKind::FILE,
        tags: None,
        detail: path.parent().map(|directory| directory.display().to_string()),
        uri: asked.uri(path)?,
        range,
        selection_range: Range { start: range.start, end: range.start },
        data: None,
    })
}

/// The recipes that a recipe imports.
pub fn imported(view: &View) -> Vec<CallHierarchyOutgoingCall> {
    let call = |child: imports::ImportNode| {
        let from_ranges = child.place.into_iter().map(|place| view.range(place.span)).collect();
        Some(CallHierarchyOutgoingCall { to: recipe_item(view.asked, &child.path)?, from_ranges })
    };
    imports::tree(&view.analysis).children.into_iter().filter_map(call).collect()
}

/// The recipes that import a recipe.
pub fn importers(asked: &Asked, item: &CallHierarchyItem) -> Result<Vec<CallHierarchyIncomingCall>> {
    let path = path_of(&item.uri).ok_or_else(|| Error::invalid_params("only files are imported"))?;
    let found = imports::importers(&asked.world, &path, &asked.cancel).map_err(|_| moved_on())?;
    let call = |(analysis, places): imports::Importer| {
        let from = recipe_item(asked, analysis.path())?;
        let view = View { asked, analysis };
        let from_ranges = places.iter().map(|place| view.range(place.span)).collect();
        Some(CallHierarchyIncomingCall { from, from_ranges })
    };
    Ok(found.into_iter().filter_map(call).collect())
}

/// Where a name stands in the document.
pub fn highlights(view: &View, position: Position) -> Vec<DocumentHighlight> {
    let highlight = |highlight: navigation::Highlight| DocumentHighlight {
        range: view.range(highlight.span),
        kind: Some(if highlight.is_definition { DocumentHighlightKind::WRITE } else { DocumentHighlightKind::READ }),
    };
    navigation::highlight(&view.analysis, view.offset(position)).into_iter().map(highlight).collect()
}

/// A new name for a scheme, everywhere.
pub fn rename(view: &View, position: Position, name: &str) -> Result<Option<WorkspaceEdit>> {
    let (world, cancel, offset) = (&view.asked.world, &view.asked.cancel, view.offset(position));
    let found = navigation::rename(world, &view.analysis, offset, name, cancel).map_err(|why| match why {
        RenameError::Cancelled(_) => moved_on(),
        why => Error { code: ErrorCode::ServerError(REQUEST_FAILED), message: why.to_string().into(), data: None },
    })?;
    let mut files = BTreeMap::new();
    for file in found {
        let lines = LineIndex::new(&file.text);
        let edit =
            |span: &_| TextEdit { range: view.asked.range(&lines, &file.text, *span), new_text: name.to_string() };
        files.insert(file.path.clone(), file.spans.iter().map(edit).collect::<Vec<_>>());
    }
    Ok(view.asked.edit_of(files))
}

/// The protocol's code for a request that was understood and cannot be done.
pub const REQUEST_FAILED: i64 = -32803;

/// Paths that can be followed.
pub fn links(view: &View) -> Vec<DocumentLink> {
    let link = |link: document_links::Link| DocumentLink {
        range: view.range(link.span),
        target: view.asked.uri(&link.path),
        tooltip: Some(link.tooltip.to_string()),
        data: None,
    };
    document_links::document_links(&view.analysis).into_iter().map(link).collect()
}

/// Findings with a name that follows from them, so that the same ones have the same name whenever they are asked for.
/// `None` in place of those whose name the client knows.
pub fn named_findings(view: &View, known: Option<&str>) -> (String, Option<Vec<Diagnostic>>) {
    let items = view.diagnostics();
    let text = serde_json::to_vec(&items).unwrap_or_default();
    let name = format!("{:016x}", foldhash::quality::FixedState::default().hash_one(text));
    let is_known = known == Some(name.as_str());
    (name, (!is_known).then_some(items))
}

/// The findings of a recipe, or that they are those which the client knows.
pub fn report(view: &View, known: Option<&str>) -> DocumentDiagnosticReport {
    let (name, items) = named_findings(view, known);
    match items {
        None => DocumentDiagnosticReport::Unchanged(RelatedUnchangedDocumentDiagnosticReport {
            related_documents: None,
            unchanged_document_diagnostic_report: UnchangedDocumentDiagnosticReport { result_id: name },
        }),
        Some(items) => DocumentDiagnosticReport::Full(RelatedFullDocumentDiagnosticReport {
            related_documents: None,
            full_document_diagnostic_report: FullDocumentDiagnosticReport { result_id: Some(name), items },
        }),
    }
}

/// As [`report`], of one recipe among all.
pub fn workspace_report(view: &View, uri: Uri, path: &Path, known: Option<&str>) -> WorkspaceDocumentDiagnosticReport {
    let version = view.asked.uris.get(path).map(|(_, version)| i64::from(*version));
    match report(view, known) {
        DocumentDiagnosticReport::Unchanged(report) => {
            WorkspaceDocumentDiagnosticReport::Unchanged(WorkspaceUnchangedDocumentDiagnosticReport {
                uri,
                version,
                unchanged_document_diagnostic_report: report.unchanged_document_diagnostic_report,
            })
        }
        DocumentDiagnosticReport::Full(report) => {
            WorkspaceDocumentDiagnosticReport::Full(WorkspaceFullDocumentDiagnosticReport {
                uri,
                version,
                full_document_diagnostic_report: report.full_document_diagnostic_report,
            })
        }
    }
}
