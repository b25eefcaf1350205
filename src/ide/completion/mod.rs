//! What can be written at the cursor, with what the model and the target say about it.

mod names;
mod paths;
mod schemes;
mod snippets;
mod state;
mod words;

use super::Analysis;
use crate::glossary;
use crate::recipe::preset::Preset;
use crate::syntax::Span;
use crate::syntax::token::quote;
use state::{Expected, State, state};

/// Characters behind which completion is asked for.
pub const TRIGGERS: &[char] = &['"', '.', '/', '(', '[', '{', ' ', ',', '*', '='];

/// What is completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompletionKind {
    /// A word that begins or joins.
    Keyword,
    /// A kind of module.
    Kind,
    /// A part of a module's name, or a pattern over names.
    Name,
    /// A fact of a weight, or what is measured.
    Fact,
    /// A named scheme.
    Scheme,
    /// What weights become.
    Base,
    /// Another part of a scheme.
    Part,
    /// A word that a setting knows.
    Choice,
    /// A deployment target.
    Target,
    /// A preset.
    Preset,
    /// The key of an option.
    Option,
    /// A number.
    Number,
    /// A comparison or other sign.
    Operator,
    /// A file.
    File,
    /// A directory.
    Directory,
    /// The code of a rule.
    Code,
    /// A whole statement or recipe.
    Snippet,
}

/// One thing that can be written at the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// What is shown.
    pub label: String,
    /// What it is.
    pub kind: CompletionKind,
    /// More on the same line: counts, sizes, a meaning. Empty for nothing.
    pub detail: String,
    /// What is replaced.
    pub span: Span,
    /// By what; with places to fill in (`${1:…}`) where [`Completion::is_snippet`].
    pub insert: String,
    /// Whether it has places to fill in.
    pub is_snippet: bool,
    /// The order among the others.
    pub sort: String,
    /// What is compared with the text that is replaced, where that is not the label.
    pub filter: Option<String>,
    /// Why it does not fit here, where it does not.
    pub unfit: Option<String>,
    /// Whether it is what most would choose.
    pub preselect: bool,
}

/// Everything that can be written at an offset, the likeliest first.
pub fn completion(analysis: &Analysis, offset: usize) -> Vec<Completion> {
    let state = state(analysis, offset);
    let mut list = List { state: &state, items: Vec::new() };
    fill(analysis, &mut list);
    list.items
}

/// The page of something that was offered, as Markdown.
pub fn documentation(kind: CompletionKind, label: &str) -> Option<String> {
    match kind {
        CompletionKind::Preset => Preset::by_name(label).map(glossary::preset_page),
        CompletionKind::Snippet => snippets::page(label),
        CompletionKind::File | CompletionKind::Directory | CompletionKind::Name | CompletionKind::Number => None,
        _ => glossary::page(label.split(['(', '[', ' ']).next().unwrap_or(label)),
    }
}

fn fill(analysis: &Analysis, list: &mut List) {
    if list.state.in_text {
        return in_text(analysis, list);
    }
    match &list.state.expected {
        Expected::Statement => {
            snippets::recipes(analysis, list);
            words::statements(list);
            names::atoms(analysis, list);
        }
        Expected::Path(keyword) => paths::paths(analysis, keyword, list),
        Expected::Preset => words::presets(list),
        Expected::Target { first } => words::targets(analysis, *first, list),
        Expected::Setting(word) => words::setting(word, list),
        Expected::Threshold => {
            words::numbers(&[("2048", "coremltools' default for packages"), ("0", "no threshold")], list)
        }
        Expected::Atom { expect } => {
            if *expect {
                words::expectations(list);
            }
            names::atoms(analysis, list);
        }
        Expected::BehindAtom(behind) => words::behind(*behind, true, list),
        Expected::BehindCondition(behind) => words::behind(*behind, false, list),
        Expected::Fact => words::facts(list),
        Expected::Comparison { of_fact } => words::comparisons(*of_fact, list),
        Expected::FactValue(fact) => words::fact_values(analysis, fact, list),
        Expected::SchemePart(scheme) => schemes::parts(analysis, scheme, list),
        Expected::Argument { scheme, part, given } => schemes::arguments(analysis, scheme, part, given, list),
        Expected::Operand(scheme, part) => schemes::operands(analysis, scheme, part, list),
        Expected::Activation(scheme) => schemes::activations(scheme, list),
        Expected::ActivationsWord => schemes::activations_word(list),
        Expected::OptionKey(owner, given) => words::option_keys(analysis, owner, given, list),
        Expected::OptionValue(owner, key) => words::option_values(analysis, owner, key, list),
        Expected::Block => words::block(list),
        Expected::Bound(metric) => words::bounds(metric, list),
        Expected::Count => words::counts(analysis, list),
        Expected::Code => words::codes(analysis, list),
        Expected::RegexWord => names::regex_words(analysis, list),
        Expected::Nothing => {}
    }
}

/// Within quotes, only what stands in quotes.
fn in_text(analysis: &Analysis, list: &mut List) {
    match &list.state.expected {
        Expected::Path(keyword) => paths::paths(analysis, keyword, list),
        Expected::Preset => words::presets(list),
        Expected::Statement | Expected::Atom { .. } => names::level(analysis, list),
        Expected::RegexWord => names::regex_words(analysis, list),
        _ => {}
    }
}

/// What was found so far.
pub(super) struct List<'a> {
    state: &'a State,
    items: Vec<Completion>,
}

impl List<'_> {
    /// Adds a word as it stands; groups with smaller letters come first.
    fn word(&mut self, group: char, kind: CompletionKind, word: &str, detail: &str) -> &mut Completion {
        let at = self.items.len();
        self.items.push(Completion {
            label: word.to_string(),
            kind,
            detail: detail.trim().to_string(),
            span: self.state.span,
            insert: word.to_string(),
            is_snippet: false,
            sort: format!("{group}{at:04}"),
            filter: None,
            unfit: None,
            preselect: false,
        });
        &mut self.items[at]
    }

    /// Adds a text that stands in quotes, which are there already or come with it.
    fn text(&mut self, group: char, kind: CompletionKind, text: &str, detail: &str) -> &mut Completion {
        let quoted = quote(text);
        let (in_text, is_nested) = (self.state.in_text, self.state.is_nested);
        let item = self.word(group, kind, text, detail);
        let written = if in_text { inner_of(&quoted) } else { quoted };
        if !in_text {
            item.filter = Some(written.clone());
        }
        item.insert = if is_nested { inner_of(&quote(&written)) } else { written };
        item
    }
}

/// A quoted text without its quotes.
fn inner_of(quoted: &str) -> String {
    quoted[1..quoted.len() - 1].to_string()
}

impl Completion {
    /// What it writes in an editor that knows no places to fill in: what stands at them stays.
    pub fn plain(&self) -> String {
        if self.is_snippet { snippets::plain(&self.insert) } else { self.insert.clone() }
    }

    /// Marks it as something that does not fit here.
    fn unfit(&mut self, why: impl Into<String>) {
        self.unfit = Some(why.into());
        self.sort.insert(0, 'z');
    }

    /// Makes it a text with places to fill in.
    fn snippet(&mut self, text: impl Into<String>) -> &mut Completion {
        self.insert = text.into();
        self.is_snippet = true;
        self
    }
}
