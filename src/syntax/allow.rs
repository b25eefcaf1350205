//! Comments that silence findings.

use super::tree::Word;
use super::{Parse, Span, TokenKind};

/// A comment `# bitmill: allow(CODE, …)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Allow {
    /// The codes it silences, each with its place.
    pub codes: Vec<Word>,
    /// The bytes it applies to: its line, or the next statement when it has a line of its own.
    pub applies_to: Span,
    /// The comment.
    pub span: Span,
}

/// The comments of a text that silence findings.
pub fn allows(text: &str, parsed: &Parse) -> Vec<Allow> {
    let comments = parsed.tokens.iter().filter(|token| token.kind == TokenKind::Comment);
    comments.filter_map(|token| allow(text, parsed, token.span)).collect()
}

fn allow(text: &str, parsed: &Parse, span: Span) -> Option<Allow> {
    let comment = &text[span.range()];
    let directive = comment.trim_start_matches('#').trim_start().strip_prefix("bitmill:")?.trim_start();
    let inside = directive.strip_prefix("allow")?.trim_start().strip_prefix('(')?;
    let inside = &inside[..inside.find(')')?];
    // `inside` is a part of `text`: its place is the distance of the two.
    let mut at = span.start + (inside.as_ptr() as usize - comment.as_ptr() as usize) as u32;
    let mut codes = Vec::new();
    for part in inside.split(',') {
        let code = part.trim();
        let start = at + (part.len() - part.trim_start().len()) as u32;
        if !code.is_empty() {
            codes.push(Word::new(code.to_string(), Span::new(start, start + code.len() as u32)));
        }
        at += part.len() as u32 + 1;
    }
    let line_start = text[..span.start as usize].rfind('\n').map_or(0, |n| n + 1);
    let alone =
        text[line_start..span.start as usize].trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}').is_empty();
    let line = Span::new(line_start as u32, span.end);
    let covered = parsed.file.statements.iter().find(|statement| match alone {
        true => statement.span.start >= span.end,
        false => statement.span.start < span.end && statement.span.end >= line.start,
    });
    let applies_to = covered.map_or(line, |statement| statement.span);
    Some(Allow { codes, applies_to, span })
}
