//! The page of a rule, for `explain`: put together from what the rule's file holds.

use std::fmt::Write;

use super::rule::{Example, Needs, Rule};
use super::rules::RULES;

/// The rule of a code.
pub fn rule(code: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.code == code)
}

/// The page of a rule as Markdown.
pub fn markdown(rule: &Rule) -> String {
    let needs = match rule.needs {
        Needs::Recipe => "the recipe alone",
        Needs::Model => "the recipe and the model's headers",
        Needs::Run => "a run",
    };
    let mut page = format!(
        "# {}\n\n{}.\n\n- severity: {}\n- demanded by: {}\n- told from: {needs}\n\n{}\n",
        rule.code,
        capitalised(rule.title),
        rule.severity.word(),
        rule.binds.name(),
        rule.page.trim(),
    );
    if let Some(example) = rule.examples.first() {
        show(&mut page, example);
    }
    if !rule.sources.is_empty() {
        page.push_str("\n## Sources\n\n");
        for source in rule.sources {
            _ = writeln!(page, "- {source}");
        }
    }
    page
}

fn show(page: &mut String, example: &Example) {
    if let Some(why) = example.model.strip_prefix('!') {
        _ = write!(page, "\n## The model cannot be read\n\n```\n{why}\n```\n");
    } else if !example.model.is_empty() {
        _ = write!(page, "\n## A model\n\n```\n{}\n```\n", example.model.trim_end());
    }
    _ = write!(page, "\n## Fails\n\n```bitmill\n{}\n```\n", example.bad.trim_end());
    _ = write!(page, "\n## Mended\n\n```bitmill\n{}\n```\n", example.good.trim_end());
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().collect::<String>() + chars.as_str())
}
