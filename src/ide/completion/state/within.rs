//! The cursor within something that is one token outside: the text of an option that holds a selector, a comment.

use super::{Behind, Expected, Reader, State, cursor};
use crate::syntax::token::Token;
use crate::syntax::{Span, lex};

/// Within the text of an option that holds a selector: what it says, read like a selector that stands alone.
pub(super) fn in_filter(text: &str, literal: Span, at: u32) -> State {
    let (content, places) = unescaped(text, literal);
    let at = places.partition_point(|place| *place < at) as u32;
    let tokens = lex(&content);
    let mut state = match cursor(&content, &tokens, at) {
        Ok(cursor) => {
            let reader = Reader::new(&content, &tokens[..cursor.before], cursor.span);
            let expected = reader.selector(&reader.tokens, Behind::Filter);
            cursor.state(&content, at, expected)
        }
        Err(state) => *state,
    };
    let place = |offset: u32| places.get(offset as usize).copied().unwrap_or(literal.end);
    state.span = Span::new(place(state.span.start), place(state.span.end));
    state.is_nested = true;
    state
}

/// What a literal says, and where each of its bytes stands in the text, with the end.
fn unescaped(text: &str, literal: Span) -> (String, Vec<u32>) {
    let (mut content, mut places) = (String::new(), Vec::new());
    let mut chars = text.get(literal.range()).unwrap_or("").char_indices().peekable();
    while let Some((at, mut c)) = chars.next() {
        if c == '\\'
            && let Some((_, escaped)) = chars.next_if(|(_, next)| matches!(next, '"' | '\\'))
        {
            c = escaped;
        }
        content.push(c);
        places.extend(std::iter::repeat_n(literal.start + at as u32, c.len_utf8()));
    }
    places.push(literal.end);
    (content, places)
}

/// Within `# bitmill: allow(…)`, the code at the cursor.
pub(super) fn in_comment(text: &str, comment: &Token, at: u32) -> Option<State> {
    let written = text.get(comment.span.start as usize..at as usize)?;
    let directive = written.strip_prefix('#')?.trim_start().strip_prefix("bitmill:")?.trim_start();
    let list = directive.strip_prefix("allow")?.trim_start().strip_prefix('(')?;
    let prefix = list.rsplit([',', ' ']).next().unwrap_or("").to_string();
    let is_code = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let rest = text.get(at as usize..comment.span.end as usize)?;
    let more = rest.len() - rest.trim_start_matches(is_code).len();
    let span = Span::new(at - prefix.len() as u32, at + more as u32);
    Some(State { expected: Expected::Code, span, prefix, in_text: false, is_nested: false })
}
