//! What may stand at the cursor, told from the tokens before it. The text there is being written, so that no tree can
//! be relied on.

mod within;

use within::{in_comment, in_filter};

use crate::ide::Analysis;
use crate::recipe::preset::{ParameterKind, Preset};
use crate::syntax::Span;
use crate::syntax::keywords::{METRICS, OPERAND_PARTS, STATEMENTS};
use crate::syntax::token::{Flaw, Token, TokenKind};

/// What may stand at the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expected {
    /// A new statement.
    Statement,
    /// A path behind this keyword.
    Path(&'static str),
    /// A preset's name.
    Preset,
    /// Deployment targets; `none` too where it is the first.
    Target {
        /// Whether none stands there yet.
        first: bool,
    },
    /// A word of `compute`, `precision` or `arithmetic`.
    Setting(&'static str),
    /// A number of elements.
    Threshold,
    /// A kind or name.
    Atom {
        /// Whether it stands behind `expect`.
        expect: bool,
    },
    /// What may follow a kind or name.
    BehindAtom(Behind),
    /// A fact.
    Fact,
    /// A comparison.
    Comparison {
        /// Whether a fact stands before it, and not a metric.
        of_fact: bool,
    },
    /// What a fact is compared with.
    FactValue(String),
    /// What may follow a comparison.
    BehindCondition(Behind),
    /// A part of a scheme; with what is written of it.
    SchemePart(Scheme),
    /// What belongs in the brackets behind a part.
    Argument {
        /// What stands before the part.
        scheme: Scheme,
        /// The part.
        part: String,
        /// The arguments before the cursor.
        given: Vec<String>,
    },
    /// What belongs behind a part that takes an operand.
    Operand(Scheme, &'static str),
    /// What may follow `activations`.
    Activation(Scheme),
    /// `activations`, behind a comma.
    ActivationsWord,
    /// The key of an option.
    OptionKey(Owner, Vec<String>),
    /// The value of an option.
    OptionValue(Owner, String),
    /// `{`
    Block,
    /// A bound of this metric.
    Bound(String),
    /// A count of weights.
    Count,
    /// The code of a rule, in a comment.
    Code,
    /// A word of names, in a regular expression.
    RegexWord,
    /// Nothing that is known.
    Nothing,
}

/// What a selector stands in, which decides what may follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behind {
    /// A rule: `=>`.
    Rule,
    /// `expect`: `matches`, `=>`, a metric.
    Expect,
    /// `expect every`: `quantized`, `kept`.
    Quantified,
    /// The text of an option: nothing else.
    Filter,
}

/// A scheme so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Scheme {
    /// Where the statement begins.
    pub statement: u32,
    /// Its parts, as written.
    pub parts: Vec<String>,
}

/// What a block of options belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owner {
    /// `calibrate`
    Calibrate,
    /// `shapes`
    Shapes,
    /// `extend`, with the preset's name.
    Preset(String),
}

/// What is expected, and what the completion replaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    /// What may stand there.
    pub expected: Expected,
    /// The word or the text of the literal around the cursor; empty between words.
    pub span: Span,
    /// What of it stands before the cursor.
    pub prefix: String,
    /// Whether the cursor is within quotes.
    pub in_text: bool,
    /// Whether what is written stands in a text that stands in quotes itself: its own quotes need a `\`.
    pub is_nested: bool,
}

/// Bytes of a statement before the cursor, at most: what is offered is tried with all that stands there, one by one.
const LONGEST_STATEMENT: u32 = 64 << 10;

/// The state at an offset.
pub(super) fn state(analysis: &Analysis, offset: usize) -> State {
    let (text, tokens) = (analysis.text(), analysis.tokens());
    let at = text.floor_char_boundary(offset) as u32;
    let cursor = match cursor(text, tokens, at) {
        Ok(cursor) => cursor,
        Err(state) => return *state,
    };
    let start = statement_start(analysis, at, cursor.before);
    let is_long = tokens.get(start).is_some_and(|first| at.saturating_sub(first.span.start) > LONGEST_STATEMENT);
    if is_long {
        return cursor.state(text, at, Expected::Nothing);
    }
    let expected = Reader::new(text, &tokens[start..cursor.before], cursor.span).expected();
    match &expected {
        Expected::OptionValue(Owner::Preset(name), key) if cursor.in_text && takes_selector(name, key) => {
            in_filter(text, cursor.span, at)
        }
        _ => cursor.state(text, at, expected),
    }
}

fn takes_selector(preset: &str, key: &str) -> bool {
    let parameter = Preset::by_name(preset).and_then(|preset| preset.parameter(key));
    parameter.is_some_and(|parameter| parameter.kind == ParameterKind::Filter)
}

/// What of the text the cursor is in.
struct Cursor {
    /// The word or the text of the literal around it.
    span: Span,
    in_text: bool,
    /// How many tokens stand before it.
    before: usize,
}

impl Cursor {
    fn state(&self, text: &str, at: u32, expected: Expected) -> State {
        let prefix = text.get(self.span.start as usize..at as usize).unwrap_or("").to_string();
        State { expected, span: self.span, prefix, in_text: self.in_text, is_nested: false }
    }
}

/// The cursor among tokens; the whole state where they do not matter.
fn cursor(text: &str, tokens: &[Token], at: u32) -> Result<Cursor, Box<State>> {
    let behind = tokens.partition_point(|token| token.span.end < at);
    let touched = tokens.get(behind).filter(|token| token.span.start < at);
    let between = Span::new(at, at);
    let Some(token) = touched else { return Ok(Cursor { span: between, in_text: false, before: behind }) };
    let is_closed = token.span.end == at && token.flaw != Some(Flaw::Unterminated);
    let is_inside = !(is_closed && token.span.end - token.span.start > 1);
    let is_open = matches!(token.flaw, Some(Flaw::Unterminated | Flaw::Unquoted));
    // A name without quotes has none to leave out.
    let opening = u32::from(token.flaw != Some(Flaw::Unquoted));
    let inner = || Span::new(token.span.start + opening, token.span.end.saturating_sub(u32::from(!is_open)).max(at));
    // `per-`: a word that goes on, once the next letter is there.
    let word = behind.checked_sub(1).and_then(|at| tokens.get(at)).filter(|word| word.kind == TokenKind::Word);
    if let Some(word) =
        word.filter(|word| word.span.end == token.span.start && text.get(token.span.range()) == Some("-"))
    {
        let span = Span::new(word.span.start, token.span.end);
        return Ok(Cursor { span, in_text: false, before: behind - 1 });
    }
    match token.kind {
        TokenKind::Comment => {
            let nothing = Cursor { span: between, in_text: false, before: behind };
            let state = in_comment(text, token, at);
            Err(Box::new(state.unwrap_or_else(|| nothing.state(text, at, Expected::Nothing))))
        }
        TokenKind::Unread => {
            let nothing = Cursor { span: between, in_text: false, before: behind };
            Err(Box::new(nothing.state(text, at, Expected::Nothing)))
        }
        TokenKind::Regex if is_inside => {
            let word = word_around(text, inner(), at);
            let cursor = Cursor { span: word, in_text: true, before: behind };
            Err(Box::new(cursor.state(text, at, Expected::RegexWord)))
        }
        TokenKind::Text if is_inside => Ok(Cursor { span: inner(), in_text: true, before: behind }),
        TokenKind::Word | TokenKind::Number => Ok(Cursor { span: token.span, in_text: false, before: behind }),
        _ => Ok(Cursor { span: between, in_text: false, before: behind + 1 }),
    }
}

/// The letters, digits and underscores around the cursor, within a span.
fn word_around(text: &str, within: Span, at: u32) -> Span {
    let is_part = |c: &char| c.is_alphanumeric() || *c == '_';
    let before = text.get(within.start as usize..at as usize).unwrap_or("");
    let behind = text.get(at as usize..within.end as usize).unwrap_or("");
    let mut start: usize = before.chars().rev().take_while(is_part).map(char::len_utf8).sum();
    let letters = &before[before.len() - start..];
    // In `\d_proj` the letter is no part of a name.
    let escapes = before[..before.len() - start].chars().rev().take_while(|c| *c == '\\').count();
    if escapes % 2 == 1 {
        start -= letters.chars().next().map_or(0, char::len_utf8);
    }
    let end: usize = behind.chars().take_while(is_part).map(char::len_utf8).sum();
    Span::new(at - start as u32, at + end as u32)
}

/// The first token of the statement that the cursor is in: that of its line, or of one that goes on to it.
fn statement_start(analysis: &Analysis, at: u32, before: usize) -> usize {
    let tokens = analysis.tokens();
    let line_start = analysis.lines().span(analysis.lines().line(at)).start;
    let own_line = tokens.partition_point(|token| token.span.start < line_start).min(before);
    let statements = analysis.statements();
    let index = statements.partition_point(|statement| statement.span.start < line_start);
    let Some(above) = index.checked_sub(1).and_then(|index| statements.get(index)) else { return own_line };
    let holds = above.span.end >= at;
    let is_indented = analysis.text_at(Span::new(line_start, at)).starts_with([' ', '\t']);
    let between = analysis.text_at(Span::new(above.span.end, line_start));
    // An empty line between them ends what could go on.
    let goes_on = is_indented && between.matches('\n').count() <= 1 && {
        let last = analysis.text_at(above.span).trim_end();
        last.ends_with(['>', '=', ',', '(', '[', '{']) || last.matches('{').count() > last.matches('}').count()
    };
    match holds || goes_on {
        true => tokens.partition_point(|token| token.span.start < above.span.start),
        false => own_line,
    }
}

/// Reads the tokens of a statement before the cursor.
struct Reader<'a> {
    source: &'a str,
    tokens: Vec<&'a Token>,
    start: u32,
}

impl<'a> Reader<'a> {
    /// Those that mean something, of the tokens before what is completed.
    fn new(source: &'a str, tokens: &'a [Token], completed: Span) -> Reader<'a> {
        let is_blank =
            |token: &Token| token.kind.is_blank() || matches!(token.kind, TokenKind::Comment | TokenKind::Unknown);
        let tokens: Vec<&Token> = tokens.iter().filter(|token| !is_blank(token)).collect();
        let start = tokens.first().map_or(completed.start, |first| first.span.start);
        Reader { source, tokens, start }
    }

    fn text(&self, token: &Token) -> &'a str {
        self.source.get(token.span.range()).unwrap_or("")
    }

    fn expected(&self) -> Expected {
        let [first, rest @ ..] = self.tokens.as_slice() else { return Expected::Statement };
        let keyword = STATEMENTS.iter().find(|known| first.kind == TokenKind::Word && known.word == self.text(first));
        match keyword.map(|keyword| keyword.word) {
            Some(word @ ("model" | "import" | "output")) if rest.is_empty() => Expected::Path(word),
            Some("calibrate") if rest.is_empty() => Expected::Path("calibrate"),
            Some("calibrate") => self.options(Owner::Calibrate, &rest[1..]),
            Some("shapes") => self.options(Owner::Shapes, rest),
            Some("extend") if rest.is_empty() => Expected::Preset,
            Some("extend") => {
                let name = self.text(rest[0]).trim_matches('"').to_string();
                self.options(Owner::Preset(name), &rest[1..])
            }
            Some("target") => match rest.last() {
                None => Expected::Target { first: true },
                Some(last) if last.kind == TokenKind::Comma => Expected::Target { first: false },
                Some(_) => Expected::Nothing,
            },
            Some(word @ ("compute" | "precision" | "arithmetic")) if rest.is_empty() => Expected::Setting(word),
            Some("threshold") if rest.is_empty() => Expected::Threshold,
            Some("scheme") => match rest.iter().position(|token| token.kind == TokenKind::Assign) {
                Some(at) => self.scheme(&rest[at + 1..]),
                None => Expected::Nothing,
            },
            Some("expect") => self.expectation(rest),
            Some(_) => Expected::Nothing,
            None => self.rule(&self.tokens, Behind::Rule),
        }
    }

    fn rule(&self, tokens: &[&Token], behind: Behind) -> Expected {
        match tokens.iter().position(|token| token.kind == TokenKind::Arrow) {
            Some(at) => self.scheme(&tokens[at + 1..]),
            None => self.selector(tokens, behind),
        }
    }

    fn selector(&self, tokens: &[&Token], behind: Behind) -> Expected {
        let expect = matches!(behind, Behind::Expect | Behind::Quantified);
        let Some(last) = tokens.last() else { return Expected::Atom { expect } };
        let last_text = self.text(last);
        // A condition goes on to a comma.
        let from_comma = tokens.iter().rposition(|token| token.kind == TokenKind::Comma).map_or(0, |at| at + 1);
        let condition = tokens[from_comma..].iter().rposition(|token| self.text(token) == "where");
        let Some(at) = condition else {
            return match last.kind {
                TokenKind::Comma | TokenKind::OpenParen => Expected::Atom { expect: false },
                TokenKind::Word if matches!(last_text, "and" | "or" | "not") => Expected::Atom { expect: false },
                TokenKind::Word | TokenKind::Text | TokenKind::Regex | TokenKind::CloseParen => {
                    Expected::BehindAtom(behind)
                }
                _ => Expected::Nothing,
            };
        };
        let condition = &tokens[from_comma + at + 1..];
        match condition {
            [] => Expected::Fact,
            _ if is_comparison(last.kind) => {
                let fact = condition.iter().rev().skip(1).map(|token| self.text(token));
                let mut words = fact.take_while(|word| !matches!(*word, "and" | "or" | "not" | "("));
                Expected::FactValue(words.find(|word| word.starts_with(char::is_alphabetic)).unwrap_or("").to_string())
            }
            _ if matches!(last_text, "and" | "or" | "not" | "(") => Expected::Fact,
            [.., before, _] if is_comparison(before.kind) => Expected::BehindCondition(behind),
            _ if last.kind == TokenKind::CloseParen => Expected::BehindCondition(behind),
            _ if last.kind == TokenKind::Word => Expected::Comparison { of_fact: true },
            _ => Expected::Nothing,
        }
    }

    fn scheme(&self, tokens: &[&Token]) -> Expected {
        let mut scheme = Scheme { statement: self.start, parts: Vec::new() };
        // What brackets are open, behind which word, and from where.
        let mut open: Option<usize> = None;
        for (at, token) in tokens.iter().enumerate() {
            match token.kind {
                TokenKind::OpenParen | TokenKind::OpenBracket => open = Some(at),
                TokenKind::CloseParen | TokenKind::CloseBracket => open = None,
                _ => {}
            }
        }
        let texts = |tokens: &[&Token]| tokens.iter().map(|token| self.text(token).to_string()).collect::<Vec<_>>();
        if let Some(at) = open {
            let Some(word) = at.checked_sub(1) else { return Expected::Nothing };
            scheme.parts = texts(&tokens[..word]);
            let given = tokens[at + 1..].iter().filter(|token| token.kind != TokenKind::Comma);
            let given = given.map(|token| self.text(token).to_string()).collect();
            return Expected::Argument { scheme, part: self.text(tokens[word]).to_string(), given };
        }
        scheme.parts = texts(tokens);
        let activations = tokens.iter().any(|token| self.text(token) == "activations");
        let Some(last) = tokens.last() else { return Expected::SchemePart(scheme) };
        let operand = OPERAND_PARTS.iter().find(|known| known.word == self.text(last));
        match operand {
            _ if last.kind == TokenKind::Colon => Expected::Nothing,
            _ if activations => Expected::Activation(scheme),
            Some(part) => Expected::Operand(scheme, part.word),
            None if last.kind == TokenKind::Comma => Expected::ActivationsWord,
            None => Expected::SchemePart(scheme),
        }
    }

    fn options(&self, owner: Owner, tokens: &[&Token]) -> Expected {
        let Some(at) = tokens.iter().position(|token| token.kind == TokenKind::OpenBrace) else {
            return Expected::Block;
        };
        let inside = &tokens[at + 1..];
        if inside.iter().any(|token| token.kind == TokenKind::CloseBrace) {
            return Expected::Nothing;
        }
        let mut keys: Vec<String> = Vec::new();
        let (mut is_key, mut depth) = (true, 0usize);
        for token in inside {
            match token.kind {
                TokenKind::OpenBracket => depth += 1,
                TokenKind::CloseBracket => {
                    depth = depth.saturating_sub(1);
                    is_key = true;
                }
                TokenKind::Comma if depth == 0 => {}
                _ if depth > 0 => {}
                _ if is_key => {
                    keys.push(self.text(token).to_string());
                    is_key = false;
                }
                _ => is_key = true,
            }
        }
        match keys.last() {
            _ if depth > 0 => Expected::Nothing,
            Some(key) if !is_key => Expected::OptionValue(owner, key.clone()),
            _ => Expected::OptionKey(owner, keys),
        }
    }

    fn expectation(&self, tokens: &[&Token]) -> Expected {
        let Some(first) = tokens.first() else { return Expected::Atom { expect: true } };
        if matches!(self.text(first), "every" | "no") {
            return match &tokens[1..] {
                [] => Expected::Atom { expect: false },
                rest if rest.last().is_some_and(|last| matches!(self.text(last), "quantized" | "kept")) => {
                    Expected::Nothing
                }
                rest => self.selector(rest, Behind::Quantified),
            };
        }
        if tokens.iter().any(|token| token.kind == TokenKind::Arrow) {
            return self.rule(tokens, Behind::Expect);
        }
        if tokens.iter().any(|token| self.text(token) == "matches") {
            return match tokens.last() {
                Some(last) if is_comparison(last.kind) || self.text(last) == "matches" => Expected::Count,
                _ => Expected::Nothing,
            };
        }
        let metric =
            |token: &&&Token| METRICS.iter().any(|known| known.word.split(' ').next_back() == Some(self.text(token)));
        if let Some(at) = tokens.iter().position(|token| metric(&token)) {
            return match &tokens[at + 1..] {
                [] => Expected::Comparison { of_fact: false },
                [one] if is_comparison(one.kind) => Expected::Bound(self.text(tokens[at]).to_string()),
                _ => Expected::Nothing,
            };
        }
        self.selector(tokens, Behind::Expect)
    }
}

fn is_comparison(kind: TokenKind) -> bool {
    matches!(
        kind,
        TokenKind::Assign
            | TokenKind::Equal
            | TokenKind::NotEqual
            | TokenKind::Less
            | TokenKind::LessOrEqual
            | TokenKind::Greater
            | TokenKind::GreaterOrEqual
    )
}
