//! What every word of the language means, and the page of every rule: for `explain`, for hovering.

use std::fmt::Write;

use crate::check::{pages, rules::RULES};
use crate::coreml::target::{OPERATOR_SETS, Target};
use crate::dtype::DType;
use crate::kind::KindWord;
use crate::nearest::nearest;
use crate::recipe::preset::{PRESETS, Preset};
use crate::recipe::selector::Fact;
use crate::recipe::{ComputeUnits, Observer, PART_WORDS, base_words, starter};
use crate::scheme::{Arithmetic, Mapping, PaletteFit, ScaleSearch};
use crate::syntax::keywords::{
    ACTIVATIONS, CALIBRATION, CONNECTIVES, EXPECTATIONS, Keyword, METRICS, OPERAND_PARTS, STATEMENTS,
};

/// A word of the language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The word.
    pub word: String,
    /// What it is: "a statement", "a kind of module".
    pub what: &'static str,
    /// How it is written, where that is more than the word.
    pub form: Option<String>,
    /// What it means, in one line.
    pub meaning: String,
}

impl Entry {
    fn new(word: &str, what: &'static str, meaning: &str) -> Entry {
        Entry { word: word.to_string(), what, form: None, meaning: meaning.trim().to_string() }
    }

    fn keyword(keyword: &Keyword, what: &'static str) -> Entry {
        Entry { form: Some(keyword.form.to_string()), ..Entry::new(keyword.word, what, keyword.meaning) }
    }
}

/// Every word with each of its meanings, codes of rules and presets left out.
pub fn entries() -> Vec<Entry> {
    let mut all = Vec::new();
    let keywords = |words: &'static [Keyword], what| words.iter().map(move |word| Entry::keyword(word, what));
    all.extend(keywords(STATEMENTS, "a statement"));
    all.extend(keywords(CONNECTIVES, "a connective of selectors and conditions"));
    all.extend(keywords(EXPECTATIONS, "a word of `expect`"));
    all.extend(keywords(METRICS, "what `expect` can measure"));
    all.extend(keywords(CALIBRATION, "an option of `calibrate`"));
    all.extend(base_words().iter().map(|(word, doc)| Entry::new(word, "what weights become", doc)));
    let parts = PART_WORDS
        .iter()
        .map(|(word, form, doc)| Entry { form: Some(form.to_string()), ..Entry::new(word, "a part of a scheme", doc) });
    all.extend(parts);
    all.extend(keywords(OPERAND_PARTS, "a part of a scheme"));
    all.push(Entry::keyword(&ACTIVATIONS, "a part of a scheme"));
    all.extend(Mapping::ALL.iter().map(|(_, word, doc)| Entry::new(word, "a mapping", doc)));
    all.extend(ScaleSearch::ALL.iter().map(|(_, word, doc)| Entry::new(word, "a choice of `by`", doc)));
    all.extend(PaletteFit::ALL.iter().map(|(_, word, doc)| Entry::new(word, "a choice of `fit`", doc)));
    all.extend(Arithmetic::ALL.iter().map(|(_, word, doc)| Entry::new(word, "a choice of `arithmetic`", doc)));
    all.extend(ComputeUnits::ALL.iter().map(|(_, word, _, doc)| Entry::new(word, "a choice of `compute`", doc)));
    all.extend(Observer::ALL.iter().map(|(_, word, doc)| Entry::new(word, "a choice of `observer`", doc)));
    all.extend(KindWord::words().map(|(word, doc)| Entry::new(word, "a kind of module", doc)));
    all.extend(Fact::ALL.iter().map(|(_, word, doc)| Entry::new(word, "a fact that `where` compares", doc)));
    all.extend(Fact::WORDS.iter().map(|(word, doc)| Entry::new(word, "a fact that `where` compares", doc)));
    let dtypes = DType::NAMES
        .iter()
        .map(|(_, stored, word)| Entry::new(word, "a type of elements", &format!("`{stored}` in safetensors files")));
    all.extend(dtypes);
    all
}

/// The page of a word as Markdown: of a rule by its code, a preset, a target, a Core ML operator set, or any
/// word of the language.
pub fn page(word: &str) -> Option<String> {
    if let Some(rule) = pages::rule(word) {
        return Some(pages::markdown(rule));
    }
    if let Some(preset) = Preset::by_name(word) {
        return Some(preset_page(preset));
    }
    if let Ok(target) = Target::parse(word) {
        return Some(target_page(&target.to_string(), target));
    }
    let set = OPERATOR_SETS.iter().find(|set| set.name.eq_ignore_ascii_case(word));
    if let Some(target) = set.and_then(|set| Target::all().find(|target| target.set == set)) {
        return Some(target_page(target.set.name, target));
    }
    word_page(word)
}

/// The word of the language, code, preset or target that is nearest to one that has no page.
pub fn nearest_word(word: &str) -> Option<String> {
    let mut words: Vec<String> = RULES.iter().map(|rule| rule.code.to_string()).collect();
    words.extend(PRESETS.iter().map(|preset| preset.name.to_string()));
    words.extend(entries().into_iter().map(|entry| entry.word));
    words.extend(Target::all().map(|target| target.to_string()));
    nearest(word, words.iter().map(String::as_str)).map(str::to_string)
}

/// What is more than a line about words of the language.
const MORE: &[(&str, &str)] = &[
    (
        "activations",
        "
Activations are what flows between operators. In an exported program (`.pt2`) they become codes of 8 bits where PyTorch's
PT2E has them with ExecuTorch's `CoreMLQuantizer`: what goes into a convolution of one to three dimensions or a linear
layer and what comes out of it, with the batch normalization and the activation function behind it; both sides and the
result of `add`, `mul` and `matmul`. Modules of pooling and `Flatten` keep the codes of what they take. Everything else
computes in float: embeddings, softmax, layer norms, transposed convolutions, attention in one operator.

Outputs of relu, relu6, sigmoid and hardsigmoid are asymmetric whatever the mapping, those of tanh symmetric.

The rule that decides about a weight decides about the activations of its operator. Operators without a weight have kinds
(`add`, `mul`, `matmul`, `max-pool`, `avg-pool`, `flatten`) and the names of the modules that run them; `all` means them
too. `keep`, and a scheme without this part, leave the activations in float, and an operator with a weight that takes what
such an operator gives takes it in float.

This is what upstream means, and not in all cases what it does:

- rules for modules and kinds hold; `module_name_configs` and `module_type_configs` only skip, or do nothing, on exported
  programs;
- what has become codes does not become codes again with other parameters before the next operator, which upstream does
  behind many a relu and which loses a bit;
- codes are never reshaped and read back with other parameters, which coremltools does, and which gives wrong values;
- all operators that share a weight are quantized, not only the first;
- programs that were taken apart (`run_decompositions()`) are quantized as whole ones; in these, upstream finds neither
  convolutions nor linear layers, and leaves them in float.

Stored tensors that `add`, `mul` and `matmul` take become codes as upstream has them: of 8 bits, with one scale, from
their smallest and largest value. One that a rule has made codes as a weight keeps those; one that is not finite, such as
a mask with `-inf`, stays in float, where upstream's values would all be lost.

`plan --all` lists the places, what the codes are like there, and which of them share a range.
",
    ),
    (
        "shapes",
        "
An export may leave sizes of its inputs open (`dynamic_shapes` of `torch.export.export`); the package then takes every size
within the range, and runs on the CPU and the GPU only. `shapes` settles them, under the names that the inputs have in the
export (`bitmill inspect` shows names and ranges):

- one shape, `tokens [1, 64]`: the size is fixed wherever it occurs in the program;
- several, `tokens [[1, 32], [1, 64]]`: the package takes each of these and no other, the first where nothing is said, and
  can run on the Neural Engine. Of several inputs the first shapes belong together, the second, and so on; what shares a
  size with them follows. More than one such input needs iOS 18.
",
    ),
    (
        "calibrate",
        "
The file is a `.safetensors` with a tensor for each input of the program, under the input's name; its first dimension
counts samples. A program that was exported for a batch takes as many samples at once, one with an open batch as many as
it was exported with; samples that fill no batch are left out. Tensors with numbers (`image.0`, `image.1`, …) are batches
as they are.

Names, shapes and types of the samples are checked with the recipe, and that all values are numbers before the first one
runs.

While samples run, weights are as they will be and every value is quantized with the range so far, as PT2E has it: so what
comes later is observed as it will be. With `observe float` everything stays in float until all ranges are known. The
observer is a moving average of each batch's smallest and largest value, or with `observer min-max` the smallest and
largest of all.
",
    ),
];

fn word_page(word: &str) -> Option<String> {
    let found: Vec<Entry> = entries().into_iter().filter(|entry| entry.word == word).collect();
    let mut page = format!("# {word}\n");
    for entry in &found {
        _ = write!(page, "\n{}{}: {}.\n", entry.what[..1].to_uppercase(), &entry.what[1..], entry.meaning);
        if let Some(form) = &entry.form {
            _ = write!(page, "\n```bitmill\n{form}\n```\n");
        }
    }
    if let Some((_, more)) = MORE.iter().find(|(known, _)| *known == word) {
        page.push_str(more);
    }
    (!found.is_empty()).then_some(page)
}

/// The page of a preset.
pub fn preset_page(preset: &Preset) -> String {
    let mut page = format!("# {}\n\nA preset of ExecuTorch: {}.\n", preset.name, preset.title);
    if let Some(target) = preset.target {
        _ = write!(page, "\nIt sets the target {target}, where the recipe names none.\n");
    }
    if !preset.beside.is_empty() {
        _ = write!(page, "\nThe recipe must say besides:\n\n```bitmill\n{}\n```\n", preset.beside.trim_end());
    }
    let statement = starter::statement(preset);
    _ = write!(page, "\n## Extended\n\n```bitmill\n{statement}\n```\n");
    _ = write!(page, "\n## Stands for\n\n```bitmill\n{}\n```\n", starter::statements(preset).trim_end());
    page.push_str("\n## Parameters\n\n");
    for parameter in preset.all_parameters() {
        let short = parameter.short.map_or(String::new(), |short| format!(" or `{short}`"));
        let needed = if parameter.required { "needed; " } else { "" };
        _ = writeln!(page, "- `{}`{short}: {needed}{}; {}", parameter.name, parameter.doc, parameter.kind.must());
    }
    page
}

fn target_page(title: &str, target: Target) -> String {
    let set = target.set;
    let mut page = format!("# {title}\n\nThe operators of {}, specification version {}.\n", set.name, set.spec);
    _ = write!(page, "\nThe first systems that have them: {}.\n", set.systems());
    _ = write!(page, "\n## Brought\n\n{}.\n\n## What older systems have\n\n", set.adds);
    for older in OPERATOR_SETS.iter().rev().filter(|older| older.spec < set.spec) {
        _ = writeln!(page, "- {}: {}", older.name, older.adds);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_has_a_page() {
        for entry in entries() {
            assert!(page(&entry.word).is_some(), "{}", entry.word);
        }
        for word in ["coreml_fp16", "iOS18", "CoreML8", "affine-bits"] {
            assert!(page(word).is_some(), "{word}");
        }
        assert_eq!(page("nonsense"), None);
        assert_eq!(page(""), None);
        assert_eq!(nearest_word("affine-bit").as_deref(), Some("affine-bits"));
    }
}
