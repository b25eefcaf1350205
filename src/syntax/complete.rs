//! Whether a text is whole, as far as a prompt can tell.

use super::lex;
use super::token::{Flaw, Token, TokenKind};

/// Whether a prompt should read what was typed; if not, it should ask for another line first: a bracket is open,
/// or the text ends with `=>`, `=`, `==` or a comma.
///
/// The prompt has to indent the further lines, since a line that is not indented is a statement of its own.
pub fn is_complete(text: &str) -> bool {
    let tokens = lex(text);
    let mut open = Vec::new();
    let mut last: Option<&Token> = None;
    for token in &tokens {
        match token.kind {
            TokenKind::Unread => return true,
            kind if kind.is_blank() || kind == TokenKind::Comment => continue,
            kind => {
                if let Some(closer) = kind.closer() {
                    open.push(closer);
                } else if kind.is_closer() && open.pop() != Some(kind) {
                    // A mistake, which no further line can mend.
                    return true;
                }
            }
        }
        last = Some(token);
    }
    let Some(last) = last else { return true };
    if last.flaw == Some(Flaw::Unterminated) {
        return true;
    }
    let dangling = matches!(last.kind, TokenKind::Arrow | TokenKind::Assign | TokenKind::Equal | TokenKind::Comma);
    open.is_empty() && !dangling
}

#[cfg(test)]
mod tests {
    use super::is_complete;

    #[test]
    fn asks_for_more_only_when_more_can_help() {
        for text in
            ["", "linear => int4", "model", "linear => int4)", "(linear]", "linear => \"a(", "# (", "where x =>\n  y"]
        {
            assert!(is_complete(text), "{text:?}");
        }
        for text in
            ["linear =>", "linear => # why", "scheme a =", "target iOS18,", "(linear", "calibrate \"x\" {\n  samples 3"]
        {
            assert!(!is_complete(text), "{text:?}");
        }
    }
}
