//! What each word of the text means, for highlighting.

use super::Analysis;
use super::walk::{self, Leaf, Role};
use crate::recipe::FileId;
use crate::syntax::Span;
use crate::syntax::keywords::{ACTIVATIONS, CONNECTIVES, EXPECTATIONS, STATEMENTS};
use crate::syntax::token::{Token, TokenKind};

/// What a token means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenMeaning {
    /// A word that begins a statement or holds it together.
    Keyword,
    /// `=>`, `==`, `%` and the like.
    Operator,
    /// A comment.
    Comment,
    /// A comment that the checker reads.
    Directive,
    /// A number with its unit.
    Number,
    /// A path or another text.
    Text,
    /// A pattern over names.
    Pattern,
    /// A regular expression over names.
    Regex,
    /// A kind of module.
    Kind,
    /// A fact that a condition compares, or what an expectation measures.
    Fact,
    /// A scheme's name.
    Scheme,
    /// What weights become.
    Base,
    /// Another part of a scheme.
    Part,
    /// A word that a setting, a part or a fact knows.
    Choice,
    /// The key of an option.
    OptionKey,
    /// A deployment target.
    Target,
    /// A preset's name.
    Preset,
}

impl TokenMeaning {
    /// Every meaning, with the name that editors have for its like.
    pub const ALL: &'static [(TokenMeaning, &'static str)] = &[
        (TokenMeaning::Keyword, "keyword"),
        (TokenMeaning::Operator, "operator"),
        (TokenMeaning::Comment, "comment"),
        (TokenMeaning::Directive, "macro"),
        (TokenMeaning::Number, "number"),
        (TokenMeaning::Text, "string"),
        (TokenMeaning::Pattern, "string"),
        (TokenMeaning::Regex, "regexp"),
        (TokenMeaning::Kind, "type"),
        (TokenMeaning::Fact, "property"),
        (TokenMeaning::Scheme, "variable"),
        (TokenMeaning::Base, "class"),
        (TokenMeaning::Part, "function"),
        (TokenMeaning::Choice, "enumMember"),
        (TokenMeaning::OptionKey, "parameter"),
        (TokenMeaning::Target, "enumMember"),
        (TokenMeaning::Preset, "namespace"),
    ];

    /// The name that editors have for its like.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(meaning, _)| *meaning == self).map_or("keyword", |(_, name)| name)
    }
}

/// A token with its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SemanticToken {
    /// Where; never over a line end.
    pub span: Span,
    /// What it means.
    pub meaning: TokenMeaning,
    /// Whether a name is given there.
    pub is_definition: bool,
}

/// The tokens that mean something and touch a range, in order; all of them without one.
pub fn semantic_tokens(analysis: &Analysis, range: Option<Span>) -> Vec<SemanticToken> {
    let range = range.unwrap_or(Span::new(0, u32::MAX));
    let tokens = analysis.tokens();
    let first = tokens.partition_point(|token| token.span.end <= range.start);
    let statements = analysis.statements();
    let mut next = statements.partition_point(|statement| statement.span.end <= range.start);
    let mut leaves: Vec<Leaf> = Vec::new();
    let mut found = Vec::new();
    for token in tokens[first..].iter().take_while(|token| token.span.start < range.end) {
        while let Some(statement) = statements.get(next).filter(|s| s.span.start <= token.span.start) {
            leaves = walk::leaves(statement);
            leaves.sort_by_key(|leaf| leaf.span.start);
            next += 1;
        }
        let at = leaves.partition_point(|leaf| leaf.span.end <= token.span.start);
        let leaf = leaves.get(at).filter(|leaf| leaf.span.start <= token.span.start && token.span.end <= leaf.span.end);
        if token.kind.is_blank() {
            continue;
        }
        if let Some(meaning) = meaning(analysis, token, leaf) {
            let is_definition = leaf.is_some_and(|leaf| leaf.role == Role::SchemeName);
            found.push(SemanticToken { span: token.span, meaning, is_definition });
        }
    }
    found
}

fn meaning(analysis: &Analysis, token: &Token, leaf: Option<&Leaf>) -> Option<TokenMeaning> {
    if let Some(meaning) = leaf.and_then(|leaf| of_role(leaf.role)) {
        return Some(meaning);
    }
    Some(match token.kind {
        TokenKind::Comment => {
            let allows = analysis.source(FileId(0)).map_or(&[][..], |source| &source.allows);
            let is_read = allows.binary_search_by_key(&token.span, |allow| allow.span).is_ok();
            if is_read { TokenMeaning::Directive } else { TokenMeaning::Comment }
        }
        TokenKind::Number => TokenMeaning::Number,
        TokenKind::Text => TokenMeaning::Text,
        TokenKind::Regex => TokenMeaning::Regex,
        TokenKind::Word => {
            let word = analysis.text_at(token.span);
            let tables = [STATEMENTS, CONNECTIVES, EXPECTATIONS, std::slice::from_ref(&ACTIVATIONS)];
            tables.iter().any(|words| words.iter().any(|known| known.word == word)).then_some(TokenMeaning::Keyword)?
        }
        TokenKind::Arrow
        | TokenKind::Assign
        | TokenKind::Equal
        | TokenKind::NotEqual
        | TokenKind::Less
        | TokenKind::LessOrEqual
        | TokenKind::Greater
        | TokenKind::GreaterOrEqual
        | TokenKind::Percent => TokenMeaning::Operator,
        _ => return None,
    })
}

fn of_role(role: Role) -> Option<TokenMeaning> {
    Some(match role {
        Role::Group => return None,
        Role::Keyword | Role::Connective => TokenMeaning::Keyword,
        Role::ModelPath | Role::ImportPath | Role::OtherPath => TokenMeaning::Text,
        Role::Preset => TokenMeaning::Preset,
        Role::Target => TokenMeaning::Target,
        Role::Setting(_) | Role::OptionValue | Role::FactValue | Role::Operand(_) | Role::ActivationWord => {
            TokenMeaning::Choice
        }
        Role::OptionKey => TokenMeaning::OptionKey,
        Role::Kind => TokenMeaning::Kind,
        Role::Glob => TokenMeaning::Pattern,
        Role::Regex => TokenMeaning::Regex,
        Role::Fact | Role::Metric => TokenMeaning::Fact,
        Role::SchemeName | Role::SchemeUse => TokenMeaning::Scheme,
        Role::Base => TokenMeaning::Base,
        Role::Part => TokenMeaning::Part,
        Role::Number => TokenMeaning::Number,
    })
}
