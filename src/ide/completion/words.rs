//! Words of statements, settings, conditions and expectations.

use std::collections::BTreeMap;

use super::state::{Behind, Owner};
use super::{CompletionKind, List};
use crate::check::Severity;
use crate::check::rules::RULES;
use crate::coreml::target::{Platform, Target};
use crate::dtype::DType;
use crate::graph::aten::Dim;
use crate::graph::aten::shapes::Takes;
use crate::ide::Analysis;
use crate::kind::KindWord;
use crate::recipe::preset::{PRESETS, ParameterKind, Preset};
use crate::recipe::selector::Fact;
use crate::recipe::{ComputeUnits, Observer};
use crate::scheme::{Arithmetic, FloatType};
use crate::syntax::keywords::{CALIBRATION, CONNECTIVES, EXPECTATIONS, Keyword, METRICS, STATEMENTS};
use crate::syntax::tree::{Comparison, Expectation, Selector, StatementKind};
use crate::words::count;

/// Words that begin statements, with what follows them to fill in.
pub(super) fn statements(list: &mut List) {
    for keyword in STATEMENTS {
        let snippet = match keyword.word {
            "scheme" => "scheme ${1:name} = $0".to_string(),
            "calibrate" => "calibrate \"${1:calibration.safetensors}\" { samples ${2:128} }".to_string(),
            "shapes" => "shapes { ${1:input} [$2] }$0".to_string(),
            // Where a path or a name stands in quotes, the cursor stands between them.
            word if keyword.form.contains('"') => format!("{word} \"$1\"$0"),
            word => format!("{word} $0"),
        };
        list.word('b', CompletionKind::Keyword, keyword.word, keyword.meaning).snippet(snippet);
    }
}

fn keyword(words: &[Keyword], word: &str, list: &mut List) {
    if let Some(known) = words.iter().find(|known| known.word == word) {
        list.word('b', CompletionKind::Keyword, known.word, known.meaning);
    }
}

/// Presets with what they do.
pub(super) fn presets(list: &mut List) {
    for preset in PRESETS {
        list.text('b', CompletionKind::Preset, preset.name, preset.title);
    }
}

/// Targets with their operator sets, newest first; those that are too old for what the recipe asks are marked.
pub(super) fn targets(analysis: &Analysis, first: bool, list: &mut List) {
    let lowest = crate::check::needs::lowest(analysis.recipe());
    for (group, (platform, _)) in ('b'..).zip(Platform::ALL) {
        let of_platform: Vec<Target> = Target::all().filter(|target| target.platform == *platform).collect();
        for target in of_platform.iter().rev() {
            let detail = format!("{}: {}", target.set.name, target.set.adds);
            let item = list.word(group, CompletionKind::Target, &target.to_string(), &detail);
            if target.set.spec < lowest.spec {
                let first = lowest.on(target.platform).unwrap_or_else(|| lowest.name.to_string());
                item.unfit(format!("the recipe needs {first}"));
            }
        }
    }
    if first {
        list.word('y', CompletionKind::Choice, "none", "an experiment that will not be deployed");
    }
}

/// The words of a setting.
pub(super) fn setting(word: &str, list: &mut List) {
    let choices: Vec<(&str, &str)> = match word {
        "compute" => ComputeUnits::ALL.iter().map(|(_, word, _, doc)| (*word, *doc)).collect(),
        "precision" => {
            let floats = FloatType::ALL.iter().filter(|(float, ..)| matches!(float, FloatType::Fp16 | FloatType::Fp32));
            floats.map(|(_, word, doc)| (*word, *doc)).collect()
        }
        "arithmetic" => Arithmetic::ALL.iter().map(|(_, word, doc)| (*word, *doc)).collect(),
        "observer" => Observer::ALL.iter().map(|(_, word, doc)| (*word, *doc)).collect(),
        _ => Vec::new(),
    };
    for (word, doc) in choices {
        list.word('b', CompletionKind::Choice, word, doc);
    }
}

/// Numbers that are often meant.
pub(super) fn numbers(numbers: &[(&str, &str)], list: &mut List) {
    for (number, detail) in numbers {
        list.word('b', CompletionKind::Number, number, detail);
    }
}

/// What an expectation can begin with, but for selectors.
pub(super) fn expectations(list: &mut List) {
    for metric in METRICS {
        let comparison = metric.form.strip_prefix("expect ").unwrap_or(metric.form).to_string();
        list.word('a', CompletionKind::Fact, metric.word, metric.meaning).insert = comparison;
    }
    for word in ["every", "no"] {
        keyword(EXPECTATIONS, word, list);
    }
}

/// What may follow a selector or a condition.
pub(super) fn behind(behind: Behind, is_atom: bool, list: &mut List) {
    match behind {
        Behind::Rule => {
            list.word('a', CompletionKind::Operator, "=>", "what becomes of these weights").preselect = true;
        }
        Behind::Expect => {
            keyword(EXPECTATIONS, "matches", list);
            list.word('b', CompletionKind::Operator, "=>", "what must have been decided for these weights");
            if is_atom {
                list.word('b', CompletionKind::Fact, "sqnr", "signal to quantization noise ratio of these weights");
            }
        }
        Behind::Quantified => {
            keyword(EXPECTATIONS, "quantized", list);
            keyword(EXPECTATIONS, "kept", list);
        }
        Behind::Filter => {}
    }
    for word in CONNECTIVES.iter().filter(|word| word.word != "not" && (is_atom || word.word != "where")) {
        list.word('c', CompletionKind::Keyword, word.word, word.meaning);
    }
}

/// Facts that conditions compare.
pub(super) fn facts(list: &mut List) {
    let facts = Fact::ALL.iter().map(|(_, word, doc)| (*word, *doc)).chain(Fact::WORDS.iter().copied());
    for (word, doc) in facts {
        list.word('b', CompletionKind::Fact, word, doc);
    }
    keyword(CONNECTIVES, "not", list);
}

/// Comparisons.
pub(super) fn comparisons(of_fact: bool, list: &mut List) {
    for (_, sign, doc) in Comparison::ALL {
        list.word('b', CompletionKind::Operator, sign, doc);
    }
    if of_fact {
        list.word('c', CompletionKind::Operator, "%", "the rest of a division: `in_features % 32 != 0`");
    }
}

/// More distinct values of a fact than are worth listing.
const MOST_VALUES: usize = 40;

/// What a fact is compared with: the values that weights of the model have.
pub(super) fn fact_values(analysis: &Analysis, fact: &str, list: &mut List) {
    let model = analysis.planned().map(|(model, _)| model);
    let candidates = || model.into_iter().flat_map(|model| &model.weights).filter(|weight| weight.is_candidate());
    match fact {
        "ops" => {
            for (word, doc) in KindWord::words() {
                list.word('b', CompletionKind::Kind, word, doc);
            }
        }
        "dtype" => {
            for (dtype, _, word) in DType::NAMES {
                let many = candidates().filter(|weight| weight.dtype == *dtype).count();
                let item = list.word('b', CompletionKind::Choice, word, "");
                match many {
                    0 if model.is_some() => item.unfit("no weight of the model has this type"),
                    0 => {}
                    many => item.detail = count(many, "weight"),
                }
            }
        }
        _ => {
            let Some((fact, ..)) = Fact::ALL.iter().find(|(_, word, _)| *word == fact) else { return };
            let mut values: BTreeMap<u64, usize> = BTreeMap::new();
            for value in candidates().filter_map(|weight| fact.of(weight)) {
                *values.entry(value).or_default() += 1;
            }
            for (value, many) in values.into_iter().take(MOST_VALUES) {
                list.word('b', CompletionKind::Number, &value.to_string(), &count(many, "weight"));
            }
        }
    }
}

/// Keys of a block that are not there yet; those that are needed come first.
pub(super) fn option_keys(analysis: &Analysis, owner: &Owner, given: &[String], list: &mut List) {
    let is_given = |word: &str| given.iter().any(|key| key == word);
    match owner {
        Owner::Shapes => {
            let takes = analysis.planned().and_then(|(model, _)| model.takes.as_ref());
            for (name, dims) in takes.iter().flat_map(|takes| &takes.inputs).filter(|(name, _)| !is_given(name)) {
                list.word('b', CompletionKind::Option, name, &shape_text(takes, dims));
            }
        }
        Owner::Calibrate => {
            for option in CALIBRATION.iter().filter(|option| !is_given(option.word)) {
                list.word('b', CompletionKind::Option, option.word, option.meaning);
            }
        }
        Owner::Preset(name) => {
            let Some(preset) = Preset::by_name(name) else { return };
            let open = preset
                .all_parameters()
                .filter(|parameter| !is_given(parameter.name) && !parameter.short.is_some_and(is_given));
            for parameter in open {
                let word = parameter.short.unwrap_or(parameter.name);
                let needed = if parameter.required { "needed: " } else { "" };
                let group = if parameter.required { 'a' } else { 'b' };
                list.word(group, CompletionKind::Option, word, &format!("{needed}{}", parameter.doc));
            }
        }
    }
}

/// Values of an option.
pub(super) fn option_values(analysis: &Analysis, owner: &Owner, key: &str, list: &mut List) {
    let kind = match owner {
        Owner::Shapes => return input_shape(analysis, key, list),
        Owner::Calibrate => match key {
            "samples" => return numbers(&[("128", "a usual number of samples")], list),
            "averaging" => return numbers(&[("0.01", "upstream's default")], list),
            "observe" => {
                list.word('b', CompletionKind::Choice, "float", "ranges from a plain float pass");
                return;
            }
            key => return setting(key, list),
        },
        Owner::Preset(name) => Preset::by_name(name).and_then(|preset| preset.parameter(key)).map(|found| found.kind),
    };
    match kind {
        Some(ParameterKind::Target) => targets(analysis, false, list),
        Some(ParameterKind::Compute) => setting("compute", list),
        Some(ParameterKind::Flag) => {
            list.word('b', CompletionKind::Choice, "true", "");
            list.word('b', CompletionKind::Choice, "false", "");
        }
        Some(ParameterKind::Size) => numbers(&[("32", ""), ("64", ""), ("128", ""), ("16", "")], list),
        Some(ParameterKind::Bits) => {
            let palettes =
                [("4", "16 values"), ("3", "8 values"), ("6", "64 values"), ("8", "256 values"), ("2", "4 values")];
            numbers(&palettes, list);
        }
        Some(ParameterKind::Block) => {
            list.word('b', CompletionKind::Snippet, "[16, -1]", "rows and columns; -1 for all")
                .snippet("[${1:16}, ${2:-1}]");
        }
        Some(ParameterKind::Filter) => {
            list.word('b', CompletionKind::Snippet, "\"linear\"", "a selector in quotes").snippet("\"${1:linear}\"");
        }
        Some(ParameterKind::Text) => {
            list.word('b', CompletionKind::Snippet, "\"…\"", "").snippet("\"$1\"");
        }
        None => {}
    }
}

/// `[1, 1..128]`: what an input of an export may have.
fn shape_text(takes: Option<&Takes>, dims: &[Dim]) -> String {
    let dim = |dim: &Dim| match (dim, takes) {
        (Dim::Symbolic { expr, .. }, Some(takes)) => takes.range(expr).to_string(),
        _ => dim.to_string(),
    };
    format!("[{}]", dims.iter().map(dim).collect::<Vec<_>>().join(", "))
}

/// The shape that an input was exported with, its open sizes to be filled in.
fn input_shape(analysis: &Analysis, name: &str, list: &mut List) {
    let takes = analysis.planned().and_then(|(model, _)| model.takes.as_ref());
    let Some(dims) = takes.and_then(|takes| takes.shape(name)) else { return };
    let sizes = |fill: bool| -> String {
        let mut places = 0;
        let one = |dim: &Dim| match dim {
            Dim::Known(size) => size.to_string(),
            Dim::Symbolic { hint, .. } => {
                let size = hint.unwrap_or(1);
                places += 1;
                if fill { format!("${{{places}:{size}}}") } else { size.to_string() }
            }
        };
        format!("[{}]", dims.iter().map(one).collect::<Vec<_>>().join(", "))
    };
    let (label, snippet) = (sizes(false), sizes(true));
    list.word('b', CompletionKind::Snippet, &label, &shape_text(takes, dims)).snippet(snippet);
}

/// The block behind a statement.
pub(super) fn block(list: &mut List) {
    list.word('b', CompletionKind::Operator, "{ }", "a block of options").snippet("{ $0 }");
}

/// Bounds of a metric, in its unit.
pub(super) fn bounds(metric: &str, list: &mut List) {
    match metric {
        "size" => numbers(&[("30%", "of the bytes before"), ("12MB", "bytes after")], list),
        "bits" => numbers(&[("4.5", "bits per weight")], list),
        "sqnr" => numbers(&[("30 dB", "")], list),
        _ => numbers(&[("0.5%", ""), ("1%", "")], list),
    }
}

/// How many weights the selector before `matches` matches now.
pub(super) fn counts(analysis: &Analysis, list: &mut List) {
    let at = list.state.span.start as usize;
    let Some(open) = analysis.model_state().open() else { return };
    let Some((_, statement)) = analysis.statement_before(at) else { return };
    let StatementKind::Expect(Some(Expectation::Matches { selector, .. })) = &statement.kind else {
        return;
    };
    if matches!(selector, Selector::Missing(_)) {
        return;
    }
    let Ok(selector) = crate::recipe::fragment::selector(analysis.text_at(selector.span())) else { return };
    let many = open.matching(analysis.recipe(), &selector).len();
    list.word('a', CompletionKind::Number, &many.to_string(), "as many as match now").preselect = true;
}

/// Codes that a comment can allow: those that are no errors, the ones found in the text first.
pub(super) fn codes(analysis: &Analysis, list: &mut List) {
    for rule in RULES.iter().filter(|rule| rule.severity != Severity::Error) {
        let is_found = analysis.findings().iter().any(|finding| finding.code == rule.code);
        list.word(if is_found { 'a' } else { 'b' }, CompletionKind::Code, rule.code, rule.title);
    }
}
