//! Patterns over dotted names: globs and regular expressions, both in time linear in the name.

use std::fmt::Write;

use regex::{Regex, RegexBuilder};

/// More text than any pattern that a person writes; longer ones are refused.
const LONGEST: usize = 4096;
/// Most alternatives that all `{a..b}` of a pattern together may stand for: each is written out.
const WIDEST_RANGE: u64 = 10_000;

/// A pattern that is ready to match names.
#[derive(Debug, Clone)]
pub enum Pattern {
    /// Exactly this name.
    Exact(String),
    /// Names that begin so.
    Prefix(String),
    /// Names that end so.
    Suffix(String),
    /// Anything else.
    Regex {
        /// Decides.
        regex: Regex,
        /// How every name that fits begins: compared first, since most names of a model fail it.
        head: String,
        /// How every name that fits ends.
        tail: String,
    },
}

impl Pattern {
    /// Reads a glob: `*` any characters, `?` one, `{a,b}` either, `{0..3}` each number, `[0-9]` a class
    /// (`[!0-9]` its complement), `\` takes the next character literally.
    ///
    /// # Errors
    /// Says in words what is wrong with it.
    pub fn glob(text: &str) -> Result<Pattern, String> {
        if text.is_empty() {
            return Err("it is empty, and no name is".into());
        }
        if text.len() > LONGEST {
            return Err(format!("it is longer than {LONGEST} bytes"));
        }
        let special = |c: char| matches!(c, '*' | '?' | '{' | '}' | '[' | ']' | '\\');
        if !text.contains(special) {
            return Ok(Pattern::Exact(text.to_string()));
        }
        match (text.strip_prefix('*'), text.strip_suffix('*')) {
            (Some(tail), _) if !tail.is_empty() && !tail.contains(special) => {
                return Ok(Pattern::Suffix(tail.to_string()));
            }
            (_, Some(head)) if !head.is_empty() && !head.contains(special) => {
                return Ok(Pattern::Prefix(head.to_string()));
            }
            _ => {}
        }
        let regex = Translator { chars: text.chars().collect(), at: 0, numbers: 0, out: String::new() }.translate()?;
        let head = text.split(special).next().unwrap_or("");
        let tail = text.rsplit(special).next().unwrap_or("");
        compile(&format!("^(?s:{regex})$"), head, tail)
    }

    /// Reads a regular expression, which must match the whole name.
    ///
    /// # Errors
    /// Says in words what is wrong with it.
    pub fn regex(text: &str) -> Result<Pattern, String> {
        if text.len() > LONGEST {
            return Err(format!("it is longer than {LONGEST} bytes"));
        }
        // On its own first, so that an unbalanced parenthesis cannot escape from the anchors.
        regex::Regex::new(text).map_err(|e| last_line(&e.to_string()))?;
        compile(&format!("^(?:{text})$"), "", "")
    }

    /// Whether a name fits.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Pattern::Exact(text) => name == text,
            Pattern::Prefix(text) => name.starts_with(text.as_str()),
            Pattern::Suffix(text) => name.ends_with(text.as_str()),
            Pattern::Regex { regex, head, tail } => {
                name.starts_with(head.as_str()) && name.ends_with(tail.as_str()) && regex.is_match(name)
            }
        }
    }
}

fn compile(regex: &str, head: &str, tail: &str) -> Result<Pattern, String> {
    let built = RegexBuilder::new(regex).size_limit(1 << 20).dfa_size_limit(1 << 20).nest_limit(64).build();
    let pattern = |regex| Pattern::Regex { regex, head: head.to_string(), tail: tail.to_string() };
    built.map(pattern).map_err(|e| last_line(&e.to_string()))
}

/// The regex crate draws the pattern over several lines; its last line says what is wrong.
fn last_line(message: &str) -> String {
    let last = message.lines().last().unwrap_or("").trim();
    last.strip_prefix("error: ").unwrap_or(last).to_string()
}

/// Turns a glob into the text of a regular expression.
struct Translator {
    chars: Vec<char>,
    at: usize,
    /// How many numbers the ranges so far stand for.
    numbers: u64,
    out: String,
}

impl Translator {
    fn translate(mut self) -> Result<String, String> {
        let mut depth = 0usize;
        while let Some(&c) = self.chars.get(self.at) {
            self.at += 1;
            match c {
                '*' => self.out.push_str(".*"),
                '?' => self.out.push('.'),
                '\\' => {
                    let Some(&next) = self.chars.get(self.at) else {
                        return Err("it ends in `\\`, which takes the next character literally".into());
                    };
                    self.at += 1;
                    self.literal(next);
                }
                '[' => self.class()?,
                ']' => return Err("`]` has no `[` before it".into()),
                '{' => {
                    if !self.range()? {
                        depth += 1;
                        if depth > 32 {
                            return Err("`{` is nested too deeply".into());
                        }
                        self.out.push_str("(?:");
                    }
                }
                '}' if depth == 0 => return Err("`}` has no `{` before it".into()),
                '}' => {
                    depth -= 1;
                    self.out.push(')');
                }
                ',' if depth > 0 => self.out.push('|'),
                other => self.literal(other),
            }
        }
        if depth > 0 {
            return Err("`{` is not closed".into());
        }
        Ok(self.out)
    }

    fn literal(&mut self, c: char) {
        let mut buffer = [0; 4];
        self.out.push_str(&regex::escape(c.encode_utf8(&mut buffer)));
    }

    /// `[0-9]`, behind the bracket.
    fn class(&mut self) -> Result<(), String> {
        let Some(length) = self.chars[self.at..].iter().position(|&c| c == ']') else {
            return Err("`[` is not closed".into());
        };
        let body = self.chars[self.at..self.at + length].to_vec();
        self.at += length + 1;
        let (negated, body) = match body.as_slice() {
            ['!' | '^', rest @ ..] => ("^", rest),
            body => ("", body),
        };
        if body.is_empty() {
            return Err("`[]` matches nothing".into());
        }
        let _ = write!(self.out, "[{negated}");
        for (i, c) in body.iter().copied().enumerate() {
            if c == '-' && i > 0 && i + 1 < body.len() {
                if body[i - 1] > body[i + 1] {
                    return Err(format!("the range `{}-{}` runs backwards", body[i - 1], body[i + 1]));
                }
                self.out.push('-');
            } else {
                self.literal(c);
            }
        }
        self.out.push(']');
        Ok(())
    }

    /// `{0..3}` or `{0..3,7}`, behind the brace. False when the brace holds no range.
    fn range(&mut self) -> Result<bool, String> {
        let Some(length) = self.chars[self.at..].iter().position(|&c| c == '}') else {
            return Ok(false);
        };
        let body: String = self.chars[self.at..self.at + length].iter().collect();
        // With a brace in it, it is a list that holds something in braces, perhaps a range.
        if !body.contains("..") || body.contains('{') {
            return Ok(false);
        }
        self.at += length + 1;
        let mut bar = "(?:";
        for part in body.split(',') {
            let no_range = || format!("`{{{body}}}` is no range of numbers");
            let (from, to) = part.split_once("..").unwrap_or((part, part));
            let from = from.trim().parse::<u64>().map_err(|_| no_range())?;
            let to = to.trim().parse::<u64>().map_err(|_| no_range())?;
            if from > to {
                return Err(format!("the range `{{{body}}}` runs backwards"));
            }
            self.numbers = self.numbers.saturating_add((to - from).saturating_add(1));
            if self.numbers > WIDEST_RANGE {
                return Err(format!("with the range `{{{body}}}` it stands for more than {WIDEST_RANGE} numbers"));
            }
            for n in from..=to {
                let _ = write!(self.out, "{bar}{n}");
                bar = "|";
            }
        }
        self.out.push(')');
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn matches(glob: &str, yes: &[&str], no: &[&str]) {
        let pattern = Pattern::glob(glob).unwrap();
        for name in yes {
            assert!(pattern.matches(name), "{glob} should match {name}");
        }
        for name in no {
            assert!(!pattern.matches(name), "{glob} should not match {name}");
        }
    }

    #[test]
    fn globs() {
        matches("lm_head", &["lm_head"], &["lm_head.weight", "xlm_head"]);
        matches("*.q_proj", &["layers.0.q_proj"], &["q_proj", "layers.0.q_proj.weight"]);
        matches("model.*", &["model.a.b"], &["model", "xmodel.a"]);
        matches("*.layers.{0,1}.*", &["m.layers.0.a", "m.layers.1.b"], &["m.layers.10.a", "m.layers.2.a"]);
        matches("l.{0..11}.w", &["l.0.w", "l.11.w"], &["l.12.w", "l..w"]);
        matches("l.{0..2,10}.w", &["l.0.w", "l.2.w", "l.10.w"], &["l.3.w", "l.1.v"]);
        matches("{a,b.{0..3}}.w", &["a.w", "b.0.w", "b.3.w"], &["b.4.w", "b.w", "a.0.w"]);
        matches("{{0,1},x{2..3}}", &["0", "1", "x2", "x3"], &["2", "x0"]);
        matches("a?c.[0-9]", &["abc.4"], &["ac.4", "abc.x"]);
        matches("[!a]x", &["bx"], &["ax"]);
        matches("a[<→ _&~^]b", &["a<b", "a→b", "a b", "a_b", "a&b", "a^b"], &["ab", "a-b"]);
        matches("[-a-c]", &["-", "b"], &["d"]);
        matches("a\\*b", &["a*b"], &["aXb", "a*bb", "a*"]);
        matches("ab*bc", &["abbc", "abxbc"], &["abc"]);
        matches("{q,k,v}_proj", &["q_proj", "v_proj"], &["o_proj"]);
        matches("a+b.*.c", &["a+b.x.c"], &["aab.x.c"]);
    }

    #[test]
    fn rows_of_alike_layers_are_globs_that_match_them() {
        let names: Vec<String> = (0..20)
            .filter(|n| n % 7 != 3)
            .flat_map(|n| [0, 1, 5].map(|m| format!("layers.{n}.experts.{m}.w")))
            .collect();
        let rows = crate::model::layers::collapse(names.iter().map(|name| (name.as_str(), ())));
        assert_eq!(rows[0].name, "layers.{0..2,4..9,11..16,18,19}.experts.{0,1,5}.w");
        let pattern = Pattern::glob(&rows[0].name).unwrap();
        assert!(rows.len() == 1 && names.iter().all(|name| pattern.matches(name)));
    }

    #[test]
    fn mistakes_are_told_in_words() {
        let why = |glob: &str| Pattern::glob(glob).unwrap_err();
        assert_eq!(why("a{b"), "`{` is not closed");
        assert_eq!(why("a}b"), "`}` has no `{` before it");
        assert_eq!(why("a[b"), "`[` is not closed");
        assert_eq!(why("{3..1}"), "the range `{3..1}` runs backwards");
        assert_eq!(why("{0..99999}"), "with the range `{0..99999}` it stands for more than 10000 numbers");
        assert!(Pattern::glob(&"{0..99}".repeat(100)).is_ok());
        for many in ["{0..99}".repeat(101), format!("{{0..9999,{}}}", u64::MAX), format!("{{0..{}}}", u64::MAX)] {
            assert!(why(&many).contains("more than 10000 numbers"), "{many}");
        }
        assert_eq!(why(""), "it is empty, and no name is");
        assert!(Pattern::regex("(").is_err());
        assert!(Pattern::regex("a)|(b").is_err());
        assert!(Pattern::regex(".*(q|k)_proj").unwrap().matches("a.q_proj"));
        assert!(!Pattern::regex("q_proj").unwrap().matches("a.q_proj"));
    }
}
