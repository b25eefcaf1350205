//! Kinds and names of the model.

use super::{CompletionKind, List};
use crate::ide::Analysis;
use crate::ide::names::{Part, Sum, parts};
use crate::kind::KindWord;
use crate::syntax::Span;
use crate::syntax::keywords::CONNECTIVES;
use crate::words::{count, size};

/// More parts of a level than anyone looks through.
const MOST_PARTS: usize = 200;

/// Endings of names that are offered as patterns before anything is typed.
const MOST_ENDINGS: usize = 40;

fn detail(sum: Sum) -> String {
    format!("{}, {}", count(sum.weights, "weight"), size(sum.bytes))
}

/// Kinds with what the model has of them, and patterns over its names.
pub(super) fn atoms(analysis: &Analysis, list: &mut List) {
    let open = analysis.model_state().open();
    for (word, doc) in KindWord::words() {
        let Some(kind) = KindWord::from_word(word) else { continue };
        let item = list.word('d', CompletionKind::Kind, word, doc);
        let Some(open) = open else { continue };
        let sum = open.kind(kind);
        match sum.weights {
            0 => item.unfit("the model has none"),
            _ => item.detail = detail(sum),
        }
    }
    for word in CONNECTIVES.iter().filter(|word| word.word == "not") {
        list.word('f', CompletionKind::Keyword, word.word, word.meaning);
    }
    let Some(open) = open else { return };
    let whole = open.names().level(&[]).into_iter().filter(|part| !part.goes_on);
    for Part { name, sum, .. } in whole.take(MOST_ENDINGS) {
        list.text('e', CompletionKind::Name, &name, &detail(sum));
    }
    for (ending, sum) in open.names().endings().iter().take(MOST_ENDINGS) {
        list.text('e', CompletionKind::Name, &format!("*.{ending}"), &detail(*sum));
    }
}

/// The next part of the pattern at the cursor.
pub(super) fn level(analysis: &Analysis, list: &mut List) {
    let Some(open) = analysis.model_state().open() else { return };
    let mut written = parts(&list.state.prefix);
    let begun = written.pop().unwrap_or("");
    // Only the part at the cursor is replaced.
    let at = list.state.span.start + list.state.prefix.len() as u32;
    let behind = analysis.text_at(Span::new(at, list.state.span.end));
    let end = at + behind.find('.').unwrap_or(behind.len()) as u32;
    let span = Span::new(at - begun.len() as u32, end);
    let is_last = end == list.state.span.end;
    let found = open.names().level(&written);
    if begun.is_empty() || begun.starts_with(['*', '{']) {
        wildcards(&written, &found, span, list);
    }
    if written.is_empty() {
        let whole = Span::new(span.start, list.state.span.end);
        for (ending, sum) in open.names().endings().iter().take(MOST_ENDINGS) {
            let item = list.text('c', CompletionKind::Name, &format!("*.{ending}"), &detail(*sum));
            item.span = whole;
        }
    }
    for Part { name, sum, goes_on } in found.into_iter().take(MOST_PARTS) {
        let item = list.text('b', CompletionKind::Name, &name, &detail(sum));
        item.span = span;
        // Where no weight has the name itself, more has to follow.
        if goes_on && is_last {
            item.detail.push_str(", goes on");
        }
    }
}

/// The words that names of the model are made of, for a regular expression.
pub(super) fn regex_words(analysis: &Analysis, list: &mut List) {
    let Some(open) = analysis.model_state().open() else { return };
    for (word, sum) in open.names().words().iter().take(MOST_PARTS) {
        list.word('b', CompletionKind::Name, word, &detail(*sum));
    }
}

/// All parts of a level at once: any, and ranges of numbers.
fn wildcards(written: &[&str], found: &[Part], span: Span, list: &mut List) {
    let sum = found.iter().fold(Sum::default(), |all, part| Sum {
        weights: all.weights + part.sum.weights,
        bytes: all.bytes.saturating_add(part.sum.bytes),
    });
    if found.len() < 2 {
        return;
    }
    if !written.is_empty() {
        list.text('a', CompletionKind::Name, "*", &format!("any of {}: {}", found.len(), detail(sum))).span = span;
    }
    let numbers: Option<Vec<u64>> = found.iter().map(|part| part.name.parse().ok()).collect();
    if let Some(numbers) = numbers
        && let (Some(first), Some(last)) = (numbers.iter().min(), numbers.iter().max())
    {
        let half = first + (last - first) / 2;
        for (from, to) in [(*first, half), (half + 1, *last)] {
            if from < to {
                let many = numbers.iter().filter(|number| (from..=to).contains(number)).count();
                let range = format!("{{{from}..{to}}}");
                list.text('a', CompletionKind::Name, &range, &format!("{many} of {}", found.len())).span = span;
            }
        }
        if first < last {
            let ends = format!("{{{first},{last}}}");
            list.text('a', CompletionKind::Name, &ends, "the first and the last").span = span;
        }
    }
}
