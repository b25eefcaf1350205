//! The rows of a text, and what stands between its tokens before anything is aligned.

use super::spacing;
use crate::syntax::parse::Parse;
use crate::syntax::token::{Token, TokenKind};
use crate::syntax::tree::StatementKind;

/// What stands before a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gap {
    /// What is written there.
    Keep,
    /// This many blanks on the same line.
    Blanks(usize),
    /// This many line ends, then blanks.
    Lines { count: usize, indent: usize },
    /// This many line ends, then the indentation that is written there.
    LinesIndented { count: usize },
}

/// A token that stays.
#[derive(Debug, Clone, Copy)]
pub(super) struct Visible {
    /// Its index among all tokens.
    pub token: usize,
    /// What stands before it.
    pub gap: Gap,
    /// Whether it is `=` and should be `==`.
    pub doubled: bool,
}

/// A statement with the comment behind it, or a comment on a line of its own. All numbers are indices of
/// [`Layout::visible`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// An empty line stands before it.
    pub after_blank: bool,
    pub first: usize,
    /// Behind the last token, the comment behind the statement not counted.
    pub end: usize,
    /// The comment behind the statement.
    pub comment: Option<usize>,
    pub kind: RowKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowKind {
    Comment,
    /// With a mistake, or on several lines: stands alone.
    Fixed,
    /// A rule on one line; its arrow.
    Rule {
        arrow: usize,
    },
    /// `model "…"` and others that are aligned behind their keyword.
    Header,
    /// Another statement on one line.
    Other,
}

/// A text in rows.
pub(super) struct Layout<'a> {
    pub text: &'a str,
    pub tokens: &'a [Token],
    pub visible: Vec<Visible>,
    pub rows: Vec<Row>,
}

impl<'a> Layout<'a> {
    pub fn new(text: &'a str, parse: &'a Parse) -> Self {
        let mut layout = Layout { text, tokens: &parse.tokens, visible: Vec::new(), rows: Vec::new() };
        let mut at = 0;
        for (index, statement) in parse.file.statements.iter().enumerate() {
            at = layout.comments(at, statement.span.start);
            let first = layout.tokens[at..].partition_point(|token| token.span.start < statement.span.start) + at;
            let end = layout.tokens[first..].partition_point(|token| token.span.end <= statement.span.end) + first;
            let gap = layout.row_gap(first, parse.is_broken(index));
            let start = layout.visible.len();
            let kind = match parse.is_broken(index) {
                true => {
                    layout.keep(first..end);
                    RowKind::Fixed
                }
                false => spacing::statement(&mut layout, first..end, &statement.kind),
            };
            layout.visible[start].gap = gap;
            let row = Row {
                after_blank: layout.after_blank(first),
                first: start,
                end: layout.visible.len(),
                comment: None,
                kind,
            };
            at = layout.trailing_comment(end, row, parse.is_broken(index));
        }
        layout.comments(at, u32::MAX);
        layout
    }

    /// `\r\n` if all lines end so, else `\n`.
    pub fn newline(&self) -> &'static str {
        let mut ends = self.tokens.iter().filter(|token| token.kind == TokenKind::Newline).peekable();
        let crlf = ends.peek().is_some() && ends.all(|end| end.span.end - end.span.start == 2);
        if crlf { "\r\n" } else { "\n" }
    }

    /// How many characters a token has.
    pub fn width(&self, visible: &Visible) -> usize {
        if visible.doubled {
            return 2;
        }
        self.text[self.tokens[visible.token].span.range()].chars().count()
    }

    /// Adds the comments that begin before byte `end` as rows; returns the token behind them.
    fn comments(&mut self, mut at: usize, end: u32) -> usize {
        while let Some(token) = self.tokens.get(at).filter(|token| token.span.start < end) {
            if token.kind == TokenKind::Comment {
                let gap = self.row_gap(at, false);
                let first = self.visible.len();
                self.visible.push(Visible { token: at, gap, doubled: false });
                let after_blank = self.after_blank(at);
                self.rows.push(Row { after_blank, first, end: first + 1, comment: None, kind: RowKind::Comment });
            }
            at += 1;
        }
        at
    }

    /// Adds a row, with the comment that follows token `end` on its line. Returns the token behind.
    fn trailing_comment(&mut self, end: usize, mut row: Row, broken: bool) -> usize {
        let comment = match self.tokens.get(end) {
            Some(token) if token.kind == TokenKind::Blank => end + 1,
            _ => end,
        };
        let found = self.tokens.get(comment).is_some_and(|token| token.kind == TokenKind::Comment);
        if found {
            row.comment = Some(self.visible.len());
            let gap = if broken { Gap::Keep } else { Gap::Blanks(2) };
            self.visible.push(Visible { token: comment, gap, doubled: false });
        }
        self.rows.push(row);
        if found { comment + 1 } else { end }
    }

    /// Keeps tokens and all between them.
    fn keep(&mut self, range: std::ops::Range<usize>) {
        for token in range {
            if !self.tokens[token].kind.is_blank() {
                self.visible.push(Visible { token, gap: Gap::Keep, doubled: false });
            }
        }
    }

    /// The line ends before a row that begins with a token.
    fn row_gap(&self, token: usize, keep_indent: bool) -> Gap {
        let begins_with_mark = self.text[self.tokens[token].span.range()].starts_with('\u{feff}');
        if self.visible.is_empty() && begins_with_mark {
            // At the beginning of the text, it would become a byte order mark.
            return Gap::Keep;
        }
        let count = match (self.visible.is_empty(), self.after_blank(token)) {
            (true, _) => 0,
            (false, false) => 1,
            (false, true) => 2,
        };
        if keep_indent { Gap::LinesIndented { count } } else { Gap::Lines { count, indent: 0 } }
    }

    /// Whether an empty line stands before the first token of a row.
    fn after_blank(&self, token: usize) -> bool {
        let before = self.tokens[..token].iter().rev();
        let ends = before.take_while(|token| token.kind.is_blank());
        ends.filter(|token| token.kind == TokenKind::Newline).nth(1).is_some()
    }

    /// How many line ends stand between two tokens; two for more.
    pub fn line_ends_between(&self, earlier: usize, later: usize) -> usize {
        let between = self.tokens[earlier + 1..later].iter();
        between.filter(|token| token.kind == TokenKind::Newline).take(2).count()
    }
}

/// Whether what follows the keyword is aligned with that of the neighbours.
pub(super) fn is_header(kind: &StatementKind) -> bool {
    matches!(
        kind,
        StatementKind::Model(_)
            | StatementKind::Target(_)
            | StatementKind::Compute(_)
            | StatementKind::Precision(_)
            | StatementKind::Arithmetic(_)
            | StatementKind::Threshold(_)
            | StatementKind::Output(_)
    )
}
