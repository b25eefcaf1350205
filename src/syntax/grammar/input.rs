//! The tokens of one statement as an input for nom, and where findings go.

use std::cell::RefCell;

use nom::error::{ErrorKind, ParseError};
use nom::{IResult, Input, Needed, Parser};

use super::basics::{excerpt, is_comparison, is_reserved, token};
use crate::syntax::flaws;
use crate::syntax::outline::{Piece, Significant, is_statement_keyword};
use crate::syntax::token::{TokenKind, meant};
use crate::syntax::{Fix, MAX_ERRORS, Span, SyntaxError, SyntaxErrorKind};

/// The input of every grammar function: the tokens of a statement that are still to come.
/// `Copy`, so that nom can try a branch and step back.
#[derive(Clone, Copy)]
pub(in crate::syntax) struct Tokens<'a> {
    /// All tokens of the statement.
    all: &'a [Significant],
    at: usize,
    end: usize,
    pub(super) context: &'a Context<'a>,
}

/// What stays the same within a statement.
pub(in crate::syntax) struct Context<'a> {
    text: &'a str,
    span: Span,
    flaw_at_end: bool,
    findings: RefCell<Findings>,
}

/// An opening bracket that has been taken.
pub(super) struct Opened {
    /// For one that is never closed, its place among [`Findings::closers`].
    place: Option<usize>,
}

impl Opened {
    /// Whether it is closed somewhere.
    pub(super) fn is_closed(&self) -> bool {
        self.place.is_none()
    }
}

#[derive(Default)]
struct Findings {
    errors: Vec<SyntaxError>,
    /// The token before which the last finding was reported: one place, one finding.
    last_place: Option<usize>,
    /// Findings beyond the limit.
    more: usize,
    /// Unclosed brackets, by where they stand, and where they should be closed.
    closers: Vec<(Span, u32)>,
}

/// A branch that does not fit says only "not here". Words are chosen where the grammar has committed.
#[derive(Debug, PartialEq)]
pub(in crate::syntax) struct NotHere;

impl<'a> ParseError<Tokens<'a>> for NotHere {
    fn from_error_kind(_: Tokens<'a>, _: ErrorKind) -> Self {
        NotHere
    }

    fn append(_: Tokens<'a>, _: ErrorKind, other: Self) -> Self {
        other
    }
}

pub(in crate::syntax) type Parsed<'a, T> = IResult<Tokens<'a>, T, NotHere>;

/// "Not here", as a result.
pub(super) fn not_here<'a, T>() -> Parsed<'a, T> {
    Err(nom::Err::Error(NotHere))
}

impl<'a> Input for Tokens<'a> {
    type Item = Significant;
    type Iter = std::iter::Copied<std::slice::Iter<'a, Significant>>;
    type IterIndices = std::iter::Enumerate<Self::Iter>;

    fn input_len(&self) -> usize {
        self.end - self.at
    }

    fn take(&self, index: usize) -> Self {
        Tokens { end: self.at + index, ..*self }
    }

    fn take_from(&self, index: usize) -> Self {
        Tokens { at: self.at + index, ..*self }
    }

    fn take_split(&self, index: usize) -> (Self, Self) {
        (self.take_from(index), self.take(index))
    }

    fn position<P: Fn(Self::Item) -> bool>(&self, predicate: P) -> Option<usize> {
        self.rest().iter().position(|token| predicate(*token))
    }

    fn iter_elements(&self) -> Self::Iter {
        self.rest().iter().copied()
    }

    fn iter_indices(&self) -> Self::IterIndices {
        self.iter_elements().enumerate()
    }

    fn slice_index(&self, count: usize) -> Result<usize, Needed> {
        self.input_len().checked_sub(count).map(|_| count).ok_or(Needed::Unknown)
    }
}

impl<'a> Context<'a> {
    pub(in crate::syntax) fn new(text: &'a str, piece: &Piece) -> Self {
        Context { text, span: piece.span, flaw_at_end: piece.flaw_at_end, findings: RefCell::default() }
    }

    /// What was found, and how much more than the limit.
    pub(in crate::syntax) fn into_errors(self, tokens: &[Significant]) -> (Vec<SyntaxError>, usize) {
        let Findings { mut errors, closers, more, .. } = self.findings.into_inner();
        // Both are in the order of the text, but for brackets that were never reached by the grammar.
        let mut closers = closers.into_iter().peekable();
        for bracket in tokens.iter().filter(|token| token.unclosed) {
            let closer = closers.next_if(|(open, _)| *open == bracket.span);
            let at = closer.map_or(self.span.end, |(_, at)| at);
            errors.push(flaws::unclosed(self.text, bracket.span, at));
        }
        (errors, more)
    }
}

impl<'a> Tokens<'a> {
    pub(in crate::syntax) fn new(all: &'a [Significant], context: &'a Context<'a>) -> Self {
        Tokens { all, at: 0, end: all.len(), context }
    }

    pub(super) fn rest(&self) -> &'a [Significant] {
        &self.all[self.at..self.end]
    }

    pub(super) fn first(&self) -> Option<Significant> {
        self.rest().first().copied()
    }

    pub(super) fn peek(&self, ahead: usize) -> Option<TokenKind> {
        self.rest().get(ahead).map(|token| token.kind)
    }

    pub(super) fn skip(self, count: usize) -> Self {
        self.take_from(count.min(self.input_len()))
    }

    pub(super) fn written(&self, span: Span) -> &'a str {
        &self.context.text[span.range()]
    }

    /// The word that stands `ahead` tokens further, signs of other languages translated.
    pub(super) fn word_ahead(&self, ahead: usize) -> Option<&'a str> {
        let token = self.rest().get(ahead).filter(|t| t.kind == TokenKind::Word)?;
        let written = self.written(token.span);
        Some(if token.flaw.is_some() { meant(written).unwrap_or(written) } else { written })
    }

    /// The span of the token before; that of an empty token at the statement's beginning if there is none.
    pub(super) fn previous(&self) -> Span {
        match self.at.checked_sub(1) {
            Some(before) => self.all[before].span,
            None => Span::new(self.context.span.start, self.context.span.start),
        }
    }

    /// The empty span behind the token before, where something missing would stand.
    pub(super) fn gap(&self) -> Span {
        let end = self.previous().end;
        Span::new(end, end)
    }

    /// From the first token of `earlier` to the last one before this input.
    pub(super) fn since(&self, earlier: Tokens<'a>) -> Span {
        match earlier.first() {
            Some(first) if self.at > earlier.at => first.span.to(self.previous()),
            _ => earlier.gap(),
        }
    }

    /// Reports a mistake before the next token or in it, unless this place has its finding already.
    pub(super) fn report(&self, span: Span, kind: SyntaxErrorKind, fix: Option<Fix>) {
        self.report_with(span, kind, fix, None);
    }

    pub(super) fn report_with(&self, span: Span, kind: SyntaxErrorKind, fix: Option<Fix>, help: Option<String>) {
        let reported = match self.first() {
            // The quotes of a path are what is missing, whatever the pieces of the path look like.
            Some(next) => next.after_flaw || next.flaw.is_some() && !matches!(kind, SyntaxErrorKind::Unquoted { .. }),
            // A bracket that was never closed has swallowed the end, or what follows was meant to be inside.
            None => self.context.flaw_at_end || self.all.iter().any(|token| token.unclosed),
        };
        let mut findings = self.context.findings.borrow_mut();
        if reported || findings.last_place == Some(self.at) {
            return;
        }
        findings.last_place = Some(self.at);
        if findings.errors.len() < MAX_ERRORS {
            findings.errors.push(SyntaxError { span, kind, fix, help });
        } else {
            findings.more += 1;
        }
    }

    /// Reports that something is missing before the next token. If that token cannot have been meant as what is
    /// missing, it is what stands before the gap that is pointed at.
    pub(super) fn report_expected(&self, what: &'static str, help: Option<String>) {
        let previous = self.previous();
        let after = (self.at > 0).then(|| excerpt(self.written(previous)));
        let next = self.first().filter(|next| self.at == 0 || !self.goes_on(next.kind));
        let (span, found) = match next {
            Some(token) => (token.span, Some(excerpt(self.written(token.span)))),
            None => (previous, None),
        };
        self.report_with(span, SyntaxErrorKind::Expected { what, after, found }, None, help);
    }

    /// Whether the next token belongs to what follows something missing.
    fn goes_on(&self, kind: TokenKind) -> bool {
        matches!(kind, TokenKind::Arrow | TokenKind::Assign | TokenKind::Comma)
            || kind.is_closer()
            || kind.closer().is_some()
            || is_comparison(kind)
            || self.word_ahead(0).is_some_and(is_reserved)
    }

    /// Reports that something is missing between the tokens on both sides, with an edit that puts it there.
    pub(super) fn report_between(&self, what: &'static str, fix: Option<Fix>) {
        let Some(next) = self.first() else {
            return self.report_expected(what, None);
        };
        let previous = self.previous();
        let kind = SyntaxErrorKind::MissingBetween {
            what,
            before: excerpt(self.written(previous)),
            behind: excerpt(self.written(next.span)),
        };
        self.report(next.span, kind, fix);
    }

    /// Reports what is left of the statement.
    pub(in crate::syntax) fn report_stray(&self, behind: &str) {
        let (Some(first), Some(last)) = (self.first(), self.rest().last()) else {
            return;
        };
        let span = first.span.to(last.span);
        let stray = SyntaxErrorKind::StrayText { text: excerpt(self.written(span)), behind: behind.to_owned() };
        if !self.word_ahead(0).is_some_and(is_statement_keyword) {
            return self.report(span, stray, None);
        }
        let fix = Fix {
            span: Span::new(self.previous().end, first.span.start),
            replacement: "\n".to_owned(),
            title: "begin a new line".to_owned(),
        };
        self.report_with(span, stray, Some(fix), Some("every statement has a line of its own".to_owned()));
    }

    /// Takes the bracket that closes `open`, and reports what is left before it. For a bracket that is never
    /// closed, remembers that it should be closed here.
    pub(super) fn close(self, open: Opened, missing: &'static str) -> Tokens<'a> {
        let end = self.previous().end;
        if let Some(place) = open.place {
            self.context.findings.borrow_mut().closers[place].1 = end;
            return self;
        }
        let left = self.count_until(|kind, _| kind.is_closer());
        if left > 0 {
            self.report_between(missing, None);
        }
        self.skip(left + 1)
    }

    /// Takes an opening bracket.
    pub(super) fn open(self, kind: TokenKind) -> Parsed<'a, Opened> {
        let (rest, token) = token(kind).parse(self)?;
        let place = token.unclosed.then(|| {
            let closers = &mut self.context.findings.borrow_mut().closers;
            closers.push((token.span, token.span.end));
            closers.len() - 1
        });
        Ok((rest, Opened { place }))
    }

    /// How much has been found so far in this statement.
    pub(super) fn findings(&self) -> usize {
        self.context.findings.borrow().errors.len()
    }

    /// Forgets what was found since there were `count` findings.
    pub(super) fn forget(&self, count: usize) {
        let mut findings = self.context.findings.borrow_mut();
        findings.errors.truncate(count);
        findings.more = 0;
        findings.closers.clear();
        findings.last_place = None;
    }

    /// How many tokens stand before the first one outside brackets that fits; all of them if none does.
    pub(super) fn count_until(&self, fits: impl Fn(TokenKind, Option<&str>) -> bool) -> usize {
        let mut depth = 0usize;
        for (count, token) in self.rest().iter().enumerate() {
            if token.kind.is_closer() && depth > 0 {
                depth -= 1;
            } else if depth == 0 && fits(token.kind, self.word_ahead(count)) {
                return count;
            } else if token.kind.closer().is_some() && !token.unclosed {
                depth += 1;
            }
        }
        self.input_len()
    }
}
