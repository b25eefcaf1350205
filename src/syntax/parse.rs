//! The way from a text to its tree and all that is wrong with it.

use rayon::prelude::*;

use super::allow::{Allow, allows};
use super::grammar::{Context, Tokens, scheme, selector, statement};
use super::outline::{Outline, Piece, outline};
use super::token::Token;
use super::tree::{File, Scheme, Selector, Statement, StatementKind};
use super::{Span, SyntaxError, SyntaxErrorKind, flaws, lex};

/// How many mistakes are listed; one more says how many are not.
pub const MAX_ERRORS: usize = 1000;

/// What reading a text gives: always a tree, and what is wrong with the text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parse {
    /// The statements, broken ones too.
    pub file: File,
    /// The whole text in pieces: blanks, comments and mistakes included.
    pub tokens: Vec<Token>,
    /// Mistakes, in the order of the text; at most [`MAX_ERRORS`] and one that counts the rest.
    pub errors: Vec<SyntaxError>,
    /// Comments that allow findings.
    pub allows: Vec<Allow>,
    /// Whether the statement of the same index has a mistake.
    pub(super) broken: Vec<bool>,
}

impl Parse {
    /// Whether the statement of this index has a mistake; what can be said about it beyond that is a guess.
    pub fn is_broken(&self, statement: usize) -> bool {
        self.broken.get(statement).copied().unwrap_or(false)
    }
}

/// Statements that one thread reads at a stretch: of fewer, reading is quicker than sharing it.
const STRETCH: usize = 256;

/// Reads a recipe. Takes time and memory in proportion to the text, up to a [limit](super::MAX_TOKENS).
pub fn parse(text: &str) -> Parse {
    let tokens = lex(text);
    let outline = outline(text, &tokens);
    let stretches: Vec<Stretch> = match outline.pieces.len() <= STRETCH {
        true => vec![Stretch::read(text, &outline, &outline.pieces)],
        false => outline.pieces.par_chunks(STRETCH).map(|pieces| Stretch::read(text, &outline, pieces)).collect(),
    };
    let mut errors = Errors::default();
    let mut file = File { statements: Vec::with_capacity(outline.pieces.len()) };
    let mut broken = Vec::with_capacity(outline.pieces.len());
    for mut stretch in stretches {
        file.statements.append(&mut stretch.statements);
        broken.append(&mut stretch.broken);
        errors.append(stretch.errors);
    }
    errors.add_flaws(text, &tokens, &outline);
    let (allows, invalid) = allows(text, &tokens, &file.statements);
    errors.add_all(invalid.into_iter(), |error| error);
    Parse { allows, file, tokens, errors: errors.into_sorted(), broken }
}

/// Some statements after one another.
struct Stretch {
    statements: Vec<Statement>,
    /// Whether the statement of the same index has a mistake.
    broken: Vec<bool>,
    errors: Errors,
}

impl Stretch {
    fn read(text: &str, outline: &Outline, pieces: &[Piece]) -> Stretch {
        let mut errors = Errors::default();
        let read = |piece: &Piece| {
            let (kind, has_errors) = read(text, outline, piece, &mut errors, statement);
            (Statement { span: piece.span, kind: kind.unwrap_or(StatementKind::Error) }, has_errors)
        };
        let (statements, broken) = pieces.iter().map(read).unzip();
        Stretch { statements, broken, errors }
    }
}

/// Reads a selector alone, such as a prompt takes: `linear where rank == 2`.
pub fn parse_selector(text: &str) -> (Selector, Vec<SyntaxError>) {
    let (parsed, errors) = parse_alone(text, "the selector", |input| selector(input).ok());
    (parsed.unwrap_or(Selector::Missing(Span::default())), errors)
}

/// Reads a scheme alone: `int4 per-group(32)`.
pub fn parse_scheme(text: &str) -> (Option<Scheme>, Vec<SyntaxError>) {
    let (parsed, errors) = parse_alone(text, "the scheme", |input| scheme(input).ok());
    (parsed.flatten(), errors)
}

fn parse_alone<T>(
    text: &str,
    name: &str,
    grammar: impl for<'a> Fn(Tokens<'a>) -> Option<(Tokens<'a>, T)>,
) -> (Option<T>, Vec<SyntaxError>) {
    let tokens = lex(text);
    let outline = outline(text, &tokens);
    let mut errors = Errors::default();
    let nothing = Piece::default();
    let piece = outline.pieces.first().unwrap_or(&nothing);
    let (parsed, _) = read(text, &outline, piece, &mut errors, |input| {
        let (rest, parsed) = grammar(input)?;
        rest.report_stray(name);
        Some(parsed)
    });
    for second in outline.pieces.iter().skip(1).take(1) {
        let kind = SyntaxErrorKind::StrayText {
            text: super::grammar::excerpt(&text[second.span.range()]),
            behind: name.to_owned(),
        };
        errors.add(SyntaxError { span: second.span, kind, fix: None, help: None });
    }
    errors.add_flaws(text, &tokens, &outline);
    (parsed.flatten(), errors.into_sorted())
}

/// Reads the tokens of one piece, and says whether anything is wrong with them.
fn read<T>(
    text: &str,
    outline: &Outline,
    piece: &Piece,
    errors: &mut Errors,
    grammar: impl for<'a> Fn(Tokens<'a>) -> T,
) -> (Option<T>, bool) {
    if let Some(span) = piece.too_deep {
        errors.add(SyntaxError { span, kind: SyntaxErrorKind::TooDeep, fix: None, help: None });
        return (None, true);
    }
    let tokens = &outline.significant[piece.significant.clone()];
    let context = Context::new(text, piece);
    let tree = grammar(Tokens::new(tokens, &context));
    let (found, more) = context.into_errors(tokens);
    let broken = piece.flawed || more > 0 || !found.is_empty();
    errors.more += more;
    for error in found {
        errors.add(error);
    }
    (Some(tree), broken)
}

/// Mistakes found so far. No more are kept than are listed, and none is built only to be dropped.
#[derive(Default)]
struct Errors {
    listed: Vec<SyntaxError>,
    more: usize,
    /// Where names and paths without quotes stand that the grammar has reported: flaws in there are no mistakes.
    unquoted: Vec<Span>,
}

impl Errors {
    fn add(&mut self, error: SyntaxError) {
        if matches!(error.kind, SyntaxErrorKind::Unquoted { .. }) {
            self.unquoted.push(error.span);
        }
        if self.listed.len() < MAX_ERRORS {
            self.listed.push(error);
        } else {
            self.more += 1;
        }
    }

    /// Adds the mistakes of statements further on in the text.
    fn append(&mut self, later: Errors) {
        self.unquoted.extend(later.unquoted);
        let room = MAX_ERRORS - self.listed.len();
        self.more += later.more + later.listed.len().saturating_sub(room);
        self.listed.extend(later.listed.into_iter().take(room));
    }

    /// Adds the mistakes of single tokens and brackets. Each of the lists is in the order of the text, so what is
    /// beyond the limit in one is beyond it in all together.
    fn add_flaws(&mut self, text: &str, tokens: &[Token], outline: &Outline) {
        let mut unquoted = std::mem::take(&mut self.unquoted).into_iter().peekable();
        let flawed = tokens.iter().filter_map(|token| token.flaw.map(|flaw| (token, flaw)));
        let mut reported = |token: &Token| {
            while unquoted.next_if(|span| span.end <= token.span.start).is_some() {}
            unquoted.peek().is_some_and(|span| span.start <= token.span.start)
        };
        let flawed = flawed.filter(|(token, _)| !reported(token));
        self.add_all(flawed, |(token, flaw)| flaws::error(text, token, flaw));
        self.add_all(outline.unopened.iter(), |span| flaws::unopened(text, *span));
    }

    fn add_all<T>(&mut self, all: impl Iterator<Item = T>, error: impl Fn(T) -> SyntaxError) {
        for (count, one) in all.enumerate() {
            if count < MAX_ERRORS {
                self.listed.push(error(one));
            } else {
                self.more += 1;
            }
        }
    }

    fn into_sorted(mut self) -> Vec<SyntaxError> {
        self.listed.sort_by_key(|error| error.span.start);
        // One place, one finding: the grammar's comes first, and tells more than that of a token.
        self.listed.dedup_by_key(|error| error.span);
        let more = self.more + self.listed.len().saturating_sub(MAX_ERRORS);
        self.listed.truncate(MAX_ERRORS);
        if more > 0 {
            let end = self.listed.last().map_or(0, |last| last.span.end);
            let kind = SyntaxErrorKind::TooMany { more };
            self.listed.push(SyntaxError { span: Span::new(end, end), kind, fix: None, help: None });
        }
        self.listed
    }
}
