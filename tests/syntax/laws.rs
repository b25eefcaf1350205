//! What holds for every text.

use bitmill::syntax::token::TokenKind;
use bitmill::syntax::{Span, TextEdit, format, format_edits, lex, parse};
use proptest::prelude::*;

use crate::generate::{SAMPLE, mutated, recipe, statement};
use crate::trees::{leaves, shape, shapes};

/// All that holds for every text, in one place, so that every source of texts is held to all of it.
pub fn check(text: &str) {
    tokens_tile(text);
    tree_and_findings_are_in_order(text);
    formatting_keeps_the_meaning(text);
}

fn tokens_tile(text: &str) {
    let mut end = 0;
    for token in lex(text) {
        assert_eq!(token.span.start, end, "{text:?}");
        assert!(token.span.end > end, "{text:?}");
        assert!(text.is_char_boundary(token.span.end as usize), "{text:?}");
        end = token.span.end;
    }
    assert_eq!(end as usize, text.len(), "{text:?}");
}

fn tree_and_findings_are_in_order(text: &str) {
    let parse = parse(text);
    let inside = |span: Span| text.get(span.range()).is_some();
    let mut end = 0;
    for (index, statement) in parse.file.statements.iter().enumerate() {
        assert!(end <= statement.span.start && inside(statement.span), "{text:?}");
        end = statement.span.end;
        let mut at = statement.span.start;
        for leaf in leaves(statement) {
            assert!(at <= leaf.start && leaf.end <= end && inside(leaf), "{leaf:?} in {statement:?} of {text:?}");
            at = leaf.end;
        }
        if !parse.is_broken(index) {
            nothing_is_lost(text, statement.span, &leaves(statement));
        }
    }
    assert!(parse.errors.is_sorted_by_key(|error| error.span.start), "{text:?}");
    for error in &parse.errors {
        assert!(inside(error.span) && error.fix.iter().all(|fix| inside(fix.span)), "{error:?} in {text:?}");
        assert!(!error.message().is_empty());
    }
    let places: Vec<_> = parse.errors.iter().map(|error| error.span).collect();
    assert!(
        places.windows(2).all(|pair| pair[0] != pair[1]),
        "two findings in one place of {text:?}: {:?}",
        parse.errors
    );
    let any_broken = (0..parse.file.statements.len()).any(|index| parse.is_broken(index));
    assert!(!any_broken || !parse.errors.is_empty(), "a broken statement without a finding in {text:?}");
}

/// In a statement without mistakes, every literal is in the tree.
fn nothing_is_lost(text: &str, statement: Span, leaves: &[Span]) {
    for token in lex(text) {
        let literal = matches!(token.kind, TokenKind::Text | TokenKind::Number | TokenKind::Regex);
        if literal && statement.start <= token.span.start && token.span.end <= statement.end {
            let kept = leaves.iter().any(|leaf| leaf.start <= token.span.start && token.span.end <= leaf.end);
            assert!(kept, "{:?} is lost in {text:?}", &text[token.span.range()]);
        }
    }
}

fn formatting_keeps_the_meaning(text: &str) {
    let formatted = format(text);
    assert_eq!(format(&formatted), formatted, "not idempotent for {text:?}");
    assert_eq!(apply(text, &format_edits(text)), formatted);
    assert_eq!(comments(&formatted), comments(text), "{text:?}");
    let (before, after) = (parse(text), parse(&formatted));
    assert_eq!(before.file.statements.len(), after.file.statements.len(), "{text:?} became {formatted:?}");
    for (index, (a, b)) in before.file.statements.iter().zip(&after.file.statements).enumerate() {
        assert_eq!(shape(a), shape(b), "{text:?} became {formatted:?}");
        assert_eq!(before.is_broken(index), after.is_broken(index), "{text:?} became {formatted:?}");
        if before.is_broken(index) {
            assert_eq!(&text[a.span.range()], &formatted[b.span.range()], "{text:?}");
        }
    }
    let messages = |parse: &bitmill::syntax::Parse| parse.errors.iter().map(|e| e.message()).collect::<Vec<_>>();
    assert_eq!(messages(&before), messages(&after), "{text:?} became {formatted:?}");
}

fn apply(text: &str, edits: &[TextEdit]) -> String {
    let mut edited = text.to_owned();
    for edit in edits.iter().rev() {
        edited.replace_range(edit.span.range(), &edit.replacement);
    }
    edited
}

fn comments(text: &str) -> Vec<&str> {
    let comments = lex(text).into_iter().filter(|token| token.kind == TokenKind::Comment);
    comments.map(|comment| &text[comment.span.range()]).collect()
}

#[test]
fn the_sample_has_no_mistakes_and_is_formatted() {
    assert_eq!(parse(SAMPLE).errors, []);
    assert_eq!(format(SAMPLE), SAMPLE);
}

#[test]
fn hold_for_every_prefix_and_every_deletion() {
    let boundaries: Vec<usize> = SAMPLE.char_indices().map(|(at, _)| at).collect();
    for at in boundaries {
        check(&SAMPLE[..at]);
        let mut shortened = SAMPLE.to_owned();
        shortened.remove(at);
        check(&shortened);
    }
}

#[test]
fn hold_without_any_one_token() {
    for token in lex(SAMPLE) {
        let mut shortened = SAMPLE.to_owned();
        shortened.replace_range(token.span.range(), "");
        check(&shortened);
    }
}

#[test]
fn hold_for_what_once_broke_them() {
    for text in [
        "",
        "=>",
        "\u{8f0}:",
        "\u{feff}\u{feff}",
        "(",
        "linear =>\n# c\n  int4",
        "{\r\n",
        "a.{b",
        "\"\\",
        "/\\",
        "# bitmill:",
    ] {
        check(text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn hold_for_recipes(text in recipe()) {
        prop_assert_eq!(&parse(&text).errors, &vec![], "{}", text);
        check(&text);
    }

    #[test]
    fn hold_for_what_is_nearly_a_recipe(text in mutated()) {
        check(&text);
    }

    #[test]
    fn hold_for_any_text(text in any::<String>()) {
        check(&text);
    }

    /// One statement lacks a token; the others must not notice.
    #[test]
    fn a_mistake_stays_in_its_statement(
        statements in prop::collection::vec(statement(), 1..6),
        broken in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let broken = broken.index(statements.len());
        let mut written = statements.clone();
        let tokens: Vec<_> = lex(&statements[broken]).into_iter().filter(|token| !token.kind.is_blank()).collect();
        written[broken].replace_range(tokens[cut.index(tokens.len())].span.range(), "");
        let text: String = written.iter().map(|statement| format!("{}\n", statement.trim_start())).collect();
        let found = shapes(&text);
        let mut rest = found.iter();
        for (index, statement) in statements.iter().enumerate().filter(|(index, _)| *index != broken) {
            let shape = shapes(statement).remove(0);
            prop_assert!(rest.any(|other| *other == shape), "statement {} is missing in {}", index, text);
        }
    }
}
