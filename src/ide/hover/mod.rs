//! What is known of the thing under the cursor, as Markdown.

mod files;
mod schemes;
mod selectors;

use super::Analysis;
use super::navigation::leaf_at;
use super::walk::Role;
use crate::check::pages;
use crate::glossary;
use crate::syntax::Span;
use crate::syntax::token::TokenKind;

/// What is known of something in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hover {
    /// What it is about.
    pub span: Span,
    /// Markdown.
    pub markdown: String,
}

/// What is known of what stands at an offset.
pub fn hover(analysis: &Analysis, offset: usize) -> Option<Hover> {
    if let Some(found) = in_comment(analysis, offset) {
        return Some(found);
    }
    let Some(leaf) = leaf_at(analysis, offset) else { return at_word(analysis, offset) };
    let markdown = match leaf.role {
        Role::Kind | Role::Glob | Role::Regex => selectors::page(analysis, offset, leaf)?,
        Role::Base | Role::Part | Role::SchemeName | Role::SchemeUse | Role::Operand(_) | Role::ActivationWord => {
            schemes::page(analysis, offset, Some(leaf))?
        }
        Role::Number => match schemes::page(analysis, offset, None) {
            Some(page) => page,
            None => return at_word(analysis, offset),
        },
        Role::ModelPath => files::model(analysis)?,
        Role::ImportPath => files::import(analysis, offset)?,
        Role::Target | Role::Preset => glossary::page(leaf.text)?,
        _ => word(leaf.text)?,
    };
    Some(Hover { span: leaf.span, markdown })
}

/// The page of a rule whose code a comment allows.
fn in_comment(analysis: &Analysis, offset: usize) -> Option<Hover> {
    let at = u32::try_from(offset).ok()?;
    let allows = &analysis.source(Default::default())?.allows;
    let allow = allows.iter().find(|allow| allow.span.touches(at))?;
    let code = allow.codes.iter().find(|code| code.span.touches(at))?;
    let rule = pages::rule(&code.value)?;
    Some(Hover { span: code.span, markdown: pages::markdown(rule) })
}

/// What a word of the grammar means, or what the arrow of a rule does.
fn at_word(analysis: &Analysis, offset: usize) -> Option<Hover> {
    let token = analysis.touched(offset)?;
    let markdown = match token.kind {
        TokenKind::Word => word(analysis.text_at(token.span))?,
        TokenKind::Arrow => selectors::share(analysis, offset)?,
        _ => return None,
    };
    Some(Hover { span: token.span, markdown })
}

/// What a word means, in a line for each meaning, with its form.
fn word(text: &str) -> Option<String> {
    let entries = glossary::entries().into_iter().filter(|entry| entry.word == text);
    let lines = entries.map(|entry| {
        let form = entry.form.unwrap_or(entry.word);
        format!("`{form}`: {}: {}", entry.what, entry.meaning.trim_end_matches('.'))
    });
    let lines: Vec<String> = lines.collect();
    (!lines.is_empty()).then(|| lines.join("\n\n"))
}
