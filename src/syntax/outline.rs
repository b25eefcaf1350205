//! Which tokens make which statement. This is where recovery lives: the grammar sees one statement at a time,
//! so a mistake in one can do nothing to another.
//!
//! A statement is a line. It goes on to further lines
//! - inside brackets that are closed later,
//! - after a bracket that is never closed, as long as lines are indented deeper than its first,
//! - behind `=>`, `=`, `==` and `,` at the end of a line, if the next line is indented deeper.
//!
//! It never goes on to a line that [clearly begins](Beginning) a statement.

use std::ops::Range;

use super::Span;
use super::keywords::STATEMENTS;
use super::token::{Flaw, Token, TokenKind};

/// How deeply brackets may nest in a statement.
pub const MAX_NESTING: usize = 128;

/// How many `and`, `or`, `not`, `where`, `%` and commas a selector and its conditions may have. The tree has a level for
/// each, and walking it must not overflow any stack.
pub const MAX_JOINED: usize = 1000;

/// A token that the grammar sees: no blanks, no comments, nothing that has no meaning.
#[derive(Debug, Clone, Copy)]
pub(super) struct Significant {
    pub kind: TokenKind,
    pub flaw: Option<Flaw>,
    pub span: Span,
    /// Between this token and the one before stands something without meaning, which has been reported.
    pub after_flaw: bool,
    /// It is the first on its line.
    pub after_newline: bool,
    /// It is a bracket that is never closed.
    pub unclosed: bool,
}

/// The tokens of one statement.
#[derive(Debug, Default)]
pub(super) struct Piece {
    /// From the first visible token to the last.
    pub span: Span,
    /// Its part of [`Outline::significant`].
    pub significant: Range<usize>,
    /// Something without meaning follows the last significant token.
    pub flaw_at_end: bool,
    /// Some token or bracket of it has a flaw.
    pub flawed: bool,
    /// Where it nests deeper or joins more than is allowed.
    pub too_deep: Option<Span>,
}

/// All statements of a text.
#[derive(Debug, Default)]
pub(super) struct Outline {
    pub significant: Vec<Significant>,
    pub pieces: Vec<Piece>,
    /// Closing brackets that close nothing.
    pub unopened: Vec<Span>,
}

/// Whether a line is the first of a statement, whatever stands before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beginning {
    /// It has a `=>` outside of all brackets that are opened in it.
    Arrow,
    /// It begins with the keyword of a statement and what must follow it.
    Keyword,
    No,
}

struct Line {
    tokens: Range<usize>,
    /// Bytes of blanks before the first visible token.
    indent: u32,
    /// It has something other than blanks and comments.
    content: bool,
    beginning: Beginning,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bracket {
    Matched,
    Unclosed,
    Unopened,
}

/// Finds the statements of a text. Takes time in proportion to its length.
pub(super) fn outline(text: &str, tokens: &[Token]) -> Outline {
    let lines = lines(text, tokens);
    let mut brackets = vec![Bracket::Matched; tokens.len()];
    let mut outline = Outline::default();
    let mut at = 0;
    while at < lines.len() {
        if !lines[at].content {
            at += 1;
            continue;
        }
        let end = match_brackets(&lines, at, tokens, &mut brackets);
        split(text, &lines[at..end], tokens, &brackets, &mut outline);
        at = end;
    }
    outline
}

fn lines(text: &str, tokens: &[Token]) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut start = 0;
    for tokens_of_line in tokens.split_inclusive(|t| t.kind == TokenKind::Newline) {
        let range = start..start + tokens_of_line.len();
        start = range.end;
        let first = tokens_of_line.iter().find(|t| !t.kind.is_blank());
        let content = first.is_some_and(|t| t.kind != TokenKind::Comment);
        let indent = match (tokens_of_line.first(), first) {
            (Some(line), Some(first)) if line.kind != TokenKind::Bom => first.span.start - line.span.start,
            _ => 0,
        };
        let beginning = beginning(text, tokens_of_line);
        lines.push(Line { tokens: range, indent, content, beginning });
    }
    lines
}

fn has_meaning(kind: TokenKind) -> bool {
    !kind.is_blank() && !matches!(kind, TokenKind::Comment | TokenKind::Unknown | TokenKind::Unread)
}

fn beginning(text: &str, line: &[Token]) -> Beginning {
    let mut significant = line.iter().filter(|t| has_meaning(t.kind));
    let (Some(first), second) = (significant.next(), significant.next()) else {
        return Beginning::No;
    };
    let word = &text[first.span.range()];
    if first.kind == TokenKind::Word && second.is_some_and(|second| begins_statement(word, second.kind)) {
        return Beginning::Keyword;
    }
    let mut depth = 0usize;
    for token in line {
        if token.kind.closer().is_some() {
            depth += 1;
        } else if token.kind.is_closer() {
            match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return Beginning::No,
            }
        } else if token.kind == TokenKind::Arrow && depth == 0 {
            return Beginning::Arrow;
        }
    }
    Beginning::No
}

/// Whether a line that begins with these two tokens is certainly a statement of its own.
fn begins_statement(word: &str, second: TokenKind) -> bool {
    match word {
        "threshold" => second == TokenKind::Number,
        "target" | "compute" | "precision" | "arithmetic" | "scheme" => second == TokenKind::Word,
        "model" | "import" | "output" | "calibrate" | "extend" => second == TokenKind::Text,
        "shapes" => second == TokenKind::OpenBrace,
        _ => word == "expect" && second != TokenKind::Arrow,
    }
}

/// From the line `first` on, finds the brackets that have no partner. Returns the line behind the last one
/// looked at: no bracket and no statement crosses it.
fn match_brackets(lines: &[Line], first: usize, tokens: &[Token], brackets: &mut [Bracket]) -> usize {
    let mut open: Vec<(TokenKind, usize)> = Vec::new();
    let mut end = first;
    loop {
        let line = &lines[end];
        for index in line.tokens.clone() {
            match_bracket(tokens[index].kind, index, &mut open, brackets);
        }
        end += 1;
        let Some(next) = lines.get(end) else { break };
        let deeper = next.indent > lines[first].indent;
        let begins = match next.beginning {
            Beginning::Arrow => true,
            // A key of a block of options may be a keyword elsewhere.
            Beginning::Keyword => !deeper,
            Beginning::No => false,
        };
        if begins || open.is_empty() && !(deeper && next.content && dangles(&tokens[line.tokens.clone()])) {
            break;
        }
    }
    for (_, index) in open {
        brackets[index] = Bracket::Unclosed;
    }
    end
}

fn match_bracket(kind: TokenKind, index: usize, open: &mut Vec<(TokenKind, usize)>, brackets: &mut [Bracket]) {
    if let Some(closer) = kind.closer() {
        open.push((closer, index));
    } else if kind.is_closer() {
        // Only the innermost few are asked, which bounds the time that wrong brackets can cost.
        let inner = open.len().saturating_sub(MAX_NESTING);
        let Some(partner) = open[inner..].iter().rposition(|(closer, _)| *closer == kind) else {
            brackets[index] = Bracket::Unopened;
            return;
        };
        for (_, unclosed) in open.drain(inner + partner..).skip(1) {
            brackets[unclosed] = Bracket::Unclosed;
        }
    }
}

/// Whether a line ends in the middle of something.
fn dangles(line: &[Token]) -> bool {
    let last = line.iter().rev().find(|t| has_meaning(t.kind));
    last.is_some_and(|t| matches!(t.kind, TokenKind::Arrow | TokenKind::Assign | TokenKind::Equal | TokenKind::Comma))
}

/// Cuts lines whose brackets are known into statements.
fn split(text: &str, lines: &[Line], tokens: &[Token], brackets: &[Bracket], outline: &mut Outline) {
    let mut at = 0;
    while at < lines.len() {
        if !lines[at].content {
            at += 1;
            continue;
        }
        let start = at;
        let mut end = at + 1;
        let mut depth = 0usize;
        let mut unclosed = false;
        loop {
            for index in lines[at].tokens.clone() {
                let kind = tokens[index].kind;
                match brackets[index] {
                    Bracket::Unclosed => unclosed = true,
                    Bracket::Matched if kind.closer().is_some() => depth += 1,
                    Bracket::Matched if kind.is_closer() => depth = depth.saturating_sub(1),
                    _ => {}
                }
            }
            end = end.max(at + 1);
            let Some(next) = (at + 1..lines.len()).find(|line| lines[*line].content) else {
                at = lines.len();
                break;
            };
            let deeper = lines[next].indent > lines[start].indent;
            let follows = next == at + 1 && dangles(&tokens[lines[at].tokens.clone()]);
            at = next;
            if depth == 0 && !(deeper && (unclosed || follows)) {
                break;
            }
        }
        let range = lines[start].tokens.start..lines[end - 1].tokens.end;
        outline.add(text, range, tokens, brackets);
    }
}

impl Outline {
    fn add(&mut self, text: &str, range: Range<usize>, tokens: &[Token], brackets: &[Bracket]) {
        let first = self.significant.len();
        let mut piece = Piece {
            span: Span::default(),
            significant: first..first,
            flaw_at_end: false,
            flawed: false,
            too_deep: None,
        };
        let mut size = Size::default();
        let mut visible: Option<Span> = None;
        let (mut after_flaw, mut after_newline) = (false, false);
        for index in range {
            let token = tokens[index];
            if token.kind.is_blank() || token.kind == TokenKind::Comment {
                after_newline |= token.kind == TokenKind::Newline;
                continue;
            }
            visible = Some(visible.map_or(token.span, |so_far| so_far.to(token.span)));
            piece.flawed |= token.flaw.is_some() || brackets[index] != Bracket::Matched;
            if brackets[index] == Bracket::Unopened {
                self.unopened.push(token.span);
                after_flaw = true;
            } else if !has_meaning(token.kind) {
                after_flaw = true;
            } else {
                let unclosed = brackets[index] == Bracket::Unclosed;
                if size.grow(token.kind, &text[token.span.range()], unclosed) {
                    piece.too_deep.get_or_insert(token.span);
                }
                let Token { kind, flaw, span } = token;
                self.significant.push(Significant { kind, flaw, span, after_flaw, after_newline, unclosed });
                // What an open string has swallowed is missing behind it.
                after_flaw = flaw == Some(Flaw::Unterminated);
                after_newline = false;
            }
        }
        piece.span = visible.unwrap_or_default();
        piece.flaw_at_end = after_flaw;
        piece.significant.end = self.significant.len();
        self.pieces.push(piece);
    }
}

/// How large the tree of a statement gets.
#[derive(Default)]
struct Size {
    depth: usize,
    /// Open brackets in which commas make lists, not selectors.
    lists: usize,
    joined: usize,
}

impl Size {
    /// Counts a token; whether it is too much.
    fn grow(&mut self, kind: TokenKind, written: &str, unclosed: bool) -> bool {
        let list = |open, close| kind == open || kind == close;
        let is_list =
            list(TokenKind::OpenBracket, TokenKind::CloseBracket) || list(TokenKind::OpenBrace, TokenKind::CloseBrace);
        if kind.closer().is_some() {
            self.depth += 1;
            self.lists += usize::from(is_list && !unclosed);
        } else if kind.is_closer() {
            self.depth = self.depth.saturating_sub(1);
            self.lists = self.lists.saturating_sub(usize::from(is_list));
        }
        self.joined += usize::from(match kind {
            TokenKind::Percent => true,
            TokenKind::Comma => self.lists == 0,
            TokenKind::Word => matches!(written, "and" | "or" | "not" | "where" | "&" | "&&" | "|" | "||" | "!"),
            _ => false,
        });
        self.depth > MAX_NESTING || self.joined > MAX_JOINED
    }
}

/// Whether a word begins statements.
pub(super) fn is_statement_keyword(word: &str) -> bool {
    STATEMENTS.iter().any(|keyword| keyword.word == word)
}
