//! What an editor can fold, and how it widens a selection.

use super::{Analysis, walk};
use crate::syntax::Span;
use crate::syntax::token::TokenKind;
use crate::syntax::tree::StatementKind;

/// What is folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FoldKind {
    /// A statement of several lines.
    Statement,
    /// Comments on lines of their own.
    Comment,
    /// Imports that follow each other.
    Imports,
}

/// A range of several lines that can be folded into its first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fold {
    /// From the first character to the last.
    pub span: Span,
    /// What it is.
    pub kind: FoldKind,
}

/// Everything that can be folded, in order.
pub fn folding(analysis: &Analysis) -> Vec<Fold> {
    let lines = analysis.lines();
    let mut folds = Vec::new();
    let mut imports: Option<Span> = None;
    for statement in analysis.statements() {
        folds.push(Fold { span: statement.span, kind: FoldKind::Statement });
        match (&statement.kind, imports) {
            (StatementKind::Import(_), Some(before)) => imports = Some(before.to(statement.span)),
            (StatementKind::Import(_), None) => imports = Some(statement.span),
            (_, Some(before)) => {
                folds.push(Fold { span: before, kind: FoldKind::Imports });
                imports = None;
            }
            (_, None) => {}
        }
    }
    folds.extend(imports.map(|span| Fold { span, kind: FoldKind::Imports }));
    comments(analysis, &mut folds);
    folds.retain(|fold| lines.line(fold.span.start) < lines.line(fold.span.end));
    folds.sort_by_key(|fold| (fold.span.start, std::cmp::Reverse(fold.span.end)));
    folds
}

/// Runs of comments on lines of their own, without an empty line between them.
fn comments(analysis: &Analysis, folds: &mut Vec<Fold>) {
    let mut run: Option<Span> = None;
    let (mut alone, mut line_ends) = (true, 0);
    for token in analysis.tokens() {
        match token.kind {
            TokenKind::Newline => {
                alone = true;
                line_ends += 1;
            }
            TokenKind::Comment if alone => {
                run = match run {
                    Some(before) if line_ends < 2 => Some(before.to(token.span)),
                    other => {
                        folds.extend(other.map(|span| Fold { span, kind: FoldKind::Comment }));
                        Some(token.span)
                    }
                };
                line_ends = 0;
            }
            kind if kind.is_blank() => {}
            _ => {
                folds.extend(run.take().map(|span| Fold { span, kind: FoldKind::Comment }));
                alone = false;
            }
        }
    }
    folds.extend(run.map(|span| Fold { span, kind: FoldKind::Comment }));
}

/// The ranges around an offset, from the smallest to the whole text; each holds the one before.
pub fn selection_ranges(analysis: &Analysis, offset: usize) -> Vec<Span> {
    let at = u32::try_from(offset).unwrap_or(u32::MAX);
    let whole = Span::new(0, analysis.text().len() as u32);
    let mut spans = vec![whole];
    spans.extend(analysis.touched(offset).map(|token| token.span));
    if let Some((_, statement)) = analysis.statement_at(offset) {
        walk::statement(statement, &mut |span, _, _| {
            if span.touches(at) {
                spans.push(span);
            }
        });
        let lines = analysis.lines().lines_of(statement.span);
        let (first, last) = (analysis.lines().span(lines.start), analysis.lines().span(lines.end.saturating_sub(1)));
        spans.push(first.to(last));
    }
    // Within a string, what stands between its quotes, where it has both.
    let is_closed = |span: Span| {
        let text = analysis.text().get(span.range()).unwrap_or("");
        ["\"", "/"].iter().any(|quote| text.len() >= 2 && text.starts_with(quote) && text.ends_with(quote))
    };
    if let Some(token) =
        analysis.touched(offset).filter(|token| matches!(token.kind, TokenKind::Text | TokenKind::Regex))
        && is_closed(token.span)
    {
        let inner = Span::new(token.span.start + 1, token.span.end - 1);
        spans.extend(inner.touches(at).then_some(inner));
    }
    spans.sort_by_key(|span| (span.end - span.start, span.start));
    let mut nested: Vec<Span> = Vec::new();
    for span in spans {
        let holds = nested.last().is_none_or(|inner| span.start <= inner.start && inner.end <= span.end);
        if holds && nested.last() != Some(&span) {
            nested.push(span);
        }
    }
    nested
}
