//! Comments that allow findings: `# bitmill: allow(CODE, CODE)`.
//!
//! Behind a statement, such a comment is about its line; on a line of its own, about the statement that follows.

use super::token::{Token, TokenKind};
use super::tree::{Spanned, Statement, Word};
use super::{Span, SyntaxError, SyntaxErrorKind};

/// One comment that allows findings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allow {
    /// The comment.
    pub span: Span,
    /// The codes it names, in its order.
    pub codes: Vec<Word>,
    /// Findings that begin in here are allowed; empty if no statement follows.
    pub covers: Span,
}

/// How a comment begins, behind `#` and blanks, that is read.
const PREFIX: &str = "bitmill:";

/// Finds the comments that allow findings, and those that look so and are none. Pass the tokens and statements of
/// the same text, in order.
pub(super) fn allows(text: &str, tokens: &[Token], statements: &[Statement]) -> (Vec<Allow>, Vec<SyntaxError>) {
    let (mut allows, mut errors) = (Vec::new(), Vec::new());
    let mut line_start = 0;
    let mut alone = true;
    for (index, token) in tokens.iter().enumerate() {
        match token.kind {
            TokenKind::Newline => (line_start, alone) = (token.span.end, true),
            TokenKind::Comment => {
                let Some(codes) = read(text, token.span) else {
                    continue;
                };
                let line_end = tokens.get(index + 1..).unwrap_or_default();
                let line_end = line_end.iter().find(|t| t.kind == TokenKind::Newline);
                let covers = match alone {
                    true => next_statement(statements, token.span),
                    false => Span::new(line_start, line_end.map_or(token.span.end, |newline| newline.span.start)),
                };
                match codes {
                    Some(codes) => allows.push(Allow { span: token.span, codes, covers }),
                    None => errors.push(SyntaxError {
                        span: token.span,
                        kind: SyntaxErrorKind::InvalidDirective,
                        fix: None,
                        help: Some("for instance `# bitmill: allow(CODE)`".to_owned()),
                    }),
                }
            }
            kind => alone &= kind.is_blank(),
        }
    }
    (allows, errors)
}

/// The statement behind a comment, or the rest of the one that the comment stands in.
fn next_statement(statements: &[Statement], comment: Span) -> Span {
    let next = statements.partition_point(|statement| statement.span.end <= comment.end);
    let Some(next) = statements.get(next) else {
        return Span::new(comment.end, comment.end);
    };
    Span::new(next.span.start.max(comment.end), next.span.end)
}

/// The codes that a comment allows. `None` for other comments, `Some(None)` for one that says something else.
fn read(text: &str, comment: Span) -> Option<Option<Vec<Word>>> {
    let written = &text[comment.range()];
    let directive = written.strip_prefix('#')?.trim_start().strip_prefix(PREFIX)?;
    Some(codes(text, directive.trim(), comment.end))
}

/// Reads `allow(CODE, CODE)`, which ends at byte `end`.
fn codes(text: &str, directive: &str, end: u32) -> Option<Vec<Word>> {
    let list = directive.strip_prefix("allow")?.trim_start().strip_prefix('(')?;
    let list = list.strip_suffix(')')?;
    let mut start = end as usize - 1 - list.len();
    debug_assert!(text[start..].starts_with(list), "the comment ends with its list");
    let mut codes = Vec::new();
    for written in list.split(',') {
        let code = written.trim();
        let is_code = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if code.is_empty() || !code.chars().all(is_code) {
            return None;
        }
        let from = start + written.len() - written.trim_start().len();
        let span = Span::new(from as u32, (from + code.len()) as u32);
        codes.push(Spanned::new(code.to_owned(), span));
        start += written.len() + 1;
    }
    Some(codes)
}

#[cfg(test)]
mod tests {
    use crate::syntax::parse;

    /// What is allowed where, one line for each comment.
    fn shown(text: &str) -> String {
        let parse = parse(text);
        let mut shown = String::new();
        for allow in &parse.allows {
            let codes: Vec<_> = allow.codes.iter().map(|code| &text[code.span.range()]).collect();
            shown += &format!("{codes:?} in {:?}\n", &text[allow.covers.range()]);
        }
        for error in &parse.errors {
            shown += &format!("{}: {}\n", &text[error.span.range()], error.message());
        }
        shown
    }

    #[test]
    fn about_its_line_or_the_next_statement() {
        insta::assert_snapshot!(shown("\
linear => int4  # bitmill: allow(BM001)
# bitmill: allow(BM002,  lut-bits )
#bitmill:allow(BM003)

embedding => lut3 # other
# bitmill: allow(BM004)
"), @r#"
        ["BM001"] in "linear => int4  # bitmill: allow(BM001)"
        ["BM002", "lut-bits"] in "embedding => lut3"
        ["BM003"] in "embedding => lut3"
        ["BM004"] in ""
        "#);
    }

    #[test]
    fn says_when_it_is_not_understood() {
        insta::assert_snapshot!(shown("# bitmill: alow(BM001)\n# bitmill: allow()\n# bitmill: allow(a b) c\nall => keep"), @"
        # bitmill: alow(BM001): this comment is read as `# bitmill: allow(CODE, …)`, but is none
        # bitmill: allow(): this comment is read as `# bitmill: allow(CODE, …)`, but is none
        # bitmill: allow(a b) c: this comment is read as `# bitmill: allow(CODE, …)`, but is none
        ");
    }
}
