//! Statements to settings, rules and expectations.

use std::collections::HashMap;
use std::path::Path;

use super::preset::{ParameterKind, ParameterValue, Preset};
use super::problem::ProblemKind;
use super::resolve::{Meaning, Resolver};
use super::source::{FileId, Place, Placed};
use super::{
    Bound, Calibration, Claim, ComputeUnits, Expect, Extend, InputShape, InputShapes, Metric, NamedScheme, Observer,
    Rule, TargetChoice, quantity, scheme,
};
use crate::coreml::target::Target;
use crate::scheme::{Arithmetic, FloatType};
use crate::syntax::keywords::CALIBRATION;
use crate::syntax::tree::{
    self, Expectation, Number, OptionEntry, Options, Statement, StatementKind, Text, Value, Word,
};
use crate::syntax::{self, Span};

/// What stands there, wherever that is.
fn values<T: Clone>(placed: &[Placed<T>]) -> Vec<T> {
    placed.iter().map(|one| one.value.clone()).collect()
}

/// Reads statements of one file.
pub(super) struct Reader<'r, 'a> {
    pub resolver: &'r mut Resolver<'a>,
    pub file: FileId,
}

impl Reader<'_, '_> {
    pub(super) fn place(&self, span: Span) -> Place {
        Place::new(self.file, span)
    }

    pub(super) fn problem(&mut self, span: Span, kind: ProblemKind) {
        let place = self.place(span);
        self.resolver.problem(place, kind);
    }

    fn placed(&self, text: &Text) -> Placed<String> {
        Placed::new(text.value.clone(), self.place(text.span))
    }

    /// Takes in one statement.
    pub fn statement(&mut self, statement: &Statement) {
        let place = self.place(statement.span);
        match &statement.kind {
            StatementKind::Model(Some(path)) => {
                let path = self.placed(path);
                if self.setting("model", place, vec![self.resolver.named(&path)]) {
                    self.resolver.recipe.model = Some(path);
                }
            }
            StatementKind::Output(Some(path)) => {
                let path = self.placed(path);
                if self.setting("output", place, vec![self.resolver.named(&path)]) {
                    self.resolver.recipe.output = Some(path);
                }
            }
            StatementKind::Target(words) => self.target(words, place),
            StatementKind::Compute(Some(word)) => {
                let units = ComputeUnits::ALL.iter().map(|(units, word, ..)| (*units, *word));
                if let Some(units) = self.choose("compute", word, units)
                    && self.setting("compute", place, vec![word.value.clone()])
                {
                    self.resolver.recipe.compute = Some(Placed::new(units, place));
                }
            }
            StatementKind::Precision(Some(word)) => {
                let floats = [(FloatType::Fp16, "fp16"), (FloatType::Fp32, "fp32")];
                if let Some(float) = self.choose("precision", word, floats.into_iter())
                    && self.setting("precision", place, vec![word.value.clone()])
                {
                    self.resolver.recipe.precision = Some(Placed::new(float, place));
                }
            }
            StatementKind::Arithmetic(Some(word)) => {
                let tools = Arithmetic::ALL.iter().map(|(tool, word, _)| (*tool, *word));
                if let Some(tool) = self.choose("arithmetic", word, tools)
                    && self.setting("arithmetic", place, vec![word.value.clone()])
                {
                    self.resolver.recipe.arithmetic = Some(Placed::new(tool, place));
                }
            }
            StatementKind::Threshold(Some(number)) => match quantity::count(number) {
                Some(elements) if self.setting("threshold", place, vec![elements.to_string()]) => {
                    self.resolver.recipe.threshold = Some(Placed::new(elements, place));
                }
                Some(_) => {}
                None => self.bad("threshold", "a whole number of elements, such as 2048 or 2k", number.span, None),
            },
            StatementKind::Calibrate { path, options } => self.calibrate(path.as_ref(), options.as_ref(), place),
            StatementKind::Shapes(Some(inputs)) => self.shapes(inputs, place),
            StatementKind::Scheme { name: Some(name), scheme: Some(scheme) } => self.scheme(name, scheme, place),
            StatementKind::Import(Some(path)) => {
                self.resolver.import(Path::new(&path.value), self.place(path.span), place)
            }
            StatementKind::Extend { preset: Some(name), options } => self.extend(name, options.as_ref(), place),
            StatementKind::Rule { selector, scheme, .. } => self.rule(selector, scheme.as_ref(), place),
            StatementKind::Expect(Some(expectation)) => {
                if let Some(claim) = self.claim(expectation) {
                    self.resolver.recipe.expects.push(Expect { place, claim });
                }
            }
            // What is missing or no statement at all has been reported by the parser.
            _ => {}
        }
    }

    /// Whether a setting of this file takes effect: the first in a file, and no outer file has set it.
    fn setting(&mut self, name: &'static str, place: Place, means: Meaning) -> bool {
        self.resolver.setting(name, place, means)
    }

    pub(super) fn bad(&mut self, owner: &str, must: &'static str, span: Span, instead: Option<String>) {
        self.problem(span, ProblemKind::BadValue { owner: owner.to_string(), must, instead });
    }

    pub(super) fn choose<T>(
        &mut self,
        setting: &'static str,
        word: &Word,
        choices: impl Iterator<Item = (T, &'static str)> + Clone,
    ) -> Option<T> {
        let found = choices.clone().find(|(_, w)| *w == word.value).map(|(value, _)| value);
        if found.is_none() {
            let choices = choices.map(|(_, w)| w).collect();
            self.problem(word.span, ProblemKind::UnknownChoice { setting, word: word.value.clone(), choices });
        }
        found
    }

    fn target(&mut self, words: &[Word], place: Place) {
        let mut systems = Vec::new();
        for word in words {
            if word.value == "none" && words.len() == 1 {
                if self.setting("target", place, vec!["none".to_owned()]) {
                    self.resolver.recipe.target = Some(TargetChoice::None(place));
                }
                return;
            }
            match Target::parse(&word.value) {
                Ok(target) => systems.push(Placed::new(target, self.place(word.span))),
                Err(why) => self.problem(word.span, ProblemKind::UnknownTarget { word: word.value.clone(), why }),
            }
        }
        let mut means: Meaning = words.iter().map(|word| word.value.clone()).collect();
        means.sort();
        if !words.is_empty() && self.setting("target", place, means) {
            // A target that cannot be read still is one: no rule should say that none is given.
            self.resolver.recipe.target = Some(TargetChoice::Systems(systems));
        }
    }

    fn calibrate(&mut self, path: Option<&Text>, options: Option<&Options>, place: Place) {
        let path = path.map(|p| self.placed(p));
        let mut read =
            Calibration { place, path, samples: None, observer: None, averaging: None, observe_float: false };
        for entry in self.entries(options) {
            let Some(value) = &entry.value else { continue };
            let at = self.place(value.span());
            match (entry.key.value.as_str(), value) {
                ("samples", Value::Number(n)) if quantity::count(n).is_some_and(|n| n > 0) => {
                    read.samples = quantity::count(n).map(|n| Placed::new(n, at));
                }
                ("samples", _) => self.bad("samples", "a whole number of at least 1", value.span(), None),
                ("averaging", Value::Number(n)) if n.unit.is_empty() && n.value > 0.0 && n.value <= 1.0 => {
                    read.averaging = Some(Placed::new(n.value, at));
                }
                ("averaging", _) => {
                    self.bad(
                        "averaging",
                        "a number above 0, at most 1: upstream's is 0.01",
                        value.span(),
                        Some("0.01".into()),
                    );
                }
                ("observer", Value::Word(word)) => {
                    let observers = Observer::ALL.iter().map(|(observer, word, _)| (*observer, *word));
                    read.observer = self.choose("observer", word, observers).map(|o| Placed::new(o, at));
                }
                ("observe", Value::Word(word)) => {
                    read.observe_float |= self.choose("observe", word, [((), "float")].into_iter()).is_some();
                }
                ("observer" | "observe", _) => self.bad(&entry.key.value, "a word", value.span(), None),
                _ => {
                    let known = CALIBRATION.iter().map(|option| option.word).collect();
                    self.unknown_option(&entry, "calibrate", known);
                }
            }
        }
        let means = vec![
            read.path.as_ref().map(|path| self.resolver.named(path)).unwrap_or_default(),
            format!("{:?}", read.samples.map(|samples| samples.value)),
            format!("{:?}", read.observer.map(|observer| observer.value)),
            format!("{:?}", read.averaging.map(|averaging| averaging.value)),
            read.observe_float.to_string(),
        ];
        if self.setting("calibrate", place, means) {
            self.resolver.recipe.calibrate = Some(read);
        }
    }

    fn shapes(&mut self, block: &Options, place: Place) {
        let mut inputs = Vec::new();
        for entry in self.entries(Some(block)) {
            let Some(value) = &entry.value else { continue };
            let several = |items: &[Value]| items.iter().any(|item| matches!(item, Value::List(_)));
            let shapes: Option<Vec<Placed<Vec<u64>>>> = match value {
                Value::List(list) if several(&list.value) => list.value.iter().map(|one| self.shape(one)).collect(),
                one => self.shape(one).map(|shape| vec![shape]),
            };
            let Some(shapes) = shapes.filter(|shapes| !shapes.is_empty()) else { continue };
            inputs.push(InputShape { name: Placed::new(entry.key.value.clone(), self.place(entry.key.span)), shapes });
        }
        let mut means: Meaning =
            inputs.iter().map(|input| format!("{} {:?}", input.name.value, values(&input.shapes))).collect();
        means.sort();
        if self.setting("shapes", place, means) {
            self.resolver.recipe.shapes = Some(InputShapes { place, inputs });
        }
    }

    /// `[1, 64]`
    fn shape(&mut self, value: &Value) -> Option<Placed<Vec<u64>>> {
        let size = |value: &Value| match value {
            Value::Number(number) => quantity::count(number).filter(|size| *size > 0),
            _ => None,
        };
        let sizes = match value {
            Value::List(list) => {
                list.value.iter().map(size).collect::<Option<Vec<u64>>>().filter(|all| !all.is_empty())
            }
            _ => None,
        };
        if sizes.is_none() {
            let must = "a shape such as `[1, 64]`, or several in brackets: `[[1, 64], [1, 128]]`";
            self.bad("shapes", must, value.span(), None);
        }
        Some(Placed::new(sizes?, self.place(value.span())))
    }

    /// The entries of a block, each key once.
    fn entries(&mut self, options: Option<&Options>) -> Vec<OptionEntry> {
        let mut entries: Vec<OptionEntry> = Vec::new();
        let mut first_of: HashMap<&str, Span> = HashMap::new();
        for entry in options.map_or(&[][..], |o| &o.entries) {
            match first_of.get(entry.key.value.as_str()) {
                Some(first) => {
                    let first = self.place(*first);
                    let what = format!("option `{}`", entry.key.value);
                    self.problem(entry.span, ProblemKind::Duplicate { what, first });
                }
                None => {
                    first_of.insert(&entry.key.value, entry.span);
                    entries.push(entry.clone());
                }
            }
        }
        entries
    }

    fn unknown_option(&mut self, entry: &OptionEntry, owner: &str, choices: Vec<&'static str>) {
        let key = entry.key.value.clone();
        self.problem(entry.key.span, ProblemKind::UnknownOption { key, owner: owner.to_string(), choices });
    }

    fn scheme(&mut self, name: &Word, written: &tree::Scheme, place: Place) {
        let resolved = scheme::resolve(self.resolver, self.file, written);
        let name = Placed::new(name.value.clone(), self.place(name.span));
        let named = NamedScheme { name, scheme: resolved.scheme, origins: resolved.origins, place, uses: Vec::new() };
        self.resolver.define_scheme(named, resolved.draft);
    }

    fn rule(&mut self, selector: &tree::Selector, written: Option<&tree::Scheme>, place: Place) {
        let selector_place = self.place(selector.span());
        let selector = self.selector(selector);
        let (scheme, origins, scheme_place) = match written {
            Some(written) => {
                let resolved = scheme::resolve(self.resolver, self.file, written);
                (resolved.scheme, resolved.origins, self.place(written.span))
            }
            None => (None, Default::default(), place),
        };
        let rule = Rule { selector, selector_place, scheme, scheme_place, origins, place };
        self.resolver.recipe.rules.push(rule);
    }

    fn extend(&mut self, name: &Text, options: Option<&Options>, place: Place) {
        let placed_name = self.placed(name);
        let Some(preset) = Preset::by_name(&name.value) else {
            self.problem(name.span, ProblemKind::UnknownPreset { name: name.value.clone() });
            let extend = Extend { preset: None, place, name: placed_name, parameters: Vec::new(), expansion: None };
            self.resolver.recipe.extends.push(extend);
            return;
        };
        let mut parameters: Vec<(&'static str, ParameterValue, Place)> = Vec::new();
        let mut complete = true;
        for entry in self.entries(options) {
            let Some(parameter) = preset.parameter(&entry.key.value) else {
                let choices = preset.all_parameters().map(|p| p.short.unwrap_or(p.name)).collect();
                self.unknown_option(&entry, preset.name, choices);
                continue;
            };
            if let Some((.., first)) = parameters.iter().find(|(name, ..)| *name == parameter.name) {
                let (first, what) = (*first, format!("option `{}`", parameter.name));
                self.problem(entry.span, ProblemKind::Duplicate { what, first });
                continue;
            }
            let Some(value) = &entry.value else { continue };
            match parameter_value(parameter.kind, value) {
                Some(read) => parameters.push((parameter.name, read, self.place(entry.span))),
                None => {
                    complete = false;
                    self.bad(&entry.key.value, parameter.kind.must(), value.span(), None);
                }
            }
        }
        for parameter in preset.parameters.iter().filter(|p| p.required) {
            let written = |o: &Options| {
                o.entries.iter().any(|e| e.key.value == parameter.name || parameter.short == Some(e.key.value.as_str()))
            };
            if !options.is_some_and(written) {
                complete = false;
                let owner = preset.name.to_string();
                self.problem(name.span, ProblemKind::MissingOption { key: parameter.name, owner });
            }
        }
        let text = preset.expand(|key| parameters.iter().find(|(k, ..)| *k == key).map(|(_, value, _)| value));
        let expansion = complete.then(|| self.resolver.expand(preset, text, place));
        let extend = Extend { preset: Some(preset), place, name: placed_name, parameters, expansion };
        self.resolver.recipe.extends.push(extend);
    }

    fn claim(&mut self, expectation: &Expectation) -> Option<Claim> {
        Some(match expectation {
            Expectation::Metric { selector, metric, operator, bound } => {
                let selector = selector.as_ref().map(|s| self.selector(s));
                let number = bound.as_ref()?;
                let (metric, bound) = self.metric(metric, number)?;
                Claim::Metric { selector, metric, operator: operator.as_ref()?.value, bound }
            }
            Expectation::Matches { selector, operator, count } => {
                let selector = self.selector(selector);
                let number = count.as_ref()?;
                let Some(count) = quantity::count(number) else {
                    self.bad("matches", "a whole number of weights", number.span, None);
                    return None;
                };
                Claim::Matches { selector, operator: operator.value, count }
            }
            Expectation::Decides { selector, scheme, .. } => {
                let selector = self.selector(selector);
                let resolved = scheme::resolve(self.resolver, self.file, scheme.as_ref()?);
                Claim::Decides { selector, scheme: resolved.scheme? }
            }
            Expectation::Quantified { quantifier, selector, state } => Claim::Quantified {
                every: quantifier.value == "every",
                selector: self.selector(selector),
                quantized: state.as_ref()?.value == "quantized",
            },
        })
    }

    fn metric(&mut self, word: &Word, number: &Number) -> Option<(Metric, Bound)> {
        let unit = |allowed: &[&str]| allowed.contains(&number.unit.as_str());
        let share = quantity::share(number).map(Bound::Share);
        let value = Some(Bound::Value(number.value));
        let (metric, name, bound, may_be) = match word.value.as_str() {
            "size" => {
                let bytes = quantity::bytes(number).filter(|_| !number.unit.is_empty()).map(Bound::Value);
                (Metric::Size, "size", share.or(bytes), "`%`, or bytes such as `12 MB`")
            }
            "bits" => (Metric::Bits, "bits", value.filter(|_| unit(&["", "bits"])), "nothing: bits per weight"),
            "sqnr" => (Metric::Sqnr, "sqnr", value.filter(|_| unit(&["", "dB"])), "`dB`"),
            "accuracy drop" => (Metric::AccuracyDrop, "accuracy drop", share, "`%`"),
            "perplexity rise" => (Metric::PerplexityRise, "perplexity rise", share, "`%`"),
            _ => return None,
        };
        if bound.is_none() {
            let unit = number.unit.clone();
            self.problem(number.span, ProblemKind::BadUnit { metric: name, unit, may_be });
        }
        Some((metric, bound?))
    }
}

fn parameter_value(kind: ParameterKind, value: &Value) -> Option<ParameterValue> {
    match (kind, value) {
        (ParameterKind::Size, Value::Number(n)) => {
            quantity::count(n).filter(|n| (1..=0x7fff_ffff).contains(n)).map(ParameterValue::Count)
        }
        (ParameterKind::Bits, Value::Number(n)) => {
            quantity::count(n).filter(|n| (1..=8).contains(n)).map(ParameterValue::Count)
        }
        (ParameterKind::Block, value) => {
            scheme::block_option(value).filter(|extents| extents.len() == 2).map(ParameterValue::Block)
        }
        (ParameterKind::Flag, Value::Word(w)) => match w.value.as_str() {
            "true" => Some(ParameterValue::Flag(true)),
            "false" => Some(ParameterValue::Flag(false)),
            _ => None,
        },
        (ParameterKind::Target, Value::Word(w)) => {
            Target::parse(&w.value).ok().map(|_| ParameterValue::Text(w.value.clone()))
        }
        (ParameterKind::Compute, Value::Word(w)) => {
            let known = ComputeUnits::ALL.iter().any(|(_, word, ..)| *word == w.value);
            known.then(|| ParameterValue::Text(w.value.clone()))
        }
        (ParameterKind::Filter, Value::Text(t)) => {
            is_one_selector(&t.value).then(|| ParameterValue::Text(t.value.clone()))
        }
        (ParameterKind::Text, Value::Text(t)) => Some(ParameterValue::Text(t.value.clone())),
        _ => None,
    }
}

/// Whether a text is one selector and nothing else, and stays that in parentheses: `linear) => keep # (` does
/// not, and neither does `linear # all`.
fn is_one_selector(text: &str) -> bool {
    let reads = |text: &str| syntax::parse_selector(text).1.is_empty();
    reads(text) && reads(&format!("({text})"))
}
