//! Whole recipes to begin with.

use super::{CompletionKind, List};
use crate::ide::Analysis;
use crate::recipe::preset::{PRESETS, Preset};
use crate::recipe::starter::{Form, starter};

/// Recipes for common ends: a name, what it does, its statements. What is to be filled in stands as `${1:…}`.
const RECIPES: &[(&str, &str, &str)] = &[
    (
        "recipe: 4-bit weights of a language model",
        "embeddings in 8 bits, everything linear in 4",
        "model \"$1\"\ntarget ${2:iOS18}\n\nembedding => int8 per-channel\nlinear => int4 per-group(${3:32})\n\"lm_head\" => int8 per-channel\n\nexpect size <= ${4:30%}\n$0",
    ),
    (
        "recipe: 8-bit weights",
        "every weight in 8 bits, for iOS17 and later",
        "model \"$1\"\ntarget ${2:iOS17}\n\nall => int8 per-channel\n$0",
    ),
    (
        "recipe: palettes",
        "one table of 16 values for every 16 rows",
        "model \"$1\"\ntarget ${2:iOS18}\n\nlinear or conv or embedding => lut4 per-grouped-channel(${3:16})\n$0",
    ),
];

/// Offers whole recipes where nothing is written yet: those for common ends, and one for each preset.
pub(super) fn recipes(analysis: &Analysis, list: &mut List) {
    if !analysis.statements().is_empty() && analysis.statements().iter().any(|s| s.span != list.state.span) {
        return;
    }
    for (name, what, text) in RECIPES {
        list.word('a', CompletionKind::Snippet, name, what).snippet(*text);
    }
    for preset in PRESETS {
        let text = starter(preset, None, Form::Extend);
        let item = list.word('x', CompletionKind::Snippet, &format!("recipe: {}", preset.name), preset.title);
        item.insert = text;
    }
}

/// What a snippet writes, as Markdown.
pub(super) fn page(label: &str) -> Option<String> {
    let text = match RECIPES.iter().find(|(name, ..)| *name == label) {
        Some((.., text)) => plain(text),
        None => starter(Preset::by_name(label.strip_prefix("recipe: ")?)?, None, Form::Extend),
    };
    Some(format!("```bitmill\n{}\n```\n", text.trim_end()))
}

/// A snippet with what it proposes filled in.
pub(super) fn plain(snippet: &str) -> String {
    let mut text = String::new();
    let mut rest = snippet;
    while let Some((before, behind)) = rest.split_once('$') {
        text.push_str(before);
        rest = match behind.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some((inner, rest)) => {
                text.push_str(inner.split_once(':').map_or("", |(_, proposed)| proposed));
                rest
            }
            None => behind.trim_start_matches(|c: char| c.is_ascii_digit()),
        };
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::check::{Known, analyze};
    use crate::recipe::NoImports;
    use crate::syntax;

    #[test]
    fn whole_recipes_are_good_recipes() {
        for (name, _, text) in RECIPES {
            let text = plain(text).replace("\"\"", "\"m\"");
            let found = analyze(Path::new("r.bitmill"), &text, &NoImports, Known::Nothing).findings;
            let errors: Vec<_> = found.iter().filter(|f| f.severity > crate::check::Severity::Hint).collect();
            assert!(errors.is_empty(), "{name}: {errors:?}");
            assert!(syntax::parse(&text).errors.is_empty());
            assert!(page(name).is_some());
        }
        assert!(PRESETS.iter().all(|preset| page(&format!("recipe: {}", preset.name)).is_some()));
        assert_eq!(page("nothing"), None);
    }
}
