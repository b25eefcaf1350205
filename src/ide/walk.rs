//! The tree of a statement as spans that mean something: the one walk that highlighting, selections, hovering and
//! navigation share.

use crate::recipe::{PART_WORDS, base_words};
use crate::scheme::Mapping;
use crate::syntax::Span;
use crate::syntax::keywords::OPERAND_PARTS;
use crate::syntax::tree::{
    Activations, Condition, Expectation, Operand, OptionEntry, Options, Part, Scheme, Selector, Statement,
    StatementKind, Term, Value, Word,
};
use std::sync::LazyLock;

/// What a piece of text means where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// A whole that has parts: a statement, a selector, a scheme, a block.
    Group,
    /// The word that begins a statement.
    Keyword,
    /// A word that holds things together: `and`, `where`, `every`.
    Connective,
    /// A path to a model.
    ModelPath,
    /// A path to another recipe.
    ImportPath,
    /// Another path.
    OtherPath,
    /// A preset's name.
    Preset,
    /// A deployment target.
    Target,
    /// A word that a setting knows, named by its statement: `compute`, `precision`, `arithmetic`.
    Setting(&'static str),
    /// The key of an option.
    OptionKey,
    /// The value of an option that is a word or text.
    OptionValue,
    /// A kind of module.
    Kind,
    /// A pattern over names.
    Glob,
    /// A regular expression over names.
    Regex,
    /// A fact that a condition compares.
    Fact,
    /// A word or text that a fact is compared with.
    FactValue,
    /// What an expectation measures.
    Metric,
    /// A scheme's name where it is defined.
    SchemeName,
    /// A scheme's name where it is used, or a word that nothing knows.
    SchemeUse,
    /// What weights become: `int4`, `lut3`, `keep`.
    Base,
    /// Another part of a scheme: `per-group`, `symmetric`, `scale`.
    Part,
    /// The word behind a part: `fp16` in `scale fp16`; the part's word.
    Operand(&'static str),
    /// A word behind `activations`.
    ActivationWord,
    /// A number.
    Number,
}

/// A visitor: a span, what it means, and the text where it is a word or a literal.
pub type Visit<'v, 't> = &'v mut dyn FnMut(Span, Role, &'t str);

/// The words that say what weights become.
pub(super) fn is_base(word: &str) -> bool {
    static WORDS: LazyLock<Vec<String>> = LazyLock::new(|| base_words().into_iter().map(|(word, _)| word).collect());
    WORDS.iter().any(|known| known == word)
}

/// The word of a part that takes an operand, as the language's table has it.
pub(super) fn operand_part(word: &str) -> Option<&'static str> {
    OPERAND_PARTS.iter().find(|known| known.word == word).map(|known| known.word)
}

/// Visits a statement and all that it is made of, wholes before their parts, in the order of the text.
pub fn statement<'t>(statement: &'t Statement, visit: Visit<'_, 't>) {
    visit(statement.span, Role::Group, "");
    match &statement.kind {
        StatementKind::Model(path) => text(path.as_ref(), Role::ModelPath, visit),
        StatementKind::Output(path) => text(path.as_ref(), Role::OtherPath, visit),
        StatementKind::Import(path) => text(path.as_ref(), Role::ImportPath, visit),
        StatementKind::Target(targets) => targets.iter().for_each(|target| leaf(target, Role::Target, visit)),
        StatementKind::Compute(word) => text(word.as_ref(), Role::Setting("compute"), visit),
        StatementKind::Precision(word) => text(word.as_ref(), Role::Setting("precision"), visit),
        StatementKind::Arithmetic(word) => text(word.as_ref(), Role::Setting("arithmetic"), visit),
        StatementKind::Threshold(number) => {
            if let Some(number) = number {
                visit(number.span, Role::Number, "");
            }
        }
        StatementKind::Calibrate { path, options: block } => {
            text(path.as_ref(), Role::OtherPath, visit);
            options(block.as_ref(), visit);
        }
        StatementKind::Shapes(block) => options(block.as_ref(), visit),
        StatementKind::Extend { preset, options: block } => {
            text(preset.as_ref(), Role::Preset, visit);
            options(block.as_ref(), visit);
        }
        StatementKind::Scheme { name, scheme: written } => {
            text(name.as_ref(), Role::SchemeName, visit);
            scheme(written.as_ref(), visit);
        }
        StatementKind::Rule { selector: matched, scheme: written, .. } => {
            selector(matched, visit);
            scheme(written.as_ref(), visit);
        }
        StatementKind::Expect(stated) => {
            if let Some(stated) = stated {
                expectation(stated, visit);
            }
        }
        StatementKind::Error => {}
    }
}

fn leaf<'t>(word: &'t Word, role: Role, visit: Visit<'_, 't>) {
    visit(word.span, role, &word.value);
}

fn text<'t>(word: Option<&'t Word>, role: Role, visit: Visit<'_, 't>) {
    if let Some(word) = word {
        leaf(word, role, visit);
    }
}

fn options<'t>(block: Option<&'t Options>, visit: Visit<'_, 't>) {
    let Some(block) = block else { return };
    visit(block.span, Role::Group, "");
    for OptionEntry { key, value: given, span } in &block.entries {
        visit(*span, Role::Group, "");
        leaf(key, Role::OptionKey, visit);
        if let Some(given) = given {
            value(given, visit);
        }
    }
}

fn value<'t>(given: &'t Value, visit: Visit<'_, 't>) {
    match given {
        Value::Number(number) => visit(number.span, Role::Number, ""),
        Value::Word(word) | Value::Text(word) => leaf(word, Role::OptionValue, visit),
        Value::List(list) => {
            visit(list.span, Role::Group, "");
            list.value.iter().for_each(|item| value(item, visit));
        }
    }
}

/// Visits a selector.
pub fn selector<'t>(matched: &'t Selector, visit: Visit<'_, 't>) {
    match matched {
        Selector::Or(a, b) | Selector::And(a, b) => {
            visit(matched.span(), Role::Group, "");
            selector(a, visit);
            selector(b, visit);
        }
        Selector::Not(inner) | Selector::Parens(inner) => {
            visit(inner.span, Role::Group, "");
            selector(&inner.value, visit);
        }
        Selector::Where(inner, holds) => {
            visit(matched.span(), Role::Group, "");
            selector(inner, visit);
            condition(holds, visit);
        }
        Selector::Kind(word) => leaf(word, Role::Kind, visit),
        Selector::Glob(text) => leaf(text, Role::Glob, visit),
        Selector::Regex(text) => leaf(text, Role::Regex, visit),
        Selector::Missing(_) => {}
    }
}

fn condition<'t>(holds: &'t Condition, visit: Visit<'_, 't>) {
    match holds {
        Condition::Or(a, b) | Condition::And(a, b) => {
            visit(holds.span(), Role::Group, "");
            condition(a, visit);
            condition(b, visit);
        }
        Condition::Not(inner) | Condition::Parens(inner) => {
            visit(inner.span, Role::Group, "");
            condition(&inner.value, visit);
        }
        Condition::Compare { left, right, .. } => {
            visit(holds.span(), Role::Group, "");
            term(left, visit);
            term(right, visit);
        }
        Condition::Missing(_) => {}
    }
}

fn term<'t>(side: &'t Term, visit: Visit<'_, 't>) {
    use crate::recipe::selector::Fact;
    match side {
        Term::Word(word) => {
            let facts = Fact::ALL.iter().map(|(_, word, _)| *word).chain(Fact::WORDS.iter().map(|(word, _)| *word));
            let is_fact = facts.into_iter().any(|fact| fact == word.value);
            leaf(word, if is_fact { Role::Fact } else { Role::FactValue }, visit);
        }
        Term::Number(number) => visit(number.span, Role::Number, ""),
        Term::Text(text) => leaf(text, Role::FactValue, visit),
        Term::Remainder(a, b) => {
            visit(side.span(), Role::Group, "");
            term(a, visit);
            term(b, visit);
        }
        Term::Missing(_) => {}
    }
}

fn scheme<'t>(written: Option<&'t Scheme>, visit: Visit<'_, 't>) {
    let Some(written) = written else { return };
    visit(written.span, Role::Group, "");
    written.parts.iter().for_each(|one| part(one, visit));
    if let Some(Activations { span, parts }) = &written.activations {
        visit(*span, Role::Group, "");
        visit(
            Span::new(span.start, (span.start + "activations".len() as u32).min(span.end)),
            Role::Part,
            "activations",
        );
        parts.iter().for_each(|word| leaf(word, Role::ActivationWord, visit));
    }
}

fn part<'t>(one: &'t Part, visit: Visit<'_, 't>) {
    let word = one.word.value.as_str();
    let operand_of = operand_part(word);
    let role = if is_base(word) {
        Role::Base
    } else if operand_of.is_some()
        || Mapping::from_word(word).is_some()
        || PART_WORDS.iter().any(|(known, ..)| *known == word)
    {
        Role::Part
    } else {
        Role::SchemeUse
    };
    visit(one.span, Role::Group, "");
    leaf(&one.word, role, visit);
    if let Some(arguments) = &one.arguments {
        visit(arguments.span, Role::Group, "");
        arguments.value.iter().for_each(|argument| value(argument, visit));
    }
    match &one.operand {
        Some(Operand::Word(word)) => leaf(word, operand_of.map_or(Role::OptionValue, Role::Operand), visit),
        Some(Operand::Number(number)) => visit(number.span, Role::Number, ""),
        Some(Operand::Ratio(ratio)) => {
            visit(ratio.span, Role::Group, "");
            visit(ratio.value.0.span, Role::Number, "");
            visit(ratio.value.1.span, Role::Number, "");
        }
        None => {}
    }
}

fn expectation<'t>(stated: &'t Expectation, visit: Visit<'_, 't>) {
    match stated {
        Expectation::Metric { selector: about, metric, bound, .. } => {
            if let Some(about) = about {
                selector(about, visit);
            }
            leaf(metric, Role::Metric, visit);
            if let Some(bound) = bound {
                visit(bound.span, Role::Number, "");
            }
        }
        Expectation::Matches { selector: counted, count, .. } => {
            selector(counted, visit);
            if let Some(count) = count {
                visit(count.span, Role::Number, "");
            }
        }
        Expectation::Decides { selector: decided, scheme: written, .. } => {
            selector(decided, visit);
            scheme(written.as_ref(), visit);
        }
        Expectation::Quantified { quantifier, selector: about, state } => {
            leaf(quantifier, Role::Connective, visit);
            selector(about, visit);
            text(state.as_ref(), Role::Connective, visit);
        }
    }
}

/// A word or literal with what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf<'t> {
    /// Where it stands.
    pub span: Span,
    /// What it means.
    pub role: Role,
    /// The word, or the content of the literal.
    pub text: &'t str,
}

/// The words and literals of a statement, in order.
pub fn leaves(of: &Statement) -> Vec<Leaf<'_>> {
    let mut all = Vec::new();
    statement(of, &mut |span, role, text| {
        if role != Role::Group {
            all.push(Leaf { span, role, text });
        }
    });
    all
}
