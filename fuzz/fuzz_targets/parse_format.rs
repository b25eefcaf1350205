//! For every text: tokens tile it, statements and findings are in order, formatting twice is formatting once, and
//! formatting keeps every comment, every statement and, byte for byte, statements with mistakes.
#![no_main]

use bitmill::syntax::token::TokenKind;
use bitmill::syntax::{Span, format, is_complete, lex, parse, parse_scheme, parse_selector};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    tokens_tile(text);
    in_order(text);
    formatting_keeps(text);
    is_complete(text);
    parse_selector(text);
    parse_scheme(text);
});

fn tokens_tile(text: &str) {
    let mut end = 0;
    for token in lex(text) {
        assert!(token.span.start == end && token.span.end > end);
        assert!(text.get(token.span.range()).is_some());
        end = token.span.end;
    }
    assert_eq!(end as usize, text.len());
}

fn in_order(text: &str) {
    let parse = parse(text);
    let mut end = 0;
    for statement in &parse.file.statements {
        assert!(end <= statement.span.start && text.get(statement.span.range()).is_some());
        end = statement.span.end;
    }
    let inside = |span: Span| text.get(span.range()).is_some();
    assert!(parse.errors.is_sorted_by_key(|error| error.span.start));
    for error in &parse.errors {
        assert!(inside(error.span) && error.fix.iter().all(|fix| inside(fix.span)));
        assert!(!error.message().is_empty());
    }
}

fn formatting_keeps(text: &str) {
    let formatted = format(text);
    assert_eq!(format(&formatted), formatted);
    assert_eq!(comments(&formatted), comments(text));
    let (before, after) = (parse(text), parse(&formatted));
    assert_eq!(before.file.statements.len(), after.file.statements.len());
    for (index, (a, b)) in before.file.statements.iter().zip(&after.file.statements).enumerate() {
        assert_eq!(before.is_broken(index), after.is_broken(index));
        if before.is_broken(index) {
            assert_eq!(&text[a.span.range()], &formatted[b.span.range()]);
        }
    }
}

fn comments(text: &str) -> Vec<&str> {
    let comments = lex(text).into_iter().filter(|token| token.kind == TokenKind::Comment);
    comments.map(|comment| &text[comment.span.range()]).collect()
}
