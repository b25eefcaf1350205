//! What belongs between the brackets that the cursor is in.

use std::ops::Range;

use super::Analysis;
use crate::recipe::PART_WORDS;
use crate::recipe::preset::Preset;
use crate::syntax::keywords::CALIBRATION;
use crate::syntax::token::TokenKind;
use crate::syntax::tree::{Options, StatementKind};

/// Behind these characters, help is asked for.
pub const TRIGGERS: &[char] = &['(', '[', '{', ',', ' '];

/// The form of what stands around the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureHelp {
    /// The form.
    pub label: String,
    /// What it means.
    pub documentation: String,
    /// Its parts that are for the author to say.
    pub parameters: Vec<SignatureParameter>,
    /// Which of them the cursor is at.
    pub active: Option<usize>,
}

/// One part of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureParameter {
    /// Which bytes of the label.
    pub span: Range<usize>,
    /// What it means; empty where the whole form says it.
    pub documentation: String,
}

/// Help for the brackets of a scheme part or the block of options around an offset.
pub fn signature_help(analysis: &Analysis, offset: usize) -> Option<SignatureHelp> {
    let (_, statement) = analysis.statement_before(offset)?;
    let (opener, commas) = opener(analysis, statement.span.start as usize, offset)?;
    match opener.kind {
        TokenKind::OpenBrace => options(analysis, &statement.kind, offset),
        TokenKind::OpenParen | TokenKind::OpenBracket => {
            let word = word_before(analysis, opener.span.start as usize)?;
            let (_, form, meaning) = PART_WORDS.iter().find(|(known, ..)| *known == word)?;
            part(form, meaning, commas)
        }
        _ => None,
    }
}

/// The innermost bracket that is open at an offset, and the commas behind it.
fn opener(analysis: &Analysis, from: usize, offset: usize) -> Option<(&crate::syntax::token::Token, usize)> {
    let mut open: Vec<(&crate::syntax::token::Token, usize)> = Vec::new();
    let tokens = analysis.tokens();
    let first = tokens.partition_point(|token| (token.span.start as usize) < from);
    for token in tokens[first..].iter().take_while(|token| (token.span.end as usize) <= offset) {
        if token.kind.closer().is_some() {
            open.push((token, 0));
        } else if token.kind.is_closer() {
            open.pop();
        } else if token.kind == TokenKind::Comma
            && let Some((_, commas)) = open.last_mut()
        {
            *commas += 1;
        }
    }
    open.pop()
}

fn word_before(analysis: &Analysis, offset: usize) -> Option<&str> {
    let (_, token) = analysis.token_at(offset)?;
    (token.kind == TokenKind::Word && token.span.end as usize == offset).then(|| analysis.text_at(token.span))
}

/// Help for `per-group(32)` and its like, from the form that documents it.
fn part(form: &str, meaning: &str, commas: usize) -> Option<SignatureHelp> {
    // `per-channel` is written with and without an axis.
    let form = if form.contains(['(', '[']) { form.to_string() } else { format!("{form}(0)") };
    let open = form.find(['(', '['])? + 1;
    let close = form.rfind([')', ']'])?;
    let mut at = open;
    let parameters = form[open..close].split(',').map(|written| {
        let start = at + (written.len() - written.trim_start().len());
        at += written.len() + 1;
        SignatureParameter { span: start..start + written.trim().len(), documentation: String::new() }
    });
    let parameters: Vec<SignatureParameter> = parameters.collect();
    let active = Some(commas.min(parameters.len().saturating_sub(1)));
    Some(SignatureHelp { documentation: meaning.to_string(), parameters, active, label: form })
}

/// Help for a block of options.
fn options(analysis: &Analysis, statement: &StatementKind, offset: usize) -> Option<SignatureHelp> {
    match statement {
        StatementKind::Calibrate { options, .. } => {
            let known =
                CALIBRATION.iter().map(|option| (option.word, option.form.to_string(), option.meaning.to_string()));
            Some(block("calibrate", "", known.collect(), options.as_ref(), offset))
        }
        StatementKind::Shapes(options) => {
            let takes = analysis.planned().and_then(|(model, _)| model.takes.as_ref())?;
            let known = takes.inputs.iter().map(|(name, dims)| {
                let shape = dims.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                (&**name, format!("{name} [{shape}]"), "one shape, or several in brackets".to_string())
            });
            Some(block("shapes", "", known.collect(), options.as_ref(), offset))
        }
        StatementKind::Extend { preset: Some(name), options } => {
            let preset = Preset::by_name(&name.value)?;
            let known = preset.all_parameters().map(|parameter| {
                let name = parameter.short.unwrap_or(parameter.name);
                let needed = if parameter.required { "needed; " } else { "" };
                (name, name.to_string(), format!("{needed}{}; {}", parameter.doc, parameter.kind.must()))
            });
            Some(block(preset.name, preset.title, known.collect(), options.as_ref(), offset))
        }
        _ => None,
    }
}

fn block(
    owner: &str,
    title: &str,
    known: Vec<(&str, String, String)>,
    written: Option<&Options>,
    offset: usize,
) -> SignatureHelp {
    let mut label = format!("{owner} {{ ");
    let mut parameters = Vec::new();
    for (_, form, documentation) in &known {
        let start = label.len();
        label.push_str(form);
        parameters.push(SignatureParameter { span: start..label.len(), documentation: documentation.clone() });
        label.push_str("  ");
    }
    label.push('}');
    // The entry that the cursor is in, or directly behind.
    let at = u32::try_from(offset).unwrap_or(u32::MAX);
    let entries = written.map_or(&[][..], |options| &options.entries);
    let entry = entries.iter().rev().find(|entry| entry.span.start <= at && at <= entry.span.end + 1);
    let key = entry.map(|entry| entry.key.value.as_str());
    let active = key.and_then(|key| known.iter().position(|(word, ..)| *word == key));
    SignatureHelp { label, documentation: title.to_string(), parameters, active }
}
