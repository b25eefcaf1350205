//! What the line editor asks while somebody types: colours, completions, hints, whether the line is whole.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use rustyline::completion::{Candidate, Completer, FilenameCompleter};
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hinter, HistoryHinter};
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Context, Helper};

use crate::draw::terminal::{Painter, Style, clean};
use crate::ide::completion::{Completion, completion};
use crate::ide::semantic_tokens::{TokenMeaning, semantic_tokens};
use crate::ide::{Analysis, Cancel};
use crate::session::command::{Argument, COMMANDS, Call, is_command, parse};
use crate::session::help::TOPICS;
use crate::session::{LONGEST_OPEN, State, is_whole};

/// Longer lines are not coloured while they are typed: what is pasted must appear at once.
const LONGEST_COLOURED: usize = 4096;
/// Completions that are shown.
const MOST: usize = 200;
/// Characters of the description of a completion.
const LONGEST_DETAIL: usize = 60;

/// The helper of the line editor.
pub struct Prompt {
    state: Arc<Mutex<State>>,
    paint: Painter,
    hinter: HistoryHinter,
    files: FilenameCompleter,
}

impl Prompt {
    /// For a session, whose state whoever evaluates lines changes.
    pub fn new(state: Arc<Mutex<State>>, paint: Painter) -> Prompt {
        Prompt { state, paint, hinter: HistoryHinter::new(), files: FilenameCompleter::new() }
    }

    fn state(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Helper for Prompt {}

/// Something that can be written at the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    shown: String,
    insert: String,
}

impl Candidate for Choice {
    fn display(&self) -> &str {
        &self.shown
    }

    fn replacement(&self) -> &str {
        &self.insert
    }
}

impl Choice {
    fn new(label: &str, detail: &str, insert: &str) -> Choice {
        let detail = match detail.char_indices().nth(LONGEST_DETAIL) {
            Some((end, _)) => format!("{}…", &detail[..end]),
            None => detail.to_string(),
        };
        let shown = if detail.is_empty() { label.to_string() } else { format!("{label}  {detail}") };
        Choice { shown: clean(&shown).replace('\n', " "), insert: insert.to_string() }
    }
}

impl Completer for Prompt {
    type Candidate = Choice;

    fn complete(&self, line: &str, at: usize, context: &Context<'_>) -> rustyline::Result<(usize, Vec<Choice>)> {
        let before = line.get(..at).unwrap_or(line);
        if !is_command(before) {
            return Ok(of_language(&self.state(), before, 0));
        }
        match parse(before).ok().filter(|_| before.trim_start().contains(char::is_whitespace)) {
            Some(call) => self.argument(&call, before, at, context),
            None => Ok(commands(before)),
        }
    }
}

impl Prompt {
    fn argument(
        &self,
        call: &Call,
        before: &str,
        at: usize,
        context: &Context<'_>,
    ) -> Result<(usize, Vec<Choice>), ReadlineError> {
        let word = before.rfind(char::is_whitespace).map_or(0, |blank| blank + 1);
        let written = &before[word..];
        let of = |choices: &mut dyn Iterator<Item = (String, String)>| {
            let fits = choices.filter(|(choice, _)| choice.starts_with(written));
            let found = fits.take(MOST).map(|(choice, detail)| Choice::new(&choice, &detail, &choice)).collect();
            Ok((word, found))
        };
        let state = self.state();
        match call.entry.argument {
            Argument::None => Ok((at, Vec::new())),
            Argument::Rule => {
                // Behind `over` there are schemes, and behind a comma another one.
                match before[call.offset.min(before.len())..].split_once(" over ") {
                    Some((_, schemes)) => {
                        let scheme = schemes.rsplit(", ").next().unwrap_or(schemes);
                        Ok(behind(&state, "all => ", scheme, before.len() - scheme.len()))
                    }
                    None => Ok(of_language(&state, before, call.offset.min(before.len()))),
                }
            }
            Argument::Scheme => {
                let begin = call.offset.min(before.len());
                Ok(behind(&state, "all => ", &before[begin..], begin))
            }
            Argument::Name => {
                let begin = call.offset.min(before.len());
                match before[begin..].find(char::is_whitespace) {
                    Some(blank) => Ok(behind(&state, "all => ", before[begin + blank..].trim_start(), word)),
                    None => Ok(names(&state, &before[begin..], begin)),
                }
            }
            Argument::Path => {
                let (start, pairs) = self.files.complete(before, at, context)?;
                let choice = |pair: rustyline::completion::Pair| Choice::new(&pair.display, "", &pair.replacement);
                Ok((start, pairs.into_iter().map(choice).collect()))
            }
            Argument::Target => {
                let begin = call.offset.min(before.len());
                Ok(behind(&state, "target ", &before[begin..], begin))
            }
            Argument::Word => of(&mut crate::glossary::entries()
                .into_iter()
                .map(|entry| (entry.word, entry.meaning))
                .chain(crate::check::rules::RULES.iter().map(|rule| (rule.code.to_string(), rule.title.to_string())))),
            Argument::Topic => of(&mut COMMANDS
                .iter()
                .map(|entry| (entry.name.to_string(), entry.meaning.to_string()))
                .chain(TOPICS.iter().map(|(topic, about)| (topic.to_string(), about.to_string())))),
            Argument::Switch => of(&mut ["on", "off"].into_iter().map(|word| (word.to_string(), String::new()))),
            Argument::Free => {
                let words =
                    call.entry.form.split(['[', ']', ' ']).filter(|word| word.bytes().all(|b| b.is_ascii_lowercase()));
                of(&mut words.filter(|word| !word.is_empty()).map(|word| (word.to_string(), String::new())))
            }
        }
    }
}

/// Commands that begin as is written.
fn commands(before: &str) -> (usize, Vec<Choice>) {
    let begin = before.len() - before.trim_start().len();
    let written = before[begin..].trim_start_matches(':');
    let fits = COMMANDS.iter().filter(|entry| entry.name.starts_with(written));
    let choice = |entry: &crate::session::command::Entry| {
        let blank = if entry.argument == Argument::None { "" } else { " " };
        Choice::new(&format!(":{}", entry.name), entry.meaning, &format!(":{}{blank}", entry.name))
    };
    (begin, fits.map(choice).collect())
}

/// What the editors offer at the end of a line of the language that begins at an offset of what is typed.
fn of_language(state: &State, before: &str, begin: usize) -> (usize, Vec<Choice>) {
    behind(state, "", &before[begin..], begin)
}

/// What the editors offer behind a text which follows a beginning that nobody types.
fn behind(state: &State, lead: &str, typed: &str, begin: usize) -> (usize, Vec<Choice>) {
    let mut text = state.text().to_string();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let base = text.len() + lead.len();
    text.push_str(lead);
    text.push_str(typed);
    let Ok(analysis) = state.analyse(&text, &Cancel::default()) else { return (begin, Vec::new()) };
    offered(&analysis, completion(&analysis, text.len()), base, typed, begin)
}

/// Completions as the line editor takes them: all of them replace what stands from one place on.
fn offered(
    analysis: &Analysis,
    found: Vec<Completion>,
    base: usize,
    typed: &str,
    begin: usize,
) -> (usize, Vec<Choice>) {
    let starts = found.iter().map(|one| one.span.start as usize);
    let Some(start) = starts.min().filter(|start| *start >= base) else { return (begin + typed.len(), Vec::new()) };
    let written = analysis.text().get(start..).unwrap_or("");
    let mut fits: Vec<(String, Choice)> = found
        .iter()
        .filter(|one| one.span.start as usize == start && !one.is_snippet)
        .filter(|one| {
            let filter = one.filter.as_deref().unwrap_or(&one.label);
            filter.starts_with(written) || one.insert.starts_with(written)
        })
        .map(|one| {
            let detail = match &one.unfit {
                Some(why) => format!("does not fit: {why}"),
                None => one.detail.clone(),
            };
            (one.sort.clone(), Choice::new(&one.label, &detail, &one.plain()))
        })
        .collect();
    fits.sort_by(|a, b| a.0.cmp(&b.0));
    fits.truncate(MOST);
    (begin + (start - base), fits.into_iter().map(|(_, choice)| choice).collect())
}

/// Names of weights and modules, as they stand without quotes.
fn names(state: &State, written: &str, begin: usize) -> (usize, Vec<Choice>) {
    let (from, choices) = behind(state, "\"", written.trim_start_matches('"'), begin);
    (from, choices.into_iter().filter(|choice| !choice.insert.contains('*')).collect())
}

impl Hinter for Prompt {
    type Hint = String;

    fn hint(&self, line: &str, at: usize, context: &Context<'_>) -> Option<String> {
        // A hint over several lines would stand where the next line is typed.
        self.hinter.hint(line, at, context).filter(|hint| !hint.contains('\n') && line.len() < LONGEST_COLOURED)
    }
}

impl Validator for Prompt {
    fn validate(&self, context: &mut ValidationContext) -> rustyline::Result<ValidationResult> {
        Ok(if context.input().len() > LONGEST_OPEN || is_whole(context.input()) {
            ValidationResult::Valid(None)
        } else {
            ValidationResult::Incomplete
        })
    }
}

impl Highlighter for Prompt {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        if !self.paint.is_on() || line.len() > LONGEST_COLOURED {
            return Cow::Borrowed(line);
        }
        Cow::Owned(coloured(line, self.paint))
    }

    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        Cow::Owned(self.paint.put(Style::Bold, prompt))
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(self.paint.put(Style::Dim, hint))
    }

    fn highlight_candidate<'c>(&self, candidate: &'c str, _: CompletionType) -> Cow<'c, str> {
        match candidate.split_once("  ") {
            Some((label, detail)) if self.paint.is_on() => {
                Cow::Owned(format!("{label}  {}", self.paint.put(Style::Dim, detail)))
            }
            _ => Cow::Borrowed(candidate),
        }
    }

    fn highlight_char(&self, line: &str, _: usize, kind: CmdKind) -> bool {
        self.paint.is_on() && kind != CmdKind::MoveCursor && line.len() <= LONGEST_COLOURED
    }
}

/// A line in the colours of its words. Its characters stay what they are.
pub fn coloured(line: &str, paint: Painter) -> String {
    let (command, rest) = match is_command(line) {
        true => {
            let begin = line.len() - line.trim_start().len();
            let end = line[begin..].find(char::is_whitespace).map_or(line.len(), |blank| begin + blank);
            line.split_at(end)
        }
        false => ("", line),
    };
    let mut out = if command.is_empty() { String::new() } else { paint.put(Style::Bold, command) };
    let analysis = Analysis::of_text(rest);
    let mut at = 0;
    for token in semantic_tokens(&analysis, None) {
        let range = token.span.range();
        let (Some(before), Some(text)) = (rest.get(at..range.start), rest.get(range.clone())) else { continue };
        out.push_str(before);
        out.push_str(&paint.put(style(token.meaning), text));
        at = range.end;
    }
    out.push_str(&rest[at..]);
    out
}

const fn style(meaning: TokenMeaning) -> Style {
    match meaning {
        TokenMeaning::Keyword => Style::Keyword,
        TokenMeaning::Comment => Style::Dim,
        TokenMeaning::Directive => Style::Hint,
        TokenMeaning::Number | TokenMeaning::Choice | TokenMeaning::Target => Style::Number,
        TokenMeaning::Text | TokenMeaning::Pattern | TokenMeaning::Regex | TokenMeaning::Preset => Style::Good,
        TokenMeaning::Kind | TokenMeaning::Fact => Style::Warning,
        TokenMeaning::Scheme | TokenMeaning::Base | TokenMeaning::Part | TokenMeaning::OptionKey => Style::Code,
        TokenMeaning::Operator => Style::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Display;

    fn inserts(found: &(usize, Vec<Choice>)) -> Vec<&str> {
        found.1.iter().map(|choice| choice.insert.as_str()).collect()
    }

    #[test]
    fn commands_and_language_are_completed() {
        let state = State::begin(None, None, Display::default()).unwrap();
        assert_eq!(inserts(&commands(":sw")), [":sweep "]);
        assert_eq!(commands("  :").0, 2);
        let found = of_language(&state, "linear => int", 0);
        assert_eq!(found.0, 10);
        assert!(inserts(&found).contains(&"int4"), "{found:?}");
        let found = behind(&state, "all => ", "int4 per-ch", 20);
        assert_eq!((found.0, inserts(&found)), (25, vec!["per-channel"]));
        let found = behind(&state, "target ", "iOS1", 8);
        assert!(found.0 == 8 && inserts(&found).contains(&"iOS18"), "{found:?}");
    }

    #[test]
    fn colours_change_no_character() {
        let paint = Painter::PLAIN;
        for line in ["", ":try linear => int4 per-group(32) # x", "\u{1b}[2J", "scheme é = \"", "  :é ü"] {
            assert_eq!(coloured(line, paint), line);
        }
    }
}
