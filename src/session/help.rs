//! Help: pages of commands and of the language, from the tables that know them.

use std::fmt::Write;

use super::command::{COMMANDS, Entry, find};
use super::{Answer, Failure, Halt, Outcome};
use crate::glossary;
use crate::kind::KindWord;
use crate::nearest::nearest;
use crate::recipe::selector::Fact;
use crate::recipe::{PART_WORDS, base_words};
use crate::syntax::keywords::{CONNECTIVES, OPERAND_PARTS, STATEMENTS};

/// Topics besides the commands and the words of the language, with what they are about.
pub const TOPICS: &[(&str, &str)] = &[
    ("selectors", "which weights are meant"),
    ("schemes", "what becomes of weights"),
    ("statements", "what a recipe can say"),
    ("keys", "keys that the prompt knows"),
];

/// The answer to `:help`.
pub(super) fn help(topic: Option<&str>) -> Result<Answer, Halt> {
    let Some(topic) = topic else { return Ok(Answer::told(Outcome::Help)) };
    if let Some(page) = page(topic) {
        return Ok(Answer::told(Outcome::Page(page)));
    }
    let words = COMMANDS.iter().map(|entry| entry.name).chain(TOPICS.iter().map(|(topic, _)| *topic));
    let near = nearest(topic, words).map(str::to_string).or_else(|| glossary::nearest_word(topic));
    let failure = Failure::new(format!("there is no help about `{topic}`"));
    Err(match near {
        Some(near) => failure.help(format!("did you mean `{near}`?")),
        None => {
            let topics: Vec<String> = TOPICS.iter().map(|(topic, _)| format!("`:help {topic}`")).collect();
            failure.help(format!("`:help` lists the commands; about the language: {}", topics.join(", ")))
        }
    }
    .into())
}

/// The page of a command, a topic or a word of the language, as Markdown.
pub fn page(topic: &str) -> Option<String> {
    if let Some(entry) = find(topic.trim_start_matches(':')).filter(|_| topic.starts_with(':') || !is_word(topic)) {
        return Some(command_page(entry));
    }
    match topic {
        "selectors" => Some(selectors()),
        "schemes" => Some(schemes()),
        "statements" => Some(statements()),
        "keys" => Some(KEYS.to_string()),
        word => glossary::page(word),
    }
}

/// Whether the language has a word: then that is meant, unless a colon stands before it or a command is called so.
fn is_word(topic: &str) -> bool {
    COMMANDS.iter().all(|entry| entry.name != topic) && (glossary::page(topic).is_some() || is_topic(topic))
}

fn is_topic(topic: &str) -> bool {
    TOPICS.iter().any(|(known, _)| *known == topic)
}

fn command_page(entry: &Entry) -> String {
    let mut page = format!("# {}\n\n{}.\n", entry.form, capital(entry.meaning));
    if !entry.page.is_empty() {
        _ = write!(page, "\n{}\n", entry.page);
    }
    page.push_str("\n```\n");
    for example in entry.examples {
        _ = writeln!(page, "{example}");
    }
    page.push_str("```\n");
    page
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

fn list<'a>(page: &mut String, title: &str, rows: impl Iterator<Item = (&'a str, &'a str)>) {
    _ = write!(page, "\n## {title}\n\n");
    for (form, meaning) in rows {
        _ = writeln!(page, "- `{form}`: {}", meaning.trim().trim_end_matches('.'));
    }
}

fn selectors() -> String {
    let mut page =
        "# Selectors\n\nA selector says which weights are meant. Typed alone, it lists them.\n\n```bitmill\n\
                    linear\n\"*.mlp.*\"\nlinear where in_features % 32 != 0\n```\n"
            .to_string();
    let names = [
        ("\"*.q_proj\"", "a glob over dotted names of modules and weights: `*`, `?`, `{a,b}`, `{0..3}`, `[0-9]`"),
        ("/.*_proj/", "a regular expression over the whole name"),
    ];
    list(&mut page, "Names", names.into_iter());
    list(&mut page, "Kinds", KindWord::words());
    list(&mut page, "Joined", CONNECTIVES.iter().map(|keyword| (keyword.form, keyword.meaning)));
    list(&mut page, "Facts behind `where`", Fact::ALL.iter().map(|(_, word, meaning)| (*word, *meaning)));
    page
}

fn schemes() -> String {
    let mut page =
        "# Schemes\n\nA scheme says what becomes of weights. Typed alone, it tells its size, its operators and \
                    what other tools call it.\n\n```bitmill\nint4 per-group(32)\nlut4 per-grouped-channel(16)\n```\n"
            .to_string();
    list(
        &mut page,
        "What weights become",
        base_words().iter().map(|(word, meaning)| (word.as_str(), meaning.as_str())),
    );
    let parts = PART_WORDS.iter().map(|(_, form, meaning)| (*form, *meaning));
    list(&mut page, "Parts", parts.chain(OPERAND_PARTS.iter().map(|keyword| (keyword.form, keyword.meaning))));
    page
}

fn statements() -> String {
    let mut page =
        "# Statements\n\nA statement is taken into the recipe at once, unless it brings errors with it. The \
                    last rule that matches a weight decides.\n"
            .to_string();
    let rule = ("SELECTOR => SCHEME", "a rule: what becomes of which weights");
    let rest = STATEMENTS.iter().map(|keyword| (keyword.form, keyword.meaning));
    list(&mut page, "What a recipe can say", std::iter::once(rule).chain(rest));
    page
}

const KEYS: &str = "# Keys

- `Tab`: completes, and lists what there is with what it means
- `Right`, at the end of the line: takes the hint
- `Up`, `Down`: lines typed before, those of earlier sessions too
- `Ctrl-R`: searches them
- `Enter`: reads the line; after an open bracket, `=>` or a comma, goes on in the next one
- `Ctrl-C`: gives the line up, or stops what is being computed
- `Ctrl-D`: leaves
- `Ctrl-A`, `Ctrl-E`, `Ctrl-W`, `Ctrl-K`, `Ctrl-Y`: as in Emacs and in shells
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_has_a_page() {
        for topic in TOPICS.iter().map(|(topic, _)| *topic).chain(COMMANDS.iter().map(|entry| entry.name)) {
            assert!(page(topic).is_some_and(|page| page.starts_with('#')), "{topic}");
        }
        assert!(page("target").is_some_and(|page| page.starts_with("# :target")));
        assert!(page("per-group").is_some() && page("affine-bits").is_some());
        assert!(page("sch").is_none_or(|page| !page.starts_with("# :")));
        assert_eq!(page("nonsense"), None);
    }
}
