//! Text to tokens. Total: every text has tokens, and mistakes are [flaws](super::token::Flaw) of tokens.
//!
//! Mistakes that people make who come from other languages (`'…'`, `->`, `//`, names without quotes) are read as
//! what was meant, so that one mistake gives one finding and the statement around it still has a tree.

use super::Span;
use super::token::{Flaw, LOOKALIKES, Token, TokenKind, is_unit, number_value, numeral_length};

/// How many tokens are read. What lies behind is one token of the kind [`TokenKind::Unread`], so that a file
/// that is no recipe (a model, say) costs a bounded amount of memory.
pub const MAX_TOKENS: usize = 1 << 20;

/// How far behind a bracket its partner may stand in a name without quotes, in bytes.
const GLUED_BRACKETS: usize = 256;

/// How far behind a quote of another language its partner may stand, in bytes: a line of nothing but such quotes must
/// not be searched to its end for each of them.
const WRONGLY_QUOTED: usize = 1024;

/// The tokens of a text. Of a text of more than 4 GiB only the part that spans can name.
pub fn lex(text: &str) -> Vec<Token> {
    let text = &text[..text.floor_char_boundary(u32::MAX as usize)];
    let mut tokens = Vec::with_capacity((text.len() / 4).min(MAX_TOKENS));
    let mut lexer = Lexer { text, at: 0 };
    while lexer.at < text.len() {
        let start = lexer.at;
        let (kind, flaw) = if tokens.len() < MAX_TOKENS {
            lexer.token()
        } else {
            lexer.at = text.len();
            (TokenKind::Unread, Some(Flaw::Unread))
        };
        debug_assert!(lexer.at > start, "every token has a length");
        let span = Span::new(start as u32, lexer.at as u32);
        tokens.push(Token { kind, flaw, span });
    }
    tokens
}

type Lexed = (TokenKind, Option<Flaw>);

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn byte(&self, ahead: usize) -> u8 {
        // No token contains a NUL, so that it can stand for the end.
        self.text.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    /// The character behind the next one.
    fn second(&self) -> Option<char> {
        self.rest().chars().nth(1)
    }

    /// Takes characters as long as they fit.
    fn take_while(&mut self, fits: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at += rest.find(|c| !fits(c)).unwrap_or(rest.len());
    }

    fn take(&mut self, bytes: usize, kind: TokenKind) -> Lexed {
        self.at += bytes;
        (kind, None)
    }

    /// Reads one token. There is text left.
    fn token(&mut self) -> Lexed {
        match self.byte(0) {
            b' ' | b'\t' => self.blank(),
            b'\n' => self.take(1, TokenKind::Newline),
            b'\r' if self.byte(1) == b'\n' => self.take(2, TokenKind::Newline),
            b'\r' => self.take(1, TokenKind::Newline),
            b'#' => self.comment(None),
            b'/' if self.byte(1) == b'/' => self.comment(Some(Flaw::SlashComment)),
            b'/' => self.quoted(b'/', TokenKind::Regex),
            b'"' => self.quoted(b'"', TokenKind::Text),
            b'A'..=b'Z' | b'a'..=b'z' | b'_' => self.word(),
            b'0'..=b'9' => self.number(),
            b'-' if self.byte(1).is_ascii_digit() => self.number(),
            b'-' if self.byte(1) == b'.' && self.byte(2).is_ascii_digit() => self.number(),
            b'.' if self.byte(1).is_ascii_digit() => self.number(),
            b'*' => self.unquoted(),
            b'.' | b'~' if self.begins_path() => self.unquoted(),
            _ => self.sign(),
        }
    }

    fn begins_path(&self) -> bool {
        ["./", "../", "~/"].iter().any(|start| self.rest().starts_with(start))
    }

    fn blank(&mut self) -> Lexed {
        self.take_while(is_blank);
        (TokenKind::Blank, None)
    }

    fn comment(&mut self, flaw: Option<Flaw>) -> Lexed {
        self.at += self.line().len();
        (TokenKind::Comment, flaw)
    }

    /// The rest of the line, without blanks at its end. Not empty when something visible is next.
    fn line(&self) -> &str {
        let rest = self.rest();
        let line = &rest[..rest.find(['\n', '\r']).unwrap_or(rest.len())];
        line.trim_end_matches(is_blank)
    }

    /// A string or regular expression between two equal quotes.
    fn quoted(&mut self, quote: u8, kind: TokenKind) -> Lexed {
        let bytes = self.text.as_bytes();
        let mut flaw = None;
        let mut at = self.at + 1;
        loop {
            match bytes.get(at) {
                None | Some(b'\n' | b'\r') => {
                    self.at += self.line().len();
                    return (kind, Some(Flaw::Unterminated));
                }
                Some(b'\\') => {
                    let next = bytes.get(at + 1).copied();
                    if kind == TokenKind::Text && !matches!(next, Some(b'"' | b'\\')) {
                        flaw = Some(Flaw::InvalidEscape);
                    }
                    // A newline ends the line even behind a backslash; of a longer character only the first byte
                    // is skipped here, and its others are no quotes.
                    at += if matches!(next, None | Some(b'\n' | b'\r')) { 1 } else { 2 };
                }
                Some(&byte) if byte == quote => {
                    self.at = at + 1;
                    return (kind, flaw);
                }
                Some(_) => at += 1,
            }
        }
    }

    /// A string in quotes that other languages and word processors use, if its end is on this line.
    fn wrongly_quoted(&mut self) -> Option<Lexed> {
        let open = self.rest().chars().next()?;
        let closers: &[char] = match open {
            '\'' => &['\''],
            '`' => &['`'],
            '“' | '”' | '„' => &['“', '”'],
            '‘' | '’' | '‚' => &['‘', '’'],
            _ => return None,
        };
        let content = &self.rest()[open.len_utf8()..];
        let content = &content[..content.floor_char_boundary(WRONGLY_QUOTED)];
        let ends = |c: char| closers.contains(&c) || matches!(c, '\n' | '\r');
        let (end, closer) = content.match_indices(ends).next()?;
        if matches!(closer, "\n" | "\r") {
            return None;
        }
        self.at += open.len_utf8() + end + closer.len();
        Some((TokenKind::Text, Some(Flaw::WrongQuotes)))
    }

    fn word(&mut self) -> Lexed {
        let start = self.at;
        loop {
            self.take_while(is_word_part);
            let goes_on = match self.byte(0) {
                b'-' => self.second().is_some_and(char::is_alphanumeric),
                b'.' => {
                    let behind_digit = self.at > start && self.text.as_bytes()[self.at - 1].is_ascii_digit();
                    behind_digit && self.byte(1).is_ascii_digit()
                }
                _ => false,
            };
            if !goes_on {
                break;
            }
            self.at += 1;
        }
        let name_goes_on = match self.byte(0) {
            b'*' | b'?' => true,
            b'.' => self.second().is_some_and(|c| is_word_part(c) || "*?{[".contains(c)),
            b'/' => self.byte(1) != b'/',
            _ => false,
        };
        if name_goes_on {
            return self.unquoted();
        }
        (TokenKind::Word, None)
    }

    /// The rest of a name or path that lacks its quotes: `layers.{0,1}.*`, `models/a.pt2`.
    fn unquoted(&mut self) -> Lexed {
        loop {
            self.take_while(|c| is_word_part(c) || matches!(c, '.' | '*' | '?' | '-' | '/' | '~'));
            let closer = match self.byte(0) {
                b'{' => b'}',
                b'[' => b']',
                _ => break,
            };
            let near = self.rest().as_bytes();
            let near = &near[..near.len().min(GLUED_BRACKETS)];
            let end = near.iter().position(|b| *b == closer || b.is_ascii_whitespace());
            match end {
                Some(end) if near[end] == closer => self.at += end + 1,
                _ => break,
            }
        }
        (TokenKind::Text, Some(Flaw::Unquoted))
    }

    fn number(&mut self) -> Lexed {
        let start = self.at;
        self.at += numeral_length(self.rest());
        if self.byte(0) == b'%' {
            self.at += 1;
        } else {
            loop {
                self.take_while(is_word_part);
                if !(matches!(self.byte(0), b'.' | b'-') && self.second().is_some_and(char::is_alphanumeric)) {
                    break;
                }
                self.at += 1;
            }
        }
        let (value, unit) = number_value(&self.text[start..self.at]);
        let flaw = if value.is_infinite() {
            Some(Flaw::TooLarge)
        } else if value.is_nan() || !(unit.is_empty() || is_unit(unit)) {
            Some(Flaw::InvalidNumber)
        } else {
            None
        };
        (TokenKind::Number, flaw)
    }

    /// An operator, a bracket, or what begins with a character outside ASCII.
    fn sign(&mut self) -> Lexed {
        const TWO: &[(&str, TokenKind)] = &[
            ("=>", TokenKind::Arrow),
            ("==", TokenKind::Equal),
            ("!=", TokenKind::NotEqual),
            ("<=", TokenKind::LessOrEqual),
            (">=", TokenKind::GreaterOrEqual),
        ];
        if let Some((_, kind)) = TWO.iter().find(|(sign, _)| self.rest().starts_with(sign)) {
            return self.take(2, *kind);
        }
        if let Some((sign, kind, _)) = LOOKALIKES.iter().find(|(sign, ..)| self.rest().starts_with(sign)) {
            self.at += sign.len();
            return (*kind, Some(Flaw::WrongSign));
        }
        let kind = match self.byte(0) {
            b'=' => TokenKind::Assign,
            b'<' => TokenKind::Less,
            b'>' => TokenKind::Greater,
            b'%' => TokenKind::Percent,
            b',' => TokenKind::Comma,
            b':' => TokenKind::Colon,
            b'(' => TokenKind::OpenParen,
            b')' => TokenKind::CloseParen,
            b'[' => TokenKind::OpenBracket,
            b']' => TokenKind::CloseBracket,
            b'{' => TokenKind::OpenBrace,
            b'}' => TokenKind::CloseBrace,
            _ => return self.other(),
        };
        self.take(1, kind)
    }

    fn other(&mut self) -> Lexed {
        let rest = self.rest();
        if self.at == 0 && rest.starts_with('\u{feff}') {
            self.take_while(|c| c == '\u{feff}');
            return (TokenKind::Bom, None);
        }
        if rest.starts_with(is_blank) {
            return self.blank();
        }
        if rest.starts_with(is_word_part) {
            return self.word();
        }
        if let Some(text) = self.wrongly_quoted() {
            return text;
        }
        let mut characters = rest.char_indices();
        characters.next();
        let end = characters.find(|(_, c)| begins_token(*c)).map_or(rest.len(), |(at, _)| at);
        self.at += end;
        (TokenKind::Unknown, Some(Flaw::Unknown))
    }
}

/// Blank, and not the end of a line.
fn is_blank(c: char) -> bool {
    c.is_whitespace() && !matches!(c, '\n' | '\r')
}

/// Letters of all languages are words: what they mean is for later stages to ask.
fn is_word_part(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// Whether a character ends a run of unknown ones.
fn begins_token(c: char) -> bool {
    c.is_whitespace()
        || is_word_part(c)
        || "#/\"'`“”„‘’‚*=<>%,:()[]{}-~".contains(c)
        || LOOKALIKES.iter().any(|(sign, ..)| sign.starts_with(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tokens of a text as `Kind text`, blanks left out, flaws behind.
    fn shown(text: &str) -> String {
        lex(text)
            .iter()
            .filter(|t| t.kind != TokenKind::Blank)
            .map(|t| {
                let flaw = t.flaw.map(|f| format!(" !{f:?}")).unwrap_or_default();
                format!("{:?} {:?}{flaw}\n", t.kind, &text[t.span.range()])
            })
            .collect()
    }

    #[test]
    fn words_and_numbers() {
        insta::assert_snapshot!(shown("per-group fp8-e4m3 symmetric-no-clipping macOS10.15 in_features % 32 30% -1 1.5M 2:4 1_000 1e3 größe"), @r#"
        Word "per-group"
        Word "fp8-e4m3"
        Word "symmetric-no-clipping"
        Word "macOS10.15"
        Word "in_features"
        Percent "%"
        Number "32"
        Number "30%"
        Number "-1"
        Number "1.5M"
        Number "2"
        Colon ":"
        Number "4"
        Number "1_000"
        Number "1e3"
        Word "größe"
        "#);
    }

    #[test]
    fn signs() {
        insta::assert_snapshot!(shown("=> = == != < <= > >= , : ()[]{} -> && ! → ;"), @r#"
        Arrow "=>"
        Assign "="
        Equal "=="
        NotEqual "!="
        Less "<"
        LessOrEqual "<="
        Greater ">"
        GreaterOrEqual ">="
        Comma ","
        Colon ":"
        OpenParen "("
        CloseParen ")"
        OpenBracket "["
        CloseBracket "]"
        OpenBrace "{"
        CloseBrace "}"
        Arrow "->" !WrongSign
        Word "&&" !WrongSign
        Word "!" !WrongSign
        Arrow "→" !WrongSign
        Unknown ";" !WrongSign
        "#);
    }

    #[test]
    fn strings_and_regexes() {
        insta::assert_snapshot!(shown(concat!(r#""a\"b\\" "a\qb" 'c' “d” /e\/f/ "#, "\"open  \n/open\r\n\"\\\n'")), @r#"
        Text "\"a\\\"b\\\\\""
        Text "\"a\\qb\"" !InvalidEscape
        Text "'c'" !WrongQuotes
        Text "“d”" !WrongQuotes
        Regex "/e\\/f/"
        Text "\"open" !Unterminated
        Newline "\n"
        Regex "/open" !Unterminated
        Newline "\r\n"
        Text "\"\\" !Unterminated
        Newline "\n"
        Unknown "'" !Unknown
        "#);
    }

    #[test]
    fn names_without_quotes() {
        insta::assert_snapshot!(shown("layers.0.q *.k_proj h.{0,1}.* a/b.pt2 ../c ./d ~/e f.{0 block[16, -1]"), @r#"
        Text "layers.0.q" !Unquoted
        Text "*.k_proj" !Unquoted
        Text "h.{0,1}.*" !Unquoted
        Text "a/b.pt2" !Unquoted
        Text "../c" !Unquoted
        Text "./d" !Unquoted
        Text "~/e" !Unquoted
        Text "f." !Unquoted
        OpenBrace "{"
        Number "0"
        Word "block"
        OpenBracket "["
        Number "16"
        Comma ","
        Number "-1"
        CloseBracket "]"
        "#);
    }

    #[test]
    fn mistaken_numbers() {
        insta::assert_snapshot!(shown("1e999 12abc 16-bit .5 -.5 1.2.3 5. 30mb 0..3"), @r#"
        Number "1e999" !TooLarge
        Number "12abc" !InvalidNumber
        Number "16-bit" !InvalidNumber
        Number ".5"
        Number "-.5"
        Number "1.2.3" !InvalidNumber
        Number "5"
        Unknown "." !Unknown
        Number "30mb" !InvalidNumber
        Number "0"
        Unknown ".." !Unknown
        Number "3"
        "#);
    }

    #[test]
    fn ends_of_lines_marks_and_comments() {
        insta::assert_snapshot!(shown("\u{feff}# one  \r\n// two\r\u{a0}\u{feff}\0\u{1}"), @r##"
        Bom "\u{feff}"
        Comment "# one"
        Newline "\r\n"
        Comment "// two" !SlashComment
        Newline "\r"
        Unknown "\u{feff}\0\u{1}" !Unknown
        "##);
    }

    #[test]
    fn a_text_without_end_is_cut() {
        let tokens = lex(&"a ".repeat(MAX_TOKENS));
        assert_eq!(tokens.len(), MAX_TOKENS + 1);
        assert_eq!(tokens[MAX_TOKENS].kind, TokenKind::Unread);
        assert_eq!(tokens[MAX_TOKENS].span.end as usize, 2 * MAX_TOKENS);
    }
}
