//! What a line is: a command, statements, a selector, a scheme.

use super::command;
use crate::kind::KindWord;
use crate::nearest::nearest;
use crate::recipe::{PART_WORDS, Recipe, base_words};
use crate::syntax::keywords::{OPERAND_PARTS, STATEMENTS};
use crate::syntax::token::{Token, TokenKind};
use crate::syntax::{is_complete, lex};

/// What was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Typed {
    /// Blanks and comments.
    Nothing,
    /// A `:command`.
    Command,
    /// Statements, or what is meant to be some.
    Statements,
    /// A selector alone.
    Selector,
    /// A scheme alone.
    Scheme,
}

/// Tells what was typed. Named schemes are those of the recipe.
pub fn typed(text: &str, recipe: &Recipe) -> Typed {
    if command::is_command(text) {
        return Typed::Command;
    }
    let tokens = lex(text);
    let seen: Vec<&Token> =
        tokens.iter().filter(|token| !token.kind.is_blank() && token.kind != TokenKind::Comment).collect();
    let Some(first) = seen.first() else { return Typed::Nothing };
    if seen.iter().any(|token| matches!(token.kind, TokenKind::Arrow | TokenKind::Assign)) {
        return Typed::Statements;
    }
    let word = text.get(first.span.range()).unwrap_or("");
    match first.kind {
        TokenKind::Text | TokenKind::Regex => return Typed::Selector,
        TokenKind::Word => {}
        // A bracket begins a selector, and whatever else is a mistake that the parser tells.
        _ => return if word == "(" { Typed::Selector } else { Typed::Statements },
    }
    let statements = || STATEMENTS.iter().map(|keyword| keyword.word);
    let base_words = base_words();
    let bases = || base_words.iter().map(|(word, _)| word.as_str());
    let parts = || PART_WORDS.iter().map(|(word, ..)| *word).chain(OPERAND_PARTS.iter().map(|keyword| keyword.word));
    let named = || recipe.schemes.iter().map(|scheme| scheme.name.value.as_str());
    let kinds = || KindWord::words().map(|(word, _)| word).chain(["not"]);
    if statements().any(|known| known == word) {
        Typed::Statements
    } else if kinds().any(|known| known == word) {
        Typed::Selector
    } else if is_base(word) || bases().chain(parts()).chain(named()).any(|known| known == word) {
        Typed::Scheme
    } else {
        // A mistake: what is nearest tells what was meant.
        let words = statements().chain(kinds()).chain(bases()).chain(parts()).chain(named());
        match nearest(word, words) {
            Some(meant) if kinds().any(|known| known == meant) => Typed::Selector,
            Some(meant) if !statements().any(|known| known == meant) => Typed::Scheme,
            _ => Typed::Statements,
        }
    }
}

/// Whether a word looks like an integer or a palette, of a width that may not be one: `int9`, `lut12`.
fn is_base(word: &str) -> bool {
    let width = ["uint", "int", "lut"].iter().find_map(|base| word.strip_prefix(base));
    width.is_some_and(|width| !width.is_empty() && width.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether a prompt should read what was typed; if not, it should ask for another line first.
pub fn is_whole(text: &str) -> bool {
    match command::is_command(text) {
        false => is_complete(text),
        // Of a command, what stands behind its name may be text of the language.
        true => match command::parse(text) {
            Ok(call) if takes_language(call.entry.argument) => is_complete(call.argument),
            _ => true,
        },
    }
}

fn takes_language(argument: command::Argument) -> bool {
    matches!(argument, command::Argument::Rule | command::Argument::Scheme)
}

/// Statements that are longer are whole: what is still open then is a mistake, and no line is waited for.
pub const LONGEST_OPEN: usize = 64 << 10;

/// Lines joined as the language has it: one that goes on with the one before is indented.
pub fn joined(text: &str) -> String {
    let mut whole = String::with_capacity(text.len() + 8);
    // Where the last statement begins.
    let mut begin = 0;
    for line in text.lines() {
        let line = line.trim_end();
        let statement = &whole[begin..];
        let goes_on = statement.len() <= LONGEST_OPEN && !is_whole(statement);
        if !whole.is_empty() {
            whole.push('\n');
        }
        let is_indented = line.starts_with([' ', '\t']);
        if goes_on && !is_indented {
            whole.push_str("  ");
        } else if !goes_on && !is_indented {
            begin = whole.len();
        }
        whole.push_str(line);
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{NoImports, resolve};

    #[test]
    fn lines_are_told_apart() {
        let recipe = resolve("r".as_ref(), "scheme w4 = int4\n", &NoImports);
        for (text, is) in [
            ("", Typed::Nothing),
            ("  # why", Typed::Nothing),
            (" :try x", Typed::Command),
            ("linear => int4", Typed::Statements),
            ("scheme a = int4", Typed::Statements),
            ("target iOS18", Typed::Statements),
            ("taget iOS18", Typed::Statements),
            ("linear", Typed::Selector),
            ("lineer where rank == 2", Typed::Selector),
            ("not linear", Typed::Selector),
            ("\"*.q\"", Typed::Selector),
            ("/q.*/ or linear", Typed::Selector),
            ("(linear or conv)", Typed::Selector),
            ("int4 per-group(32)", Typed::Scheme),
            ("int9", Typed::Scheme),
            ("keep", Typed::Scheme),
            ("w4 by mse", Typed::Scheme),
            ("lut4", Typed::Scheme),
            ("banana", Typed::Statements),
            ("}", Typed::Statements),
            ("\u{1b}[2J", Typed::Statements),
        ] {
            assert_eq!(typed(text, &recipe), is, "{text:?}");
        }
    }

    #[test]
    fn lines_that_go_on_are_indented() {
        assert_eq!(joined("linear =>\nint4\ntarget iOS18"), "linear =>\n  int4\ntarget iOS18");
        assert_eq!(joined("calibrate \"x\" {\nsamples 3\n}"), "calibrate \"x\" {\n  samples 3\n  }");
        assert_eq!(joined("(linear or\n  conv) => keep"), "(linear or\n  conv) => keep");
        assert!(is_whole(":help (") && !is_whole(":try (linear") && is_whole(":try (linear) => int4"));
    }
}
