//! Parts of schemes, each judged for the target and the weights that the statement is about.

use super::state::Scheme;
use super::{CompletionKind, List};
use crate::check::divides::SMALLEST_GROUP;
use crate::check::schemes::common_divisor;
use crate::ide::Analysis;
use crate::ide::prospects::Prospects;
use crate::plan::fit::better_extents;
use crate::recipe::{PART_WORDS, base_words};
use crate::scheme::{FloatType, Mapping, PaletteFit, ScaleSearch};
use crate::syntax::keywords::{ACTIVATIONS, OPERAND_PARTS};

/// Group sizes that are usual.
const SIZES: &[usize] = &[16, 32, 64, 128, 256];

/// The next part of a scheme: what the weights become, then the parts that go with that.
pub(super) fn parts(analysis: &Analysis, scheme: &Scheme, list: &mut List) {
    let mut prospects = Prospects::of(analysis, scheme.statement);
    let so_far = joined(&scheme.parts);
    let has_base = prospects.scheme(&so_far).is_some();
    if !has_base {
        for (word, doc) in base_words() {
            offer(&mut prospects, list, ('b', CompletionKind::Base), &so_far, &word, &word, &doc);
        }
    }
    let known = analysis.recipe().schemes.iter();
    // A scheme is known below its definition only.
    let known = known.filter(|one| one.name.place.file.0 > 0 || one.place.span.start < scheme.statement);
    let known = known.filter(|one| !scheme.parts.contains(&one.name.value));
    for named in known {
        let meaning = named.scheme.as_ref().map_or(String::new(), ToString::to_string);
        let name = &named.name.value;
        offer(&mut prospects, list, ('a', CompletionKind::Scheme), &so_far, name, name, &meaning);
    }
    if !has_base {
        return;
    }
    for (word, form, doc) in PART_WORDS {
        let form = best_form(&prospects, form);
        let item = offer(&mut prospects, list, ('c', CompletionKind::Part), &so_far, word, &form, doc);
        if let Some(item) = item {
            item.label = form.clone();
            item.filter = Some(word.to_string());
            let snippet = placeholders(&form);
            item.is_snippet = snippet != form;
            item.insert = snippet;
        }
    }
    for (_, word, doc) in Mapping::ALL {
        offer(&mut prospects, list, ('d', CompletionKind::Part), &so_far, word, word, doc);
    }
    for keyword in OPERAND_PARTS {
        let item = offer(
            &mut prospects,
            list,
            ('e', CompletionKind::Part),
            &so_far,
            keyword.word,
            keyword.form,
            keyword.meaning,
        );
        if let Some(item) = item {
            item.insert = format!("{} ", keyword.word);
        }
    }
    let activations = format!("{so_far}, activations uint8");
    if prospects.scheme(&activations).is_some() {
        let item = list.word('f', CompletionKind::Part, ", activations", ACTIVATIONS.meaning);
        item.insert = ", activations uint8".to_string();
        item.filter = Some("activations".to_string());
    }
}

/// Offers a part where it goes with what is written; `trial` is the part as it is tried. Without a model, `doc` says
/// what it is.
fn offer<'l>(
    prospects: &mut Prospects,
    list: &'l mut List,
    (group, kind): (char, CompletionKind),
    so_far: &str,
    word: &str,
    trial: &str,
    doc: &str,
) -> Option<&'l mut super::Completion> {
    let scheme = prospects.scheme(format!("{so_far} {trial}").trim())?;
    let prospect = prospects.judge(&scheme);
    let doc = lower_first(doc.trim().trim_end_matches('.'));
    let detail = match prospect.detail() {
        Some(sizes) if doc.is_empty() => sizes,
        Some(sizes) => format!("{sizes}: {doc}"),
        None => doc,
    };
    let item = list.word(group, kind, word, &detail);
    if let Some(why) = prospect.unfit {
        item.unfit(why);
    }
    Some(item)
}

/// A sentence as it goes on behind a colon.
fn lower_first(doc: &str) -> String {
    let mut letters = doc.chars();
    match letters.next() {
        // Not the first of several capitals.
        Some(first) if !letters.as_str().starts_with(char::is_uppercase) => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => doc.to_string(),
    }
}

/// A form with sizes that divide the axes of the weights, where some do.
fn best_form(prospects: &Prospects, form: &str) -> String {
    let better = |wish: usize, least: usize, lengths: usize| {
        let fitting = better_extents(lengths, wish, least);
        if lengths == 0 || lengths.is_multiple_of(wish) { wish } else { fitting.first().copied().unwrap_or(wish) }
    };
    match form {
        "per-group(32)" => {
            let lengths = prospects.weights().filter_map(|weight| weight.in_features());
            format!("per-group({})", better(32, SMALLEST_GROUP, common_divisor(lengths)))
        }
        "per-grouped-channel(16)" => {
            let lengths = prospects.weights().filter_map(|weight| weight.out_features());
            format!("per-grouped-channel({})", better(16, 8, common_divisor(lengths)))
        }
        "block[16, -1]" => {
            let rank = prospects.weights().map(|weight| weight.shape.len()).next().unwrap_or(2);
            let rest = vec!["-1"; rank.saturating_sub(1)];
            format!("block[{}]", [&["16"], &rest[..]].concat().join(", "))
        }
        other => other.to_string(),
    }
}

/// A form with its arguments to fill in: `per-group(${1:32})`.
fn placeholders(form: &str) -> String {
    let (Some(open), Some(close)) = (form.find(['(', '[']), form.rfind([')', ']'])) else { return form.to_string() };
    let arguments = form[open + 1..close].split(", ").enumerate();
    let filled: Vec<String> = arguments.map(|(at, argument)| format!("${{{}:{argument}}}", at + 1)).collect();
    format!("{}{}{}", &form[..=open], filled.join(", "), &form[close..])
}

/// What belongs in the brackets behind a part: sizes that divide the axes of the weights come first, usual ones that
/// do not are marked.
pub(super) fn arguments(analysis: &Analysis, scheme: &Scheme, part: &str, given: &[String], list: &mut List) {
    let mut prospects = Prospects::of(analysis, scheme.statement);
    let so_far = joined(&scheme.parts);
    let lengths = |of: fn(&crate::model::Weight) -> Option<usize>| -> usize {
        if prospects.is_told() { common_divisor(prospects.weights().filter_map(of)) } else { 0 }
    };
    let sizes: Vec<usize> = match part {
        "per-group" if given.is_empty() => sizes(lengths(|weight| weight.in_features()), SMALLEST_GROUP),
        "per-grouped-channel" if given.is_empty() => sizes(lengths(|weight| weight.out_features()), 8),
        "per-channel" if given.is_empty() => {
            (0..prospects.weights().map(|weight| weight.shape.len()).max().unwrap_or(2)).collect()
        }
        "vector" if given.is_empty() => vec![2, 4, 8],
        "block" => {
            let axis = given.len();
            let rank = prospects.weights().map(|weight| weight.shape.len()).max().unwrap_or(2);
            if axis >= rank {
                return;
            }
            list.word('a', CompletionKind::Number, "-1", "all of the axis");
            let lengths = prospects.weights().filter_map(|weight| weight.shape.get(axis).copied());
            let common = if prospects.is_told() { common_divisor(lengths) } else { 0 };
            for size in std::iter::once(1).chain(sizes(common, 8)) {
                let item = list.word('b', CompletionKind::Number, &size.to_string(), "");
                if common > 0 && !common.is_multiple_of(size) {
                    item.unfit("does not divide the axis");
                }
            }
            return;
        }
        _ => return,
    };
    for size in sizes {
        let trial = format!("{part}({size})");
        offer(&mut prospects, list, ('b', CompletionKind::Number), &so_far, &size.to_string(), &trial, "");
    }
}

/// The usual sizes and those near 32 that divide a length, in order.
fn sizes(length: usize, least: usize) -> Vec<usize> {
    let mut all: Vec<usize> = SIZES.to_vec();
    if length > 0 {
        all.extend(better_extents(length, 32, least).into_iter().take(6));
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// What belongs behind `scale`, `by` and their like.
pub(super) fn operands(analysis: &Analysis, scheme: &Scheme, part: &str, list: &mut List) {
    let mut prospects = Prospects::of(analysis, scheme.statement);
    let words: Vec<(&str, &str)> = match part {
        "scale" => FloatType::ALL.iter().map(|(_, word, doc)| (*word, *doc)).collect(),
        "by" => ScaleSearch::ALL.iter().map(|(_, word, doc)| (*word, *doc)).collect(),
        "fit" => PaletteFit::ALL.iter().map(|(_, word, doc)| (*word, *doc)).collect(),
        "entries" => vec![("int8", "8-bit entries with a scale"), ("fp16", "float entries")],
        "sparse" => {
            vec![("50%", "half of the values become zero"), ("75%", ""), ("2:4", "two of four neighbours become zero")]
        }
        "sparse-below" => vec![("0.001", "magnitudes below become zero")],
        _ => Vec::new(),
    };
    let before = &scheme.parts[..scheme.parts.len().saturating_sub(1)];
    for (word, doc) in words {
        let trial = format!("{part} {word}");
        let kind = if word.starts_with(|c: char| c.is_ascii_digit()) {
            CompletionKind::Number
        } else {
            CompletionKind::Choice
        };
        offer(&mut prospects, list, ('b', kind), &joined(before), word, &trial, doc);
    }
}

/// Words behind `activations` that are not there yet.
pub(super) fn activations(scheme: &Scheme, list: &mut List) {
    let at = scheme.parts.iter().position(|part| part == "activations").unwrap_or(0);
    let given = &scheme.parts[at..];
    let has = |words: &[&str]| given.iter().any(|part| words.contains(&part.as_str()));
    if !has(&["uint8", "int8", "dynamic"]) {
        list.word('a', CompletionKind::Choice, "uint8", "unsigned codes of 8 bits, as Core ML's exporters write")
            .preselect = true;
        list.word('b', CompletionKind::Choice, "int8", "signed codes of 8 bits");
        list.word('b', CompletionKind::Choice, "dynamic", "computed at run time")
            .unfit("Core ML has no dynamic quantization");
    }
    for (_, word, doc) in Mapping::ALL.iter().filter(|_| !has(&["symmetric", "asymmetric"])).take(2) {
        list.word('c', CompletionKind::Choice, word, doc);
    }
}

/// `activations`, behind a comma.
pub(super) fn activations_word(list: &mut List) {
    list.word('a', CompletionKind::Part, ACTIVATIONS.word, ACTIVATIONS.meaning).insert =
        "activations uint8".to_string();
}

/// Parts as a scheme's text: what stands in brackets is glued to its word.
fn joined(parts: &[String]) -> String {
    let mut text = String::new();
    for part in parts {
        let glued = matches!(part.as_str(), "(" | ")" | "[" | "]" | "," | ":") || text.ends_with(['(', '[', ':']);
        if !text.is_empty() && !glued {
            text.push(' ');
        }
        text.push_str(part);
    }
    text
}
